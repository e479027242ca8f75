"""The report: one HTML file that holds its own pictures, for a light or a dark page."""

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from makeanagent.artifacts import write_text
from makeanagent.evaluation.figures import (
    INK,
    LINE,
    PathPanel,
    draw_paths,
    draw_policy_success,
    draw_success_grid,
    figure_style,
)
from makeanagent.evaluation.tables import format_interval, format_rate
from makeanagent.rollouts.film import Film, encode_film, encode_png
from makeanagent.suites import Suite
from makeanagent.trajectories.trajectory import Trajectory

_STRIP_FRAMES = 5
_STYLE = """
:root { color-scheme: light dark; --page: #fcfcfb; --card: #fff; --ink: #20242a; --soft: #5b636e;
  --line: #d5d8dc; --accent: #1673ad; }
@media (prefers-color-scheme: dark) { :root { --page: #14171a; --card: #1c2024; --ink: #e6e8ea;
  --soft: #a0a8b2; --line: #3a4047; --accent: #62b5e8; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .4rem; }
h2 { font-size: 1.15rem; margin: 2.6rem 0 .4rem; }
p { margin: .4rem 0 .8rem; max-width: 46rem; }
.soft, figcaption, th { color: var(--soft); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(12rem, 1fr)); gap: .8rem;
  margin: 1.4rem 0; }
.tile, figure { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; }
.tile { padding: .8rem 1rem; }
.tile b { display: block; font-size: 1.7rem; line-height: 1.2; color: var(--accent);
  font-variant-numeric: tabular-nums; }
.tile span { font-size: .85rem; color: var(--soft); }
figure { margin: .8rem 0; padding: .9rem; overflow-x: auto; }
figure svg { display: block; width: 100%; min-width: 34rem; height: auto; margin: auto; }
figcaption { font-size: .85rem; margin-top: .6rem; max-width: 46rem; }
.strip { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .5rem; }
.strip div { font-size: .8rem; color: var(--soft); text-align: center; }
.strip img, .film { width: 100%; display: block; border-radius: .35rem; }
.film { max-width: 24rem; margin-top: .8rem; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; font-weight: 400; padding: .3rem 1.4rem .3rem 0; vertical-align: top;
  border-bottom: 1px solid var(--line); }
td.number { text-align: right; }
th, td.number { white-space: nowrap; }
code { font: .9em ui-monospace, "SF Mono", Consolas, monospace; overflow-wrap: anywhere; }
summary { cursor: pointer; color: var(--accent); font-size: .9rem; margin-top: .8rem; }
"""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a report shows."""

    title: str
    suite: Suite
    task: str
    facts: Mapping[str, str]
    "Where everything came from, by name."
    demonstration: Trajectory
    result: dict[str, Any]
    "What `evaluate_policies` returned."
    same_layout: Sequence[Trajectory]
    "Episodes of all policies on one new layout."
    chosen: Sequence[Trajectory]
    "Episodes of the policy ranked first, on other new layouts."
    film: Film | None = None
    "Of an episode of the policy ranked first."
    film_text: str = ""
    "What the film shows, or why there is none."
    seconds: Mapping[str, float] = field(default_factory=dict)
    "How long each part took."
    command: str = ""
    "What makes this report again."


def write_report(path: Path, report: Report) -> None:
    """Draw the pictures and write the file, atomically.

    Raises:
        InputError: it cannot be written.
    """
    write_text(path, "".join(_write_page(report)))


def _write_page(report: Report) -> Iterator[str]:
    result = report.result
    paper, held_out = result["paper"], result["held_out"]
    num, first, best = result["num_policies"], held_out["first_sample"], held_out["best_of_n"]
    yield '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(report.title)}</title><style>{_STYLE}</style></head><body><main>\n"
    yield f"<h1>{escape(report.title)}</h1>\n"
    yield (
        f"<p class=soft>{num} policies were generated from one demonstration and played"
        f" {result['num_rollouts']:,} episodes on layouts set aside for that: no zoo, demonstration"
        " or tuning of this package draws from them.</p>\n"
    )
    yield "<div class=tiles>"
    yield _tile(
        f"{first['mean']:.0%}",
        "mean success on held-out layouts, no selection; 95% interval"
        f" {format_interval(first['interval_95'])}",
    )
    yield _tile(
        f"{best['mean']:.0%}",
        f"success of one of {len(held_out['selection_success'])}, chosen on"
        f" {len(held_out['selection_layouts'])} layouts, scored on {best['num_rollouts']} others;"
        f" {format_interval(best['interval_95'])}",
    )
    yield _tile(
        f"{paper['qualified_rate']:.0%}",
        f"qualified as in the paper: success on all {len(paper['layouts'])} layouts;"
        f" {format_interval(paper['qualified_interval_95'])}",
    )
    if "generate" in report.seconds:
        yield _tile(f"{report.seconds['generate']:.2f} s", f"to generate {num} policies")
    yield "</div>\n"
    yield from _write_paths(report)
    yield from _write_film(report)
    yield "<h2>Success of each policy</h2>\n"
    yield _figure(
        draw_policy_success(result),
        "success rate of each policy with its 95% interval",
        "A mark is a policy's success rate on held-out layouts, its bar the 95% Wilson interval."
        " The band is the interval of the mean without selection, which knows that one policy's"
        " episodes resemble each other. Chosen policies were picked on other layouts and have"
        " played all the held-out ones.",
    )
    yield "<h2>Success on each layout</h2>\n"
    yield _figure(
        draw_success_grid(result),
        "success of each policy on each layout",
        f"Paper: {len(paper['layouts'])} layouts for all policies. Selection: on these the best"
        " policies are chosen. Held-out: dealt out in turn; the chosen policies play all of them.",
    )
    yield from _write_numbers(report)
    yield "</main></body></html>\n"


def _write_paths(report: Report) -> Iterator[str]:
    solved = sum(trajectory.success.any() for trajectory in report.same_layout)
    solved_by_chosen = sum(trajectory.success.any() for trajectory in report.chosen)
    panels = (
        PathPanel(
            title="The demonstration",
            trajectories=[report.demonstration],
            is_demonstration=True,
        ),
        PathPanel(
            title=f"{len(report.same_layout)} policies, one new layout: {solved} succeed",
            trajectories=report.same_layout,
        ),
        PathPanel(
            title=f"Ranked first, {len(report.chosen)} new layouts: {solved_by_chosen} solved",
            trajectories=report.chosen,
        ),
    )
    figure = draw_paths(report.suite, report.task, panels)
    if figure is None:
        return
    yield "<h2>From one demonstration to policies</h2>\n"
    yield _figure(
        figure,
        "paths of the demonstration and of generated policies",
        "Paths in metres, on the same axes in each row. Objects start at the squares and may be"
        " moved; stars are goals. A new layout has the object and the goal elsewhere.",
    )


def _write_film(report: Report) -> Iterator[str]:
    yield "<h2>A generated policy at work</h2>\n"
    if report.film is None:
        yield f"<p class=soft>{escape(report.film_text)}</p>\n"
        return
    frames, steps = report.film.frames, report.film.steps
    count = min(_STRIP_FRAMES, len(frames))
    places = [round(index * (len(frames) - 1) / max(count - 1, 1)) for index in range(count)]
    yield "<figure><div class=strip>"
    for place in places:
        source = _data_uri(encode_png(frames[place]), "image/png")
        yield f'<div><img src="{source}" alt="step {steps[place]}">step {steps[place]}</div>'
    yield "</div>"
    content, media_type = encode_film(report.film)
    source = _data_uri(content, media_type)
    yield "<details><summary>Moving picture</summary>"
    if media_type.startswith("video/"):
        yield f'<video class=film controls loop muted playsinline src="{source}"></video>'
    else:
        yield f'<img class=film src="{source}" alt="the episode">'
    yield f"</details><figcaption>{escape(report.film_text)}</figcaption></figure>\n"


def _write_numbers(report: Report) -> Iterator[str]:
    held_out, paper = report.result["held_out"], report.result["paper"]
    yield "<h2>Numbers</h2>\n<table>"
    yield "<tr><th>protocol</th><th>measure</th><th>value</th><th>95% interval</th></tr>"
    rows: list[tuple[str, str, float, list[float] | None]] = [
        ("paper", "qualified", paper["qualified_rate"], paper["qualified_interval_95"]),
        ("paper", "mean success", paper["mean_success"], paper["mean_interval_95"]),
        ("paper", "best, chosen on the layouts that score it", paper["best"], None),
        ("paper", "top 5, chosen likewise", paper["top_5"], None),
        ("paper", "top 10, chosen likewise", paper["top_10"], None),
    ]
    for key, label in (
        ("first_sample", "no selection"),
        ("best_of_n", "best, chosen on other layouts"),
        ("top_5_of_n", "top 5, chosen on other layouts"),
    ):
        rows.append(("held-out", label, held_out[key]["mean"], held_out[key]["interval_95"]))
    for protocol, label, rate, ends in rows:
        yield f"<tr><td>{protocol}</td><td>{label}</td><td class=number>{format_rate(rate)}</td>"
        yield f"<td class=number>{format_interval(ends) if ends else ''}</td></tr>"
    yield "</table>\n<h2>How this was made</h2>\n<table>"
    for name, text in report.facts.items():
        yield f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>"
    for name, seconds in report.seconds.items():
        yield f"<tr><th>time: {escape(name)}</th><td>{seconds:.2f} s</td></tr>"
    if report.command:
        yield f"<tr><th>again</th><td><code>{escape(report.command)}</code></td></tr>"
    yield "</table>\n"


def _tile(value: str, text: str) -> str:
    return f"<div class=tile><b>{escape(value)}</b><span>{escape(text)}</span></div>"


def _figure(figure: Figure, label: str, caption: str) -> str:
    return f"<figure>{to_svg(figure, label)}<figcaption>{escape(caption)}</figcaption></figure>\n"


def to_svg(figure: Figure, label: str) -> str:
    """A figure as an SVG element that takes its neutral colours from the page."""
    stream = io.StringIO()
    with figure_style():
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor").replace(LINE, "var(--line)")
    width = figure.get_figwidth() * 96
    attributes = f'role="img" aria-label="{escape(label)}" style="max-width: {width:.0f}px"'
    return f"<svg {attributes}{svg.removeprefix('<svg')}"


def _data_uri(content: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
