"""A mask of the clouds in one scene, from its own classification or from a model."""
