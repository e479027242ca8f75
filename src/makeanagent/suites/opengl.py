"""Which OpenGL MuJoCo draws with: a wrong choice costs pictures, and nothing else."""

import importlib
import os
import sys
from importlib.util import find_spec

from makeanagent.artifacts import describe_error


def settle_opengl() -> None:
    """Forget `MUJOCO_GL` where MuJoCo cannot be imported with it, and say so in one line.

    MuJoCo loads OpenGL when it is imported, whether anything is to be drawn or not. Worker
    processes take over what is settled here.
    """
    name = os.environ.get("MUJOCO_GL")
    if not name or "mujoco" in sys.modules or find_spec("mujoco") is None:
        return
    try:
        importlib.import_module("mujoco")
    except Exception as error:  # Loaders of OpenGL raise many types.
        for module in [each for each in sys.modules if each.partition(".")[0] == "mujoco"]:
            del sys.modules[module]
        del os.environ["MUJOCO_GL"]
        reason = describe_error(error)
        print(
            f"note: MUJOCO_GL={name} is left out, which may cost pictures: {reason}",
            file=sys.stderr,
        )
