"""README's pictures: a demonstration, paths of policies made from it, and one of them at work."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from benchmarks.results import Settings
from makeanagent.artifacts import atomic_path
from makeanagent.cli.checks import require_at_least
from makeanagent.errors import InputError
from makeanagent.evaluation.figures import PathPanel, draw_paths, file_style
from makeanagent.evaluation.protocols import ProtocolConfig
from makeanagent.generator import MakeAnAgent
from makeanagent.parallel import open_pool
from makeanagent.rollouts.film import Film, encode_webp, film_episode
from makeanagent.rollouts.recordings import record_actors
from makeanagent.rollouts.scores import score_policies
from makeanagent.suites import Suite, find_task
from makeanagent.trajectories import Trajectory

_FRAMES = 5
_WIDTH = 10.2
"""Of the picture, in inches."""
_DOTS = 100
"""In an inch."""
_MARGIN = 12
"""Above and below each part, in dots."""
_FRAME, _GRID = "#8a8f98", "#dfe2e6"


@dataclass(frozen=True, kw_only=True)
class Command:
    """A demonstration, and the policies made from it on layouts that neither has seen.

    Frames of the scene need an OpenGL library, such as libosmesa6 with MUJOCO_GL=osmesa; without
    one the picture shows paths alone.
    """

    env: str = "metaworld/door-open-v3"
    "Task."
    prompt: Path = Path("src/makeanagent/prompts/door-open-v3.npz")
    "Demonstration of it."
    generator: str = "metaworld"
    "Bundled generator, folder, or Hugging Face hub id."
    num: int = 20
    "Policies."
    layouts: int = 10
    "New layouts that the policy ranked first plays, besides the one that all play."
    seed: int = 0
    "Of the policies."
    out: Path = Path("docs/images/demo.png")
    "The picture; the moving one, `.webp`, goes beside it."

    def run(self) -> None:
        """Generate, choose, play, draw, and write the picture."""
        require_at_least("--num", self.num, 1)
        require_at_least("--layouts", self.layouts, 1)
        if self.out.suffix != ".png":
            raise InputError(f"--out {self.out}: must end in .png")
        suite, task = find_task(self.env)
        demonstration = Trajectory.load(self.prompt)
        generator = MakeAnAgent.from_pretrained(self.generator)
        policies = generator.generate(demonstration, self.num, self.seed)
        protocol = ProtocolConfig()
        same, *others = protocol.held_out_range[: 1 + self.layouts]
        with open_pool() as pool:
            tried = score_policies(pool, suite, task, policies, protocol.selection_range)
            best = int(tried.require_success().mean(axis=1).argmax())
            rows = [*range(self.num), *[best] * len(others)]
            where = [*[same] * self.num, *others]
            actors = [policies[row] for row in rows]
            episodes = record_actors(pool, suite, task, actors, where)
        first, chosen = episodes[: self.num], episodes[self.num :]
        paths = _draw_paths(suite, task, demonstration, first, chosen)
        try:
            film = film_episode(suite, task, others[0], chosen[0].actions)
        except InputError as error:
            print(f"without frames of the scene: {error}")
            film = None
        write_picture(self.out, [paths] + ([] if film is None else [_draw_frames(film)]))
        print(f"written: {self.out}")
        if film is not None:
            moving = self.out.with_suffix(".webp")
            with atomic_path(moving) as temporary:
                temporary.write_bytes(encode_webp(film))
            print(f"written: {moving}")


def resolve_settings() -> Settings:
    """None: a picture keeps no figures."""
    return {"options": {}}


def write_page() -> str:
    """None: the picture is README's."""
    return ""


def _draw_paths(
    suite: Suite,
    task: str,
    demonstration: Trajectory,
    same_layout: list[Trajectory],
    chosen: list[Trajectory],
) -> Figure:
    """Paths of the demonstration, of all policies on one layout, and of one on several.

    Raises:
        InputError: the suite has no paths to draw.
    """
    figure = draw_paths(
        suite,
        task,
        [
            PathPanel(
                title="The demonstration", trajectories=[demonstration], is_demonstration=True
            ),
            PathPanel(
                title=f"{len(same_layout)} policies, one new layout: {_count(same_layout)} succeed",
                trajectories=same_layout,
            ),
            PathPanel(
                title=f"Ranked first, {len(chosen)} new layouts: {_count(chosen)} solved",
                trajectories=chosen,
            ),
        ],
    )
    if figure is None:
        raise InputError(f"{suite.name}/{task}: the suite names no paths to draw")
    # A report puts its own colours in the place of some that are drawn: so does a file.
    figure.set_facecolor("white")
    for ax in figure.axes:
        ax.tick_params(color=_FRAME)
        for line in (*ax.get_xgridlines(), *ax.get_ygridlines()):
            line.set_color(_GRID)
        for spine in ax.spines.values():
            spine.set_color(_FRAME)
    return figure


def _count(episodes: list[Trajectory]) -> int:
    return sum(episode.first_success is not None for episode in episodes)


def _draw_frames(film: Film) -> Figure:
    """Some frames of an episode side by side, each with its step."""
    places = np.linspace(0, len(film.frames) - 1, _FRAMES).round().astype(int)
    with file_style():
        figure = Figure(figsize=(_WIDTH, _WIDTH / _FRAMES + 0.2), layout="constrained")
        axes = figure.subplots(1, _FRAMES, squeeze=False)[0]
        for ax, place in zip(axes, places, strict=True):
            ax.imshow(film.frames[place])
            ax.set_axis_off()
            ax.set_title(f"step {film.steps[place]}")
    return figure


def write_picture(path: Path, figures: list[Figure]) -> None:
    """Figures one below the other, as wide as each other, on white.

    Raises:
        InputError: the file cannot be written.
    """
    width = round(_WIDTH * _DOTS)
    parts = []
    for figure in figures:
        stream = io.BytesIO()
        with file_style():
            figure.savefig(stream, format="png", dpi=width / figure.get_figwidth())
        parts.append(Image.open(stream).convert("RGB"))
    height = _MARGIN + sum(part.height + _MARGIN for part in parts)
    picture, top = Image.new("RGB", (width, height), "white"), _MARGIN
    for part in parts:
        picture.paste(part, (0, top))
        top += part.height + _MARGIN
    with atomic_path(path) as temporary:
        # A palette is enough for these, and less than half the size.
        picture.quantize(256).save(temporary, "PNG", optimize=True)
