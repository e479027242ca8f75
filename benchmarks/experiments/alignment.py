"""What independent beginnings cost: SAC zoos as they are, aligned, and with a shared beginning."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cells import ZooKind, describe_cells, list_replay_cells
from benchmarks.pages.means import write_means
from benchmarks.pages.tables import describe
from benchmarks.paper import PaperOptions, resolve_settings
from benchmarks.rates import summarize_rates
from benchmarks.results import read_optional, write_result
from makeanagent.cli.words import count
from makeanagent.errors import InputError
from makeanagent.zoo.store import Zoo

__all__ = ["Command", "resolve_settings", "write_page"]
KINDS: tuple[ZooKind, ...] = ("sac", "sac-aligned", "sac-shared")


@dataclass(frozen=True, kw_only=True)
class Command(PaperOptions):
    """SAC zoos as they are, aligned, and with a shared beginning."""

    sac_shared_zoo: Path | None = None
    "SAC zoo whose agents share their initial actor."
    out: Path = Path("benchmarks/results/alignment.json")
    "The figures' file."

    def run(self) -> None:
        """Train what is missing, fill the cells, and write the figures."""
        zoos = self.open_zoos()
        if self.sac_shared_zoo:
            zoos["sac-shared"] = Zoo.open(self.sac_shared_zoo)
        present = [kind for kind in KINDS if kind in zoos]
        if not present:
            raise InputError("alignment: nothing to compare; give --sac-zoo as well")
        seen, _ = self.list_tasks(zoos)
        cells = list_replay_cells(present, seen, self.seeds)
        results = self.fill("alignment", zoos, cells)
        write_result(self.out, "alignment", summarize(results), self.resolve(cells), self.note)


def summarize(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Table 4's means, a row for each zoo."""
    return {"means": summarize_rates(results)["means"]} | describe_cells(results)


def write_page() -> str:
    """The section; empty without figures."""
    result = read_optional("alignment")
    if result is None:
        return ""
    seeds = max(mean["num_seeds"] for mean in result["means"])
    return f"""## Agents' beginnings: independent, aligned, shared

Generators of SAC agents with beginnings of their own, of the same agents with their hidden units
brought into one order (weight matching), and of agents that share their initial actor, with
{count(seeds, "training seed")} each.

{write_means(result)}

{describe(result, resolve_settings)}

"""
