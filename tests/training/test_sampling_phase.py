"""How a reader's denoiser learns to sample."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from makeanagent.models.basis import BasisConfig
from makeanagent.models.denoisers import DenoiserConfig
from makeanagent.models.diffusion import DiffusionConfig, make_scheduler, sample_latents
from makeanagent.models.reader import Knots, ReaderConfig
from makeanagent.policies.spec import PolicySpec
from makeanagent.training.lessons import Batch
from makeanagent.training.reading_loss import Networks, ReadingTraining, measure_actions
from makeanagent.training.sampling_phase import (
    FrozenLessons,
    SamplingTraining,
    cut_prompts,
    describe_programs,
    freeze_lessons,
    teach,
    train_sampling,
)
from makeanagent.trajectories.excerpt import cut_excerpts
from makeanagent.trajectories.space import Space

SPACE = Space(observation_dim=9, action_dim=2, positions=(0, 3, 6), goals=(6,))
SPEC = PolicySpec(observation_dim=9, action_dim=2, hidden=(8, 8), heads=("mean",))
READING = ReadingTraining(
    reader=ReaderConfig(num_knots=6, width=8, num_layers=1, num_heads=2, num_queries=2),
    basis=BasisConfig(ranks=(4, 4)),
    denoiser=DenoiserConfig(kind="trunk", widths=(32, 32), time_dim=16),
)
CONFIG = SamplingTraining(
    diffusion=DiffusionConfig(train_steps=50, sample_steps=10, timestep_spacing="trailing"),
    noise_scale=4.0,
    teacher_steps=120,
    gradient_steps=300,
    batch_size=64,
    learning_rate=5e-3,
    warmup_steps=10,
    ema_decay=0.95,
    # The teacher alone says what is right.
    near_weight=0.0,
)
ACTION = 0.6
COUNT = 64


@pytest.fixture
def networks():
    torch.manual_seed(0)
    return Networks(SPEC, SPACE, READING).eval().requires_grad_(False)


def make_batch(count=COUNT):
    """Two programs, to the left and to the right, of which the demonstration shows nothing."""
    source = torch.Generator().manual_seed(1)
    one = torch.randn((1, 1, 7, 9), generator=source)
    knots = Knots(
        observations=one.expand(count, 1, 7, 9).clone(),
        actions=torch.zeros(count, 1, 6, 2),
        mean_actions=torch.zeros(count, 1, 6, 2),
        steps=torch.arange(7.0).expand(count, 1, 7).clone(),
        success=torch.ones(count, 1),
    )
    side = torch.arange(count) % 2 * 2.0 - 1
    return Batch(
        knots=knots,
        states=torch.randn((count, 5, 9), generator=source),
        labels=(ACTION * side)[:, None, None].expand(count, 5, 2).clone(),
        targets=side[:, None],
        masks=torch.ones(count, 1, dtype=torch.bool),
    )


def freeze(networks, batch, cut=0.0, **options):
    return freeze_lessons(networks, [batch], cut, np.random.default_rng(0), **options)


def options(tmp_path, log=None):
    return {
        "seed": 0,
        "state_path": tmp_path / "state",
        "checkpoint_seconds": 1e9,
        "log": log or (lambda *_: None),
    }


@pytest.fixture
def taught(networks, tmp_path):
    return teach(networks, freeze(networks, make_batch()), READING, CONFIG, **options(tmp_path))


def errors(networks, latents, lessons):
    return measure_actions(networks.basis.act(latents, lessons.states), lessons.labels, READING)


def test_a_cut_prompt_is_the_excerpt_of_what_is_left():
    rng = np.random.default_rng(3)
    observations, actions = rng.normal(size=(40, 7, 9)), rng.normal(size=(40, 6, 2))
    whole = cut_excerpts(observations, actions, np.full(40, 6), 6)
    cut = cut_prompts(Knots.from_excerpts(whole), np.random.default_rng(0))
    ends = cut.steps[:, 0, -1].numpy().astype(int)
    assert set(ends) == {1, 2, 3, 4, 5}
    for row, end in enumerate(ends):
        left = (observations[None, row, : end + 1], actions[None, row, :end])
        expected = Knots.from_excerpts(cut_excerpts(*left, np.array([-1]), 6))
        for part, right in zip(cut, expected, strict=True):
            torch.testing.assert_close(part[row : row + 1], right)


def test_conditions_are_the_readers_and_latents_those_of_whole_prompts(networks):
    batch = make_batch(300)
    whole, cut = freeze(networks, batch), freeze(networks, batch, cut=1.0)
    with torch.no_grad():
        conditions, latents = networks.predict(batch.knots)
    torch.testing.assert_close(whole.conditions.float(), conditions, atol=2e-3, rtol=2e-3)
    assert not torch.allclose(cut.conditions, whole.conditions, atol=1e-2)
    for lessons in (whole, cut):
        torch.testing.assert_close(lessons.latents, latents)
        assert lessons.taught.all()


def test_known_latents_are_not_taught_anew(networks, tmp_path):
    batch = make_batch(8)
    known = torch.randn(8, *networks.basis.latent_shape)
    lessons = freeze(networks, batch, latents=known)
    assert torch.equal(lessons.latents, known)
    assert teach(networks, lessons, READING, CONFIG, **options(tmp_path)) is lessons
    mixed = FrozenLessons.join([lessons, freeze(networks, make_batch())])
    found = teach(networks, mixed, READING, replace(CONFIG, teacher_steps=2), **options(tmp_path))
    assert torch.equal(found.latents[:8], known)
    assert (found.latents[8:] != mixed.latents[8:]).any(dim=2).all()


def test_the_teacher_sees_program_mask_and_whether_the_goal_is_shown():
    batch = make_batch(3)
    batch.masks[1] = False
    batch.states[2, :, 6:] = 0
    assert describe_programs(batch, SPACE).tolist() == [[-1, 1, 1], [0, 0, 1], [-1, 1, 0]]


def test_the_teacher_tells_programs_apart_that_prompts_do_not(networks, taught):
    before = freeze(networks, make_batch())
    assert errors(networks, before.latents, before).mean() > 0.4
    assert errors(networks, taught.latents, taught).mean() < 0.05
    # Two programs have two latents.
    assert len(taught.latents.unique(dim=0)) == 2


def test_the_teacher_stays_near_the_one_step_form_where_it_is_told_to(networks, tmp_path):
    lessons = freeze(networks, make_batch())
    config = replace(CONFIG, near_weight=100.0)
    # All the prompts are alike: latents that differ stand for prompts that do.
    lessons = replace(lessons, latents=lessons.latents + torch.randn_like(lessons.latents))
    near = teach(networks, lessons, READING, config, **options(tmp_path))
    away = (near.latents - lessons.latents.mean(dim=0)).abs().mean()
    assert away < 0.5


def test_samples_take_sides_where_the_one_step_form_has_one_answer(networks, taught, tmp_path):
    before = {name: value.clone() for name, value in networks.state_dict().items()}
    trained = train_sampling(networks, taught, READING, CONFIG, **options(tmp_path))
    for name, value in networks.state_dict().items():
        assert torch.equal(value, before[name]), name
        if not name.startswith("denoiser"):
            assert torch.equal(value, trained.state_dict()[name]), name
    denoiser, conditions = trained.denoiser, taught.conditions.float()
    spread = taught.latents.std(dim=0)
    torch.testing.assert_close(denoiser.scale, CONFIG.noise_scale * spread.clamp(min=1e-3))
    with torch.no_grad():
        at_once = trained.basis.act(denoiser.predict(conditions), taught.states).tanh()
        drawn = sample_latents(
            denoiser,
            make_scheduler(CONFIG.diffusion),
            conditions,
            trained.basis.latent_shape,
            CONFIG.diffusion.sample_steps,
            torch.Generator().manual_seed(0),
        )
        actions = trained.basis.act(drawn * denoiser.scale, taught.states).tanh().mean(dim=(1, 2))
    # The absolute error leaves open where between; all prompts get the same.
    assert at_once.std(dim=0).max() < 0.05
    sides = (actions > 0).float().mean()
    assert 0.25 < sides < 0.75
    assert ((actions.abs() - ACTION).abs() < 0.2).float().mean() > 0.8


def test_the_one_step_form_keeps_what_it_knows(networks, tmp_path):
    # Here the prompts tell: the one-step form learns, by the half of the rows that is its own.
    batch = make_batch()
    batch.knots.actions[:] = batch.labels[:, None, :1]
    lessons = freeze(networks, batch)
    trained = train_sampling(networks, lessons, READING, CONFIG, **options(tmp_path))
    found = trained.denoiser.predict(lessons.conditions.float())
    assert errors(networks, lessons.latents, lessons).mean() > 0.4
    assert errors(networks, found, lessons).mean() < 0.2


def test_what_is_logged(networks, tmp_path):
    logged = []

    def log(step, total, values):
        logged.append((step, total, values))

    lessons = freeze(networks, make_batch())
    config = replace(CONFIG, gradient_steps=3)
    train_sampling(networks, lessons, READING, config, **options(tmp_path, log))
    assert [(step, total) for step, total, _ in logged] == [(1, 3), (2, 3), (3, 3)]
    assert {"action_error", "one_step", "latent_error"} <= logged[0][2].keys()


def test_a_killed_training_goes_on_bit_for_bit(networks, tmp_path):
    lessons = freeze(networks, make_batch())
    lessons = replace(lessons, latents=lessons.latents + lessons.labels.mean())
    config = replace(CONFIG, gradient_steps=6)

    def run(folder, stop=None):
        def log(step, total, values):
            if step == stop:
                raise KeyboardInterrupt

        folder.mkdir(exist_ok=True)
        rest = options(folder, log) | {"checkpoint_seconds": 0}
        return train_sampling(networks, lessons, READING, config, **rest)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed", stop=4)
    found = run(tmp_path / "killed").state_dict()
    for name, value in run(tmp_path / "whole").state_dict().items():
        assert torch.equal(value, found[name]), name
