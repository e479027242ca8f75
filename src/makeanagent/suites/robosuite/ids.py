"""Ids of tasks: what is to be done, by which arm, in which form, and whether worlds are random."""

import re
from dataclasses import dataclass
from itertools import product

from makeanagent.errors import InputError

TASKS = ("lift", "door", "nut-square", "nut-round")
ARMS = ("panda", "sawyer", "iiwa", "kinova3", "ur5e")
HORIZONS = {"lift": 150, "door": 250, "nut-square": 300, "nut-round": 300}
"Steps of an episode: twice what experts need, or more."
AMOUNTS = {"lift": (range(6, 25, 2), "cm"), "door": (range(7, 20, 3), "deg")}
"""Of tasks that may be asked for by an amount, the amounts and their unit: how high the cube is to
be held above the table, how far the door is to be held open (it stops at 23 degrees). No
observation says it."""
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
    amount: int | None = None
    "How much is asked for, one of `AMOUNTS`; None for robosuite's own task."
    randomized: bool = False
    "Whether start pose, gripper and gains differ from layout to layout."

    @property
    def has_expert(self) -> bool:
        """Whether an expert succeeds at it."""
        return (self.task, self.arm, self.form) not in _WITHOUT_EXPERT

    def __str__(self) -> str:
        amount = "" if self.amount is None else f"-{self.amount}{AMOUNTS[self.task][1]}"
        joint = _JOINT_ENDING if self.form == JOINT else ""
        randomized = _RANDOMIZED_ENDING if self.randomized else ""
        return f"{self.task}{amount}-{self.arm}{joint}{randomized}"


def list_ids() -> tuple[str, ...]:
    """All ids: robosuite's own tasks, then amounts; of end-effector form first, randomised last."""
    wanted: list[tuple[str, int | None]] = [(task, None) for task in TASKS]
    wanted += [(task, amount) for task, (amounts, _) in AMOUNTS.items() for amount in amounts]
    return tuple(
        str(TaskId(task=task, arm=arm, form=form, amount=amount, randomized=randomized))
        for randomized, form, (task, amount), arm in product(
            (False, True), (END_EFFECTOR, JOINT), wanted, ARMS
        )
    )


def read_id(name: str) -> TaskId:
    """What an id says.

    Raises:
        InputError: there is no such task.
    """
    rest = name.removesuffix(_RANDOMIZED_ENDING)
    plain = rest.removesuffix(_JOINT_ENDING)
    wanted, _, arm = plain.rpartition("-")
    task, amount = _read_amount(wanted)
    if task in TASKS and arm in ARMS:
        return TaskId(
            task=task,
            arm=arm,
            form=JOINT if rest != plain else END_EFFECTOR,
            amount=amount,
            randomized=rest != name,
        )
    amounts = "; ".join(
        f"{task}-<n>{unit}, n {', '.join(map(str, numbers))}"
        for task, (numbers, unit) in AMOUNTS.items()
    )
    raise InputError(
        f"robosuite/{name}: no such task; there are <task>-<arm>, <task>-<arm>-joint, and each of"
        f" them with -randomized behind it; tasks {', '.join(TASKS)}; {amounts};"
        f" arms {', '.join(ARMS)}"
    )


def _read_amount(wanted: str) -> tuple[str, int | None]:
    """Task and amount of `lift-12cm`; what is no such thing stays whole."""
    for task, (amounts, unit) in AMOUNTS.items():
        found = re.fullmatch(rf"{task}-([0-9]+){unit}", wanted)
        if found and wanted == f"{task}-{int(found[1])}{unit}" and int(found[1]) in amounts:
            return task, int(found[1])
    return wanted, None
