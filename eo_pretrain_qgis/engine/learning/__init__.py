"""Everything that trains; needs torch."""
