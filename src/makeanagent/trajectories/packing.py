"""Many trajectories as a few flat arrays, for zoo shards."""

from collections.abc import Sequence

import numpy as np

from makeanagent.errors import InputError
from makeanagent.trajectories.trajectory import Trajectory

_FIELDS = ("observations", "actions", "success")


def pack_trajectories(trajectories: Sequence[Trajectory], prefix: str) -> dict[str, np.ndarray]:
    """Concatenate trajectories along time.

    Returns:
        `{prefix}.observations` `[sum(T + 1), O]`, `{prefix}.actions` `[sum(T), A]`,
        `{prefix}.success` `[sum(T)]` and `{prefix}.lengths` `[N]`, the T of each.
    """
    arrays = {
        f"{prefix}.{name}": np.concatenate([getattr(item, name) for item in trajectories])
        for name in _FIELDS
    }
    arrays[f"{prefix}.lengths"] = np.array([len(item) for item in trajectories], np.int64)
    return arrays


def unpack_trajectories(
    arrays: dict[str, np.ndarray], prefix: str, env_id: str | None, source: str | None
) -> list[Trajectory]:
    """Cut what `pack_trajectories` wrote back into trajectories.

    Raises:
        InputError: lengths and arrays disagree, or a number is not finite.
        KeyError: an array is missing.
    """
    lengths = arrays[f"{prefix}.lengths"]
    for name, extra in (("observations", len(lengths)), ("actions", 0), ("success", 0)):
        rows = len(arrays[f"{prefix}.{name}"])
        if rows != lengths.sum() + extra:
            raise InputError(
                f"'{prefix}.{name}' has {rows} rows, but '{prefix}.lengths' ask for"
                f" {lengths.sum() + extra}"
            )
    ends = np.cumsum(lengths)[:-1]
    observations = np.split(arrays[f"{prefix}.observations"], ends + np.arange(1, len(lengths)))
    actions = np.split(arrays[f"{prefix}.actions"], ends)
    success = np.split(arrays[f"{prefix}.success"], ends)
    return [
        Trajectory(observations=o, actions=a, success=s, env_id=env_id, source=source)
        for o, a, s in zip(observations, actions, success, strict=True)
    ]
