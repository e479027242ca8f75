"""Write docs/results.md, and the results in the README, from the JSON files in benchmarks/results.

python -m benchmarks.write_results          # write
python -m benchmarks.write_results --check  # fail if what is written is not what they say

Both list the figures that were measured with other settings than today's.
"""

import sys

from benchmarks.__main__ import EXPERIMENTS
from benchmarks.experiments import folds, table4, unseen
from benchmarks.experiments.folds_page import write_summary
from benchmarks.experiments.unseen_page import (
    README_METHODS,
    summarize_shipped,
    write_methods,
    write_rivalry,
)
from benchmarks.pages.means import write_means
from benchmarks.pages.tables import describe
from benchmarks.results import RESULTS, ROOT, STALE, list_changes, read_optional, read_result
from makeanagent.cli.words import count

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def write_page() -> str:
    """The whole of docs/results.md: the experiments' sections in the order of their list."""
    sections = "".join(experiment.load().write_page() for experiment in EXPERIMENTS)
    return f"""# Results

Written by `benchmarks/write_results.py` from the JSON files in `benchmarks/results`; do not edit.

{sections}## How to replicate

Every command goes on where it was stopped.

```bash
make test                 # or whatever else has set up .venv
benchmarks/replicate.sh
```
"""


def write_readme(page: str) -> str:
    """The README with its results brought up to date."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    parts = []
    if (result := read_optional("folds")) is not None:
        parts.append(write_summary(result, folds.resolve_settings))
    if (result := read_optional("table4")) is not None:
        seeds = max(row["num_seeds"] for row in result["rows"])
        tasks = {row["task"] for row in result["rows"] if row["seen"]}
        means = [
            mean
            for mean in result["means"]
            if mean["source"] == "replay" and mean["zoo"] in ("distilled", "sac")
        ]
        parts.append(
            f"Generators of {count(len(tasks), 'task')} ({count(seeds, 'training seed')}) without"
            " guidance, prompted as in the paper by replay episodes of partly trained SAC agents;"
            " the distilled zoo is this project's, the SAC zoo the paper's way:\n\n"
            f"{write_means(result | {'means': means})}\n\n"
            f"{describe(result, table4.resolve_settings, with_cells=False)}"
        )
    if (result := unseen.read_unseen()) is not None:
        protocol = result["settings"]["protocol"]
        num_unseen = len([row for row in result["tasks"] if not row["seen"]])
        parts.append(
            f"Generators trained on tasks outside the {num_unseen} unseen ones;"
            f" one demonstration, first sample, {protocol['held_out_layouts']} layouts; with the"
            " demonstrations and rollouts of the task that a policy took before it was scored:"
            f"\n\n{write_methods(result, README_METHODS)}\n\n{write_rivalry(result)}\n\n"
            f"{describe(result, unseen.resolve_settings, with_cells=False)}"
        )
    if (result := read_optional("shipped")) is not None:
        parts.append(summarize_shipped(result, unseen.resolve_settings))
    text = "\n\n".join(parts)
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def list_stale() -> list[str]:
    """A line for each file of figures whose settings are no longer the code's."""
    modules = {experiment.name: experiment for experiment in EXPERIMENTS}
    lines = []
    for path in sorted(RESULTS.glob("*.json")):
        result = read_result(path.stem)
        resolve = modules[result["benchmark"]].load().resolve_settings
        if changes := list_changes(result, resolve):
            lines.append(f"{path.name}: {STALE[0].lower()}{STALE[1:]}: {'; '.join(changes)}")
    return lines


def main() -> int:
    """Write both pages, or compare them with what would be written."""
    readme = ROOT / "README.md"
    pages = {ROOT / "docs" / "results.md": write_page(), readme: write_readme(readme.read_text())}
    other = [path for path, text in pages.items() if not path.is_file() or path.read_text() != text]
    for line in list_stale():
        print(line)
    if "--check" in sys.argv[1:]:
        for path in other:
            print(
                f"{path.relative_to(ROOT)}: not what benchmarks/results says; run"
                " python -m benchmarks.write_results"
            )
        return 1 if other else 0
    for path in other:
        path.write_text(pages[path])
        print(f"written: {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
