"""Latent topics of images: visual words, a topic model, maps of topics and of their change."""
