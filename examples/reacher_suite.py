"""A user's own tasks: Gymnasium's two-link arm, with a success test and a scripted expert.

    make-an-agent record --env examples/reacher_suite.py/Reacher-v5 --out demo.npz

Two tasks share the arm and its observation: to reach the target, and to reach the point opposite
it, mirrored through the arm's base. Only a demonstration tells which of them is meant.
"""

import numpy as np

from makeanagent.suites.gymnasium import GymnasiumSuite, GymnasiumTask

TOLERANCE = 0.02
"Metres between fingertip and goal that count as reached."
HORIZON = 75
"Steps of an episode: Gymnasium's 50 are fewer than the 60 that a prompt needs."
LINKS = (0.1, 0.11)
"Lengths of the arm's links in metres."
GEAR = 200.0
"Torque of a full action, on joints of about unit inertia."
STIFFNESS = 144.0
"Of the expert's joints, critically damped: most layouts take about 20 steps."


def target_of(observations: np.ndarray) -> np.ndarray:
    """The target's position, `[..., 2]`."""
    return observations[..., 4:6]


def fingertip_of(observations: np.ndarray) -> np.ndarray:
    """The fingertip's position, `[..., 2]`; the observation holds it relative to the target."""
    return observations[..., 8:10] + target_of(observations)


def reaches_target(observation: np.ndarray, info: dict) -> bool:
    """Whether the fingertip is at the target."""
    return bool(np.linalg.norm(observation[8:10]) < TOLERANCE)


def reaches_mirrored(observation: np.ndarray, info: dict) -> bool:
    """Whether the fingertip is opposite the target."""
    return bool(np.linalg.norm(fingertip_of(observation) + target_of(observation)) < TOLERANCE)


def _move_towards(goal: np.ndarray, observation: np.ndarray) -> np.ndarray:
    """Torques of springs and dampers that hold the fingertip at `goal`, by inverse kinematics."""
    joints = np.arctan2(observation[2:4], observation[0:2])
    velocities = observation[6:8]
    first, second = LINKS
    cosine = (goal @ goal - first**2 - second**2) / (2 * first * second)
    elbow = np.arccos(np.clip(cosine, -0.97, 1.0))  # The elbow stops short of folding up.
    shoulder = np.arctan2(goal[1], goal[0])
    shoulder -= np.arctan2(second * np.sin(elbow), first + second * np.cos(elbow))
    errors = np.array([shoulder, elbow]) - joints
    errors[0] = np.arctan2(np.sin(errors[0]), np.cos(errors[0]))  # The shorter way round.
    torques = STIFFNESS * errors - 2 * np.sqrt(STIFFNESS) * velocities
    return np.clip(torques / GEAR, -1.0, 1.0)


def reach_target(observation: np.ndarray) -> np.ndarray:
    """Expert that moves to the target and stays there."""
    return _move_towards(target_of(observation), observation)


def reach_mirrored(observation: np.ndarray) -> np.ndarray:
    """Expert that moves to the point opposite the target and stays there."""
    return _move_towards(-target_of(observation), observation)


def paths(observations: np.ndarray) -> dict[str, np.ndarray]:
    """What a report draws: fingertip and target in metres, `[T, 3]` each."""
    positions = {"fingertip": fingertip_of(observations), "target": target_of(observations)}
    return {
        name: np.pad(xy, ((0, 0), (0, 1)), constant_values=0.01) for name, xy in positions.items()
    }


suite = GymnasiumSuite(
    (
        GymnasiumTask(
            env_id="Reacher-v5",
            success=reaches_target,
            expert=reach_target,
            horizon=HORIZON,
            traces=paths,
        ),
        GymnasiumTask(
            env_id="Reacher-v5",
            name="Reacher-mirrored",
            success=reaches_mirrored,
            expert=reach_mirrored,
            horizon=HORIZON,
            traces=paths,
        ),
    )
)
