"""Robosuite: experts of every task, arm and form, and the stepper against robosuite's own."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pages.tables import describe, share, table
from benchmarks.results import Settings, read_optional, write_result
from makeanagent.parallel import open_pool, run_jobs
from makeanagent.rollouts.episodes import run_episode
from makeanagent.suites import Suite, find_suite, layouts
from makeanagent.suites.robosuite.ids import (
    ARMS,
    END_EFFECTOR,
    HORIZONS,
    JOINT,
    TASKS,
    TaskId,
)

_TIMED = ("lift", "door")
_TIMED_ARMS = ("panda", "sawyer")
_TIMED_STEPS = 40
_FORMS = (END_EFFECTOR, JOINT)


@dataclass(frozen=True, kw_only=True)
class Command:
    """Experts' success, and steps a second against robosuite's own and MuJoCo's."""

    arms: tuple[str, ...] = ARMS
    "Whose experts are measured."
    num_layouts: int = 50
    "Layouts that each expert plays, from the first of those for scores on."
    repeats: int = 5
    "How often each speed is measured."
    workers: int | None = None
    "How many processes play; by default one for each processor."
    note: str = ""
    "A sentence on this run, kept with its figures and shown with them."
    out: Path = Path("benchmarks/results/robosuite.json")
    "The figures' file."

    def run(self) -> None:
        """Measure, and write the figures."""
        suite = find_suite("robosuite")
        tasks = [
            found
            for task in TASKS
            for arm in self.arms
            for form in _FORMS
            if (found := TaskId(task=task, arm=arm, form=form)).has_expert
        ]
        where = layouts.SCORING[: self.num_layouts]
        speed = _measure_speeds(suite, self.repeats)
        with open_pool(self.workers) as pool:
            jobs = [(suite, str(task), where) for task in tasks]
            experts = run_jobs(pool, _measure_expert, jobs, lambda _, row: print(row, flush=True))
        settings = resolve_settings(
            arms=self.arms, num_layouts=self.num_layouts, repeats=self.repeats
        )
        write_result(
            self.out, "robosuite", {"experts": experts, "speed": speed}, settings, self.note
        )


def resolve_settings(*, arms: tuple[str, ...], num_layouts: int, repeats: int) -> Settings:
    """What today's code measures."""
    return {
        "options": {"arms": list(arms), "num_layouts": num_layouts, "repeats": repeats},
        "horizons": dict(HORIZONS),
    }


def _measure_expert(suite: Suite, task: str, where: range) -> dict[str, Any]:
    environment, expert = suite.make(task), suite.expert(task)
    outcomes = [run_episode(environment, expert, layout) for layout in where]
    environment.close()
    steps = [outcome.num_steps for outcome in outcomes if outcome.success]
    return {
        "task": task,
        "success": float(np.mean([bool(outcome.success) for outcome in outcomes])),
        "mean_steps": float(np.mean(steps)) if steps else None,
        "num_layouts": len(where),
    }


def _measure_speeds(suite: Suite, repeats: int) -> list[dict[str, Any]]:
    """Steps for a second of one core: here, robosuite's own, and physics; medians, by turns."""
    rows = []
    for task in _TIMED:
        for arm in _TIMED_ARMS:
            for form in _FORMS:
                name = str(TaskId(task=task, arm=arm, form=form))
                environment: Any = suite.make(name)
                own = environment.stepper.robosuite
                rng = np.random.default_rng(0)
                actions = rng.uniform(-1.0, 1.0, (_TIMED_STEPS, 8))
                # Robosuite's own actions have no number that moves nothing.
                theirs = np.delete(actions, 6, axis=1) if form == END_EFFECTOR else actions
                ways = {
                    "here": (environment.step, actions),
                    "robosuite": (own.step, theirs),
                    "physics": (lambda _, e=environment: e.step_physics(), actions),
                }
                times: dict[str, list[float]] = {way: [] for way in ways}
                for repeat in range(repeats + 1):
                    for way, (step, given) in ways.items():
                        environment.reset(layouts.SCORING[0])
                        seconds = _time_steps(step, given)
                        if repeat > 0:  # The first time compiles.
                            times[way].append(seconds)
                environment.close()
                rates = {way: len(actions) / statistics.median(times[way]) for way in ways}
                rows.append({"task": name, "steps_per_second": rates})
    return rows


def _time_steps(step: Callable[[np.ndarray], Any], actions: np.ndarray) -> float:
    """Processor time in seconds, which other programs do not touch."""
    begin = time.process_time()
    for action in actions:
        step(action)
    return time.process_time() - begin


def _describe_expert(row: dict[str, Any] | None) -> str:
    """Success and mean steps, where there is an expert, and where it succeeds."""
    if row is None:
        return "–"
    steps = "" if row["mean_steps"] is None else f" ({row['mean_steps']:.0f})"
    return share(row["success"]) + steps


def write_page() -> str:
    """The section; empty without figures."""
    result = read_optional("robosuite")
    if result is None:
        return ""
    experts = {row["task"]: row for row in result["experts"]}
    arms = result["settings"]["options"]["arms"]
    rows = [
        [
            f"{task}, {form}",
            *(
                _describe_expert(experts.get(str(TaskId(task=task, arm=arm, form=form))))
                for arm in arms
            ),
        ]
        for task in TASKS
        for form in _FORMS
    ]
    speed = [
        [
            row["task"],
            f"{row['steps_per_second']['robosuite']:.0f}",
            f"{rate:.0f} ({rate / row['steps_per_second']['robosuite']:.1f} times)",
            f"{row['steps_per_second']['physics']:.0f}",
            f"{rate / row['steps_per_second']['physics']:.2f}",
        ]
        for row in result["speed"]
        for rate in [row["steps_per_second"]["here"]]
    ]
    return f"""## Robosuite

Scripted experts on {result["settings"]["options"]["num_layouts"]} layouts: success by robosuite's
own check, and mean steps until then. – where there is none, for want of success.

{table(["task and form", *arms], rows)}

Steps for a second of one core's time, random actions: robosuite's own `step`, the suite's, which
also observes and judges, and MuJoCo's physics alone, of which the last column is the share.

{table(["task", "robosuite", "here", "physics alone", "share of it"], speed)}

{describe(result, resolve_settings)}

"""
