"""Reinforcement learning: populations of agents, trained at once."""
