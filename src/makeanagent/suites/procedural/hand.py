"""How a hand answers actions: a few constants, and the steps that they stand for."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class HandDynamics:
    """A hand that is drawn to a point, which actions move; defaults are Meta-World's, measured.

    With displacement d of the hand in a step, the hand h and the point m that draws it:
    `d <- inertia * d + pull * (m - h)` and `m <- m + action_scale * action`, within the workspace.
    """

    action_scale: float = 0.01
    "Metres that a full action moves the point which draws the hand."
    inertia: float = 0.58
    "Share of a step's displacement that is left in the next one."
    pull: float = 0.095
    "Share of the distance to the point that is added to the displacement."
    low: tuple[float, float, float] = (-0.5, 0.4, 0.05)
    "Lowest x, y and z of the point, in metres."
    high: tuple[float, float, float] = (0.5, 1.0, 0.5)
    "Highest x, y and z of the point, in metres."
    finger_inertia: float = 0.9
    "Share of a step's change of the gripper's reading that is left in the next one."
    finger_pull: float = 0.009
    "Change of the reading, 1 when open, that a full effort adds in a step."
    closed: float = 0.3
    "Reading of a gripper that is closed around nothing."

    def move(
        self, hand: np.ndarray, point: np.ndarray, motion: np.ndarray, action: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The displacement `[W, 3]` of a step, if nothing is in the way, and the new point.

        Args:
            hand: where the hands are, `[W, 3]` in metres.
            point: what draws them, `[W, 3]`.
            motion: displacement in the step before, `[W, 3]`.
            action: `[W, 3]` in [-1, 1].
        """
        low, high = np.array(self.low, hand.dtype), np.array(self.high, hand.dtype)
        point = np.clip(point + self.action_scale * action, low, high)
        return self.inertia * motion + self.pull * (point - hand), point

    def turn_fingers(
        self, reading: np.ndarray, speed: np.ndarray, effort: np.ndarray, least: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The gripper's reading and its change after a step, `[W]` each.

        Args:
            reading: of the gripper, 1 when open.
            speed: its change in the step before.
            effort: in [-1, 1], positive to close.
            least: reading at which the fingers meet each other, or something between them.
        """
        speed = self.finger_inertia * speed - self.finger_pull * effort
        wanted = reading + speed
        reading = np.clip(wanted, np.minimum(least, reading), 1)
        return reading, np.where(wanted == reading, speed, 0)
