"""Where generators are found, and the card that goes with one."""

import re
from collections.abc import Sequence
from pathlib import Path

from makeanagent.errors import InputError
from makeanagent.policies.spec import PolicySpec
from makeanagent.trajectories.windows import Window

PRETRAINED = Path(__file__).parent / "pretrained"
"""Generators that ship with the package, a folder each."""


def find_generator(name: str | Path) -> Path:
    """The folder of a generator: bundled, on disk, or fetched from the hub.

    Raises:
        InputError: there is none.
    """
    bundled = sorted(path.name for path in PRETRAINED.iterdir()) if PRETRAINED.is_dir() else []
    if str(name) in bundled:
        return PRETRAINED / name
    if Path(name).is_dir():
        return Path(name)
    accepted = (
        f"bundled are {', '.join(bundled) or 'none'}; or give a folder, or a hub id owner/name"
    )
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", str(name)):
        raise InputError(f"{name}: no such generator; {accepted}")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(str(name)))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{name}: no such folder, and not to be had from the hub: {reason}"
        ) from None


def write_card(spec: PolicySpec, window: Window, suite: str, tasks: Sequence[str]) -> str:
    """The model card: what the generator is, reads and writes."""
    known = "\n".join(f"- {suite}/{task}" for task in tasks)
    return f"""---
library_name: makeanagent
tags: [reinforcement-learning, robotics, weight-space-generation, diffusion]
---
# A policy generator

Give it one demonstration, and it generates policy networks that act as demonstrated.

- Reads: observations of {spec.observation_dim} numbers and actions of {spec.action_dim},
  {window.words}.
- Writes: networks {spec.observation_dim}-{"-".join(map(str, spec.hidden))}-{spec.action_dim}
  ({spec.num_parameters:,} parameters).

```python
from makeanagent import MakeAnAgent, Trajectory

generator = MakeAnAgent.from_pretrained("<this folder or hub id>")
policies = generator.generate(Trajectory.load("demo.npz"), num_policies=100)
```

Trained on policies of

{known}

Limits: what it generates for other tasks is an extrapolation; measure it before you rely on it.
Clip actions and keep a stop within reach on a robot.
"""
