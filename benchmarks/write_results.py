"""Write docs/results.md, and the results in the README, from the JSON files in benchmarks/results.

python -m benchmarks.write_results          # write
python -m benchmarks.write_results --check  # fail if what is written is not what they say
"""

import sys

from benchmarks.pages.paper import write_experiments, write_means
from benchmarks.pages.parts import write_autoencoder, write_speed, write_zoo
from benchmarks.pages.tables import ROOT, count, describe, read, read_optional
from benchmarks.pages.unseen import (
    METHODS,
    README_METHODS,
    read_unseen,
    summarize_shipped,
    write_breadth,
    write_methods,
    write_novelty,
    write_ranking,
    write_shipped,
    write_unseen,
)

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def write_page() -> str:
    """The whole of docs/results.md."""
    return f"""# Results

Written by `benchmarks/write_results.py` from the JSON files in `benchmarks/results`; do not edit.

{write_experiments(read("table4"))}\
{write_unseen(read_unseen(), read_optional("zoo_generators"))}\
{write_shipped(read_optional("shipped"))}\
{write_ranking(read_optional("predictor"))}\
{write_novelty(read_optional("novelty"))}\
{write_autoencoder(read("representation"))}
{write_zoo(read("zoo"))}
{write_breadth([read_optional(name) for name in ("zoo_unseen", "zoo_training", "zoo_weak")])}
{write_speed(read("speed"))}
## How to replicate

On two cores the zoo takes about a quarter of an hour, a training run a few minutes, and Table 4
about an hour for each training seed; every command goes on where it was stopped.

```bash
make test                 # or whatever else has set up .venv
benchmarks/replicate.sh
```
"""


def write_readme(page: str) -> str:
    """The README with its results brought up to date."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    table4, unseen = read("table4"), read_unseen()
    seeds = max(row["num_seeds"] for row in table4["rows"])
    ten = (
        f"Generators of ten tasks ({count(seeds, 'training seed')}) without guidance, prompted as"
        " in the paper by replay episodes of partly trained SAC agents; the distilled zoo is this"
        " project's, the SAC zoo the paper's way:"
    )
    means = [
        mean
        for mean in table4["means"]
        if mean["source"] == "replay" and mean["zoo"] in ("distilled", "sac")
    ]
    parts = [f"{ten}\n\n{write_means({'means': means})}\n\n{describe(table4)}"]
    if unseen is not None:
        short = {name: METHODS[name] for name in README_METHODS}
        parts.append(
            "Generators trained on tasks outside the nine unseen ones, as `metaworld` was; one"
            f" demonstration, first sample, 50 layouts:\n\n{write_methods(unseen, short)}\n\n"
            f"{describe(unseen)}"
        )
    if shipped := summarize_shipped(read_optional("shipped")):
        parts.append(shipped)
    text = "\n\n".join(parts)
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def main() -> int:
    """Write both pages, or compare them with what would be written."""
    readme = ROOT / "README.md"
    pages = {ROOT / "docs" / "results.md": write_page(), readme: write_readme(readme.read_text())}
    stale = [path for path, text in pages.items() if not path.is_file() or path.read_text() != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(ROOT)}: not what benchmarks/results says; run {sys.argv[0]}")
        return 1 if stale else 0
    for path in stale:
        path.write_text(pages[path])
        print(f"written: {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
