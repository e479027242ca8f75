"""Policies of the end-effector form on an arm that is driven by its joints.

In the joint form every arm has numbers of its own: a network of one arm's joints knows nothing of
another's, and what was learned on the Panda moves no Sawyer. What arms differ by is known without
learning, their kinematics. They bring a demonstration into the form that all arms share, and a
policy that was generated there back to the joints.
"""

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation  # type: ignore[import-untyped]

from makeanagent.errors import InputError
from makeanagent.suites.robosuite.controllers import MAX_JOINT_ANGLE
from makeanagent.suites.robosuite.experts.acting import ADVANCE, REACH, compose_action
from makeanagent.suites.robosuite.experts.joints import Joints
from makeanagent.suites.robosuite.ids import END_EFFECTOR, JOINT, TaskId
from makeanagent.suites.robosuite.observations import find_fit
from makeanagent.suites.robosuite.spaces import FULL_STROKE
from makeanagent.suites.suite import Act
from makeanagent.trajectories.trajectory import Trajectory


class Retargeting:
    """Between an arm's joints and its hand.

    Args:
        task: of the joint form.

    Raises:
        InputError: it is of another.
    """

    def __init__(self, task: TaskId) -> None:
        if task.form != JOINT:
            raise InputError(f"robosuite/{task}: is of the {task.form} form, and needs no joints")
        self._task, self._joints = task, Joints(task)

    def observe(self, observation: np.ndarray) -> np.ndarray:
        """The end-effector form's observation `[41]` of a joint form's."""
        scene = self._joints.see(np.asarray(observation, float))
        found = np.zeros(41)
        found[:3], found[3:9] = scene.position, scene.rotation[:, :2].T.ravel()
        found[9] = scene.gap / FULL_STROKE
        found[10:16] = self._joints.find_twist(observation[14:21])
        found[16:30] = scene.objects
        if self._task.task.startswith("nut"):
            nut = Rotation.from_quat(scene.objects[9:13]).as_matrix()
            way = scene.objects[3:6] - scene.objects[:3]
            found[30:41] = find_fit(nut, scene.rotation, scene.objects[6:9], way)
        return found

    def act(self, action: np.ndarray) -> np.ndarray:
        """The joint form's action `[8]` for an end-effector form's, where it was observed last."""
        motion = self._joints.move(REACH * np.clip(action[:6], -1.0, 1.0) / ADVANCE)
        return compose_action(motion, action[-1])

    def convert(self, demonstration: Trajectory) -> Trajectory:
        """A demonstration of the joint form as one of the end-effector form."""
        observations = np.stack([self.observe(each) for each in demonstration.observations])
        actions = []
        for observation, action in zip(
            demonstration.observations[:-1], demonstration.actions, strict=True
        ):
            self._joints.see(observation.astype(float))
            motion = self._joints.find_twist(MAX_JOINT_ANGLE * action[:7]) / REACH
            actions.append(compose_action(motion, action[-1]))
        return replace(
            demonstration,
            observations=observations,
            actions=np.stack(actions),
            env_id=f"robosuite/{replace(self._task, form=END_EFFECTOR)}",
        )


class JointActor:
    """An end-effector policy that acts by joints; see `makeanagent.rollouts.actors.Actor`.

    Args:
        policy: of the end-effector form.
        task: of the joint form.
    """

    def __init__(self, policy: Act, task: TaskId) -> None:
        self._policy, self._retargeting = policy, Retargeting(task)

    def reset(self, num_worlds: int) -> None:
        """Nothing is remembered."""

    def act(self, observations: np.ndarray) -> np.ndarray:
        """Actions `[W, 8]` for the joint form's observations `[W, 41]`."""
        found = []
        for observation in observations:
            seen = self._retargeting.observe(observation)
            found.append(self._retargeting.act(self._policy(seen)))
        return np.stack(found)
