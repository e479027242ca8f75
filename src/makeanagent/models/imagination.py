"""Imagined rollouts: how far a policy would lead the body through what was demonstrated.

Agreeing with a demonstration step by step says little about the closed loop, and nothing about
other layouts. Here the body begins where it was shown, all else stands elsewhere, and the body
moves as the policy acts, by dynamics that are fitted to the demonstration. All else is as it was at
the point of the demonstration that the body has reached: it stands, or it is carried along.
Contacts, and what the policy does to other bodies, are not imagined.

Not in the paper.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from makeanagent.policies.batch import PolicyBatch
from makeanagent.trajectories import Trajectory
from makeanagent.trajectories.scene import MotionConfig, draw_moves, read_motion, translate

IMAGINED_DIM = 2
"""Numbers that `imagine_rollouts` gives for each policy."""
_FASTEST = 1e3
"""Movement of a step at most: without bounds to its actions, a policy may run away."""


@dataclass(frozen=True, kw_only=True)
class ImaginationConfig(MotionConfig):
    """Where the scene stands, and how the body moves; what was demonstrated, as for others."""

    num_layouts: int = 16
    "Layouts for each policy."
    scale: float = 0.1
    "Metres: standard deviation of their moves along x and y."
    slack: float = 1.3
    "Steps that are imagined, in lengths of the demonstration."
    reach: int = 4
    "Steps of the demonstration, from the one reached, that one imagined step can reach."
    min_distance: float = 0.02
    "Metres, added to the distance before its logarithm: nearer is as good."

    def in_unit(self, unit: float) -> "ImaginationConfig":
        """The same where positions are in another unit than metres (`Space.unit`)."""
        return replace(
            self,
            scale=unit * self.scale,
            min_movement=unit * self.min_movement,
            min_distance=unit * self.min_distance,
        )


@torch.no_grad()
def imagine_rollouts(
    policies: PolicyBatch,
    demonstration: Trajectory,
    positions: tuple[int, ...],
    config: ImaginationConfig | None = None,
) -> Tensor:
    """How policies fare where the demonstration's scene stands elsewhere, `[N, 2]`; less is better.

    The share of the demonstration that they do not reach, and the logarithm of the distance at
    which they end from where the body should have ended; means over layouts. Zeros where nothing
    is known of positions, or no body moves.

    Args:
        policies: N of them.
        demonstration: T steps.
        positions: where in an observation positions begin.
        config: sizes.
    """
    config = config or ImaginationConfig()
    parameters = policies.parameters
    motion = read_motion(demonstration, positions, config)
    if motion is None:
        return parameters.new_zeros(len(policies), IMAGINED_DIM)
    shown, carried, inertia, effect = (
        torch.from_numpy(part).to(parameters)
        for part in (motion.states, motion.carried, motion.inertia, motion.effect)
    )
    moves = draw_moves(config.num_layouts, config.scale, torch.Generator().manual_seed(0))[:, :2]
    # Layouts `[K]`, the same for every policy, since candidates are compared. [K, T, ...]
    layouts = translate(shown.expand(len(moves), -1, -1), moves[:, None].to(shown), positions)
    # From a move `[3]` to the moves of all positions.
    spread = torch.zeros((3, shown.shape[1])).to(shown)
    for start in positions:
        spread[:, start : start + 3] = torch.eye(3)
    path = layouts[..., motion.body : motion.body + 3]
    place = shown[0, motion.body : motion.body + 3].expand(len(policies), len(moves), 3)
    speed = torch.zeros_like(place)
    reached = torch.zeros(place.shape[:2], dtype=torch.long, device=path.device)
    layout = torch.arange(len(moves), device=path.device)
    last, ahead = path.shape[1] - 1, torch.arange(config.reach, device=path.device)
    for _ in range(round(config.slack * path.shape[1])):
        shift = place - path[layout, reached]
        states = layouts[layout, reached] + (shift @ spread) * carried[reached]
        speed = inertia * speed + policies.act(states) @ effect
        speed = speed.clamp(-_FASTEST, _FASTEST)
        place = place + speed
        nearby = (reached[..., None] + ahead).clamp(max=last)
        distance = (place[..., None, :] - path[layout[:, None], nearby]).norm(dim=-1)
        # Where the body stood still, time goes on.
        distance -= 0.1 * config.min_movement * ahead
        reached = (reached + distance.argmin(dim=-1)).clamp(max=last)
    missed = 1 - reached / max(last, 1)
    distance = (place - path[:, -1]).norm(dim=-1)
    return torch.stack([missed, (distance + config.min_distance).log()], dim=-1).mean(dim=1)
