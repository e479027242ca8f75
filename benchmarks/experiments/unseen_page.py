"""Picture and pages of unseen tasks."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from benchmarks.experiments.unseen_methods import SELECTED, SELECTED_BEST
from benchmarks.pages.tables import describe, join, rate, share, table
from benchmarks.results import Resolve
from makeanagent.artifacts import hash_file
from makeanagent.evaluation.figures import FAILURE, GOAL, SUCCESS, file_style
from makeanagent.hub import WEIGHTS_NAME, find_generator
from makeanagent.methods.registry import METHODS, find_method

_COUNTED = {
    SELECTED: "guided, top {num_chosen} of {num_tried} by rollouts on other layouts",
    SELECTED_BEST: "guided, best of {num_tried} by rollouts on other layouts",
}
_FIRST = ("unguided", "guided", *_COUNTED)
LABELS = {name: _COUNTED.get(name) or find_method(name).label for name in _FIRST} | {
    method.name: method.label for method in METHODS if method.name not in _FIRST
}
"""Methods in the order of the tables, with names of settings in braces."""
SHIPPED = "metaworld-41"
"""The bundled generator that never learned an unseen task."""
README_METHODS = (
    "unguided",
    "guided",
    SELECTED,
    "shuffled",
    "cloning",
    "cloning_moved",
    "retrieval",
)
_COLUMNS = {
    "unguided": "no guidance",
    "guided": "guided",
    SELECTED: "top {num_chosen} of {num_tried}",
    "cloning": "cloning",
    "cloning_moved": "cloning, with moves",
}
"""Columns of the tables by task."""
_DRAWN = {
    "unguided": ("generated, no guidance", GOAL, "s"),
    "guided": ("guided generation", SUCCESS, "o"),
    "cloning": ("behaviour cloning from scratch", FAILURE, "^"),
}
_CURVES = {
    "demonstrations": "demonstrations of the task, together",
    "noise": "action noise of the one demonstration",
}


def draw_unseen(result: dict[str, Any]) -> Figure:
    """Mean success over unseen tasks, with 95% intervals as bands.

    Args:
        result: what `summarize_unseen` returned, with its curves.
    """
    with file_style():
        figure = Figure(figsize=(7.2, 3.4), layout="constrained")
        axes = figure.subplots(1, len(_CURVES), sharey=True)
        for ax, (curve, text) in zip(axes, _CURVES.items(), strict=True):
            points = [
                point
                for point in result["curves"]
                if point["curve"] == curve and point["mean"] is not None
            ]
            for method, (label, color, marker) in _DRAWN.items():
                mine = [point for point in points if point["method"] == method]
                if not mine:
                    continue
                values = [point["value"] for point in mine]
                low, high = ([point["interval_95"][end] for point in mine] for end in (0, 1))
                ax.fill_between(values, low, high, color=color, alpha=0.15, lw=0)
                ax.plot(
                    values, [point["mean"] for point in mine], color=color, marker=marker, ms=5,
                    lw=1.8, label=label,
                )  # fmt: skip
            if curve == "demonstrations":
                ax.set_xscale("log")
            ticks = sorted({point["value"] for point in points})
            ax.set_xticks(ticks, [f"{value:g}" for value in ticks])
            ax.minorticks_off()
            num_tasks = max((point["num_tasks"] for point in points), default=0)
            ax.set_title(f"{num_tasks} unseen tasks")
            ax.set_xlabel(text)
            ax.set_ylim(-0.02, 1.04)
        axes[0].set_ylabel("success of the first sample")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def _name(text: str, result: dict[str, Any]) -> str:
    """A method's words, with the numbers that the figures were made with."""
    settings = result["settings"]
    return text.format_map(settings["sizes"] | settings)


def write_methods(result: dict[str, Any], methods: Sequence[str] = tuple(LABELS)) -> str:
    """One row a method: what it took, and means over seen and over unseen tasks."""
    means = {(mean["method"], mean["seen"]): mean for mean in result["means"]}
    rows = []
    for method in methods:
        seen, unseen = means.get((method, True)), means.get((method, False))
        if seen is None and unseen is None:
            continue
        lowest = "–"
        if unseen and unseen["lowest"] is not None:
            lowest = f"{unseen['lowest']:.2f} ({unseen['lowest_task'].removesuffix('-v3')})"
        num_seeds = "/".join(str(len(mean["seeds"])) for mean in (seen, unseen) if mean)
        iqm = share(unseen and unseen["interquartile_mean"])
        effort = _write_effort(unseen or seen or {})
        name = _name(LABELS[method], result)
        rows.append([name, effort, num_seeds, rate(seen), rate(unseen), iqm, lowest])
    header = [
        "method",
        "demonstrations, rollouts",
        "training seeds, seen/unseen",
        "seen",
        "unseen",
        "unseen, IQM",
        "lowest unseen task",
    ]
    return table(header, rows)


def _write_effort(mean: dict[str, Any]) -> str:
    if mean["num_demonstrations"] is None:
        return "–"
    return f"{mean['num_demonstrations']}, {mean['num_rollouts']}"


def write_tasks(result: dict[str, Any]) -> str:
    """One row a task, seen ones first."""
    columns = {
        method: text
        for method, text in _COLUMNS.items()
        if any(method in row["methods"] for row in result["tasks"])
    }
    gains = {row["task"]: row for found in result["against_rival"] for row in found["tasks"]}
    rows = [
        [
            row["task"].removesuffix("-v3"),
            *(rate(row["methods"].get(method)) for method in columns),
            _write_gain(gains.get(row["task"])),
        ]
        for row in sorted(result["tasks"], key=lambda row: not row["seen"])
    ]
    # What plays before it is scored says so wherever it stands.
    took = {
        mean["method"]: f" ({_write_effort(mean)})"
        for mean in result["means"]
        if mean["num_rollouts"]
    }
    names = [_name(text, result) + took.get(method, "") for method, text in columns.items()]
    return table(["task", *names, "guided, less its strongest rival"], rows)


def _write_gain(difference: dict[str, Any] | None) -> str:
    """A difference, with its interval where there is one."""
    if difference is None:
        return "–"
    if difference["interval_95"] is None:
        return f"{difference['mean']:+.2f}"
    low, high = difference["interval_95"]
    return f"{difference['mean']:+.2f} ({low:+.2f} to {high:+.2f})"


def write_rivalry(result: dict[str, Any]) -> str:
    """Guided generation against its strongest rival, a sentence for each group of tasks."""
    return " ".join(_describe_rivalry(found, result) for found in result["against_rival"])


def _describe_rivalry(found: dict[str, Any], result: dict[str, Any]) -> str:
    clear = ""
    if found["clear_wins"] is not None:
        clear = (
            f"; the task's own interval leaves 0 out on {found['clear_wins']} of those that are"
            f" better and {found['clear_losses']} of those that are worse"
        )
    return (
        f"On {'seen' if found['seen'] else 'unseen'} tasks the strongest rival of guided"
        f" generation is {_name(LABELS[found['rival']], result)}: prompt by prompt the difference"
        f" is {_write_gain(found['difference'])} over {_count_seeds(found['seeds'])}; guided"
        f" generation is better on {found['wins']} of {found['num_tasks']} tasks, worse on"
        f" {found['losses']}, equal on {found['ties']}{clear}."
    )


def _count_seeds(seeds: Sequence[int]) -> str:
    return "one training seed" if len(seeds) == 1 else f"{len(seeds)} training seeds"


def write_unseen(
    result: dict[str, Any],
    *,
    zoo: dict[str, Any] | None,
    whole: dict[str, Any] | None,
    known: dict[str, Any] | None,
    resolve: Resolve,
) -> str:
    """The section on tasks that nobody trained on.

    Args:
        result: the figures.
        zoo: those of the zoo that the generators are trained on.
        whole: those of a zoo of all tasks that may be trained on.
        known: those of seen tasks, where they were measured apart.
        resolve: the experiment's.
    """
    settings, milliseconds = result["settings"], result["guidance_milliseconds"]
    sizes, protocol = settings["sizes"], settings["protocol"]
    cost = "" if milliseconds is None else f" Guidance took {milliseconds:.0f} ms a policy."
    curves = ""
    if result["curves"]:
        curves = f"""
### More demonstrations, and noisier ones

{_show_curves(sizes["rival_seeds"], "unseen.png")}
"""
    return f"""## Unseen tasks: one demonstration, first sample

{_describe_zoo(result, zoo, whole)}Each task has {sizes["num_prompts"]} expert prompts a training
seed, with action noise {join(settings["expert_noise"])} by turns; each method makes one policy of
each prompt, and the policies share {protocol["held_out_layouts"]} fresh layouts among them
({sizes["layouts_per_policy"]} each). What is chosen by rollouts is chosen on
{protocol["selection_layouts"]} other layouts than it is scored on; *demonstrations, rollouts* is
what a policy took of the task before it was scored. Means over tasks, with 95% intervals by
{result["intervals"]}; few seeds tell little of all, and where there is one, the interval speaks of
this seed alone; of policies that rollouts chose, it knows of no other choice. IQM is the
interquartile mean.
{_describe_layouts(result)}
{write_methods(result)}

{write_rivalry(result)}{cost}

{describe(result, resolve)}
{_describe_known(known, resolve)}
### Task by task

Means over training seeds; intervals as above, no narrower than Wilson's; in brackets in the header,
demonstrations and rollouts.

{write_tasks(result)}
{curves}
"""


def _show_curves(num_seeds: int, picture: str) -> str:
    seeds = _count_seeds(range(num_seeds))
    return f"""Generation and behaviour cloning on the same demonstrations of unseen tasks, {seeds},
scored on layouts that are not sealed; bands are 95% intervals, of policies of these seeds.

![Success over the number of demonstrations, and over their action noise](images/{picture})"""


def _describe_zoo(
    result: dict[str, Any], zoo: dict[str, Any] | None, whole: dict[str, Any] | None
) -> str:
    """What the generators are trained on, and what of all tasks they are trained without."""
    if zoo is None:
        return ""
    unseen = {row["task"] for row in result["tasks"] if not row["seen"]}
    tasks = {row["task"] for row in zoo["tasks"]}
    text = f"The generators are trained on {len(tasks)} tasks outside the {len(unseen)} unseen ones"
    if whole is not None:
        left_out = sorted({row["task"] for row in whole["tasks"]} - tasks - unseen)
        names = ", ".join(name.removesuffix("-v3") for name in left_out)
        text += f", without {names} ([below](#all-fifty-tasks))" if left_out else ""
    return (
        f"{text}. Their zoo has {zoo['settings']['recipe']['num_runs']} runs a task, and was built"
        f" in {zoo['build_seconds'] / 60:.0f} minutes. {zoo['note']} "
    )


def _describe_known(known: dict[str, Any] | None, resolve: Resolve) -> str:
    """By what the seen tasks were measured, where that was apart."""
    if known is None:
        return ""
    return f"\nThe seen tasks: {describe(known, resolve, with_cells=False)}\n"


def _describe_layouts(result: dict[str, Any]) -> str:
    """Which layouts scores are of, and how often sealed ones had been scored on before."""
    use = result["sealed"]
    if use is None:
        return "\nScored on layouts that earlier measurements have seen, too.\n"
    times = {0: "never been used", 1: "been used once"}.get(
        use["uses_before"], f"been used {use['uses_before']} times"
    )
    return f"""
Scored on sealed layouts, which had {times} before (`benchmarks/sealed_layouts.jsonl`).
"""


def write_shipped(result: dict[str, Any], resolve: Resolve) -> str:
    """The section on the bundled generator."""
    seeds = _count_seeds(range(result["num_seeds"]))
    curves = f"\n{_show_curves(1, 'shipped.png')}\n" if result["curves"] else ""
    return f"""## The bundled generator

{seeds.capitalize()}, of whose policies alone the intervals speak; prompts as above.
{_tell_earlier(result)}{_describe_layouts(result)}
{write_tasks(result)}
{curves}
{describe(result, resolve)}

"""


def _write_curve(result: dict[str, Any], method: str) -> str:
    """Success with several demonstrations together, in words; nothing where it was not measured."""
    points = [
        point
        for point in result["curves"]
        if (point["curve"], point["method"]) == ("demonstrations", method)
    ]
    if not points:
        return ""
    counts = join([point["value"] for point in points])
    means = join([round(point["mean"], 2) for point in points])
    return (
        f"With {counts} demonstrations together, {LABELS[method]}: {means}, on layouts that are not"
        " sealed."
    )


def _tell_earlier(result: dict[str, Any]) -> str:
    """Whether these are figures of weights that are not bundled any more."""
    weights = find_generator(SHIPPED) / WEIGHTS_NAME
    if hash_file(weights) in result["generators_sha256"].values():
        return ""
    return (
        f"\n**Of an earlier `{SHIPPED}`**: today's weights are of a later recipe and have not been"
        " measured so.\n"
    )


def summarize_shipped(shipped: dict[str, Any], resolve: Resolve) -> str:
    """The bundled generator's unseen tasks, method by method."""
    findings = f"{write_rivalry(shipped)} {_write_curve(shipped, 'unguided')}".rstrip()
    return (
        "The bundled generator alone, on unseen tasks:\n"
        f"{_tell_earlier(shipped)}{_describe_layouts(shipped)}\n"
        f"{write_methods(shipped, README_METHODS)}\n\n{findings}\n\n"
        f"{describe(shipped, resolve, with_cells=False)}"
    )
