"""Tasks that nobody trained on: methods and rivals, ranking, memorisation, and the zoos."""

from typing import Any

from benchmarks.pages.tables import describe, describe_cells, rate, read_optional, share, table


def read_unseen() -> dict[str, Any] | None:
    """Figures of unseen tasks, with those of seen ones, which were measured apart, beside them."""
    unseen, known = read_optional("unseen"), read_optional("known")
    if unseen is not None and known is not None:
        for name in ("means", "guided_against_cloning"):
            unseen[name] = [part for part in known[name] if part["seen"]] + [
                part for part in unseen[name] if not part["seen"]
            ]
    return unseen


METHODS = {
    "unguided": "generated, no guidance",
    "guided": "generated, guided",
    "ranked": "guided, best of 64 by rank, no rollouts",
    "selected": "guided, top 5 of 100 by 5 rollouts on other layouts",
    "selected_best": "guided, best of 100 by 5 rollouts on other layouts",
    "cloning": "behaviour cloning from scratch",
    "cloning_moved": "behaviour cloning from scratch, with the moves of guidance",
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
README_METHODS = (
    "unguided",
    "guided",
    "ranked",
    "selected",
    "cloning",
    "cloning_moved",
    "retrieval",
)


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


TASK_METHODS = {
    "unguided": "no guidance",
    "guided": "guided",
    "ranked": "best of 64 by rank",
    "selected": "top 5 of 100",
    "cloning": "cloning",
}
"""Columns of the tables by task."""


def write_tasks(result: dict[str, Any]) -> str:
    """One row a task, seen ones first."""
    rows = [
        [row["task"].removesuffix("-v3"), *(rate(row["methods"].get(m)) for m in TASK_METHODS)]
        for row in sorted(result["tasks"], key=lambda row: not row["seen"])
    ]
    return table(["task", *TASK_METHODS.values()], rows)


def write_unseen(result: dict[str, Any] | None, zoo: dict[str, Any] | None) -> str:
    """The section on tasks that nobody trained on; empty without figures.

    Args:
        result: the figures.
        zoo: figures of the zoo that the generators are trained on.
    """
    if result is None or zoo is None:
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

The generators are trained on {len(zoo["tasks"])} of the forty-one tasks outside the nine unseen
ones; left out are the five whose policies qualified least often in the zoo of 32 rounds
([below](#all-fifty-tasks)). Theirs has {zoo["config"]["num_runs"]} runs a task, and was built in
{zoo["build_seconds"] / 60:.0f} minutes. Each task has {config["num_prompts"]} expert prompts a
training seed, with action noise 0, 0.1, 0.2 and 0.3 by turns; each method makes one policy of each
prompt, and the policies share 50 fresh layouts among them ({config["layouts_per_policy"]} each).
What is chosen by rollouts is chosen on other layouts than it is scored on. Means over tasks, with
95% intervals by a stratified bootstrap over policies; IQM is the interquartile mean.

{write_methods(result, METHODS)}

Guided generation: {counted or "not measured"}.{cost}

{describe_cells(result)}

### Task by task

Means over training seeds, with Wilson intervals.

{write_tasks(result)}
{curves}
"""


def write_shipped(result: dict[str, Any] | None) -> str:
    """The section on the bundled generator; empty without figures."""
    if result is None:
        return ""
    guidance = result["config"]["methods"]["guidance"]
    return f"""## The bundled generator

One training seed, by the recipe and on a zoo of before ([design.md](design.md)), guided by
{guidance["num_starts"]} starts that explored for {guidance["explore_steps"]} gradient steps; same
prompts and layouts. With Wilson intervals.

{write_tasks(result)}

{describe_cells(result)}

"""


def summarize_shipped(shipped: dict[str, Any] | None) -> str:
    """One sentence on the bundled generator's unseen tasks; empty without figures."""
    if shipped is None:
        return ""
    means = {mean["method"]: mean["mean"] for mean in shipped["means"] if not mean["seen"]}
    listed = "; ".join(
        f"{METHODS[name]} {share(means[name])}" for name in README_METHODS if name in means
    )
    return f"The bundled generator alone, on unseen tasks: {listed}."


def write_breadth(parts: list[dict[str, Any] | None]) -> str:
    """How many tasks have a good zoo, and which have not; empty without figures.

    Args:
        parts: figures of zoos; where two hold a task, the later one counts.
    """
    found = [part for part in parts if part is not None]
    if not found:
        return ""
    latest = {row["task"]: row for part in found for row in part["tasks"]}
    rows = sorted(latest.values(), key=lambda row: row["task"])
    good = [row for row in rows if row["qualified_rate"] >= 0.9]
    weak = [
        [
            row["task"].removesuffix("-v3"),
            str(row["num_policies"]),
            f"{row['qualified_rate']:.3f}",
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

Measured zoo by zoo; where two zoos hold a task, the later one counts:

{chr(10).join(_describe_build(part) for part in found)}
"""


def _describe_build(part: dict[str, Any]) -> str:
    """Which zoo a part's figures are of, by its size and its most rounds of DAgger."""
    rounds = part["config"]["max_rounds"]
    return f"- {len(part['tasks'])} tasks, {rounds} rounds of DAgger at most: {describe(part)}"


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
