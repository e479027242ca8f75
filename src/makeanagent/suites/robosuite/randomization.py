"""What differs from layout to layout in a randomised world: one arm in place of many."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class RandomizationConfig:
    """Ranges that a randomised world is drawn from, by its layout."""

    base_angle: float = 0.45
    """Half of the range that is added to the first joint's start, in radians: the hand begins
    elsewhere around the base."""
    joint_std: float = 0.06
    "Standard deviation of what is added to the other joints' start, in radians."
    open_share: tuple[float, float] = (0.7, 1.0)
    "Where the gripper's opening ends, as a share of its stroke."
    closed_share: tuple[float, float] = (0.0, 0.25)
    "Where its closing ends, likewise."
    gain: tuple[float, float] = (0.7, 1.3)
    "Factor of the controller's proportional gain."


@dataclass(frozen=True, kw_only=True)
class Variation:
    """What one layout of a randomised world has: by default, what the plain world has."""

    joints: np.ndarray | None = None
    "Added to the joints' start, radians `[J]`."
    open_share: float = 1.0
    "As in `RandomizationConfig`."
    closed_share: float = 0.0
    "As in `RandomizationConfig`."
    gain: float = 1.0
    "As in `RandomizationConfig`."


def draw_variation(config: RandomizationConfig, layout: int, num_joints: int) -> Variation:
    """The variation of a layout: always the same one."""
    rng = np.random.default_rng((layout, 41))
    joints = config.joint_std * rng.standard_normal(num_joints)
    joints[0] = rng.uniform(-config.base_angle, config.base_angle)
    return Variation(
        joints=joints,
        open_share=rng.uniform(*config.open_share),
        closed_share=rng.uniform(*config.closed_share),
        gain=rng.uniform(*config.gain),
    )
