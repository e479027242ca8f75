"""Transitions of N agents, a row each: observation, action, return, discount, observation then.

With n-step returns a row holds the discounted rewards of n steps, what the value after them is
discounted by (0 after a termination), and the observation after them; at the end of an episode n is
as many steps as there are.
"""

import numpy as np
import torch
from torch import Tensor

from makeanagent.policies.spec import PolicySpec


def make_transitions(
    observations: np.ndarray,
    actions: np.ndarray,
    rewards: np.ndarray,
    terminated: bool,
    discount: float,
    return_steps: int,
) -> np.ndarray:
    """Rows of one episode, float32 `[T, 2 O + A + 2]`.

    Args:
        observations: `[T + 1, O]`.
        actions: `[T, A]`.
        rewards: `[T]`.
        terminated: whether nothing follows the episode.
        discount: for each step.
        return_steps: n.
    """
    num_steps = len(actions)
    returns = np.zeros(num_steps)
    for ahead in range(min(return_steps, num_steps)):
        returns[: num_steps - ahead] += discount**ahead * rewards[ahead:]
    then = np.minimum(np.arange(num_steps) + return_steps, num_steps)
    discounts = discount ** (then - np.arange(num_steps)).astype(float)
    if terminated:
        discounts[then == num_steps] = 0
    columns = (observations[:-1], actions, returns[:, None], discounts[:, None], observations[then])
    return np.concatenate(columns, axis=1, dtype=np.float32)


class ReplayBuffer:
    """What each of N agents has lived through, and the demonstrations that it was given.

    One tensor of whole rows: a batch is one gather, and observation and action lie side by side as
    the critics read them.

    Args:
        spec: the actors' widths.
        capacity: rows of each agent.
        demonstrations: rows `[N, D, W]`; D may be 0.
        device: where the rows are.
    """

    def __init__(
        self, spec: PolicySpec, capacity: int, demonstrations: np.ndarray, device: str = "cpu"
    ) -> None:
        width = 2 * spec.observation_dim + spec.action_dim + 2
        self._rows = torch.zeros((len(demonstrations), capacity, width), device=device)
        self._demonstrations = torch.from_numpy(demonstrations.astype(np.float32)).to(device)
        self.size = 0

    def add(self, rows: np.ndarray) -> None:
        """Append `[N, T, W]`."""
        end = self.size + rows.shape[1]
        self._rows[:, self.size : end] = torch.from_numpy(rows).to(self._rows)
        self.size = end

    def sample(self, batch_size: int, share: float, generator: torch.Generator) -> Tensor:
        """Rows `[N, batch_size, W]`, a share of them from the demonstrations if there are any."""
        count = round(share * batch_size) if self._demonstrations.shape[1] else 0
        own = self._draw(self._rows, self.size, batch_size - count, generator)
        if count == 0:
            return own
        shown = self._draw(self._demonstrations, self._demonstrations.shape[1], count, generator)
        return torch.cat([shown, own], dim=1)

    def rows(self) -> Tensor:
        """All rows that there are, demonstrations first, `[N, M, W]`."""
        return torch.cat([self._demonstrations, self._rows[:, : self.size]], dim=1)

    @staticmethod
    def _draw(rows: Tensor, size: int, count: int, generator: torch.Generator) -> Tensor:
        num_agents, capacity, width = rows.shape
        shape = (num_agents, count)
        picked = torch.randint(size, shape, generator=generator, device=rows.device)
        first = torch.arange(num_agents, device=rows.device)[:, None] * capacity
        chosen = rows.view(-1, width).index_select(0, (first + picked).flatten())
        return chosen.view(num_agents, count, width)
