"""Building a zoo: what its shards hold, on which layouts, and that they follow from the seed."""

from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from tests import tiny_sac
from tests.tiny_zoo import SUITE, TASKS, TINY, build, bytes_of, spec_for

from makeanagent.errors import InputError
from makeanagent.parallel import Pool, open_pool
from makeanagent.policies.initialization import initialize_actor
from makeanagent.policies.policy import Policy
from makeanagent.rollouts.episodes import run_episode
from makeanagent.suites import find_suite, layouts
from makeanagent.suites.gymnasium import GymnasiumSuite, GymnasiumTask
from makeanagent.trajectories.windows import PromptWindow, make_prompt
from makeanagent.zoo import build as building
from makeanagent.zoo.build import build_zoo, find_space, measure_progress
from makeanagent.zoo.population_layouts import episode_layouts, round_layouts
from makeanagent.zoo.store import Zoo


@dataclass
class RecordedSuite:
    """A suite that notes on which layouts its episodes begin."""

    suite: GymnasiumSuite
    played: list

    def __getattr__(self, name):
        return getattr(self.suite, name)

    def make(self, task):
        environment = self.suite.make(task)
        environment.reset = partial(self._reset, environment.reset)
        return environment

    def _reset(self, reset, layout):
        self.played.append(layout)
        return reset(layout)


def test_a_shard_holds_a_row_for_each_checkpoint_of_each_run(tiny_zoo):
    assert tiny_zoo.verify() == []
    assert tiny_zoo.shard_names() == ["Reacher-mirrored-000", "Reacher-v5-000"]
    start = initialize_actor(tiny_zoo.spec, TINY.init_seed).numpy()
    for name in tiny_zoo.shard_names():
        shard = tiny_zoo.load_shard(name)
        assert shard.parameters.shape == (9, tiny_zoo.spec.num_parameters)
        assert shard.run.tolist() == [0, 1, 2] * 3
        assert shard.step.tolist() == [10] * 3 + [20] * 3 + [30] * 3
        assert shard.success.shape == (9, 2)
        assert (shard.seed, shard.expert_success) == (0, 1.0)
        assert len(shard.rollouts) == 9
        assert 1 <= len(shard.demonstrations) <= TINY.num_demonstrations
        assert all(item.first_success is not None for item in shard.demonstrations)
        # Each row continues its run's row of the checkpoint before.
        rows = shard.parameters
        for row in range(3, 9):
            steps = np.linalg.norm(rows[row] - rows[row - 3 : row], axis=1)
            assert steps.argmin() == 0
        assert np.linalg.norm(rows[0] - start) > 0


def test_a_prompt_can_be_cut_out_of_every_trajectory(tiny_zoo):
    for task in TASKS:
        (shard,) = tiny_zoo.load_task(task)
        for trajectory in [*shard.rollouts, *shard.demonstrations]:
            assert trajectory.env_id == f"{SUITE}/{task}"
            make_prompt(trajectory, PromptWindow())


def test_scores_and_rollouts_are_those_of_their_policy(tiny_zoo):
    (shard,) = tiny_zoo.load_task(TASKS[0])
    environment = find_suite(SUITE).make(TASKS[0])
    for row in (0, 4, 8):
        policy = Policy(shard.parameters[row], tiny_zoo.spec)
        scores = [
            run_episode(environment, policy, layout).success for layout in range(10_000, 10_002)
        ]
        assert shard.success[row].tolist() == scores
        rollout = shard.rollouts[row]
        assert np.array_equal(rollout.observations[0], environment.reset(row).astype(np.float32))
        np.testing.assert_allclose(
            policy.act(rollout.observations[:-1]), rollout.actions, atol=1e-5
        )


def test_each_policy_has_its_own_scores_and_rollout(tmp_path, monkeypatch):
    # Of random actors some drift to where they succeed on some layouts, and some do not.
    actors = [initialize_actor(tiny_sac.SPEC, seed).numpy() for seed in range(21)]
    config, window = replace(TINY, num_score_layouts=4), PromptWindow(num_steps=12)
    zoo = Zoo.create(tmp_path, tiny_sac.SUITE, tiny_sac.SPEC, "distillation", config, 0)
    trained = {"parameters": np.stack(actors), "run": np.arange(21) % 3, "step": np.arange(21)}
    monkeypatch.setattr(Zoo, "recipe", replace(zoo.recipe, train=lambda *_: trained))
    suite = find_suite(tiny_sac.SUITE)
    with open_pool(1) as pool:
        build_zoo(zoo, suite, ["drift-v1"], config, pool, seed=2, window=window)
    (shard,) = zoo.load_task("drift-v1")
    environment = suite.make("drift-v1")
    scores = [
        [
            run_episode(environment, Policy(actor, zoo.spec), place)[0]
            for place in range(10_000, 10_004)
        ]
        for actor in actors
    ]
    assert shard.success.tolist() == scores
    assert len({tuple(row) for row in scores}) > 3
    assert scores != scores[::-1]
    assert shard.run.tolist() == trained["run"].tolist()
    for actor, layout, rollout in zip(actors, episode_layouts(2), shard.rollouts, strict=False):
        assert np.array_equal(rollout.observations[0], environment.reset(layout).astype(np.float32))
        acted = Policy(actor, zoo.spec).act(rollout.observations[:-1])
        np.testing.assert_allclose(acted, rollout.actions, atol=1e-6)


@pytest.mark.parametrize("seed", [0, 7, 23])
def test_training_and_scores_meet_on_no_layout(tmp_path, seed):
    suite = RecordedSuite(find_suite(SUITE), [])
    tasks = TASKS[:1]
    zoo = Zoo.create(
        tmp_path / "zoo", SUITE, spec_for(find_space(suite, tasks)), "distillation", TINY, seed
    )
    with open_pool(1) as pool:
        build_zoo(zoo, suite, tasks, TINY, pool, seed=seed)
    played = np.array(suite.played)
    scores, training = np.isin(played, layouts.ZOO_SCORES), np.isin(played, layouts.ZOO)
    assert (scores | training).all()
    # 1 to see that success is told, 20 to measure the expert, and 2 for each policy.
    assert scores.sum() == 1 + 20 + 9 * TINY.num_score_layouts
    # 12 demonstrations, at most 2 rounds of 6, and a rollout by each policy.
    episodes = np.isin(played, episode_layouts(seed))
    rounds = np.isin(played, round_layouts(seed))
    assert (episodes | rounds).sum() == training.sum()
    assert episodes.sum() == 12 + 9
    assert rounds.sum() in (6, 12)


def test_the_same_seed_makes_the_same_bytes_whatever_the_workers(tmp_path, tiny_zoo):
    again = build(tmp_path / "zoo", tasks=TASKS, workers=2)
    assert bytes_of(again) == bytes_of(tiny_zoo)


def test_blocks_are_populations_of_the_next_seeds(tmp_path, tiny_zoo):
    zoo = build(tmp_path / "blocks", num_blocks=2)
    contents = bytes_of(zoo)
    assert contents["Reacher-v5-000"] == bytes_of(tiny_zoo)["Reacher-v5-000"]
    assert zoo.load_shard("Reacher-v5-001").seed == 1
    assert (
        contents["Reacher-v5-001"] == bytes_of(build(tmp_path / "seed", seed=1))["Reacher-v5-000"]
    )
    # More blocks and tasks may be added to what is there.
    before = (zoo.folder / "Reacher-v5-001.safetensors").stat().st_mtime_ns
    zoo = build(tmp_path / "blocks", tasks=TASKS, num_blocks=2)
    assert len(zoo.shard_names()) == 4
    assert (zoo.folder / "Reacher-v5-001.safetensors").stat().st_mtime_ns == before


def test_fewer_policies_than_scoring_jobs(tmp_path):
    config = replace(TINY, num_runs=1, num_checkpoints=2)
    zoo = build(tmp_path / "zoo", config=config)
    assert zoo.verify() == []
    assert len(zoo.load_shard("Reacher-v5-000").parameters) == 2


def test_what_was_trained_is_found_again(tmp_path, tiny_zoo, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(building, "score_shard_policies", stop)
        with pytest.raises(KeyboardInterrupt):
            build(tmp_path / "zoo")
    zoo = Zoo.open(tmp_path / "zoo")
    assert zoo.shard_names() == []
    assert measure_progress(zoo, TASKS, num_blocks=2) == 0.5
    monkeypatch.setattr(building, "train_shard", None)
    shares = []
    build(tmp_path / "zoo", on_progress=lambda task, share: shares.append(share))
    assert sum(shares) == 0.5
    assert measure_progress(zoo, TASKS, num_blocks=2) == 1.0
    assert bytes_of(zoo)["Reacher-v5-000"] == bytes_of(tiny_zoo)["Reacher-v5-000"]
    assert not list(zoo.folder.glob(".*"))


def test_what_was_trained_is_trained_again_where_its_file_is_damaged(tmp_path, tiny_zoo):
    folder = tmp_path / "zoo"
    Zoo.create(folder, SUITE, tiny_zoo.spec, "distillation", TINY, 0)
    (folder / ".Reacher-v5-000.partial").write_bytes(b"half a file")
    assert bytes_of(build(folder, tasks=TASKS)) == bytes_of(tiny_zoo)
    assert not list(folder.glob(".*"))


class Delayed(Pool):
    """Runs each job when its result is waited for, the oldest first; notes what it was given."""

    num_workers = 2

    def __init__(self):
        self.waiting, self.most, self.jobs, self.listeners = [], 0, [], []

    def submit(self, fn, /, *args):
        future = Future()
        self.jobs.append(fn.__name__)
        self.waiting.append((future, fn, args))
        self.most = max(self.most, len(self.waiting))
        return future

    def submit_reporting(self, on_report, fn, /, *args):
        self.listeners.append(on_report)
        return super().submit_reporting(on_report, fn, *args)

    def pass_on_reports(self):
        for listener in self.listeners:
            listener(0.5)
        self.listeners = []

    def run_oldest(self, futures, *_):
        future, fn, args = self.waiting.pop(0)
        future.set_result(fn(*args))
        return SimpleNamespace(done={future})


def test_few_jobs_are_handed_out_and_scoring_comes_before_more_training(
    tmp_path, tiny_zoo, monkeypatch
):
    shard = tiny_zoo.load_shard("Reacher-v5-000")
    trained = {"parameters": shard.parameters, "run": shard.run, "step": shard.step}
    pool = Delayed()
    monkeypatch.setattr(building, "wait", pool.run_oldest)
    monkeypatch.setattr(Zoo, "recipe", replace(tiny_zoo.recipe, train=lambda *_: trained))
    zoo = Zoo.create(tmp_path, SUITE, tiny_zoo.spec, "distillation", TINY, 0)
    shares = []
    build_zoo(
        zoo,
        find_suite(SUITE),
        TASKS[:1],
        TINY,
        pool,
        num_blocks=5,
        on_progress=lambda task, share: shares.append(share),
    )
    assert len(zoo.shard_names()) == 5
    # The first is done before a report comes, three are halfway by then.
    assert shares[:4] == [0.5, 0.25, 0.25, 0.25]
    assert sum(shares) == 5
    assert pool.most == 4, "two for each worker"
    train, score = ["train_shard"], ["score_shard_policies"]
    assert pool.jobs == train * 4 + score * 32 + train + score * 8


def test_progress_adds_up_to_the_number_of_shards(tmp_path):
    shares = {task: [] for task in TASKS}
    build(tmp_path / "zoo", tasks=TASKS, on_progress=lambda task, share: shares[task].append(share))
    assert {task: sum(values) for task, values in shares.items()} == dict.fromkeys(TASKS, 1.0)
    # Half of it for the training, bit by bit, and then as much for each of the eight scorings.
    assert len(shares[TASKS[0]]) > 9
    assert shares[TASKS[0]][-8:] == [0.5 / 8] * 8


@pytest.mark.parametrize(("recipe", "config"), [("distillation", TINY), ("sac", tiny_sac.TINY)])
def test_a_task_without_a_success_signal_is_refused_before_it_is_trained_on(
    tmp_path, recipe, config
):
    zoo = Zoo.create(tmp_path, tiny_sac.SUITE, tiny_sac.SPEC, recipe, config, 0)
    tasks, shares = ["untold-v1"], []
    with open_pool(1) as pool, pytest.raises(InputError, match="untold-v1: has no success signal"):
        build_zoo(
            zoo,
            find_suite(tiny_sac.SUITE),
            tasks,
            config,
            pool,
            window=tiny_sac.WINDOW,
            on_progress=lambda *share: shares.append(share),
        )
    assert not shares


def test_what_cannot_be_built_is_refused(tmp_path):
    with pytest.raises(InputError, match="end after 75 steps, but prompts need 90"):
        build(tmp_path / "zoo", window=PromptWindow(num_steps=90))
    with pytest.raises(InputError, match="^num_runs 0: must be at least 1"):
        build(tmp_path / "zoo", config=replace(TINY, num_runs=0))
    reacher = find_suite(SUITE).task_configs[0]
    other = GymnasiumTask(env_id="Pusher-v5", expert=reacher.expert)
    with pytest.raises(InputError, match="observation_dim 23, but 10 of .* one space"):
        find_space(GymnasiumSuite((reacher, other)), ("Reacher-v5", "Pusher-v5"))
    with pytest.raises(InputError, match="has no expert"):
        find_space(GymnasiumSuite(), ("Reacher-v5",))
