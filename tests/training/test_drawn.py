"""Lessons of drawn tasks: on which layouts they are shown and asked, and by whose actions."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from makeanagent.errors import InputError
from makeanagent.parallel import open_pool
from makeanagent.suites.procedural import (
    Disturbances,
    ProceduralSuite,
    find_tasks,
    program_targets,
    simulate,
)
from makeanagent.training.drawn import DrawnConfig, draw_lessons, make_lessons
from makeanagent.training.lessons import LessonShard
from makeanagent.trajectories.excerpt import cut_excerpts

CONFIG = DrawnConfig(
    num_tasks=6,
    tasks_per_shard=3,
    num_demonstrations=2,
    num_layouts=2,
    num_states=10,
    num_knots=5,
    failures=0.0,
)
TRIED = replace(CONFIG, failures=1.0, tasks_per_shard=12, num_demonstrations=3, num_layouts=1)
"""Tasks are kept as they are first drawn, so that many demonstrations fail."""
SUITE = ProceduralSuite()


@pytest.fixture(scope="module")
def shard():
    """The second one."""
    return make_lessons(CONFIG, 1)


@pytest.fixture(scope="module")
def tried():
    """Lessons and the tasks themselves."""
    first = TRIED.seed * 10**9
    tasks, _ = find_tasks(first + np.arange(12), TRIED.family, failures=1.0, hand=TRIED.hand)
    episodes = simulate(tasks, range(4), disturbances=Disturbances(num_spared=3))
    return make_lessons(TRIED, 0), tasks, episodes


def numbers_of(config, shard):
    first = config.seed * 10**9 + shard * config.tasks_per_shard
    return [str(first + row) for row in range(config.tasks_per_shard)]


def find_rows(states, episodes):
    """Layout and step of each of a task's states, `[S, 2]`, among its episodes `[L, T + 1, O]`."""
    found = []
    for state in states.numpy():
        places = np.argwhere((episodes == state).all(axis=-1))
        assert len(places)
        found.append(places[0])
    return np.array(found)


def test_a_shard_is_of_the_shapes_that_its_config_says(shard):
    assert shard.observations.shape == (3, 2, 6, 39)
    assert shard.actions.shape == shard.mean_actions.shape == (3, 2, 5, 4)
    assert shard.steps.shape == (3, 2, 6)
    assert shard.states.shape == (3, 10, 39)
    assert shard.labels.shape == (3, 10, 4)


def test_labels_are_what_the_tasks_experts_do(shard):
    for row, task in enumerate(numbers_of(CONFIG, 1)):
        expert = SUITE.expert(task)
        expected = np.stack([expert(state) for state in shard.states[row].numpy()])
        np.testing.assert_allclose(shard.labels[row], expected, atol=1e-6)
    assert shard.labels.std() > 0.1


def test_demonstrations_begin_on_their_layouts(shard):
    for row, task in enumerate(numbers_of(CONFIG, 1)):
        environment = SUITE.make(task)
        begins = np.stack([environment.reset(layout) for layout in range(2)])
        for found in shard.observations[row, :, 0].numpy():
            # One that fails gives way to the other.
            assert np.abs(found - begins).max(axis=1).min() < 1e-6


def test_states_are_asked_about_on_other_layouts_than_the_prompts(tried):
    lessons, _, episodes = tried
    for row in range(12):
        found = find_rows(lessons.states[row], episodes.observations[row])
        assert (found[:, 0] == 3).all()
        for shown in lessons.observations[row]:
            assert (find_rows(shown, episodes.observations[row])[:, 0] < 3).all()


def test_states_are_asked_about_until_soon_after_success_and_on_all_layouts():
    config = replace(CONFIG, failures=1.0, num_states=60)
    lessons = make_lessons(config, 0)
    tasks, _ = find_tasks(
        config.seed * 10**9 + np.arange(3), config.family, failures=1.0, hand=config.hand
    )
    episodes = simulate(tasks, range(4), disturbances=Disturbances(num_spared=2))
    for row in range(3):
        found = find_rows(lessons.states[row], episodes.observations[row])
        assert np.bincount(found[:, 0]).tolist() == [0, 0, 30, 30]
        for layout in (2, 3):
            first = episodes.first_success[row, layout]
            end = min(first + 6, 150) if first > 0 else 150
            steps = found[found[:, 0] == layout, 1]
            assert steps.max() < end
            # They are spread over the whole of it.
            assert steps.max() > 0.8 * end
            assert steps.min() < 0.2 * end


def test_demonstrations_that_fail_give_way_to_one_that_does_not(tried):
    lessons, _, episodes = tried
    solved = episodes.first_success[:, :3] > 0
    mixed = solved.any(axis=1) & ~solved.all(axis=1)
    assert mixed.any()
    plain = cut_excerpts(
        episodes.observations[:, :3].reshape(36, 151, 39),
        episodes.actions[:, :3].reshape(36, 150, 4),
        episodes.first_success[:, :3].ravel(),
        5,
    )
    for row in range(12):
        for shown in range(3):
            used = shown if solved[row, shown] else int(solved[row].argmax())
            for name, array in vars(plain).items():
                found = getattr(lessons, name)[row, shown].numpy()
                np.testing.assert_array_equal(found, array[3 * row + used], name)
    assert (lessons.success == torch.from_numpy(solved.any(axis=1))[:, None]).all()


def test_programs_are_told_of(tried):
    lessons, tasks, _ = tried
    targets = program_targets(tasks)
    np.testing.assert_array_equal(lessons.targets, targets.values)
    np.testing.assert_array_equal(lessons.masks, targets.masks)
    assert lessons.masks.dtype == torch.bool


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.safetensors"))}


def draw(folder, config=CONFIG):
    reports = []
    with open_pool(1) as pool:
        paths = draw_lessons(folder, config, pool, lambda *report: reports.append(report))
    return paths, reports


def test_lessons_are_made_once_and_the_same_in_any_company(shard, tmp_path):
    paths, reports = draw(tmp_path / "all")
    assert [path.name for path in paths] == ["00000.safetensors", "00001.safetensors"]
    assert reports == [(0, 2), (1, 2), (2, 2)]
    found = LessonShard.load(paths[1])
    for name, tensor in vars(shard).items():
        assert torch.equal(getattr(found, name), tensor), name
    whole = bytes_of(tmp_path / "all")
    times = [path.stat().st_mtime_ns for path in paths]
    # Again, and where one is missing.
    assert draw(tmp_path / "all") == (paths, [])
    assert [path.stat().st_mtime_ns for path in paths] == times
    paths[0].unlink()
    assert draw(tmp_path / "all") == (paths, [(1, 2), (2, 2)])
    assert bytes_of(tmp_path / "all") == whole
    # Of more tasks, fewer are a part.
    fewer, reports = draw(tmp_path / "all", replace(CONFIG, num_tasks=2))
    assert fewer == paths[:1]
    assert reports == []
    with pytest.raises(InputError, match="all: lessons of other settings"):
        draw(tmp_path / "all", replace(CONFIG, num_states=11))
    assert bytes_of(tmp_path / "all") == whole


class Still:
    """A generator of policies that do nothing, and what it was prompted with."""

    def __init__(self):
        self.prompts = []

    def generate(self, prompts):
        self.prompts += prompts
        return self

    def act(self, observations):
        return np.zeros((len(observations), 4), np.float32)


def test_half_of_the_states_may_be_those_that_policies_see(shard):
    generator = Still()
    visited = make_lessons(CONFIG, 1, generator)
    half = CONFIG.num_states // 2
    assert torch.equal(visited.states[:, :half], shard.states[:, :half])
    for name in ("observations", "actions", "steps", "targets"):
        assert torch.equal(getattr(visited, name), getattr(shard, name))
    tasks, _ = find_tasks(np.array(numbers_of(CONFIG, 1), int), CONFIG.family, failures=0.0)
    still = simulate(
        tasks,
        [2, 3],
        disturbances=Disturbances(noises=(0.0,), burst_share=0.0),
        actor=generator.act,
    )
    for row, number in enumerate(numbers_of(CONFIG, 1)):
        expert = SUITE.expert(number)
        for state, label in zip(
            visited.states[row, half:], visited.labels[row, half:], strict=True
        ):
            assert (still.observations[row] == state.numpy()).all(axis=-1).any()
            np.testing.assert_array_equal(expert(state.numpy()), label.numpy())
    assert len(generator.prompts) == CONFIG.tasks_per_shard
    for row, prompt in enumerate(generator.prompts):
        assert prompt.first_success is not None
        shown = visited.observations[row, :, 0].numpy()
        assert (shown == prompt.observations[0]).all(axis=-1).any()
