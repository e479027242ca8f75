"""Suites of environments behind one small protocol."""

from makeanagent.environments.protocol import Act, Environment, Suite
from makeanagent.environments.registry import find_suite, find_task

__all__ = ["Act", "Environment", "Suite", "find_suite", "find_task"]
