"""The report: one HTML file that holds its own pictures, for a light or a dark page."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
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
from makeanagent.rollouts.film import Film, encode_png, encode_webp
from makeanagent.rollouts.scenes import FRAMES_PER_SECOND, Scene
from makeanagent.suites import Suite
from makeanagent.trajectories.trajectory import Trajectory

_TEMPLATE = "report.html.jinja"
_STRIP_FRAMES = 5
_SCENE_WIDTH = 320
"""Pixels of a moving picture; some of them stand side by side."""


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
    rival: Mapping[str, Any] = field(default_factory=dict)
    """Of behaviour cloning: `label`, `mean`, `interval_95`, `num_rollouts` and `seconds`; empty for
    none."""
    scenes: Sequence[Scene] = ()
    "Moving pictures that stand side by side."
    film: Film | None = None
    "That of them whose frames are shown."
    film_text: str = ""
    "What the pictures show, or why there are none."
    seconds: Mapping[str, float] = field(default_factory=dict)
    "How long each part took."
    command: str = ""
    "What makes this report again."


def write_report(path: Path, report: Report) -> None:
    """Draw the pictures and write the file, atomically.

    Raises:
        InputError: it cannot be written.
    """
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    pages.filters |= {
        "interval": format_interval,
        "percent": lambda rate: f"{rate:.0%}",
        "rate": format_rate,
        "seconds": lambda value: f"{value:.2f} s",
    }
    paths = _draw_paths(report)
    page = pages.get_template(_TEMPLATE).render(
        report=report,
        paths=paths and to_svg(paths, "paths of the demonstration and of generated policies"),
        policy_success=to_svg(
            draw_policy_success(report.result),
            "success rate of each policy with its 95% interval",
        ),
        success_grid=to_svg(
            draw_success_grid(report.result), "success of each policy on each layout"
        ),
        scenes=[encode_scene(scene) for scene in report.scenes],
        stills=report.film and _embed_stills(report.film),
    )
    write_text(path, page)


def encode_scene(scene: Scene) -> dict[str, str]:
    """A moving picture and its texts, as a page takes them."""
    picture = encode_webp(scene.film, _SCENE_WIDTH, FRAMES_PER_SECOND)
    return {
        "title": scene.title,
        "outcome": scene.outcome,
        "source": _data_uri(picture, "image/webp"),
    }


def _draw_paths(report: Report) -> Figure | None:
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
    return draw_paths(report.suite, report.task, panels)


def _embed_stills(film: Film) -> list[dict[str, Any]]:
    """Some frames from its first to its last, as the page takes them."""
    count = min(_STRIP_FRAMES, len(film.frames))
    places = [round(index * (len(film.frames) - 1) / max(count - 1, 1)) for index in range(count)]
    return [
        {
            "step": film.steps[place],
            "source": _data_uri(encode_png(film.frames[place]), "image/png"),
        }
        for place in places
    ]


def to_svg(figure: Figure, label: str) -> Markup:
    """A figure as an SVG element that takes its neutral colours from the page."""
    stream = io.StringIO()
    with figure_style():
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor").replace(LINE, "var(--line)")
    width = figure.get_figwidth() * 96
    attributes = f'role="img" aria-label="{escape(label)}" style="max-width: {width:.0f}px"'
    # Matplotlib escapes what it writes.
    return Markup(f"<svg {attributes}{svg.removeprefix('<svg')}")


def _data_uri(content: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
