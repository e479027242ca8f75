"""The methods that `unseen` compares: the package's own list, and one that plays before."""

from collections.abc import Sequence
from functools import cache

from makeanagent.methods.method import MethodConfig, PolicyGenerator, Sources
from makeanagent.methods.registry import METHODS, find_method
from makeanagent.policies.batch import PolicyBatch
from makeanagent.trajectories import Trajectory

SELECTED = "selected"
"""Guided policies, among which rollouts choose: the one method that plays before it is scored; on
unseen tasks alone."""
SELECTED_BEST = "selected_best"
"""Of the policies chosen on the selection layouts the best one there, alone."""
CORE = ("unguided", "guided", "shuffled", "cloning", "cloning_moved", SELECTED)
"""Methods with all training seeds."""
RIVALS = tuple(method.name for method in METHODS if method.name not in CORE)
OWN = ("unguided", "guided", SELECTED, SELECTED_BEST, "shuffled")
"""The generator's own ways, another task's prompt included; all else are its rivals."""
CURVES = ("unguided", "guided", "cloning")
"""Methods that are followed over numbers of demonstrations and over action noise."""

Groups = Sequence[Sequence[Trajectory]]
"""The demonstrations behind each policy."""


def base_method(name: str) -> str:
    """The method of the package that one of `CORE` or `RIVALS` is, or begins as."""
    return "guided" if name == SELECTED else name


class Makers:
    """A generator's methods, each built once, when it is first asked for.

    Args:
        sources: what they are built from.
        config: their settings.
        num_tried: policies that `selected` makes of a task's prompts by turns.
    """

    def __init__(self, sources: Sources, config: MethodConfig, num_tried: int) -> None:
        self._num_tried = num_tried

        @cache
        def build(name: str) -> PolicyGenerator:
            return find_method(name).build(sources, config)

        self.build = build

    def make(self, name: str, groups: Groups, seed: int) -> PolicyBatch:
        """A policy for each group of demonstrations; of `selected`, `num_tried` for all.

        Raises:
            InputError: it cannot be, for want of policies to average.
        """
        method = self.build(base_method(name))
        return method.generate(groups, self._num_tried if name == SELECTED else None, seed)
