"""Policies that the bundled generators gave when they were bundled.

`python -m tests.golden.policies` writes them anew, for a change that is meant to move them, such as
other bundled generators.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from makeanagent import GuidanceConfig, MakeAnAgent, Trajectory
from makeanagent.hub import PRETRAINED

PATH = Path(__file__).with_suffix(".safetensors")
PROMPTS = PRETRAINED.parent / "prompts"
CASES = {
    "metaworld/door-open": ("metaworld", "door-open-v3", None),
    "metaworld/door-lock": ("metaworld", "door-lock-v3", None),
    "metaworld/door-lock, guided": ("metaworld", "door-lock-v3", GuidanceConfig()),
    "metaworld-41/reach": ("metaworld-41", "reach-v3", None),
}
"""Generator, prompt and guidance of two policies each, seed 3."""


def load_prompt(task: str) -> Trajectory:
    return Trajectory.load(PROMPTS / f"{task}.npz")


def generate() -> Iterator[tuple[str, np.ndarray]]:
    """Parameters `[2, P]` of each case."""
    for name, (generator, task, guidance) in CASES.items():
        agent = MakeAnAgent.from_pretrained(generator)
        policies = agent.generate(load_prompt(task), 2, seed=3, guidance=guidance)
        yield name, policies.parameters.numpy()


if __name__ == "__main__":
    save_file(dict(generate()), PATH)
