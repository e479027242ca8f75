"""Fitting familiarity to what a reader is trained on."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from makeanagent.models.familiarity import Familiarity, FamiliarityConfig
from makeanagent.models.reader import Knots
from makeanagent.training.augment import Augmentation, AugmentConfig
from makeanagent.training.lessons import StoredLessons
from makeanagent.trajectories.excerpt import Excerpts
from makeanagent.trajectories.space import Space

MAX_DEMONSTRATIONS = 2_000
"""Of each source, about: more make the ranges hardly wider."""


def fit_familiarity(
    space: Space,
    sources: Sequence[tuple[Sequence[Path], AugmentConfig, int | None]],
    config: FamiliarityConfig | None = None,
    seed: int = 0,
) -> Familiarity:
    """Familiarity with lessons' prompts, as training saw them: mirrored, turned and moved.

    Goals are shown, so that a demonstration without them is told; where training hid them, that is
    a note (`FamiliarityConfig.hides_goals`).

    Args:
        space: of the demonstrations.
        sources: shards of lessons, how training changes them, and how many of their tasks it uses
            at most.
        config: `hides_goals` is filled in by the sources; `num_knots` must be the lessons'.
        seed: of the draws.

    Raises:
        InputError: there are fewer than two demonstrations.
    """
    config = config or FamiliarityConfig()
    config = replace(config, hides_goals=all(each.hidden_goals > 0 for _, each, _ in sources))
    parts, labels, first = [], [], 0
    for number, (paths, augment, num_tasks) in enumerate(sources):
        lessons = StoredLessons(paths, (seed, number), num_tasks)
        change = Augmentation(space, replace(augment, hidden_goals=0.0))
        rng = np.random.default_rng((seed, number))
        count = min(lessons.num_tasks, MAX_DEMONSTRATIONS)
        # Where all tasks are drawn, each comes once a round, in their order.
        for drawn in range(-(-MAX_DEMONSTRATIONS // count)):
            batch = change(lessons.draw(drawn * count, count, 1, 1), rng)
            parts.append(_as_excerpts(batch.knots))
            labels.append(first + np.arange(count))
        first += count
    familiarity = Familiarity(space, config)
    familiarity.fit(Excerpts.join(parts), np.concatenate(labels))
    return familiarity


def _as_excerpts(knots: Knots) -> Excerpts:
    """Excerpts of prompts of one demonstration each."""
    arrays = {name: tensor[:, 0].numpy() for name, tensor in knots._asdict().items()}
    return Excerpts(**arrays)
