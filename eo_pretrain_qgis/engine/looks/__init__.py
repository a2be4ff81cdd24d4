"""How results look: styles of map layers, pages, pictures of tiles."""
