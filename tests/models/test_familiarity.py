from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.tiny_zoo import TASKS

from makeanagent import MakeAnAgent, Trajectory
from makeanagent.errors import InputError
from makeanagent.models.familiarity import Familiarity, FamiliarityConfig
from makeanagent.suites import find_suite
from makeanagent.trajectories import PromptWindow, SegmentWindow, make_prompt, stack_prompts
from makeanagent.trajectories.space import Space

PACKAGE = Path(__file__).parents[2] / "src" / "makeanagent"
WIDTHS = {"observation_dim": 6, "action_dim": 2}
PARTS = ("distance", "reconstruction", "dynamics")


def cut(trajectories):
    parts = stack_prompts([make_prompt(item) for item in trajectories])
    behavior, outcome = map(torch.from_numpy, parts)
    return behavior, outcome


def prompts_of(trajectories):
    """Prompts with a stand-in for the condition: where the outcome begins."""
    behavior, outcome = cut(trajectories)
    return behavior, outcome, outcome[:, 0, :4]


def play(task, count=8, spread=0.3, jitter=0.01):
    """Episodes in which a hand goes where it is pushed, among things that lie where the task says.

    Two numbers are the hand's position, two the goal, and two lie still.
    """
    rng = np.random.default_rng(task)
    goal, things = spread * rng.standard_normal((2, 2))
    episodes = []
    for _ in range(count):
        hand = 0.1 * rng.standard_normal(2)
        aim = goal + 0.05 * rng.standard_normal(2)
        observations, actions = [], []
        for _ in range(64):
            observations.append([*hand, *aim, *things])
            actions.append(np.clip(2 * (aim - hand) + 0.3 * rng.standard_normal(2), -1, 1))
            hand = hand + 0.05 * actions[-1] + jitter * rng.standard_normal(2)
        observations.append([*hand, *aim, *things])
        success = np.arange(64) >= 60
        episodes.append(
            Trajectory(
                observations=np.array(observations), actions=np.array(actions), success=success
            )
        )
    return episodes


def shuffle(trajectory, part, seed=0):
    """The episode with actions, or states, in another order."""
    arrays = {"observations": trajectory.observations, "actions": trajectory.actions}
    arrays[part] = np.random.default_rng(seed).permutation(arrays[part])
    return Trajectory(**arrays, success=trajectory.success)


def pad(trajectory, observation_dim, action_dim):
    """The episode with zeros up to another suite's widths."""
    extra = observation_dim - trajectory.observations.shape[1]
    return Trajectory(
        observations=np.pad(trajectory.observations, ((0, 0), (0, extra))),
        actions=np.pad(trajectory.actions, ((0, 0), (0, action_dim - trajectory.actions.shape[1]))),
        success=trajectory.success,
    )


def build(condition_dim=4, widths=None, window=None, **config):
    return Familiarity(
        space=Space(**(widths or WIDTHS)),
        condition_dim=condition_dim,
        window=window or PromptWindow(),
        config=FamiliarityConfig(**config),
    )


def fit(groups, **options):
    """Fit on groups of episodes, a task each."""
    familiarity = build(**options)
    behavior, outcome, condition = prompts_of(sum(groups, []))
    task = torch.tensor([label for label, group in enumerate(groups) for _ in group])
    familiarity.fit(behavior, outcome, task, condition)
    return familiarity


@pytest.fixture(scope="module")
def known():
    return fit([play(task) for task in range(12)])


def share_unfamiliar(scores):
    return (scores.total > 1).float().mean().item()


def test_new_episodes_of_known_tasks_are_familiar(known):
    fresh = [episode for task in range(12) for episode in play(task, count=12)[8:]]
    scores = known.score(*prompts_of(fresh))
    assert share_unfamiliar(scores) == 0
    # The threshold is not theirs but that of tasks left out.
    assert scores.reconstruction.max() < 0.8
    assert scores.distance.max() < 0.8


def test_new_tasks_usually_pass(known):
    new = [episode for task in range(100, 120) for episode in play(task, count=4)]
    assert share_unfamiliar(known.score(*prompts_of(new))) < 0.25


def test_actions_out_of_order_are_unfamiliar_by_dynamics_alone(known):
    shuffled = [shuffle(episode, "actions") for task in range(12) for episode in play(task)]
    scores = known.score(*prompts_of(shuffled))
    assert share_unfamiliar(scores) > 0.95
    assert (scores.dynamics > 1).float().mean() > 0.95
    assert (scores.distance > 1).float().mean() == 0
    assert (scores.reconstruction > 1).float().mean() < 0.1


def test_states_out_of_order_are_unfamiliar(known):
    shuffled = [shuffle(episode, "observations") for task in range(12) for episode in play(task)]
    assert share_unfamiliar(known.score(*prompts_of(shuffled))) == 1


@pytest.mark.parametrize("scale", [0.3, 1.0, 10.0])
def test_noise_is_unfamiliar(known, scale):
    rng = np.random.default_rng(0)
    noise = [
        Trajectory(
            observations=scale * rng.standard_normal((65, 6)),
            actions=rng.uniform(-1, 1, (64, 2)),
            success=np.zeros(64),
        )
        for _ in range(16)
    ]
    scores = known.score(*prompts_of(noise))
    assert share_unfamiliar(scores) == 1
    assert (scores.reconstruction > 1).all()


def test_the_distance_is_of_the_condition(known):
    behavior, outcome, condition = prompts_of(play(0))
    near = known.score(behavior, outcome, condition)
    far = known.score(behavior, outcome, condition + 10)
    assert (far.distance > 1).all()
    torch.testing.assert_close(far.total, far.distance)
    torch.testing.assert_close(far.reconstruction, near.reconstruction)
    torch.testing.assert_close(far.dynamics, near.dynamics)


def test_total_is_the_largest_part(known):
    scores = known.score(*prompts_of([*play(0), *play(300, spread=3.0)]))
    parts = torch.stack([getattr(scores, part) for part in PARTS])
    torch.testing.assert_close(scores.total, parts.amax(dim=0))


def test_the_threshold_grows_with_the_difference_of_the_tasks():
    odd = prompts_of(play(200, spread=1.0))
    alike = fit([play(task, spread=0.1) for task in range(6)])
    diverse = fit([play(task, spread=2.0) for task in range(6)])
    assert alike.score(*odd).total.median() > 1
    assert diverse.score(*odd).total.median() < 1


def test_the_quantile_is_the_share_of_left_out_prompts_that_pass():
    groups = [play(task) for task in range(6)]
    strict, mild = (fit(groups, quantile=quantile) for quantile in (0.5, 1.0))
    new = prompts_of([episode for task in range(100, 120) for episode in play(task, count=4)])
    assert share_unfamiliar(strict.score(*new)) > share_unfamiliar(mild.score(*new)) + 0.2


def test_what_is_saved_scores_alike(known):
    prompts = prompts_of(play(3))
    loaded = build()
    loaded.load_state_dict(known.state_dict())
    torch.testing.assert_close(loaded.score(*prompts).total, known.score(*prompts).total)
    assert not list(loaded.parameters())


def test_it_is_small_and_of_sizes_known_before_the_fit():
    widths = {"observation_dim": 39, "action_dim": 4}
    tensors = build(condition_dim=256, widths=widths).state_dict().values()
    assert {tensor.dtype for tensor in tensors} == {torch.float32}
    assert sum(tensor.nbytes for tensor in tensors) < 5_000_000


def test_nothing_is_unfamiliar_before_the_fit():
    scores = build().score(*prompts_of(play(0)))
    assert (scores.total == 0).all()


def test_a_fit_repeats_and_prompts_do_not_touch_each_other(known):
    again = fit([play(task) for task in range(12)])
    prompts = prompts_of(play(5))
    together = again.score(*prompts).total
    assert torch.equal(together, known.score(*prompts).total)
    alone = torch.cat([again.score(*(part[i : i + 1] for part in prompts)).total for i in range(8)])
    torch.testing.assert_close(alone, together)


def test_rounding_is_no_fault_in_an_exact_world():
    episodes = [play(task, jitter=0.0) for task in range(4)]
    familiarity = fit(episodes)
    behavior, outcome, condition = prompts_of(sum(episodes, []))
    rounded = familiarity.score((behavior * 1000).round() / 1000, outcome, condition)
    assert share_unfamiliar(rounded) == 0


def test_numbers_that_overflow_are_unfamiliar(known):
    behavior, outcome, condition = prompts_of(play(0, count=2))
    behavior[0, 0, 0] = 3e38
    scores = known.score(behavior, outcome, condition)
    assert scores.total[0] == torch.inf
    assert scores.total[1] < 1


def test_a_single_task_is_judged_by_its_own_prompts():
    familiarity = fit([play(0, count=20)])
    assert share_unfamiliar(familiarity.score(*prompts_of(play(0, count=30)[20:]))) < 0.5
    assert share_unfamiliar(familiarity.score(*prompts_of(play(1)))) == 1


@pytest.mark.parametrize("group_steps", [20, 30, 60])
def test_windows_of_few_groups_have_scores(group_steps):
    window = PromptWindow(group_steps=group_steps)
    familiarity = Familiarity(
        Space(**WIDTHS), condition_dim=4, window=window, config=FamiliarityConfig()
    )
    parts = stack_prompts([make_prompt(episode, window) for episode in play(0)])
    behavior, outcome = map(torch.from_numpy, parts)
    familiarity.fit(behavior, outcome, torch.arange(8) % 2, outcome[:, 0, :4])
    assert familiarity.score(behavior, outcome, outcome[:, 0, :4]).total.isfinite().all()
    scores = familiarity.score(behavior + 10, outcome + 10, outcome[:, 0, :4])
    assert share_unfamiliar(scores) == 1


def test_segments_lose_their_own_mean():
    """Two segments, there and back at a steady pace: nothing is left that actions could explain."""
    window = SegmentWindow(num_segments=2, num_steps=24)
    there = np.linspace(0, 1, 31)
    shown = Trajectory(
        observations=np.concatenate([there, there[-2::-1]])[:, None].repeat(6, axis=1),
        actions=np.repeat([1.0, -1.0], 30)[:, None].repeat(2, axis=1),
        success=np.zeros(60),
    )
    familiarity = Familiarity(
        Space(**WIDTHS), condition_dim=4, window=window, config=FamiliarityConfig()
    )
    behavior = torch.from_numpy(window.read(shown).behavior)[None]
    assert all(part.abs().max() < 1e-5 for part in familiarity._pair_moves(behavior))


def test_one_prompt_is_too_few():
    behavior, outcome, condition = prompts_of(play(0, count=1))
    with pytest.raises(InputError, match="at least 2"):
        build().fit(behavior, outcome, torch.zeros(1, dtype=torch.long), condition)


def bundled():
    return [Trajectory.load(path) for path in sorted((PACKAGE / "prompts").glob("*.npz"))]


def reacher(zoo):
    return [zoo.load_task(task)[0].demonstrations for task in TASKS]


def test_a_zoo_of_an_arm_knows_its_own(tiny_zoo):
    groups = reacher(tiny_zoo)
    familiarity = fit(groups, widths={"observation_dim": 10, "action_dim": 2})
    rollouts = [
        rollout
        for task in tiny_zoo.tasks()
        for shard in tiny_zoo.load_task(task)
        for rollout in shard.rollouts
    ]
    assert share_unfamiliar(familiarity.score(*prompts_of(rollouts))) < 0.1
    demonstrations = sum(groups, [])
    for part in ("actions", "observations"):
        shuffled = [shuffle(episode, part) for episode in demonstrations]
        assert share_unfamiliar(familiarity.score(*prompts_of(shuffled))) > 0.9, part
    # A robot's hand, cropped to the arm's widths.
    cropped = [
        Trajectory(
            observations=item.observations[:, :10],
            actions=item.actions[:, :2],
            success=item.success,
        )
        for item in bundled()
    ]
    assert share_unfamiliar(familiarity.score(*prompts_of(cropped))) == 1


def test_meta_world_is_known_from_one_prompt_of_each_task(tiny_zoo):
    generator = MakeAnAgent.from_pretrained("metaworld")
    tasks = find_suite("metaworld").groups["seen"]

    @torch.no_grad()
    def embed(trajectories):
        return *cut(trajectories), generator.embed(trajectories)

    seen, unseen = [], []
    for item in bundled():
        (seen if item.env_id.partition("/")[2] in tasks else unseen).append(item)
    assert (len(seen), len(unseen)) == (10, 9)
    condition_dim = generator.config.condition_dim
    familiarity = build(
        condition_dim=condition_dim, widths={"observation_dim": 39, "action_dim": 4}
    )
    behavior, outcome, condition = embed(seen)
    familiarity.fit(behavior, outcome, torch.arange(10), condition)

    def share(trajectories):
        return share_unfamiliar(familiarity.score(*embed(trajectories)))

    assert share(seen) == 0
    assert share(unseen) < 0.4
    assert share([shuffle(item, "actions") for item in bundled()]) > 0.9
    assert share([shuffle(item, "observations") for item in bundled()]) > 0.9
    assert share([pad(item, 39, 4) for item in sum(reacher(tiny_zoo), [])]) > 0.9


def test_scores_do_not_ask_in_which_unit_positions_are():
    """Metres or millimetres: the same episodes are as familiar."""
    episodes = sum([play(task, count=2) for task in range(6)], [])
    task, found = torch.arange(6).repeat_interleave(2), []
    for unit in (1.0, 1000.0):
        space = {"positions": (0, 3), "unit": unit}
        scaled = [replace(each, observations=unit * each.observations) for each in episodes]
        behavior, outcome, condition = prompts_of(scaled)
        familiarity = build(widths=WIDTHS | space, num_components=3)
        familiarity.fit(behavior, outcome, task, condition)
        found.append(familiarity.score(behavior, outcome, condition).reconstruction)
    torch.testing.assert_close(*found, rtol=1e-2, atol=1e-3)
    assert found[0].std() > 0.01


def test_what_hardly_moves_is_left_out_whatever_the_unit():
    """A hundredth of a millimetre a step is too little, also where it is written as 0.01."""
    episodes = sum([play(task, count=2) for task in range(6)], [])
    for each in episodes:
        each.observations[1:, 5] += 1e-5 * each.actions[:, 0].cumsum()
    task, found = torch.arange(6).repeat_interleave(2), []
    for unit in (1.0, 1000.0):
        scaled = [replace(each, observations=unit * each.observations) for each in episodes]
        familiarity = build(widths=WIDTHS | {"positions": (0, 3), "unit": unit})
        behavior, outcome, condition = prompts_of(scaled)
        familiarity.fit(behavior, outcome, task, condition)
        found.append(unit * familiarity.controlled)
    assert (found[0] > 0).tolist() == [True, True, False, False, False, False]
    torch.testing.assert_close(*found, rtol=1e-3, atol=0)
