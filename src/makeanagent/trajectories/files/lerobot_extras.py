"""What LeRobot has no place for: each episode's last observation, and who acted where."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from makeanagent.artifacts import read_json
from makeanagent.errors import InputError
from makeanagent.trajectories.trajectory import Trajectory

EXTRAS = "meta/makeanagent.json"
_TEXTS = ("env_id", "source", "task")


class Extra(NamedTuple):
    """What is known of an episode besides its rows."""

    last: np.ndarray | None
    "`[O]`: what was observed after the last action."
    texts: Mapping[str, str | None]


def describe_extras(trajectories: Sequence[Trajectory], column: str) -> dict[str, Any]:
    """What goes into `EXTRAS`; `column` holds the observations."""
    return {
        "observation": column,
        "episodes": [
            {"length": len(item), "last_observation": item.observations[-1].tolist()}
            | {name: getattr(item, name) for name in _TEXTS}
            for item in trajectories
        ],
    }


def read_extras(
    folder: Path, lengths: Mapping[int, int], columns: Sequence[str]
) -> dict[int, Extra]:
    """What is known of each episode by number; nothing where episodes have changed since.

    Args:
        folder: of the dataset.
        lengths: steps of each episode.
        columns: those that are read as the observation; there is a last one only of the same.

    Raises:
        InputError: the file is damaged.
    """
    path = folder / EXTRAS
    if not path.is_file():
        return {}
    content = read_json(path)
    rows = content.get("episodes") if isinstance(content, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{path}: 'episodes' does not describe episodes")
    if dict(enumerate(row.get("length") for row in rows)) != dict(lengths):
        return {}
    has_last = [content.get("observation")] == list(columns)
    return {
        number: Extra(
            _read_last(row, f"{path}: episode {number}") if has_last else None, _read(row)
        )
        for number, row in enumerate(rows)
    }


def _read(row: Mapping[str, Any]) -> dict[str, str | None]:
    texts = {name: row.get(name) for name in _TEXTS}
    return {name: text if isinstance(text, str) else None for name, text in texts.items()}


def _read_last(row: Mapping[str, Any], where: str) -> np.ndarray:
    try:
        last: np.ndarray = np.asarray(row.get("last_observation"), np.float64)
    except (TypeError, ValueError, OverflowError):
        last = np.zeros(())
    if last.ndim != 1:
        raise InputError(f"{where}: 'last_observation' is no list of numbers")
    return last
