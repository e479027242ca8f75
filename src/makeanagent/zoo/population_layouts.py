"""Which layouts a population uses: its own window of `layouts.ZOO`, by its seed.

The first half is for expert episodes and stored rollouts, the second for rounds of DAgger. Seeds
beyond the last window share with the first ones; that costs variety, nothing else, since all
layouts within `layouts.ZOO` are training data.
"""

from makeanagent.suites import layouts
from makeanagent.zoo.recipes.distillation_config import EPISODE_LAYOUTS, ROUND_LAYOUTS

_HALF = len(layouts.ZOO) // 2


def episode_layouts(seed: int) -> range:
    """Layouts of expert episodes and stored rollouts; seeds 0 to 9 share none."""
    return _window(layouts.ZOO[:_HALF], EPISODE_LAYOUTS, seed)


def round_layouts(seed: int) -> range:
    """Layouts of the rounds of DAgger; seeds 0 to 2 share none."""
    return _window(layouts.ZOO[_HALF:], ROUND_LAYOUTS, seed)


def _window(available: range, size: int, seed: int) -> range:
    start = seed % (len(available) // size) * size
    return available[start : start + size]
