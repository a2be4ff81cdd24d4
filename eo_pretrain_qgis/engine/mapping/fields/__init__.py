"""From what a model says of pixels to fields: seeds, a watershed, closed polygons that share their borders."""
