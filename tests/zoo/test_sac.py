"""Zoos of SAC agents: what their shards hold, stops, failures, and what is trained on them."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from benchmarks.experiments.zoo import describe_zoo
from tests.tiny_sac import SPEC, SUITE, TASKS, TINY, WINDOW, build
from tests.tiny_zoo import bytes_of

from makeanagent.errors import InputError
from makeanagent.policies.policy import Policy
from makeanagent.rollouts.episodes import run_episode
from makeanagent.suites import find_suite, layouts
from makeanagent.training.data import load_training_data
from makeanagent.trajectories.trajectory import Trajectory
from makeanagent.trajectories.windows import PromptWindow, make_prompt
from makeanagent.zoo import build as building
from makeanagent.zoo.build import measure_progress
from makeanagent.zoo.recipes.registry import find_recipe
from makeanagent.zoo.recipes.sac import train_sac_shards
from makeanagent.zoo.replay import describe_origin, order_replay
from makeanagent.zoo.store import Zoo

UNSOLVED = (
    f"{SUITE}/never-v1: none of 2 agents solved its layout in 480 steps;"
    " give more steps, or demonstrations"
)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """A SAC zoo of two tasks; tests must not alter it."""
    return build(tmp_path_factory.mktemp("sac") / "zoo", tasks=TASKS)


def replay_bytes(shard):
    arrays = [shard.replay_run, shard.replay_step]
    for item in shard.replay:
        arrays += [item.observations, item.actions, item.success]
    return b"".join(array.tobytes() for array in arrays)


def assert_same(ours, theirs):
    assert bytes_of(ours) == bytes_of(theirs)
    for name in theirs.shard_names():
        assert replay_bytes(ours.load_shard(name)) == replay_bytes(theirs.load_shard(name))


def test_a_shard_holds_checkpoints_rollouts_demonstrations_and_replay(zoo):
    assert zoo.verify() == []
    assert zoo.shard_names() == ["drift-v1-000", "reach-v1-000"]
    for name in zoo.shard_names():
        shard = zoo.load_shard(name)
        count = len(shard.parameters)
        assert TINY.num_checkpoints <= count < TINY.num_checkpoints + TINY.num_runs
        assert shard.parameters.shape == (count, SPEC.num_parameters)
        assert set(shard.run) == {0, 1}
        assert (np.diff(shard.step) >= 0).all()
        assert (shard.step % TINY.checkpoint_steps == 0).all()
        assert shard.success.shape == (count, TINY.num_score_layouts)
        # Who goes to a goal close by has not drifted far.
        assert (shard.seed, shard.expert_success) == (0, 1.0 if "reach" in name else 0.85)
        assert len(shard.rollouts) == count
        assert len(shard.demonstrations) == TINY.num_demonstrations
        assert 0 < len(shard.replay) <= TINY.num_replay
        assert len(shard.replay_run) == len(shard.replay_step) == len(shard.replay)
        assert set(shard.replay_run) == {0, 1}
        assert (shard.replay_step < TINY.replay_steps).all()
        for source in ("rollouts", "demonstrations", "replay"):
            for trajectory in getattr(shard, source):
                assert trajectory.first_success is not None
                assert trajectory.env_id == f"{SUITE}/{shard.task}"
                make_prompt(trajectory, WINDOW)
        assert {item.source for item in shard.replay} == {"replay"}


def test_rollouts_are_on_the_training_layout_and_scores_on_others(zoo):
    (shard,) = zoo.load_task(TASKS[1])
    environment = find_suite(SUITE).make(TASKS[1])
    start = environment.reset(layouts.ZOO[TINY.layout]).astype(np.float32)
    for row, rollout in enumerate(shard.rollouts):
        policy = Policy(shard.parameters[row], SPEC)
        assert np.array_equal(rollout.observations[0], start)
        for step, action in enumerate(rollout.actions):
            assert np.array_equal(policy.act(rollout.observations[step]), action)
        scores = [run_episode(environment, policy, place).success for place in (10_000, 10_001)]
        assert shard.success[row].tolist() == scores


def test_the_same_seed_makes_the_same_zoo_whatever_the_workers(tmp_path, zoo):
    again = build(tmp_path / "zoo", tasks=TASKS[:1], workers=2)
    (name,) = again.shard_names()
    assert bytes_of(again)[name] == bytes_of(zoo)[name]
    assert replay_bytes(again.load_shard(name)) == replay_bytes(zoo.load_shard(name))
    assert not list(again.folder.glob(".*"))


def test_each_block_is_of_the_next_seed(tmp_path, zoo):
    blocks = build(tmp_path / "blocks", num_blocks=2)
    assert blocks.shard_names() == ["drift-v1-000", "drift-v1-001"]
    assert bytes_of(blocks)["drift-v1-000"] == bytes_of(zoo)["drift-v1-000"]
    assert blocks.load_shard("drift-v1-001").seed == 1
    assert bytes_of(blocks)["drift-v1-001"] != bytes_of(blocks)["drift-v1-000"]


def test_what_was_trained_is_found_again(tmp_path, zoo, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(building, "score_shard_policies", stop)
        with pytest.raises(KeyboardInterrupt):
            build(tmp_path / "zoo", tasks=TASKS)
    stopped = Zoo.open(tmp_path / "zoo")
    assert stopped.shard_names() == []
    assert measure_progress(stopped, TASKS) == 0.5
    with pytest.raises(InputError, match="begun with config"):
        build(tmp_path / "zoo", tasks=TASKS, config=replace(TINY, num_runs=3))
    assert_same(build(tmp_path / "zoo", tasks=TASKS), zoo)
    assert not list(stopped.folder.glob(".*"))


def test_a_kill_in_training_leaves_a_zoo_that_goes_on(tmp_path, zoo, monkeypatch):
    shares = []

    def stop(task, share):
        shares.append(share)
        if len(shares) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("makeanagent.rl.sac.run_store._SAVE_SECONDS", 0)
        with pytest.raises(KeyboardInterrupt):
            build(tmp_path / "zoo", tasks=TASKS, on_progress=stop)
    stopped = Zoo.open(tmp_path / "zoo")
    assert (stopped.folder / ".drift-v1-000.training").is_dir()
    round_share = 0.5 * TINY.round_steps / TINY.env_steps
    assert shares == pytest.approx([round_share] * 3)
    assert measure_progress(stopped, TASKS) == pytest.approx(2 * round_share, abs=1e-4)
    assert_same(build(tmp_path / "zoo", tasks=TASKS), zoo)
    assert not list((tmp_path / "zoo").glob(".*"))


def test_progress_adds_up_to_the_number_of_shards(tmp_path):
    shares = {task: [] for task in TASKS}
    build(tmp_path / "zoo", tasks=TASKS, on_progress=lambda task, share: shares[task].append(share))
    assert {task: sum(values) for task, values in shares.items()} == pytest.approx(
        dict.fromkeys(TASKS, 1.0)
    )


def test_a_task_that_nobody_solves_is_named_and_holds_up_no_other(tmp_path, zoo):
    with pytest.raises(InputError) as caught:
        build(tmp_path / "zoo", tasks=("never-v1", "drift-v1"))
    assert str(caught.value) == UNSOLVED
    unsolved = Zoo.open(tmp_path / "zoo")
    assert unsolved.verify() == []
    assert bytes_of(unsolved) == {"drift-v1-000": bytes_of(zoo)["drift-v1-000"]}
    assert not list(unsolved.folder.glob(".*"))


def test_windows_longer_than_episodes_are_refused(tmp_path):
    for window, horizon in ((21, 20), (78, 75)):
        config = replace(TINY, horizon=min(horizon, 90) if horizon == 20 else 90)
        with pytest.raises(InputError, match=f"end after {horizon} steps, but prompts need"):
            build(tmp_path / str(window), config=config, window=PromptWindow(num_steps=window))


def test_settings_out_of_range_are_refused(tmp_path):
    with pytest.raises(InputError, match="^num_runs 0: must be at least 1"):
        build(tmp_path / "zoo", config=replace(TINY, num_runs=0))


@pytest.fixture
def processor_as_gpu(monkeypatch):
    """Builds on a GPU, which train all tasks together, do so on the processor."""

    def train(plans, folder, pool, report):
        plans = [replace(plan, device="cpu") for plan in plans]
        trained.append(([plan.name for plan in plans], folder))
        return train_sac_shards(plans, folder, pool, report)

    trained = []
    recipe = replace(find_recipe("sac"), train_together=train, train=None)
    monkeypatch.setattr(Zoo, "recipe", recipe)
    return trained


def test_a_gpu_trains_two_tasks_as_one_population(tmp_path, processor_as_gpu):
    shares = {task: [] for task in TASKS}
    zoo = build(
        tmp_path / "zoo",
        tasks=TASKS,
        num_blocks=2,
        device="cuda",
        on_progress=lambda task, share: shares[task].append(share),
    )
    assert [names for names, _ in processor_as_gpu] == [
        [f"{task}-{block:03d}" for task in TASKS] for block in range(2)
    ]
    assert {task: sum(values) for task, values in shares.items()} == pytest.approx(
        dict.fromkeys(TASKS, 2.0)
    )
    assert not list(zoo.folder.glob(".*"))
    assert zoo.verify() == []
    assert zoo.tasks() == sorted(TASKS)
    for task in TASKS:
        shard, _ = zoo.load_task(task)
        assert len(shard.parameters) < TINY.num_checkpoints + TINY.num_runs
        (config,) = (each for each in find_suite(SUITE).task_configs if each.name == task)
        for item in [*shard.rollouts, *shard.demonstrations, *shard.replay]:
            solved = [config.success(observation, {}) for observation in item.observations[1:]]
            assert item.success.tolist() == solved, "of this task, not of the other"


def test_what_a_gpu_was_training_goes_on(tmp_path, processor_as_gpu, monkeypatch):
    monkeypatch.setattr("makeanagent.rl.sac.run_store._SAVE_SECONDS", 0)
    shares = []

    def stop(task, share):
        shares.append(share)
        if len(shares) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "zoo", tasks=TASKS, device="cuda", on_progress=stop)
    ((_, folder),) = processor_as_gpu
    assert folder.name == ".2-shards-8a922b5b.training", "as older builds call it"
    first = len(list(folder.glob("rounds-*")))
    assert first >= 2
    build(tmp_path / "zoo", tasks=TASKS, device="cuda", on_progress=lambda *_: None)
    assert [folder for _, folder in processor_as_gpu] == [folder] * 2
    unstopped = build(tmp_path / "other", tasks=TASKS, device="cuda")
    assert_same(Zoo.open(tmp_path / "zoo"), unstopped)
    assert not list((tmp_path / "zoo").glob(".*"))


def test_of_two_tasks_the_unsolved_one_is_named(tmp_path, processor_as_gpu):
    with pytest.raises(InputError) as caught:
        build(tmp_path / "zoo", tasks=("drift-v1", "never-v1"), device="cuda")
    assert str(caught.value) == UNSOLVED
    assert Zoo.open(tmp_path / "zoo").shard_names() == ["drift-v1-000"]
    assert not list((tmp_path / "zoo").glob(".*"))


def test_without_demonstrations_there_is_no_experts_rate(tmp_path):
    config = replace(TINY, num_demonstrations=0, num_replay=0)
    zoo = build(tmp_path / "zoo", tasks=["alone-v1"], config=config)
    assert zoo.verify() == []
    (shard,) = zoo.load_task("alone-v1")
    assert shard.expert_success is None
    assert (shard.demonstrations, shard.replay) == ([], [])
    copy = copy_shards(zoo, tmp_path / "copy", lambda each: each)
    assert_same(copy, zoo)
    assert copy.load_shard("alone-v1-000").expert_success is None
    data = load_training_data(zoo, (), WINDOW)
    assert len(data.parameters) == len(shard.parameters)
    assert [row["expert_success"] for row in describe_zoo(zoo)["tasks"]] == [None]


def copy_shards(zoo, folder, change):
    copy = Zoo.create(folder, SUITE, SPEC, "sac", TINY, 0, WINDOW.num_steps)
    for name in zoo.shard_names():
        copy.add_shard(change(zoo.load_shard(name)))
    assert copy.verify() == []
    return copy


def test_a_shard_comes_back_as_it_was_added(tmp_path, zoo):
    assert_same(copy_shards(zoo, tmp_path / "zoo", lambda shard: shard), zoo)
    for part in ("replay_run", "replay_step"):
        shard = replace(zoo.load_shard("drift-v1-000"), block=7, **{part: np.zeros(0, int)})
        other = Zoo.create(tmp_path / part, SUITE, SPEC, "sac", TINY, 0, WINDOW.num_steps)
        other.add_shard(shard)
        assert len(other.verify()) == 1


def test_all_policies_train_a_generator_qualified_or_not(tmp_path, zoo):
    def fail(shard):
        return replace(shard, success=np.zeros_like(shard.success))

    failed = copy_shards(zoo, tmp_path / "zoo", fail)
    assert failed.trainable_tasks() == sorted(TASKS)
    data = load_training_data(failed, (), WINDOW)
    shards = [failed.load_shard(name) for name in failed.shard_names()]
    expected = np.concatenate([shard.parameters for shard in shards])
    assert np.array_equal(data.parameters.numpy(), expected)
    assert len(data.run.unique()) == 4
    assert len(data.demonstrations.task) == 2 * TINY.num_demonstrations


def test_no_replay_episode_trains_a_generator(tmp_path, zoo):
    def mark(shard):
        marked = [
            Trajectory(
                observations=np.full_like(item.observations, 777),
                actions=np.full_like(item.actions, 777),
                success=item.success,
                env_id=item.env_id,
                source=item.source,
            )
            for item in shard.replay
        ]
        return replace(shard, replay=marked)

    data = load_training_data(copy_shards(zoo, tmp_path / "zoo", mark), (), WINDOW)
    plain = load_training_data(zoo, (), WINDOW)
    for name in ("rollouts", "demonstrations"):
        ours, theirs = getattr(data, name), getattr(plain, name)
        for field in ("behavior", "outcome", "states"):
            assert not (getattr(ours, field) == 777).any()
            assert getattr(ours, field).equal(getattr(theirs, field))
    assert data.parameters.equal(plain.parameters)


def test_aligned_policies_act_as_before(zoo):
    plain = load_training_data(zoo, (), WINDOW)
    aligned = load_training_data(zoo, (), WINDOW, align=True)
    assert aligned.parameters.dtype == plain.parameters.dtype
    assert aligned.run.equal(plain.run)
    assert not aligned.parameters.equal(plain.parameters)
    states = np.random.default_rng(0).standard_normal((50, 4))
    for ours, theirs in zip(aligned.parameters, plain.parameters, strict=True):
        before, after = (Policy(vector.numpy(), SPEC).act(states) for vector in (theirs, ours))
        np.testing.assert_allclose(after, before, atol=1e-5)


def test_replay_prompts_have_one_order_and_mix_agents():
    shards = [SimpleNamespace(name=name, replay=list(range(30))) for name in "ab"]
    chosen = order_replay(shards)
    assert [(shard.name, row) for shard, row in order_replay(shards)] == [
        (shard.name, row) for shard, row in chosen
    ]
    assert sorted((shard.name, row) for shard, row in chosen) == [
        (name, row) for name in "ab" for row in range(30)
    ]
    first = chosen[:12]
    assert {shard.name for shard, _ in first} == {"a", "b"}
    assert {row // 10 for _, row in first} == {0, 1, 2}


def test_the_origin_tells_whose_the_episodes_are(zoo):
    (shard,) = zoo.load_task("reach-v1")
    chosen = order_replay([shard])
    origin = describe_origin(Zoo.open(zoo.folder), chosen)
    rows = [row for _, row in chosen]
    assert origin["agent"] == shard.replay_run[rows].tolist()
    assert origin["step"] == shard.replay_step[rows].tolist()
    assert origin["config"]["num_runs"] == TINY.num_runs
    # An episode that is solved after its first action took one step.
    steps = [int(np.argmax(item.success)) + 1 for item in shard.replay]
    assert origin["steps_to_success"] == np.mean(steps)
    steps = [int(np.argmax(item.success)) + 1 for item in shard.demonstrations]
    assert origin["expert_steps_to_success"] == np.mean(steps)


def test_every_agent_has_its_share_of_the_replay(tmp_path, zoo):
    (shard,) = zoo.load_task("drift-v1")
    assert np.bincount(shard.replay_run).tolist() == [3, 3]
    assert len(set(zip(shard.replay_run, shard.replay_step, strict=True))) == 6
    more = build(tmp_path / "zoo", config=replace(TINY, num_replay=1000)).load_shard("drift-v1-000")
    assert len(more.replay) > 6
    everything = {item.observations.tobytes() for item in more.replay}
    assert {item.observations.tobytes() for item in shard.replay} < everything
    # The earliest and the latest are among them.
    for run in (0, 1):
        ours, theirs = (each.replay_step[each.replay_run == run] for each in (shard, more))
        assert (ours.min(), ours.max()) == (theirs.min(), theirs.max())
