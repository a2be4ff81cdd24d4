"""From what a model says of pixels to sea ice: its concentration on cells, its edge, and a chart with SIGRID-3 codes."""
