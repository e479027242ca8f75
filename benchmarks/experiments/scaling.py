"""Drawn tasks alone: what their number, the networks' size and each part of the family are worth.

No generator here has seen a task of the suite that judges it: all fifty are left out.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.experiments.scaling_measures import (
    FIRST_LAYOUT,
    HELD_OUT_SEED,
    LAYOUTS_PER_POLICY,
    draw_held_out,
    measure_error,
    play,
    record,
    summarize,
)
from benchmarks.experiments.scaling_training import (
    Variant,
    begin_run,
    describe_variant,
    list_variants,
)
from benchmarks.pages.tables import describe, rate, share, table
from benchmarks.prompts import EXPERT_NOISE
from benchmarks.results import Settings, read_optional, write_result
from makeanagent.artifacts import read_matching, write_json
from makeanagent.cli.checks import require_at_least
from makeanagent.cli.progress import show_progress
from makeanagent.cli.train import train_reader
from makeanagent.devices import find_device
from makeanagent.errors import InputError
from makeanagent.generator import MakeAnAgent
from makeanagent.parallel import open_pool
from makeanagent.suites import find_suite
from makeanagent.training.drawn import DrawnConfig

_ARMS = ("shown", "hidden", "wrong")
LONGER = "longer"
"""Kind of the rows of generators that were trained elsewhere, for longer."""
_COMPARED = {
    "tasks": "Drawn tasks, at equal gradient steps",
    "width": "Width of all three networks, at equal gradient steps",
    LONGER: "More gradient steps",
    "network": "The reader without a part",
    "family": "The family of drawn tasks without a part",
}
"""Heading of each kind of rows; the row of the first kind that has as many tasks is beside."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """Generators of drawn tasks alone, on all fifty tasks of Meta-World."""

    lessons: Path
    "Folder of the drawn tasks' lessons; those that are missing are made."
    runs: Path = Path("runs/scaling")
    "Training runs and cells; a stopped benchmark goes on with them."
    variants: tuple[str, ...] = ()
    "Which variants are trained and measured, by name; by default all."
    longer: tuple[Path, ...] = ()
    "Folders of generators of drawn tasks that were trained for longer, for rows beside."
    num_prompts: int = 2
    "Expert demonstrations of each task, each of which prompts a policy for three layouts."
    device: Literal["auto", "cpu", "cuda"] = "auto"
    "Where they are trained."
    note: str = ""
    "A sentence on this run, kept with its figures and shown with them."
    out: Path = Path("benchmarks/results/scaling.json")
    "The figures' file."

    def run(self) -> None:
        """Train what is missing, play, and write the figures."""
        require_at_least("--num-prompts", self.num_prompts, 1)
        known = {variant.name: variant for variant in list_variants()}
        names = self.variants or tuple(known)
        if unknown := sorted(set(names) - set(known)):
            raise InputError(f"--variants {unknown[0]}: there are {', '.join(known)}")
        longer = [(describe_longer(folder), folder) for folder in self.longer]
        rows = [(describe_variant(known[name]), self._train(known[name])) for name in names]
        rows += longer
        with open_pool() as pool:
            figures = measure(pool, rows, self.runs / "cells", self.num_prompts)
        settings = resolve_settings(names, [row["name"] for row, _ in longer], self.num_prompts)
        write_result(self.out, "scaling", {"rows": figures}, settings, self.note)

    def _train(self, variant: Variant) -> Path:
        """Folder of a variant's generator, which is trained if it is missing."""
        run = begin_run(variant, self.lessons, self.runs)
        folder = run.folder / "generator"
        if not folder.is_dir():
            train_reader(run, find_device(self.device))
            # Without familiarity: what is unlike training is no matter here.
            run.assemble(run.networks()).save_pretrained(folder)
        return folder


def describe_longer(folder: Path) -> dict[str, Any]:
    """What a row says of a generator that was trained for longer.

    Raises:
        InputError: it knows tasks of a suite.
    """
    config = MakeAnAgent.from_pretrained(folder).config
    if config.tasks or config.training is None:
        raise InputError(f"--longer {folder}: must be a generator of drawn tasks alone")
    settings = config.training["config"]
    # A start takes the place of the first phase.
    first = 0 if config.training["start"] else settings["first"]["gradient_steps"]
    return {
        "kind": LONGER,
        "name": folder.parent.name,
        "num_tasks": settings["drawn"]["num_tasks"],
        "num_prompts": settings["first"]["batch_size"] * (first + settings["second_steps"]),
    }


def resolve_settings(variants: Sequence[str], longer: Sequence[str], num_prompts: int) -> Settings:
    """What today's code makes of the options."""
    known = {variant.name: variant for variant in list_variants()}
    return {
        "options": {
            "variants": list(variants),
            "longer": list(longer),
            "num_prompts": num_prompts,
        },
        "protocol": {
            "first_layout": FIRST_LAYOUT,
            "layouts_per_policy": LAYOUTS_PER_POLICY,
            "expert_noise": list(EXPERT_NOISE),
            "held_out_seed": HELD_OUT_SEED,
        },
        "drawn": asdict(DrawnConfig()),
        "training": {name: asdict(known[name].training) for name in variants if name in known},
    }


def measure(
    pool: Executor,
    rows: Sequence[tuple[dict[str, Any], Path]],
    cells: Path,
    num_prompts: int,
) -> list[dict[str, Any]]:
    """The rows with what their generators are worth.

    Args:
        pool: worker processes.
        rows: what there is to say of each generator, and its folder.
        cells: one JSON file a generator, with which a stopped benchmark goes on.
        num_prompts: of each task.
    """
    suite = find_suite("metaworld")
    prompts, held_out, found = None, None, []
    with show_progress("scaling", len(rows)) as advance:
        for row, folder in rows:
            generator = MakeAnAgent.from_pretrained(folder)
            origin = {"generator_sha256": generator.fingerprint, "num_prompts": num_prompts}
            path = cells / f"{row['name']}.json"
            cell = read_matching(path, origin)
            if cell is None:
                prompts = prompts or record(pool, suite, num_prompts)
                held_out = held_out or draw_held_out(generator)
                error = measure_error(generator, held_out)
                success = play(pool, suite, generator, prompts)
                cell = origin | {"error": error, "success": success}
                write_json(path, cell)
            found.append(
                row
                | {
                    "num_parameters": generator.num_parameters,
                    "error": cell["error"],
                    "success": cell["success"],
                }
                | summarize(cell["success"], suite.groups["unseen"])
            )
            advance(1, f"scaling: {row['name']}")
    return found


def write_page() -> str:
    """The section; empty without figures."""
    result = read_optional("scaling")
    if result is None:
        return ""
    rows = result["rows"]
    header = [
        "",
        "drawn tasks",
        "prompts in training",
        "parameters",
        "action error on new drawn tasks",
        "success on the fifty",
        "the nine",
    ]
    parts = []
    for kind, heading in _COMPARED.items():
        chosen = [row for row in rows if row["kind"] == kind]
        if not chosen:
            continue
        numbers = {row["num_tasks"] for row in chosen}
        if kind not in ("tasks", LONGER):
            chosen = [
                row for row in rows if row["kind"] == "tasks" and row["num_tasks"] in numbers
            ] + chosen
        parts.append(f"{heading}:\n\n{table(header, [_write_row(row) for row in chosen])}")
    tables = "\n\n".join(parts)
    settings = result["settings"]
    num_prompts = settings["options"]["num_prompts"]
    num_layouts = settings["protocol"]["layouts_per_policy"]
    best = max(rows, key=lambda row: row["mean"])
    never = ", ".join(task.removesuffix("-v3") for task in best["never"]) or "none"
    return f"""## Drawn tasks alone: their number, the networks' size, and what each part is worth

Generators that have learned from drawn tasks and have seen nothing of Meta-World: {num_prompts}
expert demonstrations of each of its fifty tasks, first sample, {num_layouts} validation layouts
each, no gradient step; one training seed. Means over tasks ± their standard
errors, which are mostly of differences between tasks: rows have the same tasks, prompts and
layouts.

{tables}

Tasks that never succeed in the best row ({best["name"]}): {never}.

{describe(result, resolve_settings)}

{_write_folds()}"""


def _write_folds() -> str:
    """What a longer training on drawn tasks is worth once a suite's own tasks are learned too."""
    usual, longer = read_optional("folds"), read_optional("folds_longer")
    if usual is None or longer is None:
        return ""
    rows = [
        [name, *(rate(result["groups"][0]["arms"].get(arm)) for arm in _ARMS)]
        for name, result in (("the usual one", usual), ("one trained for longer", longer))
    ]
    before, after = (
        {row["task"]: row["arms"]["shown"]["mean"] for row in result["tasks"]}
        for result in (usual, longer)
    )
    changes = sorted((after[task] - before[task], task.removesuffix("-v3")) for task in before)
    most = ", ".join(f"{task} {change:+.2f}" for change, task in [*changes[:4], *changes[:-5:-1]])
    return f"""### Drawn tasks for longer, and Meta-World's own besides

The folds' generators know forty-five of Meta-World's tasks besides drawn ones. All fifty, each left
out once, by the generator of drawn tasks that these were begun with:

{table(["begun with", "goal shown", "goal hidden", "another task's prompt"], rows)}

Tasks that changed most, with the goal shown: {most}.

{longer["note"]}

"""


def _write_row(row: Mapping[str, Any]) -> list[str]:
    return [
        row["name"],
        f"{row['num_tasks']:,}",
        f"{row['num_prompts'] / 1e6:.2f} M",
        f"{row['num_parameters'] / 1e6:.1f} M",
        f"{row['error']:.3f}",
        f"{row['mean']:.2f} ± {row['standard_error']:.2f}",
        share(row["nine"]),
    ]
