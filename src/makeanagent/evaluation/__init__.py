"""Policies in the simulator: rollouts, protocols and metrics."""
