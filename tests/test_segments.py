"""A generator of a task without a success: it reads segments, from the zoo to its policies.

A walker on a line goes to the left or to the right at a speed of its policy's own. Nothing tells
when it has arrived.
"""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from makeanagent.errors import InputError
from makeanagent.generator import MakeAnAgent
from makeanagent.models.autoencoder import AutoencoderConfig
from makeanagent.models.behavior import BehaviorConfig
from makeanagent.models.denoisers import DenoiserConfig
from makeanagent.models.guidance import GuidanceConfig
from makeanagent.policies import Policy, PolicySpec
from makeanagent.training.presets import SMOKE
from makeanagent.training.run import STAGES, TrainingRun
from makeanagent.trajectories import SegmentWindow, Trajectory
from makeanagent.trajectories.space import Space

SPEC = PolicySpec(
    observation_dim=3, action_dim=1, hidden=(4,), activations=("relu",), heads=("mean",)
)
WINDOW = SegmentWindow(num_segments=3, num_steps=6, group_steps=2, num_outcome_states=2)
TASKS = ("left", "right")
CONFIG = replace(
    SMOKE,
    window=WINDOW,
    autoencoder=replace(SMOKE.autoencoder, model=AutoencoderConfig(latent_dim=4), gradient_steps=5),
    behavior=replace(
        SMOKE.behavior, model=BehaviorConfig(hidden_dim=16, embedding_dim=8), gradient_steps=60
    ),
    diffusion=replace(
        SMOKE.diffusion,
        model=DenoiserConfig(widths=(32, 32), time_dim=16),
        gradient_steps=200,
        validate_steps=100,
        warmup_steps=10,
        batch_size=32,
    ),
)


def make_policy(speed: float, seed: int) -> np.ndarray:
    """One that always wants the same speed, with a little noise on all of its numbers."""
    vector = 0.02 * np.random.default_rng(seed).normal(size=SPEC.num_parameters)
    vector[SPEC.layers[-1].bias] += np.arctanh(speed)
    return vector.astype(np.float32)


def walk(vector: np.ndarray, seed: int, length: int = 30) -> Trajectory:
    """Position, speed and a number without meaning; never a success."""
    rng = np.random.default_rng(seed)
    states, actions = [np.array([0.0, 0.0, rng.normal()])], []
    for _ in range(length):
        actions.append(Policy(vector, SPEC).act(states[-1]))
        place = states[-1][0] + 0.1 * actions[-1][0]
        states.append(np.array([place, actions[-1][0], rng.normal()]))
    return Trajectory(
        observations=np.array(states), actions=np.array(actions), success=np.zeros(length)
    )


class WalkerZoo:
    """As much of a zoo as training asks for."""

    folder, suite, spec = "walkers", "walkers", SPEC
    space = Space(observation_dim=3, action_dim=1)
    trains_on_qualified = False

    def tasks(self):
        return list(TASKS)

    def shard_names(self):
        return []

    def load_task(self, task):
        sign = {"left": -1, "right": 1}[task]
        speeds = sign * np.linspace(0.3, 0.7, 12)
        parameters = np.stack([make_policy(speed, seed) for seed, speed in enumerate(speeds)])
        return [
            SimpleNamespace(
                parameters=parameters,
                run=np.repeat(np.arange(4), 3),
                qualified=np.zeros(12, bool),
                rollouts=[walk(vector, 50 + row) for row, vector in enumerate(parameters)],
                demonstrations=[],
            )
        ]


@pytest.fixture(scope="module")
def generator(tmp_path_factory) -> MakeAnAgent:
    run = TrainingRun(tmp_path_factory.mktemp("segments") / "run", WalkerZoo(), CONFIG)
    for stage in STAGES:
        run.train(stage, "cpu", lambda *_: None)
    return MakeAnAgent.from_pretrained(run.save_generator())


def test_it_walks_where_its_demonstration_walks(generator):
    assert generator.config.window == WINDOW
    prompts = [walk(make_policy(speed, 99), seed=7, length=44) for speed in (-0.5, 0.5)]
    policies = generator.generate(prompts, 8)
    places = [walk(policy.parameters, seed=3).observations[-1, 0] for policy in policies]
    assert max(places[::2]) < -0.5 < 0.5 < min(places[1::2])


def test_it_is_conditioned_on_all_segments_together(generator):
    prompt = walk(make_policy(0.5, 99), seed=7, length=44)
    condition = generator.embed([prompt])
    assert condition.shape == (1, 3 * 2 * 8)
    # Another end changes the last segment's part alone.
    late = prompt.observations.copy()
    late[40:, 0] -= 1.0
    changed = generator.embed([replace(prompt, observations=late)])
    assert torch.equal(changed[:, :32], condition[:, :32])
    assert (changed - condition)[:, 32:].abs().max() > 1e-3


def test_it_is_guided(generator):
    prompt = walk(make_policy(0.5, 99), seed=7, length=44)
    guided = generator.generate(prompt, 2, guidance=GuidanceConfig(num_steps=10))
    assert guided.parameters.isfinite().all()


def test_what_is_saved_comes_back(generator, tmp_path):
    generator.save_pretrained(tmp_path / "copy")
    copy = MakeAnAgent.from_pretrained(tmp_path / "copy")
    assert copy.config == generator.config
    assert "each of 3 segments" in (tmp_path / "copy" / "README.md").read_text()
    prompt = walk(make_policy(0.5, 99), seed=7)
    assert torch.equal(copy.generate(prompt).parameters, generator.generate(prompt).parameters)


def test_a_walk_too_short_for_its_segments_is_refused(generator):
    with pytest.raises(InputError, match="17 steps are too few; a prompt of 3 segments needs 18"):
        generator.generate(walk(make_policy(0.5, 99), seed=7, length=17))
