"""Lessons of a suite's own tasks: whose states, whose labels, and on which layouts."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests import tiny_reader
from tests.tiny_reader import GRIPPER, SHOWN, PointSuite

from makeanagent.errors import InputError
from makeanagent.parallel import open_pool
from makeanagent.rollouts.episodes import record_episode
from makeanagent.suites import layouts
from makeanagent.training.lessons import LessonShard
from makeanagent.training.shown import (
    label_lessons,
    record_shown,
    revisit_lessons,
    show_lessons,
    visit,
)
from makeanagent.trajectories.excerpt import excerpt_trajectories

QUIET = replace(SHOWN, noise_scales=(0.0,), burst_chance=0.0)


@pytest.fixture
def suite():
    return PointSuite()


@pytest.fixture(scope="module")
def generator():
    return tiny_reader.build()


def show(folder, suite, tasks=("goal", "object"), config=SHOWN, generator=None):
    reports = []
    with open_pool(1) as pool:
        paths = show_lessons(
            folder, suite, tasks, config, generator, pool, lambda *each: reports.append(each)
        )
    return paths, reports


def test_without_noise_the_expert_is_recorded(suite):
    shown, others = record_shown(suite, "goal", QUIET)
    assert (len(shown), len(others)) == (5, 3)
    for number, episode in enumerate(shown):
        expected = record_episode(
            suite.make("goal"),
            suite.expert("goal"),
            layouts.ZOO[number],
            steps_after_success=QUIET.steps_after_success,
        )
        np.testing.assert_array_equal(episode.observations, expected.observations)
        np.testing.assert_array_equal(episode.actions, expected.actions)


def test_noise_comes_by_turns_and_bursts_only_besides(suite):
    config = replace(
        QUIET, noise_scales=(0.0, 0.3), burst_chance=0.1, num_demonstrations=4, num_disturbed=4
    )
    expert = suite.expert("goal")
    record_shown(suite, "goal", config)
    noisy = []
    with open_pool(1):
        # By the layouts, as they are played in order.
        assert [layout for _, layout in suite.layouts] == list(layouts.ZOO[:8])
    actions = []
    states = np.array(suite.seen).reshape(8, -1, 14)
    for episode in states:
        # What the gripper was told is seen one state later.
        wanted = np.array([expert(state) for state in episode[:-1]])
        told = episode[1:, GRIPPER]
        actions.append(told - wanted[:, 3])
        noisy.append(np.abs(told - wanted[:, 3]).max() > 1e-6)
    assert noisy[:4] == [False, True, False, True]
    # Those of no noise are disturbed in bursts alone.
    for number in (4, 6):
        assert 0 < (np.abs(actions[number]) > 1e-6).mean() < 0.95
    assert 0.2 < actions[1].std() < 0.4


def test_states_that_are_kept_are_of_all_episodes_and_labels_are_the_teachers(suite, tmp_path):
    (path,), _ = show(tmp_path, suite, ("goal",))
    shard = LessonShard.load(path)
    assert shard.states.shape == (1, 60, 14)
    teacher = suite.teacher("goal")
    expected = np.array([teacher(state) for state in shard.states[0].numpy()])
    np.testing.assert_allclose(shard.labels[0], expected, atol=1e-6)
    assert (shard.labels[0, :, 3] == -0.5).all()
    # Demonstrations are the expert's.
    assert shard.actions[0, 0, :, 3].mean() == pytest.approx(0.5, abs=0.1)
    assert shard.targets.shape == shard.masks.shape == (1, 0)


def test_only_successes_are_prompts(suite):
    config = replace(SHOWN, num_demonstrations=8, horizon=6)
    shown, others = record_shown(suite, "goal", config)
    assert 0 < len(shown) < 8
    assert len(shown) + len(others) == 8 + 3
    assert all(episode.success.any() for episode in shown)
    shard = label_lessons(suite, "goal", shown, others, config)
    # As many as asked for: those that there are come again.
    excerpts = excerpt_trajectories(shown, 6)
    assert shard.success.shape == (1, 8)
    assert (shard.success == 1).all()
    for number in range(8):
        expected = excerpts.observations[number % len(shown)]
        np.testing.assert_array_equal(shard.observations[0, number], expected)


def test_layouts_are_the_zoos_and_each_is_used_once(suite, generator, tmp_path):
    config = replace(SHOWN, first_layout=100)
    show(tmp_path, suite, ("goal",), config, generator)
    used = [layout for _, layout in suite.layouts]
    assert used == list(layouts.ZOO[100 : 100 + 5 + 3 + 3])


def test_visited_states_are_those_of_the_generators_policies(suite, generator, tmp_path):
    config = replace(QUIET, num_states=2_000)
    shown, others = record_shown(suite, "goal", config)
    policies = list(generator.generate(shown, 3))
    visited = visit(suite.make("goal"), policies, config)
    assert len(visited) == 3
    for number, (policy, states) in enumerate(zip(policies, visited, strict=True)):
        episode = record_episode(suite.make("goal"), policy, layouts.ZOO[8 + number])
        np.testing.assert_allclose(states, episode.observations[: len(states)], atol=1e-6)
    (path,), _ = show(tmp_path / "with", suite, ("goal",), config, generator)
    (plain,), _ = show(tmp_path / "without", suite, ("goal",), config)
    kept, without = (
        {state.tobytes() for state in LessonShard.load(each).states[0].numpy()}
        for each in (path, plain)
    )
    for states in visited:
        seen = {state.tobytes() for state in states.astype(np.float32)}
        assert len(seen & kept) > 0.8 * len(seen)
        assert not seen & without


def test_a_visit_ends_soon_after_success(suite):
    config = replace(SHOWN, steps_after_success=4)
    expert = suite.expert("goal")
    (states,) = visit(suite.make("goal"), [expert], config)
    first = int(np.argmax([np.linalg.norm(suite.aim("goal", state)) < 0.025 for state in states]))
    assert len(states) == first + 4
    (short,) = visit(suite.make("goal"), [expert], replace(config, visited_horizon=3))
    assert len(short) == 3


def test_no_visits_may_be_asked_for(suite, generator, tmp_path):
    show(tmp_path, suite, ("goal",), replace(SHOWN, num_visited=0), generator)
    assert len(suite.layouts) == 8


def test_lessons_are_made_once(suite, tmp_path):
    paths, reports = show(tmp_path / "all", suite)
    assert reports == [(0, 2), (1, 2), (2, 2)]
    contents = [path.read_bytes() for path in paths]
    assert contents[0] != contents[1]
    played = len(suite.layouts)
    assert show(tmp_path / "all", suite) == (paths, [])
    assert len(suite.layouts) == played
    paths[0].unlink()
    assert show(tmp_path / "all", suite) == (paths, [(1, 2), (2, 2)])
    assert {task for task, _ in suite.layouts[played:]} == {"goal"}
    # What is made alone is what is made beside others, and it can be added to.
    alone, _ = show(tmp_path / "alone", suite, ("object",))
    assert [path.read_bytes() for path in paths] == contents
    assert alone[0].read_bytes() == contents[1]
    assert show(tmp_path / "alone", suite)[0][0].read_bytes() == contents[0]


def test_other_settings_and_other_suites_are_refused(suite, tmp_path):
    show(tmp_path, suite, ("goal",))
    with pytest.raises(InputError, match="lessons of other settings"):
        show(tmp_path, suite, ("goal",), replace(SHOWN, seed=1))

    class Other(PointSuite):
        name = "others"

    with pytest.raises(InputError, match="lessons of other settings"):
        show(tmp_path, Other(), ("goal",))


def test_an_expert_that_never_succeeds_is_named(suite, tmp_path):
    with pytest.raises(
        InputError, match="points/never: the expert has not succeeded in 5 episodes"
    ):
        show(tmp_path, suite, ("goal", "never"))
    assert not list(tmp_path.glob("never*"))


def test_names_of_tasks_may_be_odd(tmp_path):
    class Odd(PointSuite):
        def check_task(self, task):
            return task

    (path,), _ = show(tmp_path, Odd(), ("a/goal?",))
    assert path.parent == tmp_path
    assert torch.isfinite(LessonShard.load(path).states).all()


def test_a_later_turn_adds_what_new_policies_see_on_layouts_of_its_own(
    suite, generator, tmp_path, monkeypatch
):
    played = []
    original = suite.make

    def make(self, task):
        environment = original(task)
        reset = environment.reset
        environment.reset = lambda layout: (played.append(layout), reset(layout))[1]
        return environment

    sources, _ = show(tmp_path / "shown", suite, generator=generator)
    monkeypatch.setattr(PointSuite, "make", make)
    with open_pool(1) as pool:
        paths = revisit_lessons(
            tmp_path / "again",
            suite,
            ("goal", "object"),
            SHOWN,
            generator,
            1,
            sources,
            pool,
            lambda *_: None,
        )
    first = SHOWN.num_demonstrations + SHOWN.num_disturbed + SHOWN.num_visited
    assert played == 2 * [layouts.ZOO[first + number] for number in range(SHOWN.num_visited)]
    for task, source, path in zip(("goal", "object"), sources, paths, strict=True):
        before, after = LessonShard.load(source), LessonShard.load(path)
        assert torch.equal(after.observations, before.observations)
        assert torch.equal(after.states[:, : SHOWN.num_states], before.states)
        assert after.states.shape[1] == SHOWN.num_states + SHOWN.num_revisited_states
        teacher = suite.teacher(task)
        for state, label in zip(after.states[0], after.labels[0], strict=True):
            np.testing.assert_allclose(teacher(state.numpy()), label.numpy(), atol=1e-6)
