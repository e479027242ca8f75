"""Task names on the command line: single names, groups of a suite, or all."""

from collections.abc import Sequence

from makeanagent.errors import InputError
from makeanagent.suites.suite import Suite


def expand_tasks(suite: Suite, names: Sequence[str]) -> tuple[str, ...]:
    """Full task names, without repetition, of names, groups (`suite.groups`) and `all`.

    A group that the suite does not have reads as a task name; `seen` means all tasks of a suite
    without groups.

    Raises:
        InputError: there is no such task, or none at all.
    """
    groups = (suite.groups or {"seen": suite.tasks()}) | {"all": suite.tasks()}
    tasks: list[str] = []
    for name in names:
        tasks += groups[name] if name in groups else [suite.check_task(name)]
    if not tasks:
        raise InputError(f"{suite.name}: no task is given; name some")
    return tuple(dict.fromkeys(tasks))
