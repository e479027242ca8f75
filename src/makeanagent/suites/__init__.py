"""Suites of environments behind one small protocol."""

from makeanagent.suites.registry import find_suite, find_task
from makeanagent.suites.suite import Act, Environment, Suite

__all__ = ["Act", "Environment", "Suite", "find_suite", "find_task"]
