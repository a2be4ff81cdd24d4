"""Learning classes from labels: of pixels, of images, of patches."""
