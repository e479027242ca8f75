"""Ids of tasks: which task, by which arm, in which form, and whether the world is randomised."""

from dataclasses import dataclass
from itertools import product

from makeanagent.errors import InputError

TASKS = ("lift", "door", "nut-square", "nut-round")
ARMS = ("panda", "sawyer", "iiwa", "kinova3", "ur5e")
HORIZONS = {"lift": 150, "door": 250, "nut-square": 300, "nut-round": 300}
"Steps of an episode: twice what experts need, or more."
END_EFFECTOR, JOINT = "end-effector", "joint"
_JOINT_ENDING, _RANDOMIZED_ENDING = "-joint", "-randomized"


# Where experts succeed too rarely; the Kinova's hand stops short of the pegs.
_WITHOUT_EXPERT = (
    ("door", "ur5e", END_EFFECTOR),
    ("door", "ur5e", JOINT),
    ("nut-square", "kinova3", END_EFFECTOR),
    ("nut-square", "kinova3", JOINT),
    ("nut-round", "kinova3", END_EFFECTOR),
    ("nut-round", "kinova3", JOINT),
    ("nut-round", "iiwa", JOINT),
)


@dataclass(frozen=True, kw_only=True)
class TaskId:
    """What an id such as `lift-panda-joint-randomized` says."""

    task: str
    "One of `TASKS`."
    arm: str
    "One of `ARMS`."
    form: str = END_EFFECTOR
    "Of observations and actions: `END_EFFECTOR` or `JOINT`."
    randomized: bool = False
    "Whether start pose, gripper and gains differ from layout to layout."

    @property
    def has_expert(self) -> bool:
        """Whether an expert succeeds at it."""
        return (self.task, self.arm, self.form) not in _WITHOUT_EXPERT

    def __str__(self) -> str:
        joint = _JOINT_ENDING if self.form == JOINT else ""
        return f"{self.task}-{self.arm}{joint}{_RANDOMIZED_ENDING if self.randomized else ''}"


def list_ids() -> tuple[str, ...]:
    """All ids: those of end-effector form first, the randomised ones last."""
    return tuple(
        str(TaskId(task=task, arm=arm, form=form, randomized=randomized))
        for randomized, form, task, arm in product(
            (False, True), (END_EFFECTOR, JOINT), TASKS, ARMS
        )
    )


def read_id(name: str) -> TaskId:
    """What an id says.

    Raises:
        InputError: there is no such task.
    """
    rest = name.removesuffix(_RANDOMIZED_ENDING)
    plain = rest.removesuffix(_JOINT_ENDING)
    task, _, arm = plain.rpartition("-")
    if task in TASKS and arm in ARMS:
        return TaskId(
            task=task,
            arm=arm,
            form=JOINT if rest != plain else END_EFFECTOR,
            randomized=rest != name,
        )
    raise InputError(
        f"robosuite/{name}: no such task; there are <task>-<arm>, <task>-<arm>-joint, and each of"
        f" them with -randomized behind it; tasks {', '.join(TASKS)}; arms {', '.join(ARMS)}"
    )
