"""Episodes as moving pictures to be seen side by side, each with what came of it."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from makeanagent.rollouts.film import Film, film_episodes
from makeanagent.suites import Suite, layouts
from makeanagent.trajectories.trajectory import Trajectory

_MAX_FRAMES = 25
"""Frames of a picture that is one of several: rendering without a GPU takes a third of a second."""
FRAMES_PER_SECOND = 10
_SEARCHED_LAYOUTS = 100
"""Layouts for prompts on which a demonstration may begin."""


@dataclass(frozen=True, kw_only=True)
class Take:
    """An episode that is to be filmed."""

    title: str
    "Who acts."
    layout: int
    "Where it began."
    episode: Trajectory

    @property
    def outcome(self) -> str:
        """What came of it, in words."""
        first = self.episode.first_success
        return f"success at step {first}" if first else f"no success in {len(self.episode)} steps"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A moving picture of an episode."""

    title: str
    "Who acts."
    outcome: str
    "What came of it, in words."
    film: Film


def film_scenes(suite: Suite, task: str, takes: Sequence[Take]) -> list[Scene]:
    """Play the takes again and film them.

    Raises:
        InputError: no picture can be drawn here; says how to change that.
    """
    episodes = [(take.layout, take.episode.actions) for take in takes]
    films = film_episodes(suite, task, episodes, _MAX_FRAMES)
    return [
        Scene(title=take.title, outcome=take.outcome, film=film)
        for take, film in zip(takes, films, strict=True)
    ]


def find_layout(suite: Suite, task: str, demonstration: Trajectory) -> int | None:
    """The layout on which a demonstration begins, as `record` makes them; else None.

    A demonstration does not tell its layout: its first observation does.
    """
    first = demonstration.observations[0]
    with closing(suite.make(task)) as environment:
        for layout in layouts.PROMPTS[:_SEARCHED_LAYOUTS]:
            if np.allclose(environment.reset(layout), first, rtol=1e-5, atol=1e-5):
                return layout
    return None
