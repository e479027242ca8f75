"""Samples of a generator that reads: latent diffusion against the one-step form, on drawn tasks.

Whether samples differ where a demonstration leaves something open, and what choosing among them is
worth.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

from benchmarks.experiments.samples_measures import (
    Prompts,
    Sampler,
    choose_best,
    make_prompts,
    play,
)
from benchmarks.pages.tables import describe, table
from benchmarks.results import Settings, describe_training, read_optional, write_result
from makeanagent.cli.progress import show_progress
from makeanagent.errors import InputError
from makeanagent.generator import MakeAnAgent
from makeanagent.models.denoisers import TrunkDenoiser
from makeanagent.suites.procedural import draw_tasks

SUITE_SEED = 2
"""Tasks of seeds 0 and 1 are for tests and for training."""
NUMBERS = (1, 4, 16)
"""N of the best of N; the last one is how many samples are drawn."""
FORMS = ("one-step", "diffusion")
WAYS = ("diffusion", "noise on the condition", "demonstrations")
"""Of getting N policies: the last two in the one-step form."""
_NUM_CHOOSING, _NUM_SCORING = 4, 4
_FIRST_LAYOUT = 100
"""Layouts before this one are the demonstrations'."""
_CHOSEN_KINDS = ("whole", "cut")


@dataclass(frozen=True, kw_only=True)
class Command:
    """Samples of latent diffusion against the one-step form, on drawn tasks."""

    generator: Path
    "Folder of a generator whose reader's training had its third phase."
    num_tasks: int = 240
    "Drawn tasks, of which those are left out that cannot be cut."
    num_chosen: int = 48
    "Of these, tasks on which the best of N is chosen."
    sample_steps: int = 10
    "Steps of DDIM."
    note: str = ""
    "A sentence on this run, kept with its figures and shown with them."
    out: Path = Path("benchmarks/results/samples.json")
    "The figures' file."

    def run(self) -> None:
        """Measure, and write the figures."""
        generator = MakeAnAgent.from_pretrained(self.generator)
        denoiser = generator.denoiser
        if not isinstance(denoiser, TrunkDenoiser) or bool((denoiser.scale == 1).all()):
            raise InputError(f"{self.generator}: its training had no phase for samples")
        begin = perf_counter()
        result = run_samples(generator, self.num_tasks, self.num_chosen, self.sample_steps)
        result["seconds"] = perf_counter() - begin
        result["training"] = describe_training(generator)
        settings = resolve_settings(self.num_tasks, self.num_chosen, self.sample_steps)
        write_result(self.out, "samples", result, settings, self.note)


def resolve_settings(num_tasks: int, num_chosen: int, sample_steps: int) -> Settings:
    """What today's code makes of the options."""
    return {
        "options": {
            "num_tasks": num_tasks,
            "num_chosen": num_chosen,
            "sample_steps": sample_steps,
        },
        "protocol": {
            "suite_seed": SUITE_SEED,
            "numbers": list(NUMBERS),
            "choosing_layouts": _NUM_CHOOSING,
            "scoring_layouts": _NUM_SCORING,
        },
    }


@torch.no_grad()
def run_samples(
    generator: MakeAnAgent, num_tasks: int, num_chosen: int, sample_steps: int
) -> dict[str, Any]:
    """First samples, spread and best of N, for whole and for ambiguous demonstrations."""
    sampler = Sampler(generator, sample_steps)
    tasks, _ = draw_tasks(num_tasks, seed=SUITE_SEED)
    kinds = make_prompts(tasks, NUMBERS[-1])
    firsts, spreads, bests = [], [], []
    with show_progress("samples", 2 * len(kinds)) as advance:
        for kind, prompts in kinds.items():
            firsts += _measure_firsts(sampler, kind, prompts)
            advance(1, f"samples: {kind}, first samples")
            noise, rows = _measure_spreads(sampler, kind, prompts)
            spreads += rows
            if kind in _CHOSEN_KINDS:
                chosen = prompts.take(np.arange(min(num_chosen, len(prompts.tasks))))
                bests += _measure_bests(sampler, kind, chosen, noise)
            advance(1, f"samples: {kind}, best of {NUMBERS[-1]}")
    return {
        "num_tasks": len(kinds["whole"].tasks),
        "num_chosen": min(num_chosen, len(kinds["whole"].tasks)),
        "first_samples": firsts,
        "spreads": spreads,
        "best_of": bests,
    }


def _measure_firsts(sampler: Sampler, kind: str, prompts: Prompts) -> list[dict[str, Any]]:
    """Success of each form's first sample, on the scoring layouts."""
    conditions = sampler.read(prompts)
    latents = {
        "one-step": sampler.predict(conditions[:, None]),
        "diffusion": sampler.diffuse(conditions, 1),
    }
    layouts = _FIRST_LAYOUT + _NUM_CHOOSING + np.arange(_NUM_SCORING)
    return [
        {"prompts": kind, "form": form}
        | summarize(play(sampler, prompts, latents[form], layouts).mean(axis=(1, 2)))
        for form in FORMS
    ]


def _measure_spreads(
    sampler: Sampler, kind: str, prompts: Prompts
) -> tuple[float, list[dict[str, Any]]]:
    """Spread of actions where the demonstration shows, and elsewhere; the noise that equals it."""
    conditions = sampler.read(prompts)
    count = NUMBERS[1] * 2
    drawn = sampler.diffuse(conditions, count)
    goal = float(sampler.spread(drawn, prompts.elsewhere).mean())
    noise = sampler.match_noise(conditions, count, prompts.elsewhere, goal)
    others = torch.stack([sampler.read(prompts, number) for number in range(count)], dim=1)
    latents = (drawn, sampler.jitter(conditions, count, noise), sampler.predict(others))
    return noise, [
        {
            "prompts": kind,
            "way": way,
            "shown": summarize(sampler.spread(each, prompts.shown)),
            "elsewhere": summarize(sampler.spread(each, prompts.elsewhere)),
            "noise": noise if way == WAYS[1] else None,
        }
        for way, each in zip(WAYS, latents, strict=True)
    ]


def _measure_bests(
    sampler: Sampler, kind: str, prompts: Prompts, noise: float
) -> list[dict[str, Any]]:
    """Success of the best of N policies got in each way."""
    conditions, count = sampler.read(prompts), NUMBERS[-1]
    others = torch.stack([sampler.read(prompts, number) for number in range(count)], dim=1)
    latents = (
        sampler.diffuse(conditions, count),
        sampler.jitter(conditions, count, noise),
        sampler.predict(others),
    )
    layouts = _FIRST_LAYOUT + np.arange(_NUM_CHOOSING + _NUM_SCORING)
    rows = []
    for way, each in zip(WAYS, latents, strict=True):
        success = play(sampler, prompts, each, layouts)
        rows += [
            {"prompts": kind, "way": way, "num": num}
            | summarize(choose_best(success, num, _NUM_CHOOSING))
            for num in NUMBERS
        ]
    return rows


def summarize(values: np.ndarray) -> dict[str, float]:
    """Mean over tasks `[T]`, and its standard error."""
    error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return {"mean": float(values.mean()), "standard_error": float(error)}


def write_page() -> str:
    """The section; empty without figures."""
    result = read_optional("samples")
    if result is None:
        return ""
    options = result["settings"]["options"]
    firsts, bests = result["first_samples"], result["best_of"]
    kinds = list(dict.fromkeys(row["prompts"] for row in firsts))
    first_rows = [
        [kind, *(_show(_pick(firsts, prompts=kind, form=form)) for form in FORMS)] for kind in kinds
    ]
    spread_rows = [
        [row["prompts"], row["way"], _show(row["shown"], 3), _show(row["elsewhere"], 3)]
        for row in result["spreads"]
    ]
    best_rows = [
        [kind, way, *(_show(_pick(bests, prompts=kind, way=way, num=num)) for num in NUMBERS)]
        for kind in _CHOSEN_KINDS
        for way in WAYS
    ]
    return f"""## Samples: latent diffusion against the one-step form

A generator that reads, on {result["num_tasks"]} drawn tasks that it was not trained on, with one
demonstration each: whole, with the goal hidden (from the policy too), or cut off where its last
phase begins, which leaves open how the task goes on. Diffusion takes {options["sample_steps"]}
steps. Means over tasks ± their standard errors.

Success of the first sample, on {_NUM_SCORING} layouts of each task:

{table(["demonstration", *FORMS], first_rows)}

How far the actions of a demonstration's policies differ (their standard deviation), on states that
the demonstration shows and on those of other layouts. Noise on the condition is such that it makes
them differ as far on the latter; demonstrations are others of the task, in the one-step form:

{table(["demonstration", "policies by", "where it shows", "elsewhere"], spread_rows)}

Success of the best of N policies, chosen on {_NUM_CHOOSING} layouts and scored on
{_NUM_SCORING} others, on {result["num_chosen"]} tasks:

{table(["demonstration", "policies by", *(f"best of {num}" for num in NUMBERS)], best_rows)}

{describe(result, resolve_settings)}

"""


def _pick(rows: Sequence[dict[str, Any]], **wanted: Any) -> dict[str, Any]:  # noqa: ANN401
    return next(row for row in rows if all(row[key] == value for key, value in wanted.items()))


def _show(cell: dict[str, Any], digits: int = 2) -> str:
    return f"{cell['mean']:.{digits}f} ± {cell['standard_error']:.{digits}f}"
