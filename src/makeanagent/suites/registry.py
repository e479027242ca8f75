"""Suites by name or by file, and tasks by id."""

import importlib
import pickle
import re
import sys
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

from makeanagent.errors import InputError
from makeanagent.suites.opengl import settle_opengl
from makeanagent.suites.suite import Suite

_SUITES = {
    "metaworld": "metaworld:MetaWorldSuite",
    "gymnasium": "gymnasium:GymnasiumSuite",
    "procedural": "procedural:ProceduralSuite",
    "robosuite": "robosuite:RobosuiteSuite",
}
"""Module and class of each suite of the package, imported when it is asked for."""
_SYMMETRIC = {"metaworld-symmetric": "metaworld", "procedural-symmetric": "procedural"}
"""Suites of mirrored and turned tasks, and whose tasks these are."""
_ENV_ID = re.compile(r"(?P<suite>.+?\.py|[^/]+)/(?P<task>.+)")


def find_suite(name: str, file: Path | None = None) -> Suite:
    """The suite called `name`: one of the package's, or a Python file that defines `suite`.

    A file is imported as a module, with its folder on `sys.path`: worker processes started after
    that find its functions too.

    Args:
        name: of the suite, with which ids of its tasks begin.
        file: where a suite in a file lies, if not where `name` says.

    Raises:
        InputError: there is no such suite.
    """
    settle_opengl()
    if name in _SUITES:
        module, _, kind = _SUITES[name].partition(":")
        suite: Suite = getattr(importlib.import_module(f"makeanagent.suites.{module}"), kind)()
        return suite
    if name in _SYMMETRIC:
        from makeanagent.suites.symmetric import SymmetricSuite

        return SymmetricSuite(find_suite(_SYMMETRIC[name]), name)
    if name.endswith(".py"):
        return _import_suite(name, Path(file or name).resolve())
    raise InputError(
        f"{name}: no such suite; there are {', '.join((*_SUITES, *_SYMMETRIC))}"
        " and Python files that define `suite`, as my_suite.py"
    )


def find_task(env_id: str) -> tuple[Suite, str]:
    """The suite and full task name of an id such as `metaworld/window-close-v3`.

    Raises:
        InputError: the id has another form, or names no suite or task.
    """
    match = _ENV_ID.fullmatch(env_id)
    if match is None or env_id.endswith(".py"):
        raise InputError(
            f"{env_id}: not of the form <suite>/<task>, as metaworld/reach-v3 or my_suite.py/reach"
        )
    suite = find_suite(match["suite"])
    return suite, suite.check_task(match["task"])


def _import_suite(name: str, path: Path) -> Suite:
    """The variable `suite` of a Python file."""
    if not path.is_file():
        raise InputError(f"{name}: no such file")
    # At the end, so that a user's file never takes the place of a library's module.
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(path.stem)
    except (Exception, SystemExit) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{name}: not importable: {type(error).__name__}: {reason}") from error
    if module.__file__ is None or Path(module.__file__).resolve() != path:
        raise InputError(f"{name}: another module is called '{path.stem}'; rename the file")
    from makeanagent.suites.gymnasium import GymnasiumSuite

    suite = getattr(module, "suite", None)
    if suite is None:
        raise InputError(f"{name}: defines no `suite`, such as `suite = GymnasiumSuite(...)`")
    if not isinstance(suite, Suite):
        raise InputError(
            f"{name}: `suite` is a {type(suite).__name__}; it must be a GymnasiumSuite or another"
            " subclass of makeanagent.suites.Suite"
        )
    if isinstance(suite, GymnasiumSuite):
        suite = suite.beside(path.parent)
    if is_dataclass(suite) and any(field.name == "name" for field in fields(suite)):
        # Ids of its tasks then lead back to the file.
        suite = replace(suite, name=name)
    try:
        pickle.dumps(suite)
    except Exception:
        raise InputError(
            f"{name}: `suite` does not pickle to worker processes;"
            " define its functions at the file's top level, without lambda"
        ) from None
    return suite
