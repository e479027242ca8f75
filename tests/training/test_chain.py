"""The whole chain on a small suite: zoo, training, generator, policies that work."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from makeanagent.errors import InputError
from makeanagent.generator import MakeAnAgent
from makeanagent.parallel import open_pool
from makeanagent.policies import PolicySpec
from makeanagent.rollouts.actors import add_action_noise
from makeanagent.rollouts.episodes import record_episode
from makeanagent.rollouts.scores import score_policies
from makeanagent.suites import find_suite, layouts
from makeanagent.training.data import load_training_data
from makeanagent.training.presets import SMOKE
from makeanagent.training.run import STAGES, TrainingRun
from makeanagent.trajectories import Trajectory
from makeanagent.zoo.build import build_zoo
from makeanagent.zoo.recipes.distillation_config import DistillationConfig
from makeanagent.zoo.store import Zoo

SUITE = str(Path(__file__).parents[2] / "examples" / "reacher_suite.py")
TASKS = ("Reacher-v5", "Reacher-mirrored")
DISTILLATION = DistillationConfig(
    num_runs=5,
    batch_size=64,
    learning_rate=2e-3,
    num_demonstrations=40,
    round_steps=400,
    round_episodes=12,
    round_horizon=75,
    min_rounds=2,
    max_rounds=6,
    num_checkpoints=6,
    checkpoint_steps=60,
)
SHORT = replace(
    SMOKE,
    behavior=replace(SMOKE.behavior, gradient_steps=40),
    diffusion=replace(SMOKE.diffusion, gradient_steps=40, validate_steps=10),
    checkpoint_seconds=0.0,
)
"""Writes its state after every step."""


def silent(step: int, num_steps: int, text: str) -> None:
    pass


@pytest.fixture(scope="module")
def zoo(tmp_path_factory) -> Zoo:
    suite = find_suite(SUITE)
    space = suite.space(TASKS[0])
    spec = PolicySpec(
        observation_dim=space.observation_dim, action_dim=space.action_dim, hidden=(64, 64)
    )
    folder = tmp_path_factory.mktemp("chain") / "zoo"
    zoo = Zoo.create(folder, SUITE, spec, "distillation", DISTILLATION, 0)
    with open_pool(1) as pool:
        build_zoo(zoo, suite, TASKS, DISTILLATION, pool)
    return zoo


@pytest.fixture(scope="module")
def run(zoo, tmp_path_factory) -> TrainingRun:
    run = TrainingRun(tmp_path_factory.mktemp("chain") / "run", zoo, SMOKE)
    for stage in STAGES:
        run.train(stage, "cpu", silent)
    return run


@pytest.fixture(scope="module")
def generator(run) -> MakeAnAgent:
    return MakeAnAgent.from_pretrained(run.save_generator())


def record(task: str, number: int) -> Trajectory:
    import numpy as np

    suite = find_suite(SUITE)
    noisy = add_action_noise(suite.expert(task), 0.1, np.random.default_rng(number))
    return record_episode(suite.make(task), noisy, layouts.PROMPTS[number], env_id=task)


def test_generated_policies_work_on_new_layouts(generator):
    suite = find_suite(SUITE)
    for task in TASKS:
        prompts = [record(task, number) for number in range(6)]
        policies = generator.generate(prompts)
        with open_pool(1) as pool:
            success = score_policies(pool, suite, task, policies, layouts.SCORING[:10]).success
        assert success.mean() > 0.75, task


def test_the_prompt_decides_the_task(generator):
    """The two tasks want opposite movements: a policy of one must fail at the other."""
    suite = find_suite(SUITE)
    policies = generator.generate([record(TASKS[0], number) for number in range(6)])
    with open_pool(1) as pool:
        success = score_policies(pool, suite, TASKS[1], policies, layouts.SCORING[:10]).success
    assert success.mean() < 0.4


def test_seeds_decide_the_policies(generator):
    prompt = record(TASKS[0], 0)
    first, again = (generator.generate(prompt, 4, seed=1).parameters for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, generator.generate(prompt, 4, seed=2).parameters)
    # Samples of one prompt differ among themselves.
    assert (first[0] - first[1]).abs().max() > 0


def test_several_prompts_take_turns(generator):
    prompts = [record(TASKS[0], 0), record(TASKS[1], 1)]
    policies = generator.generate(prompts, 4, seed=1)
    swapped = generator.generate(prompts[::-1], 4, seed=1)
    assert len(policies) == 4
    states = torch.from_numpy(prompts[0].observations)
    actions, other = policies.act_all(states), swapped.act_all(states)
    same_task = (actions[0] - actions[2]).abs().mean()
    other_task = (actions[0] - other[0]).abs().mean()
    assert same_task < other_task


def test_saved_generators_come_back_exactly(generator, tmp_path):
    generator.save_pretrained(tmp_path / "copy")
    copy = MakeAnAgent.from_pretrained(tmp_path / "copy")
    assert copy.config == generator.config
    prompt = record(TASKS[0], 0)
    assert torch.equal(
        generator.generate(prompt, 3).parameters, copy.generate(prompt, 3).parameters
    )


@pytest.mark.parametrize("stage", STAGES)
def test_an_interrupted_stage_ends_where_an_uninterrupted_one_does(stage, run, zoo, tmp_path):
    whole, broken = (TrainingRun(tmp_path / name, zoo, SHORT) for name in ("whole", "broken"))
    for each in (whole, broken):
        for earlier in STAGES[: STAGES.index(stage)]:
            weights = (run.folder / f"{earlier}.safetensors").read_bytes()
            (each.folder / f"{earlier}.safetensors").write_bytes(weights)
    whole.train(stage, "cpu", silent)

    def interrupt(step: int, num_steps: int, text: str) -> None:
        if step == num_steps // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken.train(stage, "cpu", interrupt)
    assert not broken.is_done(stage)
    steps = []
    again = TrainingRun(tmp_path / "broken", zoo, SHORT)
    again.train(stage, "cpu", lambda step, num_steps, text: steps.append(step))
    assert steps[0] > 1
    first, second = (
        (tmp_path / name / f"{stage}.safetensors").read_bytes() for name in ("whole", "broken")
    )
    assert first == second


def test_other_settings_are_refused(run, zoo):
    with pytest.raises(InputError, match="begun with another config"):
        TrainingRun(run.folder, zoo, replace(SMOKE, seed=5))


def test_diffusion_needs_the_other_stages(zoo, tmp_path):
    with pytest.raises(InputError, match="needs the autoencoder"):
        TrainingRun(tmp_path / "run", zoo, SMOKE).train("diffusion", "cpu", silent)


def test_validation_holds_out_whole_runs(zoo):
    data = load_training_data(zoo, TASKS, SMOKE.window, held_out_runs=2)
    for label, task in enumerate(TASKS):
        (shard,) = zoo.load_task(task)
        runs = shard.run[shard.qualified]
        held_out = data.held_out[data.task == label].numpy()
        # Two are asked for, but a quarter of five runs is one.
        assert set(runs[held_out]) == {4}
        assert set(runs[~held_out]) == {0, 1, 2, 3}


@pytest.mark.parametrize("condition", ["h", "v"])
def test_single_embeddings_condition_too(condition, run, zoo, tmp_path):
    config = replace(
        SMOKE, diffusion=replace(SMOKE.diffusion, condition=condition, gradient_steps=20)
    )
    single = TrainingRun(tmp_path / "run", zoo, config)
    for stage in STAGES[:2]:
        weights = (run.folder / f"{stage}.safetensors").read_bytes()
        (single.folder / f"{stage}.safetensors").write_bytes(weights)
    single.train("diffusion", "cpu", silent)
    generator = MakeAnAgent.from_pretrained(single.save_generator())
    assert generator.config.condition == condition
    assert generator.generate(record(TASKS[0], 0), 2).parameters.isfinite().all()
