"""Robosuite's own environments, built for the stepper.

The simulator's traps, and what is done about them here:

- Robosuite 1.5.1's Sawyer is refused by MuJoCo 3.3 ('mesh volume is too small'): its meshes get the
  inertia of shells, as in later versions.
- The Sawyer's base collides with its first joint, which it then locks: that geom meets nothing.
- Everything random comes from numpy's global generator, the cube's size among it: it is seeded for
  the time of a build and of each reset, and put back.
- An import sets `MUJOCO_GL` for all processes to come, and warns of packages that nobody needs.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np

from makeanagent.errors import InputError
from makeanagent.suites.robosuite.ids import JOINT, TaskId

CONTROL_FREQUENCY = 20
"Actions in a second."
_ENVIRONMENTS = {
    "lift": "Lift",
    "door": "Door",
    "nut-square": "NutAssemblySquare",
    "nut-round": "NutAssemblyRound",
}
_ROBOTS = {
    "panda": "Panda",
    "sawyer": "Sawyer",
    "iiwa": "IIWA",
    "kinova3": "Kinova3",
    "ur5e": "UR5e",
}
# What arms other than the paper's two carry at the factory is no parallel gripper.
_GRIPPERS = {"sawyer": "RethinkGripper"}
_OTHER_GRIPPER = "PandaGripper"
_BUILD_SEED = 0


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed numpy's global generator within the block, and leave it as it was."""
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)


def build_environment(task: TaskId) -> Any:  # noqa: ANN401
    """Robosuite's environment of a task, with soft resets."""
    _import_quietly()
    import robosuite
    from robosuite.controllers import (
        load_composite_controller_config,
        load_part_controller_config,
    )

    from makeanagent.suites.robosuite.controllers import KP, MAX_JOINT_ANGLE

    _mend_sawyer()
    if task.form == JOINT:
        part = load_part_controller_config(default_controller="JOINT_POSITION")
        part |= {"kp": KP, "output_max": MAX_JOINT_ANGLE, "output_min": -MAX_JOINT_ANGLE}
    else:
        part = load_part_controller_config(default_controller="OSC_POSE")
    controllers = load_composite_controller_config(controller="BASIC")
    controllers["body_parts"] = {"right": part | {"gripper": {"type": "GRIP"}}}
    with seeded(_BUILD_SEED):
        environment = robosuite.make(
            _ENVIRONMENTS[task.task],
            robots=_ROBOTS[task.arm],
            gripper_types=_GRIPPERS.get(task.arm, _OTHER_GRIPPER),
            controller_configs=controllers,
            control_freq=CONTROL_FREQUENCY,
            has_renderer=False,
            has_offscreen_renderer=False,
            use_camera_obs=False,
            reward_shaping=True,
            hard_reset=False,
            ignore_done=True,
        )
    model = environment.sim.model._model
    for geom in range(model.ngeom):
        if model.geom(geom).name == "robot0_base_col":
            model.geom_contype[geom] = model.geom_conaffinity[geom] = 0
    return environment


def require_robosuite() -> None:
    """Say how robosuite is installed, where it is not.

    Raises:
        InputError: it is not.
    """
    if find_spec("robosuite") is None:
        raise InputError("robosuite: not installed: pip install 'makeanagent[robosuite]'")


def _import_quietly() -> None:
    """Import robosuite, without its advice on files and packages that are not needed."""
    opengl = os.environ.get("MUJOCO_GL")
    silenced = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        import robosuite  # noqa: F401
    finally:
        logging.disable(silenced)
        if opengl is None:
            os.environ.pop("MUJOCO_GL", None)
        else:
            os.environ["MUJOCO_GL"] = opengl
    logging.getLogger("robosuite_logs").setLevel(logging.ERROR)


def _mend_sawyer() -> None:
    """Give the Sawyer's meshes the inertia of shells."""
    from robosuite.models.robots import Sawyer

    if getattr(Sawyer.__init__, "mended", False):
        return
    original = Sawyer.__init__

    def build(self: Any, idn: int = 0) -> None:  # noqa: ANN401
        original(self, idn)
        for mesh in self.asset.iter("mesh"):
            mesh.set("inertia", "shell")

    build.mended = True  # type: ignore[attr-defined]
    Sawyer.__init__ = build
