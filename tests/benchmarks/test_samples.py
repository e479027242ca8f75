"""Samples on drawn tasks: where prompts are cut, how policies are compared, and which is best."""

import numpy as np
import pytest
import torch
from benchmarks.experiments import samples_measures
from benchmarks.experiments.samples import Command, summarize
from benchmarks.experiments.samples_measures import (
    Sampler,
    choose_best,
    find_last_phases,
    make_prompts,
    play,
)

from makeanagent.errors import InputError
from makeanagent.generator import MakeAnAgent
from makeanagent.generator_config import GeneratorConfig
from makeanagent.models.basis import BasisConfig
from makeanagent.models.denoisers import DenoiserConfig
from makeanagent.models.diffusion import DiffusionConfig
from makeanagent.models.reader import ReaderConfig
from makeanagent.policies.spec import PolicySpec
from makeanagent.suites.procedural import Episodes, ProceduralSuite, draw_tasks, simulate
from makeanagent.suites.procedural.programs import choose_slots


@pytest.fixture(scope="module")
def kinds():
    tasks, _ = draw_tasks(12, seed=2)
    return make_prompts(tasks, 2)


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    found = MakeAnAgent(
        GeneratorConfig(
            spec=PolicySpec(observation_dim=39, action_dim=4),
            autoencoder=BasisConfig(ranks=(4, 4)),
            behavior=ReaderConfig(num_knots=6, width=8, num_layers=1, num_heads=2, num_queries=2),
            denoiser=DenoiserConfig(kind="trunk", widths=(16, 16), time_dim=8),
            diffusion=DiffusionConfig(timestep_spacing="trailing"),
            space=ProceduralSuite().space("0"),
        )
    )
    # It has to hear the noise.
    torch.nn.init.normal_(found.denoiser.latent.weight, std=1.0)
    found.denoiser.scale.fill_(0.5)
    return found


def test_the_best_is_chosen_on_the_first_layouts_and_scored_on_the_others():
    success = np.zeros((1, 4, 4), bool)
    success[0, 1, :2], success[0, 0, 2:], success[0, 3, [0, 2]] = True, True, True
    assert choose_best(success, 4, 2).tolist() == [0.0]
    # Pairs: the second of the first pair, with 0, and the second of the second, with a half.
    assert choose_best(success, 2, 2).tolist() == [0.25]
    assert choose_best(success, 1, 2).tolist() == [(1 + 0 + 0 + 0.5) / 4]


def test_a_cut_prompt_ends_where_the_phase_begins_that_solves_the_task():
    tasks, _ = draw_tasks(12, seed=2)
    episodes = simulate(tasks, np.arange(2))
    begins = find_last_phases(tasks, episodes)
    assert (begins > 0).sum() >= 6
    for row in np.flatnonzero(begins):
        program = tasks.take(np.array([row])).program
        seen = episodes.observations[row, 0]
        end = episodes.first_success[row, 0]
        slots = [choose_slots(program, seen[step][None])[0] for step in range(end)]
        assert slots[-1] not in slots[: begins[row]]
        assert slots[begins[row]] == slots[-1]


def test_prompts_of_each_kind(kinds):
    whole, hidden, cut = kinds.values()
    assert list(kinds) == ["whole", "goal hidden", "cut"]
    for row, items in enumerate(whole.trajectories):
        assert len(items) == 2
        assert items[0].first_success is not None
        short = cut.trajectories[row][0]
        assert 8 <= len(short.actions) < len(items[0].actions)
        assert np.array_equal(short.actions, items[0].actions[: len(short.actions)])
        assert short.first_success is None
        blind = hidden.trajectories[row][0].observations
        assert not blind[:, 36:].any() and blind[:, :36].any()
    assert any(items[0].observations[:, 36:].any() for items in whole.trajectories)
    assert not hidden.elsewhere[..., 36:].any() and hidden.hides_goal
    assert np.array_equal(whole.elsewhere, cut.elsewhere)


def test_samples_differ_by_noise_and_as_far_as_they_are_said_to(kinds, generator):
    sampler, prompts = Sampler(generator, 2), kinds["whole"].take(np.arange(3))
    conditions = sampler.read(prompts)
    drawn = sampler.diffuse(conditions, 4)
    assert drawn.shape == (3, 4, generator.autoencoder.latent_shape[1])
    assert (sampler.spread(drawn, prompts.elsewhere) > 0).all()
    alike = sampler.jitter(conditions, 4, 0.0)
    assert sampler.spread(alike, prompts.elsewhere).max() < 1e-6
    torch.testing.assert_close(alike, sampler.predict(conditions[:, None]).expand(-1, 4, -1))
    by_hand = sampler.act(drawn, prompts.shown).numpy()
    expected = by_hand.std(axis=1, ddof=1).mean(axis=(1, 2))
    np.testing.assert_allclose(sampler.spread(drawn, prompts.shown), expected, rtol=1e-4)
    noise = sampler.match_noise(conditions, 4, prompts.elsewhere, 0.02)
    found = sampler.spread(sampler.jitter(conditions, 4, noise), prompts.elsewhere).mean()
    assert found == pytest.approx(0.02, rel=0.1)


def test_the_generator_gives_the_samples_and_the_one_step_form_one_policy(kinds, generator):
    prompt = kinds["whole"].trajectories[0][0]
    policies = generator.generate(prompt, 3, seed=0).parameters
    assert (policies[0] != policies[1]).any() and (policies[1] != policies[2]).any()
    sampler = Sampler(generator, generator.config.diffusion.sample_steps)
    latents = sampler.diffuse(generator.embed([prompt]), 3, seed=0)
    torch.testing.assert_close(policies, generator.autoencoder.decode(latents[0][:, None]))
    one_step = generator.generate(prompt, 3, sample_steps=1).parameters
    assert not torch.equal(one_step[0], one_step[2])
    best = generator.generate(prompt, seed=5, sample_steps=1).parameters
    torch.testing.assert_close(one_step[:1], best)
    latents = sampler.predict(generator.embed([prompt])[:, None])[0, :, None]
    torch.testing.assert_close(one_step[:1], generator.autoencoder.decode(latents))
    other = Sampler(generator, 4).diffuse(generator.embed([prompt]), 3, seed=0)[0][:, None]
    fewer = generator.generate(prompt, 3, seed=0, sample_steps=4).parameters
    torch.testing.assert_close(fewer, generator.autoencoder.decode(other))
    for steps in (0, 101):
        with pytest.raises(InputError, match="denoising steps"):
            generator.generate(prompt, sample_steps=steps)


def test_policies_play_their_own_tasks(kinds, generator, monkeypatch):
    """Success is laid out by task, policy and layout, and a hidden goal is hidden from policies."""
    prompts = kinds["goal hidden"].take(np.arange(2))
    sampler = Sampler(generator, 2)
    latents = sampler.diffuse(sampler.read(prompts), 3)
    seen = []

    def note(tasks, layouts, *, actor, **rest):
        seen.append(tasks.numbers)
        states = np.ones((len(tasks) * len(layouts), 39), np.float32)
        blind = states.copy()
        blind[:, 36:] = 0
        np.testing.assert_array_equal(actor(states), actor(blind))
        first = np.full((len(tasks), len(layouts)), -1)
        first[4, 1] = 5
        return Episodes(states, states, states, first)

    monkeypatch.setattr(samples_measures, "simulate", note)
    success = play(sampler, prompts, latents, np.arange(2))
    assert success.shape == (2, 3, 2)
    assert np.argwhere(success).tolist() == [[1, 1, 1]]
    assert seen[0].tolist() == np.repeat(prompts.tasks.numbers, 3).tolist()


def test_a_mean_has_its_standard_error():
    found = summarize(np.array([0.0, 1.0, 1.0, 0.0]))
    assert found == {"mean": 0.5, "standard_error": pytest.approx(1 / 12**0.5)}


def test_a_generator_that_cannot_sample_is_refused(generator, tmp_path):
    scale = generator.denoiser.scale.clone()
    generator.denoiser.scale.fill_(1)
    generator.save_pretrained(tmp_path / "generator")
    generator.denoiser.scale.copy_(scale)
    with pytest.raises(InputError, match="no phase for samples"):
        Command(generator=tmp_path / "generator", out=tmp_path / "out.json").run()
