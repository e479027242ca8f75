"""Result files: what an experiment measured, the settings that it ran with, and what changed since.

Every file keeps its settings whole. An experiment's `resolve_settings` says what today's code would
make of the same options: where the two differ, the page that shows the figures says so.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from makeanagent.artifacts import as_json, describe_provenance, write_json

if TYPE_CHECKING:
    from makeanagent.generator import MakeAnAgent

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"

STALE = "Measured with other settings than today's, or unknown ones"
Settings = dict[str, Any]
"""Groups of settings by name, such as `guidance`, and the `options` that they follow from."""
Resolve = Callable[..., Settings]
"""From options to the settings that today's code makes of them."""


def write_result(
    path: Path,
    experiment: str,
    figures: Mapping[str, Any],
    settings: Settings,
    note: str = "",
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write an experiment's figures with everything that belongs to them, and say so.

    Args:
        path: the JSON file.
        experiment: its name.
        figures: plain JSON values.
        settings: what it ran with.
        note: what whoever ran it has to say of the run, for the page.
        provenance: of the measurement, where that was not now.
    """
    about = {
        "settings": settings,
        "note": note,
        "provenance": provenance or describe_provenance(),
    }
    write_json(path, as_json({"benchmark": experiment, **figures, **about}))
    print(f"written: {path}")


def read_result(name: str) -> dict[str, Any]:
    """One file's figures."""
    return json.loads((RESULTS / f"{name}.json").read_text())


def read_optional(name: str) -> dict[str, Any] | None:
    """One file's figures, or None where they have not been measured."""
    return read_result(name) if (RESULTS / f"{name}.json").is_file() else None


def list_changes(result: Mapping[str, Any], resolve: Resolve) -> list[str]:
    """Settings of a result that are no longer the code's, a few words each; none if all are.

    Args:
        result: an experiment's file.
        resolve: the experiment's.
    """
    found = as_json(result["settings"])
    try:
        current = as_json(resolve(**found["options"]))
    except (KeyError, TypeError):
        return ["options that the command no longer takes"]
    return list(_compare(found, current, ""))


def _compare(found: Mapping[str, Any], current: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name in [*found, *(name for name in current if name not in found)]:
        label, old, new = f"{prefix}{name}", found.get(name), current.get(name)
        if name not in current:
            yield f"{label} {_show(old)} -> gone"
        elif name not in found or (old is None and isinstance(new, dict)):
            yield f"{label} not recorded"
        elif isinstance(old, dict) and isinstance(new, dict):
            yield from _compare(old, new, f"{label}.")
        elif old != new:
            yield f"{label} {_show(old)} -> {_show(new)}"


def _show(value: Any) -> str:  # noqa: ANN401
    return "(group)" if isinstance(value, dict) else json.dumps(value)


def describe_training(generator: "MakeAnAgent") -> Settings | None:
    """The settings that a generator was trained with, or None where it does not say."""
    training = generator.config.training
    return None if training is None else training["config"]
