"""Networks and the weights they start from."""
