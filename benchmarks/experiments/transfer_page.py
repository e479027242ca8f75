"""The section on other arms, and on amounts that only a demonstration tells."""

from typing import Any

from benchmarks.experiments.transfer_cells import (
    ASKED,
    CLONED,
    COMPARED,
    GENERATED,
    LEARNED_AMOUNTS,
    MAIN_ARMS,
    NEAREST,
    NEW_AMOUNTS,
    RETARGETED,
    UNCHANGED,
)
from benchmarks.pages.tables import describe, plus_minus, table
from benchmarks.results import Resolve
from makeanagent.suites.robosuite.ids import AMOUNTS, ARMS, JOINT, TaskId

_LABELS = {
    "unguided": "generated",
    "guided": "generated, guided",
    "shuffled": "another's prompt",
    UNCHANGED: "the Panda's policy of the task, unchanged",
    NEAREST: "policy of the nearest training task",
    "cloning_moved": "cloning with guidance's moves",
}

_Rates = dict[tuple[str, str], dict[str, Any]]
"""Spread over training seeds by task and method."""


def write_transfer(result: dict[str, Any], resolve: Resolve) -> str:
    """The section's text."""
    rates: _Rates = {(row["task"], row["method"]): row["success"] for row in result["rows"]}
    sizes = result["settings"]["sizes"]
    parts = [
        "## From one arm to another\n",
        "Generators that learned from the Panda alone, in randomised worlds,"
        " by reading demonstrations; one expert demonstration by the arm that is asked, first"
        f" sample, {sizes['num_prompts']} demonstrations of {sizes['layouts_per_policy']} layouts"
        " each, plain worlds. Mean ± standard deviation over training seeds.\n",
        _write_main(rates),
        "\nOther arms, with the Panda's gripper:\n",
        _write_others(rates),
        "\nThe joint form: demonstrations and actions are of the arm's joints; its kinematics bring"
        " them into the end-effector form, and the policy back:\n",
        _write_joints(rates),
        "\n### What a demonstration says beyond its task\n",
        f"The cube is to be held at a height, or the door at an angle, that no observation tells."
        f" Training had {_list_amounts(LEARNED_AMOUNTS)}; these are the amounts between. A policy"
        " of a training amount aims beside what is accepted.\n",
        _write_amounts(rates),
        f"\n{describe(result, resolve)}\n\n",
    ]
    return "\n".join(parts)


def _write_main(rates: _Rates) -> str:
    methods = _find_methods(rates, (*GENERATED, UNCHANGED, *CLONED))
    rows = [
        [name, arm, *(_show(rates.get((str(TaskId(task=name, arm=arm)), m))) for m in methods)]
        for name in COMPARED
        for arm in MAIN_ARMS
    ]
    return table(["task", "arm", *(_LABELS[method] for method in methods)], rows)


def _write_others(rates: _Rates) -> str:
    arms = [arm for arm in ARMS if arm not in MAIN_ARMS]
    methods = _find_methods(rates, ("unguided", UNCHANGED))
    rows = [
        [
            name,
            _LABELS[method],
            *(_show(rates.get((str(TaskId(task=name, arm=arm)), method))) for arm in arms),
        ]
        for name in COMPARED
        for method in methods
    ]
    return table(["task", "policy", *arms], rows)


def _write_joints(rates: _Rates) -> str:
    rows = [
        [
            arm,
            *(
                _show(rates.get((str(TaskId(task=name, arm=arm, form=JOINT)), RETARGETED)))
                for name in COMPARED
            ),
        ]
        for arm in MAIN_ARMS
    ]
    return table(["arm", *COMPARED], rows)


def _write_amounts(rates: _Rates) -> str:
    methods = _find_methods(rates, ("unguided", "shuffled", NEAREST))
    rows = []
    for name, amounts in NEW_AMOUNTS.items():
        for amount in amounts:
            task = str(TaskId(task=name, arm=ASKED, amount=amount))
            shown = [_show(rates.get((task, method))) for method in methods]
            rows.append([f"{name} {amount} {AMOUNTS[name][1]}", *shown])
    return table([f"asked of the {ASKED.title()}", *(_LABELS[method] for method in methods)], rows)


def _find_methods(rates: _Rates, methods: tuple[str, ...]) -> list[str]:
    measured = {method for _, method in rates}
    return [method for method in methods if method in measured]


def _show(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return "–"
    return plus_minus(cell) if len(cell["seeds"]) > 1 else f"{cell['mean']:.2f}"


def _list_amounts(amounts: dict[str, tuple[int, ...]]) -> str:
    return " and ".join(
        f"{', '.join(map(str, each))} {AMOUNTS[name][1]} ({name})" for name, each in amounts.items()
    )
