"""Zoos: many policies with the trajectories that they produced, their scores and their origin."""
