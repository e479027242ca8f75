"""Guidance: latents follow a demonstration, stop in time, and leave all else as it is."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from makeanagent.errors import InputError
from makeanagent.generator import MakeAnAgent
from makeanagent.generator_config import GeneratorConfig
from makeanagent.models.autoencoder import AutoencoderConfig, ParameterAutoencoder
from makeanagent.models.behavior import BehaviorConfig
from makeanagent.models.denoisers import DenoiserConfig
from makeanagent.models.guidance import (
    DemonstratedSteps,
    GuidanceConfig,
    _descend,
    gather_steps,
    guide_latents,
)
from makeanagent.policies import PolicySpec
from makeanagent.policies.batch import PolicyBatch
from makeanagent.trajectories import Trajectory

SPEC = PolicySpec(observation_dim=6, action_dim=2, hidden=(8, 8))
CPU = torch.device("cpu")
SHORT = GuidanceConfig(num_steps=30)


@pytest.fixture
def autoencoder() -> ParameterAutoencoder:
    torch.manual_seed(0)
    return ParameterAutoencoder(SPEC, AutoencoderConfig(latent_dim=8)).requires_grad_(False)


def demonstrate(policy, length: int = 90, seed: int = 0, noise: float = 0.0) -> Trajectory:
    """States at random, and what a policy does there, with noise."""
    rng = np.random.default_rng(seed)
    states = rng.normal(size=(length + 1, SPEC.observation_dim)).astype(np.float32)
    actions = np.stack([policy.act(state) for state in states[:-1]])
    return Trajectory(
        observations=states,
        actions=actions + noise * rng.normal(size=actions.shape),
        success=np.arange(length) == length - 1,
    )


def decode(autoencoder, latents) -> PolicyBatch:
    return PolicyBatch(autoencoder.decode(latents), SPEC)


def error_of(autoencoder, latents, trajectories, rows=None) -> torch.Tensor:
    steps = gather_steps([[item] for item in trajectories], SHORT, CPU)
    rows = steps.held_back if rows is None else rows
    return steps.pick(rows).measure_errors(decode(autoencoder, latents), SHORT.loss_beta)


def test_it_finds_a_policy_of_the_latent_space_from_what_it_does(autoencoder):
    teacher, start = torch.randn(9, 2, 8), torch.zeros(9, 2, 8)
    shown = [demonstrate(policy) for policy in decode(autoencoder, teacher)]
    steps = gather_steps([[item] for item in shown], GuidanceConfig(), CPU)
    guided = guide_latents(autoencoder, start[:, None], steps, GuidanceConfig())
    other = [demonstrate(policy, seed=5) for policy in decode(autoencoder, teacher)]
    before, after = (error_of(autoencoder, latents, other) for latents in (start, guided))
    assert (after / before).median() < 0.3


def test_a_demonstration_of_the_generated_policy_itself_changes_nothing(autoencoder):
    latents = torch.randn(2, 2, 8)
    shown = [demonstrate(policy) for policy in decode(autoencoder, latents)]
    steps = gather_steps([[item] for item in shown], SHORT, CPU)
    torch.testing.assert_close(guide_latents(autoencoder, latents[:, None], steps, SHORT), latents)


def test_it_stops_before_the_held_back_steps_get_worse(autoencoder):
    """Actions at random teach nothing: following them helps the fitted steps alone."""
    latents = torch.randn(8, 2, 8)
    rng = np.random.default_rng(1)
    shown = [
        Trajectory(
            observations=rng.normal(size=(91, 6)).astype(np.float32),
            actions=rng.uniform(-1, 1, size=(90, 2)),
            success=np.zeros(90, bool),
        )
        for _ in range(8)
    ]
    guided = guide_latents(
        autoencoder, latents[:, None], gather_steps([[item] for item in shown], SHORT, CPU), SHORT
    )
    before, after = (error_of(autoencoder, item, shown) for item in (latents, guided))
    assert (after <= before).all()


def test_the_steps_that_are_held_back_say_where_to_stop(autoencoder):
    """What is shown leads away from the start, which explains the steps held back perfectly."""
    start, teacher = torch.randn(4, 2, 8), torch.randn(4, 2, 8)
    states = torch.randn(4, 64, 6)
    held_back = torch.arange(64) >= 48
    own, other = (decode(autoencoder, latents).act(states) for latents in (start, teacher))
    steps = DemonstratedSteps(
        states=states,
        actions=torch.where(held_back[:, None], own, other),
        held_back=held_back,
    )
    assert torch.equal(_descend(autoencoder, start, steps, 30, SHORT), start)
    free = replace(steps, actions=other)
    assert (_descend(autoencoder, start, free, 30, SHORT) - start).abs().max() > 0.1


def test_what_gains_too_little_goes_back_to_the_first_start(autoencoder):
    """The best start is another one."""
    first, second = torch.randn(2, 3, 2, 8)
    shown = [demonstrate(policy, noise=0.3) for policy in decode(autoencoder, second)]
    steps = gather_steps([[item] for item in shown], SHORT, CPU)
    stubborn = GuidanceConfig(num_steps=5, min_gain=0.999)
    guided = guide_latents(autoencoder, torch.stack([first, second], dim=1), steps, stubborn)
    assert torch.equal(guided, first)


def test_starts_are_compared_on_every_so_many_th_step(autoencoder):
    """Of two starts one is better on the even steps, the other on all of them."""
    even, odd = torch.randn(2, 1, 2, 8)
    states = torch.randn(1, 96, 6)
    number = torch.arange(96)
    by_even, by_odd = (decode(autoencoder, latents).act(states) for latents in (even, odd))
    # The even steps are explained by the one a little better, the odd ones by the other alone.
    actions = torch.where((number % 2 == 0)[:, None], 0.6 * by_even + 0.4 * by_odd, by_odd)
    steps = DemonstratedSteps(states=states, actions=actions, held_back=number % 32 >= 28)
    # It ends where it begins: at the start that was chosen.
    still = {"explore_steps": 0, "num_steps": 1, "step_size": 1e-9, "min_gain": -1e9}
    for stride, best in ((2, even), (1, odd)):
        config = GuidanceConfig(explore_stride=stride, **still)
        found = guide_latents(autoencoder, torch.stack([odd, even], dim=1), steps, config)
        torch.testing.assert_close(found, best)


def test_a_policy_does_not_depend_on_its_neighbours(autoencoder):
    latents = torch.randn(3, 2, 8)
    shown = [demonstrate(p, noise=0.2) for p in decode(autoencoder, torch.randn(3, 2, 8))]
    steps = gather_steps([[item] for item in shown], SHORT, CPU)
    together = guide_latents(autoencoder, latents[:, None], steps, SHORT)
    row = torch.tensor([1])
    alone = guide_latents(autoencoder, latents[row][:, None], steps[row], SHORT)
    torch.testing.assert_close(together[row], alone, atol=1e-4, rtol=1e-3)


def test_it_trains_no_network(autoencoder):
    before = {name: value.clone() for name, value in autoencoder.state_dict().items()}
    shown = demonstrate(decode(autoencoder, torch.randn(1, 2, 8))[0])
    steps = gather_steps([[shown]], SHORT, CPU)
    guide_latents(autoencoder, torch.zeros(1, 2, 2, 8), steps, SHORT)
    for name, value in autoencoder.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(parameter.grad is None for parameter in autoencoder.parameters())


def test_a_stronger_prior_keeps_it_nearer(autoencoder):
    shown = demonstrate(decode(autoencoder, 2 * torch.randn(1, 2, 8))[0])
    steps = gather_steps([[shown]], SHORT, CPU)

    def distance(weight: float) -> float:
        config = GuidanceConfig(num_steps=30, prior_weight=weight)
        return guide_latents(autoencoder, torch.zeros(1, 1, 2, 8), steps, config).norm().item()

    assert distance(1.0) < 0.5 * distance(1e-4)


def test_of_several_starts_the_one_that_explains_best_goes_on(autoencoder):
    teacher = torch.randn(1, 2, 8)
    shown = demonstrate(decode(autoencoder, teacher)[0])
    steps = gather_steps([[shown]], SHORT, CPU)
    starts = torch.stack([teacher[0] + 5, teacher[0], teacher[0] - 5])[None]
    guided = guide_latents(autoencoder, starts, steps, SHORT)
    torch.testing.assert_close(guided, teacher)


def test_a_leak_frees_saturated_actions(autoencoder):
    """All actions of the start are far beyond where tanh has a gradient."""
    mean = next(layer for layer in SPEC.layers if layer.name == "mean")
    autoencoder.mean[mean.bias] = 12.0
    shown = Trajectory(
        observations=np.random.default_rng(0).normal(size=(91, 6)).astype(np.float32),
        actions=np.full((90, 2), -0.9),
        success=np.zeros(90, bool),
    )
    steps, start = gather_steps([[shown]], SHORT, CPU), torch.zeros(1, 1, 2, 8)

    def error(leak: float) -> float:
        config = GuidanceConfig(num_steps=100, leak=leak, prior_weight=0.0)
        latents = guide_latents(autoencoder, start, steps, config)
        return error_of(autoencoder, latents, [shown]).item()

    assert error(0.1) < 0.5 * error(0.0)


def test_steps_come_from_all_demonstrations_of_a_group(autoencoder):
    policies = decode(autoencoder, torch.randn(2, 2, 8))
    first, second = (demonstrate(p, seed=s) for s, p in enumerate(policies))
    steps = gather_steps([[first, second]], SHORT, CPU)
    assert steps.states.shape == (1, 96, 6)
    known = torch.from_numpy(first.observations)
    from_first = (steps.states[0][:, None] == known).all(dim=2).any(dim=1).sum()
    assert from_first == 48
    assert steps.held_back.sum() == 12


@pytest.mark.parametrize(
    "field, value",
    [
        ("num_steps", 0),
        ("step_size", 0.0),
        ("num_states", 10),
        ("check_steps", 0),
        ("explore_stride", 5),
        ("explore_steps", -1),
        ("prior_weight", -1.0),
        ("condition_noise", -1.0),
        ("min_gain", float("nan")),
        ("leak", -0.1),
    ],
)
def test_settings_out_of_range_are_refused(field, value):
    with pytest.raises(InputError, match=field):
        GuidanceConfig(**{field: value})


@pytest.fixture
def generator() -> MakeAnAgent:
    torch.manual_seed(0)
    generator = MakeAnAgent(
        GeneratorConfig(
            spec=SPEC,
            autoencoder=AutoencoderConfig(latent_dim=8),
            behavior=BehaviorConfig(hidden_dim=8, embedding_dim=4),
            denoiser=DenoiserConfig(widths=(8,), time_dim=8),
        )
    )
    # An untrained denoiser's blocks are the identity, and read no condition.
    for parameter in generator.denoiser.parameters():
        parameter.normal_(std=0.3)
    return generator


def test_steps_are_shown_a_second_time_where_positions_are_known():
    torch.manual_seed(0)
    policy = decode(
        ParameterAutoencoder(SPEC, AutoencoderConfig(latent_dim=8)), torch.randn(1, 2, 8)
    )
    shown = demonstrate(policy[0])
    plain = gather_steps([[shown], [shown]], SHORT, CPU)
    both = gather_steps([[shown], [shown]], SHORT, CPU, positions=(1,))
    count = SHORT.num_states
    assert torch.equal(both.states[:, :count], plain.states)
    assert torch.equal(both.actions, plain.actions.repeat(1, 2, 1))
    difference = both.states[:, count:] - plain.states
    assert difference[:, :, [0, 3, 4, 5]].abs().max() == 0
    assert 0.05 < difference[:, :, 1:3].std() < 0.2
    assert torch.equal(difference[0], difference[1])
    assert torch.equal(both.held_back[:count], plain.held_back)
    assert not both.held_back[count:].any()
    still = gather_steps([[shown]], GuidanceConfig(translation=0.0), CPU, positions=(1,))
    assert still.states.shape[1] == count


def test_each_groups_copies_move_as_its_own_scene_lets_them():
    """One body passes a bystander; in the other group it pushes it."""
    path = np.linspace([0.0, 0.6, 0.2], [0.1, 0.9, 0.1], 97)
    bystander, target = np.tile([-0.2, 0.6, 0.02], (97, 1)), np.tile(path[-1], (97, 1))
    pushed = bystander + np.linspace([0.0, 0.0, 0.0], [0.0, 0.1, 0.0], 97)
    free, touching = (
        Trajectory(
            observations=np.hstack([path, other, target]),
            actions=np.random.default_rng(0).normal(size=(96, 2)),
            success=np.zeros(96),
        )
        for other in (bystander, pushed)
    )
    steps = gather_steps([[free], [touching]], GuidanceConfig(), CPU, positions=(0, 3, 6))
    count = GuidanceConfig().num_states
    moves = steps.states[:, count:] - steps.states[:, :count]
    for number in range(2):
        torch.testing.assert_close(moves[number, :, :3], moves[number, :, 6:])
    together = moves[:, :, 3:6] - moves[:, :, :3]
    assert together[1].abs().max() < 1e-6
    assert together[0, :, :2].abs().mean() > 0.05
    assert moves[0, :, 2].abs().mean() > 0.05
    assert moves[1, :, 2].abs().max() < 1e-6


def test_actions_are_clipped_to_what_tanh_reaches():
    shown = Trajectory(
        observations=np.zeros((97, 6)),
        actions=np.linspace(-2, 2, 96)[:, None].repeat(2, axis=1),
        success=np.zeros(96),
    )
    config = GuidanceConfig(action_limit=0.9)
    actions = gather_steps([[shown]], config, CPU).actions[0, :, 0]
    torch.testing.assert_close(actions, torch.linspace(-2, 2, 96).clamp(-0.9, 0.9))


def test_few_of_the_steps_after_the_first_success_are_read():
    rng = np.random.default_rng(0)
    shown = Trajectory(
        observations=rng.normal(size=(97, SPEC.observation_dim)),
        actions=np.linspace(-0.9, 0.9, 96)[:, None].repeat(2, axis=1),
        success=np.zeros(96, bool),
    )
    solved = replace(shown, success=np.arange(96) >= 23)
    config = GuidanceConfig(num_states=96, weight_after_success=0.25)
    unsolved, early = gather_steps([[shown], [solved]], config, CPU).actions[:, :, 0]
    torch.testing.assert_close(unsolved, torch.linspace(-0.9, 0.9, 96))
    # The step that solves the task counts in full; 72 that follow count as 18 of the first 24.
    assert torch.isin(unsolved[:24], early).all()
    assert (early <= unsolved[23]).sum() == pytest.approx(96 * 24 / 42, abs=1)
    assert (early.diff() >= 0).all()


def test_what_an_agent_does_after_its_success_hardly_leads_astray(generator):
    """As in a replay buffer: the task is solved early, and noise follows."""
    target = decode(generator.autoencoder, 2 * torch.randn(1, 2, 8))[0]
    clean = demonstrate(target)
    rng = np.random.default_rng(0)
    late = np.arange(90)[:, None] > 45
    spoilt = replace(
        clean,
        actions=np.where(late, rng.uniform(-1, 1, clean.actions.shape), clean.actions),
        success=np.arange(90) > 44,
    )
    errors = []
    for weight in (1.0, 0.05):
        guidance = GuidanceConfig(weight_after_success=weight, min_gain=0.0)
        policy = generator.generate(spoilt, 1, guidance=guidance)[0]
        errors.append(np.abs(policy.act(clean.observations[:-1]) - clean.actions).mean())
    assert errors[1] < 0.8 * errors[0]


def test_a_generator_that_knows_positions_learns_for_other_places(generator):
    """The demonstration stays in one place; the right action depends on a difference alone."""
    rng = np.random.default_rng(0)
    states = 0.05 * rng.normal(size=(200, SPEC.observation_dim)).astype(np.float32)
    states[:, [0, 3]] += 1.0
    actions = np.tanh(10 * (states[:-1, 3:5] - states[:-1, 0:2]))
    shown = Trajectory(observations=states, actions=actions, success=np.arange(199) > 70)
    elsewhere = states.copy()
    elsewhere[:, [0, 3]] += rng.normal(size=(200, 1))
    elsewhere[:, [1, 4]] += rng.normal(size=(200, 1))
    errors = []
    for positions in ((), (0, 3)):
        space = replace(generator.config.space, positions=positions)
        parts = (generator.autoencoder, generator.embedding, generator.denoiser)
        taught = MakeAnAgent(replace(generator.config, space=space), *parts)
        policy = taught.generate(shown, 1, guidance=GuidanceConfig(translation=1.0))[0]
        errors.append(np.abs(policy.act(elsewhere[:-1]) - actions).mean())
    assert errors[1] < 0.8 * errors[0]


def test_guided_policies_explain_the_demonstration_better(generator):
    target = decode(generator.autoencoder, 2 * torch.randn(1, 2, 8))[0]
    prompt = demonstrate(target)
    steps = gather_steps([[prompt]], SHORT, CPU)[torch.zeros(5, dtype=torch.long)]
    plain = generator.generate(prompt, 5)
    guided = generator.generate(prompt, 5, guidance=GuidanceConfig())
    held_back = steps.pick(steps.held_back)
    before, after = (held_back.measure_errors(item, 0.3) for item in (plain, guided))
    assert (after <= before).all()
    assert after.mean() < 0.7 * before.mean()


def test_a_prompts_later_candidates_begin_elsewhere(generator):
    prompt = demonstrate(decode(generator.autoencoder, torch.randn(1, 2, 8))[0])
    barely = GuidanceConfig(num_starts=1, num_steps=1, step_size=1e-6, condition_noise=3.0)
    plain = generator.generate(prompt, 3, seed=4).parameters
    guided = generator.generate(prompt, 3, seed=4, guidance=barely).parameters
    torch.testing.assert_close(guided[0], plain[0], atol=1e-4, rtol=1e-4)
    assert (guided[1:] - plain[1:]).abs().amax() > 1e-2


def test_the_first_policy_of_every_prompt_begins_as_generated(generator):
    policies = decode(generator.autoencoder, torch.randn(2, 2, 8))
    prompts = [demonstrate(policy, seed=seed) for seed, policy in enumerate(policies)]
    barely = GuidanceConfig(num_starts=1, num_steps=1, step_size=1e-6, condition_noise=3.0)
    plain = generator.generate(prompts, 6, seed=4).parameters
    guided = generator.generate(prompts, 6, seed=4, guidance=barely).parameters
    torch.testing.assert_close(guided[:2], plain[:2], atol=1e-4, rtol=1e-4)
    assert ((guided - plain)[2:].abs().amax(dim=1) > 1e-2).all()


def test_demonstrations_of_one_behaviour_prompt_together(generator):
    policies = decode(generator.autoencoder, torch.randn(2, 2, 8))
    first, second = (demonstrate(p, seed=s) for s, p in enumerate(policies))
    assert len(generator.generate([[first, second], [second]])) == 2
    together = generator.generate([[first, second]], 1).parameters
    apart = generator.generate([first, second], 2).parameters
    assert not torch.allclose(together[0], apart[0])
    torch.testing.assert_close(
        generator.generate([[first, first]], 1).parameters, apart[:1], atol=1e-5, rtol=1e-4
    )


def test_an_empty_group_is_refused(generator):
    with pytest.raises(InputError, match="no demonstration"):
        generator.generate([[]])


def test_what_explains_its_demonstration_stays_as_generated(autoencoder):
    """Noise in the actions can be followed, but the steps held back gain little by it."""
    latents = torch.randn(6, 2, 8)
    shown = [demonstrate(policy, noise=0.3) for policy in decode(autoencoder, latents)]
    steps = gather_steps([[item] for item in shown], SHORT, CPU)
    torch.testing.assert_close(guide_latents(autoencoder, latents[:, None], steps, SHORT), latents)
    eager = GuidanceConfig(num_steps=30, min_gain=0.0)
    moved = guide_latents(autoencoder, latents[:, None], steps, eager)
    assert (moved - latents).abs().amax() > 1e-2
