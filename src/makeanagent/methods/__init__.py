"""Simpler ways from a demonstration to a policy, with the generator's own interface."""
