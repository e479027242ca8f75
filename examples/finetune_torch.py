"""Fine-tune a generated policy on several demonstrations, in plain torch.

    python examples/finetune_torch.py --policies policies --demos demos --out tuned

The loop is yours to change: another loss, a regulariser, reinforcement learning. What it gives is
a folder of policies again, for `make-an-agent evaluate` and `make-an-agent export`.
"""

import argparse

import numpy as np
import torch
from torch import nn

from makeanagent import load_policies, save_policies
from makeanagent.policies.codec import flatten_policy
from makeanagent.policies.network import PolicyNetwork
from makeanagent.trajectories import read_demonstrations

STEPS = 1_000
BATCH_SIZE = 128
LEARNING_RATE = 3e-4
"Small: the policy acts well already."
LIMIT = 0.97
"Actions are clipped to this, since tanh reaches 1 nowhere."
BETA = 0.1
"Error of an action from which the loss grows linearly: experts' switches are not to be blurred."


def fine_tune(
    network: PolicyNetwork, observations: torch.Tensor, actions: torch.Tensor, seed: int = 0
) -> list[float]:
    """Train a network in place on states `[S, O]` and actions `[S, A]`; the loss of each step."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    labels, losses = actions.clamp(-LIMIT, LIMIT), []
    for _ in range(STEPS):
        rows = torch.randint(len(observations), (BATCH_SIZE,), generator=generator)
        loss = nn.functional.smooth_l1_loss(
            network.act(observations[rows]), labels[rows], beta=BETA
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses


def main() -> None:
    """Read policies and demonstrations, fine-tune one of the policies, and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--policies", required=True, help="folder, as `generate` writes it")
    parser.add_argument("--number", type=int, default=0, help="which policy of it")
    parser.add_argument("--demos", required=True, help="demonstrations: a folder, .npz or Minari")
    parser.add_argument("--out", required=True, help="folder to write to, empty or new")
    options = parser.parse_args()

    parameters, spec, metadata = load_policies(options.policies)
    demonstrations = read_demonstrations(options.demos)
    # Of each, all states but the last, after which nothing was done; actions are in [-1, 1].
    observations = np.concatenate([demo.observations[:-1] for demo in demonstrations])
    actions = np.concatenate([demo.actions for demo in demonstrations])
    network = PolicyNetwork.from_vector(parameters[options.number], spec)
    losses = fine_tune(network, torch.from_numpy(observations), torch.from_numpy(actions))
    tuned = flatten_policy({k: v.numpy() for k, v in network.state_dict().items()}, spec)
    origin = {"action_bounds": metadata.get("action_bounds"), "fine_tuned_on": options.demos}
    save_policies(options.out, tuned[None], spec, origin)
    first, last = np.mean(losses[:20]), np.mean(losses[-20:])
    print(f"{options.out}: loss {first:.4f} at first, {last:.4f} at the end")


if __name__ == "__main__":
    main()
