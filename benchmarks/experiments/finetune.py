"""Fine-tuning with SAC: environment steps to a reliable policy, from three beginnings.

A run ends with the evaluation that meets the goal, so what it costs is what a user would pay.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from benchmarks.experiments.finetune_config import FineTuningConfig
from benchmarks.pages.tables import describe, share, table
from benchmarks.results import Settings, read_optional, write_result
from makeanagent.artifacts import describe_provenance, read_matching, write_json
from makeanagent.cli.checks import require_at_least, require_picture
from makeanagent.cli.progress import show_progress
from makeanagent.cli.words import count
from makeanagent.errors import InputError
from makeanagent.evaluation.figures import FAILURE, GOAL, SUCCESS, file_style, write_figure
from makeanagent.generator import MakeAnAgent
from makeanagent.methods.cloning import Cloning
from makeanagent.parallel import one_thread
from makeanagent.policies.initialization import initialize_actor
from makeanagent.policies.policy import Policy
from makeanagent.suites import find_task
from makeanagent.trajectories import Trajectory

ARMS = {"generated": SUCCESS, "cloned": GOAL, "scratch": FAILURE}
"""Where the actor comes from, and its colour."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """Environment steps that SAC takes from a generated, a cloned and a new actor."""

    envs: tuple[str, ...] = (
        "metaworld/button-press-wall-v3",
        "metaworld/door-lock-v3",
        "metaworld/reach-wall-v3",
    )
    "Tasks that the generator was not trained on."
    generator: str = "metaworld-41"
    "Their generator: a bundled one, its folder, or a Hugging Face hub id."
    gymnasium_env: str = "examples/reacher_suite.py/Reacher-mirrored"
    "A task of Gymnasium, for which another generator is needed."
    gymnasium_generator: Path | None = None
    "Its generator; without one this task is left out."
    seeds: int = 3
    "Runs from each beginning, each with a demonstration of its own."
    num_steps: int = 3_000
    "Environment steps at most."
    runs: Path = Path("runs/finetune")
    "One JSON file a run; a stopped benchmark goes on with them."
    note: str = ""
    "A sentence on this run, kept with its figures and shown with them."
    out: Path = Path("benchmarks/results/finetune.json")
    "The figures' file."
    figure: Path = Path("docs/images/finetune.png")
    "Picture, `.png` or `.svg`."

    def run(self) -> None:
        """Train what is missing, and write figures and picture."""
        require_at_least("--seeds", self.seeds, 1)
        require_at_least("--num-steps", self.num_steps, 1)
        require_picture("--figure", self.figure)
        generators = dict.fromkeys(self.envs, self.generator)
        if self.gymnasium_generator is not None:
            generators[self.gymnasium_env] = str(self.gymnasium_generator)
        settings = resolve_settings(tuple(generators), self.seeds, self.num_steps)
        cells = train(generators, self.seeds, settings["fine_tuning"], self.runs)
        result = {"tasks": summarize(cells, settings["fine_tuning"]["goal"]), "runs": cells}
        write_result(self.out, "finetune", result, settings, self.note)
        write_figure(draw(result), self.figure)
        print(f"written: {self.figure}")


def resolve_settings(envs: Sequence[str], seeds: int, num_steps: int) -> Settings:
    """What today's code makes of the options."""
    return {
        "options": {"envs": list(envs), "seeds": seeds, "num_steps": num_steps},
        "fine_tuning": asdict(FineTuningConfig(num_steps=num_steps)),
    }


def train(
    generators: dict[str, str], seeds: int, settings: dict[str, Any], folder: Path
) -> list[dict[str, Any]]:
    """Each task's runs from every beginning; those that `folder` holds are not made again.

    Args:
        generators: of each task's id, the generator.
        seeds: how many.
        settings: of `FineTuningConfig`.
        folder: one JSON file a run.

    Raises:
        InputError: Stable-Baselines3 is not installed, or a task or generator cannot be had.
    """
    try:
        from benchmarks.experiments.finetune_training import demonstrate, fine_tune
    except ImportError:
        raise InputError(
            "finetune: needs Stable-Baselines3: pip install 'makeanagent[sb3]'"
        ) from None
    config, cells = FineTuningConfig(**settings), []
    loaded = {
        name: MakeAnAgent.from_pretrained(name, torch.device("cpu"))
        for name in set(generators.values())
    }
    total = seeds * len(generators) * len(ARMS)
    with one_thread(), show_progress("finetune", total) as advance:
        for seed, env in product(range(seeds), generators):
            suite, task = find_task(env)
            generator = loaded[generators[env]]
            demonstration = None
            for arm in ARMS:
                origin = {
                    "env": env,
                    "arm": arm,
                    "seed": seed,
                    "seen": task in generator.config.tasks,
                    "settings": settings,
                    "generator_sha256": generator.fingerprint,
                }
                path = folder / f"{task}-{arm}-{seed}.json"
                cell = read_matching(path, origin)
                if cell is None:
                    demonstration = demonstration or demonstrate(suite, task, seed, config)
                    policy = make_actor(arm, generator, demonstration[0], seed)
                    curve = fine_tune(
                        suite, task, policy, demonstration, seed, config,
                        from_scratch=arm == "scratch",
                    )  # fmt: skip
                    cell = origin | {"curve": curve, "provenance": describe_provenance()}
                    write_json(path, cell)
                del cell["settings"]
                cells.append(cell)
                advance(1, f"finetune: {task}, {arm}, {seed}")
    return cells


def make_actor(arm: str, generator: MakeAnAgent, demonstration: Trajectory, seed: int) -> Policy:
    """The actor that training begins with, from one demonstration or from nothing."""
    config = generator.config
    if arm == "generated":
        return generator.generate(demonstration, 1, seed)[0]
    if arm == "cloned":
        return Cloning(config.spec, space=config.space).generate(demonstration, 1, seed)[0]
    return Policy(initialize_actor(config.spec, seed).numpy(), config.spec)


def summarize(cells: Sequence[dict[str, Any]], goal: float) -> list[dict[str, Any]]:
    """A row for each task and beginning: how it starts, and the steps to the goal of each seed."""
    rows = []
    for env, arm in product(dict.fromkeys(cell["env"] for cell in cells), ARMS):
        mine = [cell for cell in cells if (cell["env"], cell["arm"]) == (env, arm)]
        curves = [cell["curve"] for cell in mine]
        rows.append(
            {
                "env": env,
                "arm": arm,
                "seen": mine[0]["seen"],
                "first": float(np.mean([curve[0][1] for curve in curves])),
                "last": float(np.mean([curve[-1][1] for curve in curves])),
                "steps": [curve[-1][0] if curve[-1][1] >= goal else None for curve in curves],
            }
        )
    return rows


def draw(result: dict[str, Any]) -> Figure:
    """Success over environment steps: a panel a task, a thin line a run, a dot where one ends."""
    envs = list(dict.fromkeys(run["env"] for run in result["runs"]))
    with file_style():
        figure = Figure(figsize=(0.6 + 2.5 * max(len(envs), 2), 3.2), layout="constrained")
        axes = figure.subplots(1, len(envs), sharey=True, squeeze=False)[0]
        for ax, env in zip(axes, envs, strict=True):
            for run in (run for run in result["runs"] if run["env"] == env):
                steps, rates = np.array(run["curve"]).T
                label = run["arm"] if run["seed"] == 0 else None
                color = ARMS[run["arm"]]
                ax.plot(steps, rates, color=color, lw=1.2, alpha=0.8, label=label)
                ax.plot(steps[-1:], rates[-1:], "o", color=color, ms=4, alpha=0.8)
            ax.set_title(env.split("/")[-1])
            ax.set_xlabel("environment steps")
            ax.set_ylim(-0.04, 1.04)
        axes[0].set_ylabel("success")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(ARMS))
    return figure


def write_page() -> str:
    """The section; empty without figures."""
    result = read_optional("finetune")
    if result is None:
        return ""
    options = result["settings"]["options"]
    config = result["settings"]["fine_tuning"]
    rows = [
        [
            row["env"].split("/")[-1] + (" (seen)" if row["seen"] else ""),
            row["arm"],
            share(row["first"]),
            share(row["last"]),
            ", ".join("–" if steps is None else f"{steps:,.0f}" for steps in row["steps"]),
        ]
        for row in result["tasks"]
    ]
    header = ["task", "actor at first", "success at first", "at the end",
              f"steps to {config['goal']:g}, each seed"]  # fmt: skip
    return f"""## Fine-tuning with SAC

Stable-Baselines3's SAC, whose actor is at first generated from one demonstration, cloned from the
same one, or new; the demonstration is in the replay buffer of all three, and all have the same
layers. {count(options["seeds"], "seed")}, each with a demonstration of its own; tasks marked
*(seen)* are among those that their generator was trained on. A given actor stays as it is for
{config["warm_up"]:,} environment steps while its critics learn, and then learns at
{config["actor_learning_rate"]:g}, held near what it was (`CarefulSAC`); a new one learns from the
first update on, at {config["learning_rate"]:g}. Every {config["evaluate_every"]:,} steps the
deterministic actor plays {config["num_layouts"]} scoring layouts, always the same, for at most
{config["horizon"]} steps each. A run ends with the first evaluation of at least
{config["goal"]:g}, which may be the one before any training, or after
{config["num_steps"]:,} steps (–).

![Success over environment steps](images/finetune.png)

{table(header, rows)}

{describe(result, resolve_settings)}

"""
