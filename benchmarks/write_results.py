"""Write docs/results.md, and the results in the README, from the JSON files in benchmarks/results.

python benchmarks/write_results.py          # write
python benchmarks/write_results.py --check  # fail if what is written is not what they say
"""

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def read(name: str) -> dict[str, Any]:
    """One benchmark's figures."""
    return json.loads((RESULTS / f"{name}.json").read_text())


def read_optional(name: str) -> dict[str, Any] | None:
    """One benchmark's figures, or None where it has not been run."""
    return read(name) if (RESULTS / f"{name}.json").is_file() else None


def read_unseen() -> dict[str, Any] | None:
    """Figures of unseen tasks, with those of seen ones, which were measured apart, beside them."""
    unseen, known = read_optional("unseen"), read_optional("known")
    if unseen is not None and known is not None:
        for name in ("means", "guided_against_cloning"):
            unseen[name] = [part for part in known[name] if part["seen"]] + [
                part for part in unseen[name] if not part["seen"]
            ]
    return unseen


def describe(result: dict[str, Any]) -> str:
    """Where and when figures were measured, in one line."""
    provenance = result["provenance"]
    machine, versions = provenance["machine"], provenance["versions"]
    return (
        f"*{provenance['created'][:10]}, commit `{(provenance['git_commit'] or 'none')[:10]}`,"
        f" {machine['processor']} with {machine['num_cpus']} cores, torch {versions['torch']},"
        f" Meta-World {versions['metaworld']}, MuJoCo {versions['mujoco']}.*"
    )


def share(value: float | None) -> str:
    """A rate with two decimals."""
    return "–" if value is None else f"{value:.2f}"


def spread(cell: dict[str, Any]) -> str:
    """Mean and standard deviation over training seeds."""
    return f"{cell['mean']:.2f} ± {cell['std']:.2f}"


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write_means(result: dict[str, Any]) -> str:
    """Means over tasks, a row for each prompt source, seen and unseen."""
    rows = [
        [
            f"{'seen' if mean['seen'] else 'unseen'} ({mean['num_tasks']} tasks)",
            mean["source"],
            f"**{share(mean['qualified'])}**",
            share(mean["paper_qualified"]),
            share(mean["lowest_qualified"]),
            share(mean["top_5"]),
            f"**{share(mean['first_sample'])}**",
            share(mean["best_of_n"]),
        ]
        for mean in sorted(result["means"], key=lambda mean: (not mean["seen"], mean["source"]))
    ]
    header = [
        "tasks",
        "prompts",
        "qualified",
        "qualified, paper",
        "lowest task",
        "top 5",
        "first sample, 50 layouts",
        "best of 20, 50 layouts",
    ]
    return table(header, rows)


def write_tasks(result: dict[str, Any], source: str) -> str:
    """One row a task."""
    rows = []
    chosen = [row for row in result["rows"] if row["source"] == source]
    for row in sorted(chosen, key=lambda row: (not row["seen"], row["task"])):
        paper = row["paper"] or {}
        rows.append(
            [
                row["task"].removesuffix("-v3"),
                "seen" if row["seen"] else "unseen",
                spread(row["qualified"]),
                share(paper.get("qualified")),
                spread(row["top_5"]),
                share(paper.get("top_5")),
                spread(row["top_10"]),
                share(paper.get("top_10")),
                spread(row["first_sample"]),
                spread(row["best_of_n"]),
            ]
        )
    header = [
        "task",
        "",
        "qualified",
        "paper",
        "top 5",
        "paper",
        "top 10",
        "paper",
        "first sample",
        "best of 20",
    ]
    return table(header, rows)


METHODS = {
    "unguided": "generated, no guidance",
    "guided": "generated, guided",
    "ranked": "guided, best of 64 by rank, no rollouts",
    "selected": "guided, top 5 of 100 by 5 rollouts on other layouts",
    "selected_best": "guided, best of 100 by 5 rollouts on other layouts",
    "cloning": "behaviour cloning from scratch",
    "retrieval": "nearest prompt's zoo policy",
    "retrieval_noise": "nearest prompt's zoo policy, plus noise",
    "average_2": "average of the 2 nearest zoo policies",
    "average_16": "average of the 16 nearest zoo policies",
    "gaussian": "Gaussian of the nearest task, in latent space",
    "regression": "regression from prompt to latent",
    "cloning_mean": "behaviour cloning from the zoo's mean",
    "shuffled": "generated, no guidance, another task's prompt",
}
"""Methods of `benchmark unseen` in the order of its tables."""
README_METHODS = ("unguided", "guided", "ranked", "selected", "cloning", "retrieval")


def rate(cell: dict[str, Any] | None) -> str:
    """Mean and interval."""
    if cell is None or cell["mean"] is None:
        return "–"
    low, high = cell["interval_95"]
    return f"{cell['mean']:.2f} ({low:.2f} to {high:.2f})"


def write_methods(result: dict[str, Any], methods: dict[str, str]) -> str:
    """One row a method: means over seen and over unseen tasks."""
    means = {(mean["method"], mean["seen"]): mean for mean in result["means"]}
    rows = []
    for method, text in methods.items():
        seen, unseen = means.get((method, True)), means.get((method, False))
        if seen is None and unseen is None:
            continue
        lowest = "–"
        if unseen and unseen["lowest"] is not None:
            lowest = f"{unseen['lowest']:.2f} ({unseen['lowest_task'].removesuffix('-v3')})"
        num_seeds = "/".join(str(len(mean["seeds"])) for mean in (seen, unseen) if mean)
        iqm = share(unseen and unseen["interquartile_mean"])
        rows.append([text, num_seeds, rate(seen), rate(unseen), iqm, lowest])
    header = [
        "method",
        "training seeds, seen/unseen",
        "seen",
        "unseen",
        "unseen, IQM",
        "lowest unseen task",
    ]
    return table(header, rows)


def write_unseen_tasks(result: dict[str, Any]) -> str:
    """One row an unseen task."""
    methods = ("unguided", "guided", "ranked", "selected", "cloning")
    rows = [
        [row["task"].removesuffix("-v3"), *(rate(row["methods"].get(name)) for name in methods)]
        for row in result["tasks"]
        if not row["seen"]
    ]
    header = ["task", "no guidance", "guided", "best of 64 by rank", "top 5 of 100", "cloning"]
    return table(header, rows)


def write_unseen(result: dict[str, Any] | None) -> str:
    """The section on tasks that nobody trained on; empty without figures."""
    if result is None:
        return ""
    config, milliseconds = result["config"], result["guidance_milliseconds"]
    wins = [group for group in result["guided_against_cloning"] if group["num_tasks"]]
    counted = "; ".join(
        f"on {group['better']} of {group['num_tasks']} {'seen' if group['seen'] else 'unseen'}"
        f" tasks better than cloning, on {group['worse']} worse"
        for group in wins
    )
    cost = (
        ""
        if milliseconds is None
        else f" Guidance took {milliseconds:.0f} ms a policy beside the other jobs of this run."
    )
    curves = ""
    if result["curves"]:
        curves = """
### More demonstrations, and noisier ones

Guided generation and behaviour cloning on the same demonstrations of unseen tasks, one training
seed; bands are 95% intervals.

![Success over the number of demonstrations, and over their action noise](images/unseen.png)
"""
    return f"""## Unseen tasks: one demonstration, first sample

The generator is trained on all tasks of the zoo but the unseen ones. Each task has
{config["num_prompts"]} expert prompts a training seed, with action noise 0, 0.1, 0.2 and 0.3 by
turns; each method makes one policy of each prompt, and the policies share 50 fresh layouts among
them ({config["layouts_per_policy"]} each). What is chosen by rollouts is chosen on other layouts
than it is scored on. Means over tasks, with 95% intervals by a stratified bootstrap over policies;
IQM is the interquartile mean.

{write_methods(result, METHODS)}

Guided generation: {counted or "not measured"}.{cost}

{describe(result)} Cells were filled by the code of commit
{", ".join(f"`{commit[:10]}`" for commit in result["cell_commits"])}.

### Each unseen task

Means over training seeds, with Wilson intervals.

{write_unseen_tasks(result)}
{curves}
"""


def write_breadth(parts: list[dict[str, Any] | None]) -> str:
    """How many tasks have a good zoo, and which have not; empty without figures."""
    found = [part for part in parts if part is not None]
    if not found:
        return ""
    rows = sorted((row for part in found for row in part["tasks"]), key=lambda row: row["task"])
    good = [row for row in rows if row["qualified_rate"] >= 0.9]
    weak = [
        [
            row["task"].removesuffix("-v3"),
            str(row["num_policies"]),
            f"{row['qualified_rate']:.2f}",
            f"{row['success_rate']:.2f}",
            f"{row['expert_success']:.2f}",
        ]
        for row in rows
        if row["qualified_rate"] < 0.9
    ]
    return f"""### All fifty tasks

Of {len(rows)} tasks with a zoo, {len(good)} have 90% or more of their policies qualified. The
others:

{table(["task", "policies", "qualified", "success", "expert"], weak)}

{describe(found[0])}
"""


def write_ranking(result: dict[str, Any] | None) -> str:
    """The section on choosing without the simulator; empty without figures."""
    if result is None:
        return ""
    report, candidates = result["report"], result["candidates"]
    rows = [
        ["all candidates", share(report["success_mean"])],
        ["smallest error on the demonstration", share(report["success_error"])],
        ["highest predicted success", share(report["success_top"])],
        ["best by the very rollouts that score it", share(report["success_oracle"])],
    ]
    return f"""## Choosing without the simulator

{report["num_candidates"]:,} guided candidates of {report["num_prompts"]} demonstrations, of tasks
that their generators were trained without ({candidates["num_folds"]} folds), on
{candidates["num_layouts"]} layouts each. The predictor, too, is judged on tasks that neither it nor
its calibration has seen.

{table(["chosen among a demonstration's candidates", "success"], rows)}

Rank correlation within a demonstration's candidates {report["spearman_within"]:.2f} (by
demonstration error alone {report["spearman_within_error"]:.2f}), over all candidates
{report["spearman_all"]:.2f}; expected calibration error {report["ece_raw"]:.3f} before and
{report["ece"]:.3f} after calibration; Brier score {report["brier"]:.3f}.

{describe(result)}
"""


def write_novelty(result: dict[str, Any] | None) -> str:
    """The section on memorisation; empty without figures."""
    if result is None:
        return ""
    config = result["config"]
    rows = [
        [
            f"{'seen' if group['seen'] else 'unseen'} ({group['num_tasks']} tasks)",
            share(group["success"]),
            share(group["nearest_success"]),
            share(group["good"]),
            share(group["good_where_nearest_is_not"]),
            share(group["good_and_novel"]["action"]),
            *(
                "–" if z is None else f"{z:.1f}"
                for z in (
                    group["copying"][name]["action"]["z"]
                    for name in ("held_out_runs", "held_out_tasks")
                )
            ),
        ]
        for group in result["groups"]
    ]
    header = [
        "tasks",
        "success",
        "success, nearest training policy",
        "good",
        "good where the nearest is not",
        "good and new",
        "Z_U, held-out runs",
        "Z_U, held-out tasks",
    ]
    return f"""## Are generated policies copies?

{config["num_prompts"]} first samples a task of the ten-task generator, without guidance, and the
training policy that is nearest to each in its actions, on the same {config["num_layouts"]} layouts.
*Good*: success of {config["success_bar"]:g} or more. *New*: farther from training than the median
training policy is from the policies of other runs. *Z_U*: the data-copying test against policies
that were held out; far below 0 means copying.

{table(header, rows)}

![Success over the distance to the nearest training policy](images/novelty.png)

{describe(result)}

"""


def write_page() -> str:
    """The whole of docs/results.md."""
    table4, representation = read("table4"), read("representation")
    speed, zoo = read("speed"), read("zoo")
    seeds = table4["rows"][0]["num_seeds"]
    generation, batch, rollouts = speed["generation"], speed["batch"], speed["rollouts"]
    retrieval = representation["embedding"]
    return f"""# Results

Written by `benchmarks/write_results.py` from the JSON files in `benchmarks/results`; do not edit.

## Table 4: one generator from ten tasks, 100 prompts a task, {seeds} training seeds

*Qualified*: success on 5 of 5 random layouts, share of 100 policies, no selection (the paper's
appendix B.2). *Top 5*, *top 10*: the best policies, chosen on the scoring layouts themselves, as
the paper does. *First sample*: the first policy from each prompt, unchosen, on 50 layouts of its
own range (each policy plays 5 of them, each layout is played by 10). *Best of 20*: chosen on 5
layouts and scored on 50 others. No layout serves two purposes.

The paper's figures are for Meta-World v2 and prompts from partly trained SAC agents; ours are for
v3 and the prompts that are named: *expert* are scripted experts with action noise 0, 0.1, 0.2 and
0.3 by turns, *zoo* are rollouts of zoo policies of runs that training held out (for unseen tasks,
of a zoo that was never trained on). They stand side by side as a yardstick, not as a like-for-like
comparison.

{write_means(table4)}

{describe(table4)} Cells were filled by the code of commit
{", ".join(f"`{commit[:10]}`" for commit in table4["cell_commits"])}.

### Expert prompts

{write_tasks(table4, "expert")}

### Zoo prompts

{write_tasks(table4, "zoo")}

{write_unseen(read_unseen())}{write_ranking(read_optional("predictor"))}\
{write_novelty(read_optional("novelty"))}\
## What the autoencoder keeps

Policies before and after encoding and decoding: {
        representation["autoencoder"][0]["num_policies"]
    } a
task of the runs that the autoencoder was trained on, and as many of the runs that were held out, on
{representation["autoencoder"][0]["num_layouts"]} validation layouts. The largest loss of success is
{representation["largest_success_loss"]["training"]:.3f} on training runs and
{representation["largest_success_loss"]["held-out"]:.3f} on held-out ones.

{
        table(
            ["task", "runs", "weight RMSE", "action RMSE", "success", "success, decoded"],
            [
                [
                    row["task"].removesuffix("-v3"),
                    row["runs"],
                    f"{row['weight_rmse']:.4f}",
                    f"{row['action_rmse']:.3f}",
                    f"{row['success_original']:.3f}",
                    f"{row['success_decoded']:.3f}",
                ]
                for row in representation["autoencoder"]
            ],
        )
    }

{describe(representation)}

## What the behaviour embedding knows

Of {retrieval["num_prompts"]} held-out expert demonstrations of all ten tasks,
{retrieval["own_outcome_top_1"]:.0%} score their own outcome highest (chance:
{retrieval["chance_own_outcome_top_1"]:.1%}), {retrieval["own_outcome_top_5"]:.0%} have it among
their first five, and {retrieval["own_task_top_1"]:.0%} score an outcome of their own task highest.

## The zoo

{
        table(
            ["task", "policies", "runs", "qualified", "success", "expert"],
            [
                [
                    row["task"].removesuffix("-v3"),
                    str(row["num_policies"]),
                    str(row["num_runs"]),
                    f"{row['qualified_rate']:.3f}",
                    f"{row['success_rate']:.3f}",
                    f"{row['expert_success']:.2f}",
                ]
                for row in zoo["tasks"]
            ],
        )
    }

Built in {
        zoo["build_seconds"] / 60:.0f} minutes, while other jobs ran beside it; a generator's three
stages (`train all`, `FAST`) took {representation["training_seconds"] / 60:.1f} minutes. {
        describe(zoo)
    }

{write_breadth([read_optional("zoo_training"), read_optional("zoo_unseen")])}
## Speed

{
        table(
            ["what", "figure"],
            [
                [
                    "100 policies from 100 prompts, loaded generator",
                    f"{generation['seconds']:.3f} s",
                ],
                [
                    "the same by the paper's architecture, same run",
                    f"{generation['paper_architecture_seconds']:.2f} s"
                    f" ({generation['times_faster']:.0f} times slower)",
                ],
                *(
                    [
                        [
                            f"guidance, {speed['guidance']['num_policies']} policies at once",
                            f"{speed['guidance']['milliseconds_per_policy']:.0f} ms a policy",
                        ]
                    ]
                    if "guidance" in speed
                    else []
                ),
                [
                    "one step of 100 policies, PolicyBatch against a loop over modules",
                    f"{batch['batch_seconds'] * 1e3:.2f} ms against"
                    f" {batch['loop_seconds'] * 1e3:.1f} ms ({batch['times_faster']:.0f} times)",
                ],
                [
                    f"evaluation, all cores ({rollouts['task']})",
                    f"{rollouts['rollouts_per_second']:.0f} rollouts/s,"
                    f" {rollouts['steps_per_second']:.0f} steps/s",
                ],
                [
                    "one core: physics alone, environment, policy and environment",
                    f"{rollouts['physics_steps_per_second_per_core']:.0f},"
                    f" {rollouts['environment_steps_per_second_per_core']:.0f},"
                    f" {rollouts['policy_and_environment_steps_per_second_per_core']:.0f} steps/s",
                ],
                [
                    "`import makeanagent`, `make-an-agent --help`",
                    f"{speed['start_up']['import_seconds']:.2f} s,"
                    f" {speed['start_up']['help_seconds']:.2f} s",
                ],
            ],
        )
    }

Medians over {speed["repeats"]} repeats, by turns. {describe(speed)}

## How to replicate

On two cores the zoo takes about a quarter of an hour, a training run a few minutes, and Table 4
about an hour; every command goes on where it was stopped.

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
    ten = "`metaworld-10`, trained on ten tasks:"
    parts = [f"{ten}\n\n{write_means(table4)}\n\n{describe(table4)}"]
    if unseen is not None:
        short = {name: METHODS[name] for name in README_METHODS}
        parts.append(
            "`metaworld`, trained on the tasks outside the nine unseen ones; one demonstration,"
            f" first sample, 50 layouts:\n\n{write_methods(unseen, short)}\n\n{describe(unseen)}"
        )
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
