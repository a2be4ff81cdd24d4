"""The process boundary: start, relay, cancel, explain; build the environment of the engine."""
