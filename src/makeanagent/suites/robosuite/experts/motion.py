"""What experts see, what they aim at, and the action that moves the hand there."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation  # type: ignore[import-untyped]

_POSITION_GAIN, _ROTATION_GAIN = 5.0, 4.0
"Speed by distance, 1 / s."
UP = np.array([0.0, 0.0, 1.0])
DOWN = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
"The hand's rotation with its fingers down, side by side along y."


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What is observed, in metres and radians of the world."""

    position: np.ndarray
    "Of the hand, `[3]`."
    rotation: np.ndarray
    "Of the hand, `[3, 3]`: its x goes from finger to finger, its z out of the hand."
    gap: float
    "Between the fingers' pads."
    objects: np.ndarray
    "As `observations` has them, `[14]`."


@dataclass(frozen=True, kw_only=True)
class Aim:
    """Where the hand is to go."""

    position: np.ndarray
    "`[3]`."
    rotation: np.ndarray
    "`[3, 3]`."
    close: bool
    "Whether the gripper is to close; it opens otherwise."
    max_speed: float = 0.35
    "Metres a second at most."
    max_turn: float = 2.0
    "Radians a second at most."

    def find_twist(self, scene: Scene) -> np.ndarray:
        """Velocity and angular velocity toward it, `[6]`."""
        turn = Rotation.from_matrix(self.rotation @ scene.rotation.T).as_rotvec()
        return np.concatenate(
            (
                limit(_POSITION_GAIN * (self.position - scene.position), self.max_speed),
                limit(_ROTATION_GAIN * turn, self.max_turn),
            )
        )


def limit(vector: np.ndarray, longest: float) -> np.ndarray:
    """A vector that is shortened where it is longer."""
    length = float(np.linalg.norm(vector))
    return vector if length <= longest else vector * (longest / length)


def turn_about(axis: np.ndarray, angle: float) -> np.ndarray:
    """The rotation `[3, 3]` about a unit vector by radians."""
    return Rotation.from_rotvec(angle * axis).as_matrix()


def angle_between(first: np.ndarray, second: np.ndarray) -> float:
    """By how much two rotations differ, in radians."""
    cosine = (np.trace(first @ second.T) - 1.0) / 2.0
    return float(np.arccos(np.clip(cosine, -1.0, 1.0)))
