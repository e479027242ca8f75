"""One demonstration in, working policy networks out.

The names below load on first use, so that importing the package costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str

    from makeanagent.errors import InputError
    from makeanagent.generator import MakeAnAgent
    from makeanagent.models.guidance import GuidanceConfig
    from makeanagent.policies.batch import PolicyBatch
    from makeanagent.policies.export import export_policies, export_policy
    from makeanagent.policies.folder import load_policies, save_policies
    from makeanagent.policies.policy import Policy
    from makeanagent.policies.spec import PolicySpec
    from makeanagent.read_options import ReadOptions
    from makeanagent.trajectories.demonstrations import read_demonstrations
    from makeanagent.trajectories.trajectory import Trajectory
    from makeanagent.trajectories.windows import Prompt, PromptWindow, SegmentWindow, make_prompt
    from makeanagent.zoo.store import Zoo

__all__ = [
    "GuidanceConfig",
    "InputError",
    "MakeAnAgent",
    "Policy",
    "PolicyBatch",
    "PolicySpec",
    "Prompt",
    "PromptWindow",
    "ReadOptions",
    "SegmentWindow",
    "Trajectory",
    "Zoo",
    "__version__",
    "export_policies",
    "export_policy",
    "load_policies",
    "make_prompt",
    "read_demonstrations",
    "save_policies",
]

_ROOMS = {
    "GuidanceConfig": "models.guidance",
    "InputError": "errors",
    "MakeAnAgent": "generator",
    "Policy": "policies.policy",
    "PolicyBatch": "policies.batch",
    "PolicySpec": "policies.spec",
    "Prompt": "trajectories.windows",
    "PromptWindow": "trajectories.windows",
    "ReadOptions": "read_options",
    "SegmentWindow": "trajectories.windows",
    "Trajectory": "trajectories.trajectory",
    "Zoo": "zoo.store",
    "export_policies": "policies.export",
    "export_policy": "policies.export",
    "load_policies": "policies.folder",
    "make_prompt": "trajectories.windows",
    "read_demonstrations": "trajectories.demonstrations",
    "save_policies": "policies.folder",
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name == "__version__":
        from importlib.metadata import version

        return version("makeanagent")
    if name not in _ROOMS:
        raise AttributeError(f"module 'makeanagent' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"makeanagent.{_ROOMS[name]}"), name)
