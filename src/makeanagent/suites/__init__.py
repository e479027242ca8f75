"""Suites of environments behind one abstract class."""

from makeanagent.suites.registry import find_suite, find_task
from makeanagent.suites.suite import Act, BatchEnvironment, BatchStep, Environment, Step, Suite

__all__ = [
    "Act",
    "BatchEnvironment",
    "BatchStep",
    "Environment",
    "Step",
    "Suite",
    "find_suite",
    "find_task",
]
