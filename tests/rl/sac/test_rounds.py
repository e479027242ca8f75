"""The rounds of a population: what agents are given, when they learn, and from what."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from tests.tiny_sac import SPEC, SUITE, TASKS, TINY, WINDOW, train

from makeanagent.policies.initialization import initialize_actor
from makeanagent.rl.sac import training
from makeanagent.rl.sac.collection import Course, Episode, demonstrate
from makeanagent.rl.sac.history import Agent, Record
from makeanagent.suites import find_suite
from makeanagent.suites.layouts import ZOO
from makeanagent.trajectories import Trajectory

SHORT = replace(TINY, env_steps=160, start_steps=80, num_demonstrations=2)


class Learner:
    """Notes what it learns from, in place of a population."""

    def __init__(self, config):
        self.config, self.num_updates, self.generator = config, 0, "generator"
        self.standardized, self.batches = [], []

    def standardize(self, rows):
        self.standardized.append((self.num_updates, rows))

    def update(self, batch):
        self.batches.append(batch)
        self.num_updates += 1

    def sample(self, *arguments):
        """As a buffer: a batch is how it was asked for."""
        return arguments

    def rows(self):
        return "rows"


@pytest.mark.parametrize("standardize", [True, False])
def test_updates_begin_after_the_start_and_are_as_many_as_steps_ask_for(standardize):
    config = replace(
        TINY,
        start_steps=80,
        updates_per_step=0.25,
        batch_size=7,
        demonstration_share=0.3,
        standardize=standardize,
    )
    learner, counts = Learner(config), []
    for steps in (40, 80, 120, 120, 200):
        training._update(learner, learner, steps)
        counts.append(learner.num_updates)
    assert counts == [0, 0, 10, 10, 30]
    assert set(learner.batches) == {(7, 0.3, "generator")}
    # Once the start is over, and before any update.
    assert set(learner.standardized) == ({(0, "rows")} if standardize else set())


@pytest.fixture
def spied(monkeypatch):
    """A short training of two tasks, with all that its parts were given."""
    seen = SimpleNamespace(rounds=[], sizes=[])

    class Buffer(training.ReplayBuffer):
        def __init__(self, spec, capacity, demonstrations, device):
            super().__init__(spec, capacity, demonstrations, device)
            seen.demonstrations = demonstrations

    class Population(training.SACPopulation):
        def __init__(self, spec, config, seeds, seed, device):
            super().__init__(spec, config, seeds, seed, device)
            seen.seeds, seen.seed = seeds, seed

    def explore(course, task, actor, seed):
        seen.rounds.append((task, actor, seed))
        return original_explore(course, task, actor, seed)

    def update(population, buffer, steps):
        seen.sizes.append((buffer.size, steps))
        original_update(population, buffer, steps)

    original_explore, original_update = training.explore, training._update
    monkeypatch.setattr(training, "ReplayBuffer", Buffer)
    monkeypatch.setattr(training, "SACPopulation", Population)
    monkeypatch.setattr(training, "explore", explore)
    monkeypatch.setattr(training, "_update", update)
    return seen


def test_agents_are_random_until_the_start_is_over(tmp_path, spied):
    train(tmp_path / "run", tasks=TASKS, config=SHORT)
    assert len(spied.rounds) == 4 * 4
    assert [actor is None for _, actor, _ in spied.rounds] == [True] * 8 + [False] * 8
    actors = [actor for _, actor, _ in spied.rounds[8:12]]
    assert len({actor.tobytes() for actor in actors}) == 4, "each explores with its own"
    assert [task for task, _, _ in spied.rounds] == [TASKS[0], TASKS[0], TASKS[1], TASKS[1]] * 4


def test_no_two_rounds_and_no_two_agents_share_their_noise(tmp_path, spied):
    train(tmp_path / "run", tasks=TASKS, config=SHORT, seed=3)
    assert len({seed for _, _, seed in spied.rounds}) == len(spied.rounds)
    assert {seed[0] for _, _, seed in spied.rounds} == {3}
    assert len(set(spied.seeds)) == 4
    assert spied.seed == 3
    # An agent's beginning is the same whoever else is trained.
    together = spied.seeds
    train(tmp_path / "alone", tasks=TASKS[1:], config=SHORT, seed=3)
    assert spied.seeds == together[2:]


def test_agents_learn_from_the_round_that_is_just_over(tmp_path, spied):
    train(tmp_path / "run", config=SHORT)
    assert spied.sizes == [(40, 40), (80, 80), (120, 120), (160, 160)]


def test_agents_are_given_their_own_tasks_demonstrations(tmp_path, spied):
    tasks = ("reach-v1", "arrive-v1")
    train(tmp_path / "run", tasks=tasks, config=SHORT, seed=2)
    course = Course(suite=find_suite(SUITE), spec=SPEC, config=SHORT, window=WINDOW)
    lengths = []
    for number, task in enumerate(tasks):
        shown = [episode.transitions(SHORT) for episode in demonstrate(course, task, 2)]
        own = {row.tobytes() for row in np.concatenate(shown)}
        lengths.append(len(np.concatenate(shown)))
        for agent in (2 * number, 2 * number + 1):
            assert {row.tobytes() for row in spied.demonstrations[agent]} == own
    assert lengths[0] > lengths[1], "one task's are fewer, and fill up with themselves"


def test_what_an_expert_fails_at_is_no_demonstration(tmp_path):
    environment = find_suite(SUITE).make("drift-v1")
    # Who goes to a goal close by has not drifted far.
    goals = {layout: environment.reset(ZOO[layout])[2:] for layout in range(100)}
    near, far = (
        find(goals, key=lambda layout: np.linalg.norm(goals[layout])) for find in (min, max)
    )
    for layout, count in ((near, 0), (far, 2)):
        config = replace(SHORT, layout=layout, noise_scales=(0.0,), env_steps=80)
        _, shown = train(tmp_path / str(layout), config=config)
        assert len(shown["drift-v1"]) == count


def make_episode(length, solved):
    return Episode(
        observations=np.zeros((length + 1, 4), np.float32),
        actions=np.zeros((length, 2), np.float32),
        rewards=np.zeros(length),
        success=np.full(length, solved),
        terminated=False,
    )


def test_lived_episodes_know_how_old_their_agent_was():
    agents = [Agent("drift-v1", run) for run in range(2)]
    config = replace(TINY, replay_steps=160)
    course = Course(suite=find_suite(SUITE), spec=SPEC, config=config, window=WINDOW)
    lives = [
        [make_episode(20, True), make_episode(15, False), make_episode(25, True)],
        # Too short for a prompt, and too late.
        [make_episode(11, True), make_episode(49, True), make_episode(20, True)],
    ]
    picked = training._pick_lived(lives, agents, 100, course)
    assert [(item.agent.run, item.step) for item in picked] == [(0, 100), (0, 135), (1, 111)]


def make_rollout(length, success):
    return Trajectory(
        observations=np.zeros((length + 1, 4)),
        actions=np.zeros((length, 2)),
        success=np.arange(length) == success,
    )


def test_checkpoints_are_actors_whose_success_is_long_enough_for_a_prompt(monkeypatch):
    rollouts = [make_rollout(12, 11), make_rollout(11, 3), make_rollout(12, None)]
    actors = np.stack([initialize_actor(SPEC, seed).numpy() for seed in range(3)])
    given = dict(zip((actor.tobytes() for actor in actors), rollouts, strict=True))
    monkeypatch.setattr(training, "try_actor", lambda course, task, actor: given[actor.tobytes()])
    monkeypatch.setattr(
        training, "run_jobs", lambda pool, function, jobs: [function(*job) for job in jobs]
    )
    agents = [Agent("drift-v1", run) for run in range(3)]
    course = Course(suite=find_suite(SUITE), spec=SPEC, config=TINY, window=WINDOW)
    population = SimpleNamespace(parameters=lambda: actors)
    (kept,) = training._test(None, course, population, agents, 80, Record())
    assert (kept.agent, kept.step, kept.rollout) == (agents[0], 80, rollouts[0])
    assert np.array_equal(kept.parameters, actors[0])
