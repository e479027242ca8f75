"""Robosuite: the paper's second domain. Policies of one arm are asked on another."""

from makeanagent.suites.robosuite.suite import RobosuiteSuite

__all__ = ["RobosuiteSuite"]
