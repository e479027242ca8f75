"""The paper's Table 4: qualified rate and best policies from 100 prompts, on every task."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cells import Cell, Source, ZooKind, describe_cells
from benchmarks.pages.means import ZOOS, write_means
from benchmarks.pages.tables import describe, join, plus_minus, share, table
from benchmarks.paper import PaperOptions, resolve_settings
from benchmarks.rates import summarize_rates
from benchmarks.results import read_optional, write_result
from makeanagent.cli.words import count
from makeanagent.errors import InputError
from makeanagent.zoo.store import Zoo

__all__ = ["Command", "resolve_settings", "write_page"]


@dataclass(frozen=True, kw_only=True)
class Command(PaperOptions):
    """The paper's Table 4: 100 prompts a task, seen and unseen, over training seeds."""

    unseen_zoo: Path | None = None
    "Zoo whose policies prompt the unseen tasks; needed for zoo prompts there."
    sources: tuple[Source, ...] = ("expert", "zoo", "replay")
    "Who makes the prompts; zoos besides the distilled one have replay prompts alone."
    paper_schedule: float | None = None
    """Train on the distilled zoo with the paper's preset besides, for a row of its own, on this
    share of its schedule; 1 is the whole: days on a processor, hours on a GPU."""
    out: Path = Path("benchmarks/results/table4.json")
    "The figures' file."

    def run(self) -> None:
        """Train what is missing, fill the cells, and write the figures."""
        schedule = self.paper_schedule
        if schedule is not None and not 0 < schedule <= 1:
            raise InputError(f"--paper-schedule {schedule}: must be in (0, 1]")
        zoos = self.open_zoos()
        if schedule is not None:
            zoos["distilled-paper"] = zoos["distilled"]
        seen, unseen = self.list_tasks(zoos)
        others = Zoo.open(self.unseen_zoo) if self.unseen_zoo else None
        lacking = set(unseen) - set(others.tasks() if others else ())
        if "zoo" in self.sources and lacking:
            raise InputError(
                f"--sources zoo: no zoo holds policies of {', '.join(sorted(lacking))};"
                " give --unseen-zoo, or --sources expert replay"
            )
        kinds = [kind for kind in zoos if kind != "sac-aligned"]
        cells = list_cells(kinds, self.sources, (*seen, *unseen), self.seeds)
        results = self.fill("table4", zoos, cells, schedule, others)
        write_result(
            self.out, "table4", summarize(results), self.resolve(cells, schedule), self.note
        )


def list_cells(
    zoos: Sequence[ZooKind], sources: Sequence[Source], tasks: Sequence[str], seeds: int
) -> list[Cell]:
    """All prompt sources for the distilled zoo, the paper's own for the others.

    With the paper's preset there is one training seed: its schedule is days on a processor.
    """
    return [
        Cell(zoo=zoo, source=source, task=task, seed=seed)
        for zoo in zoos
        for source in (sources if zoo == "distilled" else ("replay",))
        for task in tasks
        for seed in range(1 if zoo == "distilled-paper" else seeds)
    ]


def summarize(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A row a zoo, prompt source and task, and means over tasks."""
    return summarize_rates(results) | describe_cells(results)


def write_page() -> str:
    """The sections on Table 4 and on an earlier measurement with other prompts."""
    table4, earlier = read_optional("table4"), read_optional("table4_expert")
    return (write_table4(table4) if table4 else "") + (write_earlier(earlier) if earlier else "")


def write_table4(result: dict[str, Any]) -> str:
    """Means, and every task for each zoo and prompt source."""
    settings = result["settings"]
    cells, protocol = settings["cells"], settings["protocol"]
    seeds = max(row["num_seeds"] for row in result["rows"])
    seen = {row["task"] for row in result["rows"] if row["seen"]}
    tasks = {row["task"] for row in result["rows"]}
    compared = {row["task"] for row in result["rows"] if row["paper"]}
    paper, held_out = protocol["paper_layouts"], protocol["held_out_layouts"]
    prompts = cells["num_prompts"]
    head = f"one generator from {count(len(seen), 'task')}, {prompts} prompts a task"
    return f"""## Table 4: {head}, {count(seeds, "training seed")}

*Qualified*: success on {paper} of {paper} random layouts, share of {prompts} policies, no
selection (the paper's appendix B.2). *Top 5*, *top 10*: the best policies, chosen on the scoring
layouts themselves, as the paper does. *First sample*: the first policy from each prompt, unchosen,
on {held_out} layouts of its own range. *Best of {cells["best_of"]}*: chosen on
{protocol["selection_layouts"]} layouts and scored on {held_out} others. No layout serves two
purposes. Generation is the paper's, without guidance.

{_explain_prompts(result)}

The *distilled* zoo is this project's, the *SAC* zoo the paper's way. The paper's figures are
for Meta-World v2, ours for v3; {len(tasks - compared)} of the {len(tasks)} tasks are not in its
table.
{_explain_paper_preset(result)}
{write_means(result)}

{describe(result, resolve_settings)}

{_write_sections(result)}

"""


def write_earlier(result: dict[str, Any]) -> str:
    """The same measures with the prompts of experts and zoo policies; its note says of what."""
    return f"""## Prompted by experts and zoo policies

{_explain_prompts(result)}

{write_means(result)}

{describe(result, resolve_settings)}

{_write_sections(result)}

"""


def _explain_prompts(result: dict[str, Any]) -> str:
    """Who made the prompts of these rows."""
    noise = join(result["settings"]["expert_noise"])
    texts = {
        "replay": "*Replay* prompts are the paper's: successful episodes of SAC agents in"
        " training, on one fixed layout (`benchmarks/replay`).",
        "expert": f"*Expert* prompts are of scripted experts with action noise {noise} by turns.",
        "zoo": "*Zoo* prompts are of zoo policies of runs that training held out.",
    }
    present = {row["source"] for row in result["rows"]}
    return "\n".join(text for source, text in texts.items() if source in present)


def _explain_paper_preset(result: dict[str, Any]) -> str:
    rows = [row for row in result["rows"] if row["zoo"] == "distilled-paper"]
    part = result["settings"]["options"]["paper_schedule"]
    if part is None or not rows:
        return ""
    steps = "its whole schedule" if part == 1 else f"{part:.0%} of its schedule, no more,"
    return f"""
The generator with the *paper's preset* (the paper's networks and rates) has
{count(rows[0]["num_seeds"], "training seed")} and was trained on {steps} on the distilled zoo.
"""


def _write_sections(result: dict[str, Any]) -> str:
    """Every task, a table for each zoo and prompt source."""
    kinds = sorted({(row["zoo"], row["source"]) for row in result["rows"]})
    return "\n\n".join(
        f"### {_head(zoo)}, {source} prompts\n\n{_write_tasks(result, zoo, source)}"
        for zoo, source in kinds
    )


def _head(zoo: str) -> str:
    kind, _, preset = ZOOS[zoo].partition(", ")
    return f"{kind[0].upper()}{kind[1:]} zoo" + (f", {preset}" if preset else "")


def _write_tasks(result: dict[str, Any], zoo: str, source: str) -> str:
    """One row a task."""
    rows = []
    chosen = [row for row in result["rows"] if (row["zoo"], row["source"]) == (zoo, source)]
    for row in sorted(chosen, key=lambda row: (not row["seen"], row["task"])):
        paper = row["paper"] or {}
        rows.append(
            [
                row["task"].removesuffix("-v3"),
                "seen" if row["seen"] else "unseen",
                plus_minus(row["qualified"]),
                share(paper.get("qualified")),
                plus_minus(row["top_5"]),
                share(paper.get("top_5")),
                plus_minus(row["top_10"]),
                share(paper.get("top_10")),
                plus_minus(row["first_sample"]),
                plus_minus(row["best_of_n"]),
            ]
        )
    names = ("qualified", "paper", "top 5", "paper", "top 10", "paper", "first sample")
    best = f"best of {result['settings']['cells']['best_of']}"
    return table(["task", "", *names, best], rows)
