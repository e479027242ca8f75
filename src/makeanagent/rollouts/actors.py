"""Who acts in episodes: policies, experts, and controllers that remember what they have seen."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from makeanagent.suites import Act


class Actor(Protocol):
    """A controller of W episodes at once, with or without memory."""

    def reset(self, num_worlds: int) -> None:
        """Begin W episodes; nothing is remembered of those before."""
        ...

    def act(self, observations: np.ndarray) -> np.ndarray:
        """Actions `[W, A]` for what the episodes show now, `[W, O]`."""
        ...


class Actors(Protocol):
    """N actors that are scored side by side: a list of them, or a `PolicyBatch`."""

    def __len__(self) -> int:
        """N."""
        ...

    def __iter__(self) -> Iterator[Actor]:
        """The actors one by one; they pickle to worker processes."""
        ...


def add_action_noise(act: Act, scale: float, rng: np.random.Generator) -> Act:
    """A controller whose actions carry Gaussian noise of standard deviation `scale`."""

    def noisy(observation: np.ndarray) -> np.ndarray:
        action = act(observation)
        return np.clip(action + scale * rng.standard_normal(np.shape(action)), -1.0, 1.0)

    return noisy


def join_actors(actors: list[Actor]) -> Actor:
    """N actors as one of N times as many worlds; policies of one spec become one batch."""
    from makeanagent.policies.policy import Policy

    specs = {actor.spec for actor in actors if isinstance(actor, Policy)}
    if len(specs) == 1 and all(isinstance(actor, Policy) for actor in actors):
        import torch

        from makeanagent.policies.batch import PolicyBatch

        parameters = np.stack([actor.parameters for actor in actors if isinstance(actor, Policy)])
        return PolicyBatch(torch.from_numpy(parameters), specs.pop())
    return _Joint(actors)


class _Joint:
    """N actors, each in its own share of the worlds."""

    def __init__(self, actors: list[Actor]) -> None:
        self._actors = actors

    def reset(self, num_worlds: int) -> None:
        for actor in self._actors:
            actor.reset(num_worlds // len(self._actors))

    def act(self, observations: np.ndarray) -> np.ndarray:
        shares = np.split(observations, len(self._actors))
        return np.concatenate(
            [actor.act(share) for actor, share in zip(self._actors, shares, strict=True)]
        )
