"""Training a population: what it keeps, and that stops and worker processes change nothing."""

from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from tests.tiny_sac import SPEC, SUITE, TASKS, TINY, WINDOW, train

from makeanagent.policies.policy import Policy
from makeanagent.rl.sac import run_store as store
from makeanagent.rl.sac.history import Agent
from makeanagent.suites import find_suite
from makeanagent.suites.layouts import ZOO
from makeanagent.trajectories.windows import make_prompt


class Killer:
    """Progress that ends the process, as Ctrl-C does, at its nth report."""

    def __init__(self, number):
        self.left, self.shares = number, []

    def __call__(self, share):
        self.shares.append(share)
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.fixture
def save_always(monkeypatch):
    monkeypatch.setattr(store, "_SAVE_SECONDS", 0)


@pytest.fixture(scope="module")
def unstopped(tmp_path_factory):
    """What two tasks in one population give; the folder is gone on with by nobody."""
    return train(tmp_path_factory.mktemp("unstopped") / "run", tasks=TASKS)


def contents_of(result):
    """A record and demonstrations as values to compare."""
    record, shown = result
    return (
        record.num_rounds,
        np.array(record.curve).tobytes(),
        [
            (item.agent, item.step, item.parameters.tobytes(), *bytes_of(item.rollout))
            for item in record.checkpoints
        ],
        [(item.agent, item.step, *bytes_of(item.trajectory)) for item in record.lived],
        {task: [bytes_of(item) for item in items] for task, items in shown.items()},
    )


def bytes_of(trajectory):
    arrays = (trajectory.observations, trajectory.actions, trajectory.success)
    return *(array.tobytes() for array in arrays), trajectory.env_id, trajectory.source


def play(parameters, task, trajectory):
    """Whether playing the deterministic policy on the training layout gives the trajectory."""
    environment, policy = find_suite(SUITE).make(task), Policy(parameters, SPEC)
    observation = environment.reset(ZOO[TINY.layout])
    for row, expected in enumerate(trajectory.actions):
        assert np.array_equal(observation.astype(np.float32), trajectory.observations[row])
        action = policy.act(observation)
        assert np.array_equal(action, expected)
        observation, _, success, *_ = environment.step(action)
        assert success == trajectory.success[row]


def test_checkpoints_have_solved_their_layout_and_do_so_again(unstopped):
    record, _ = unstopped
    assert {item.agent.task for item in record.checkpoints} == set(TASKS)
    for item in record.checkpoints:
        assert item.step % TINY.checkpoint_steps == 0
        assert item.parameters.shape == (SPEC.num_parameters,)
        assert item.rollout.first_success is not None
        assert (item.rollout.env_id, item.rollout.source) == (f"{SUITE}/{item.agent.task}", "zoo")
        make_prompt(item.rollout, WINDOW)
        play(item.parameters, item.agent.task, item.rollout)


def test_a_task_is_tested_until_it_has_its_checkpoints(unstopped):
    record, _ = unstopped
    assert record.num_rounds < TINY.env_steps / TINY.round_steps
    for task in TASKS:
        steps = [item.step for item in record.checkpoints if item.agent.task == task]
        assert steps == sorted(steps)
        # The last test may bring more than are missing, but none comes after.
        assert sum(step < steps[-1] for step in steps) < TINY.num_checkpoints <= len(steps)
        assert len(steps) < TINY.num_checkpoints + TINY.num_runs


def test_lived_episodes_are_early_successes(unstopped):
    record, _ = unstopped
    agents = {Agent(task, run) for task in TASKS for run in range(TINY.num_runs)}
    assert {item.agent for item in record.lived} == agents
    layout = {task: find_suite(SUITE).make(task).reset(ZOO[TINY.layout]) for task in TASKS}
    for item in record.lived:
        assert 0 <= item.step < TINY.replay_steps
        trajectory = item.trajectory
        assert trajectory.first_success is not None
        assert trajectory.source == "replay"
        assert trajectory.env_id == f"{SUITE}/{item.agent.task}"
        assert np.array_equal(
            trajectory.observations[0], layout[item.agent.task].astype(np.float32)
        )
        longest = max(WINDOW.num_steps, trajectory.first_success + WINDOW.num_outcome_states)
        assert WINDOW.num_steps <= len(trajectory) <= longest
        make_prompt(trajectory, WINDOW)


def test_no_episode_is_kept_from_replay_steps_on(tmp_path, unstopped):
    config = replace(TINY, replay_steps=TINY.round_steps)
    record, _ = train(tmp_path / "run", tasks=TASKS, config=config)
    early = [item for item in unstopped[0].lived if item.step < TINY.round_steps]
    assert [(item.agent, item.step) for item in record.lived] == [
        (item.agent, item.step) for item in early
    ]
    assert 0 < len(early) < len(unstopped[0].lived)


def test_all_agents_are_shown_the_experts_episodes(unstopped):
    _, shown = unstopped
    assert list(shown) == list(TASKS)
    for task, episodes in shown.items():
        assert len(episodes) == TINY.num_demonstrations
        assert len({item.actions.tobytes() for item in episodes}) == 3, "noise differs"
        assert all(item.first_success is not None for item in episodes)
        assert {(item.env_id, item.source) for item in episodes} == {(f"{SUITE}/{task}", "expert")}


def test_without_demonstrations_no_expert_is_asked(tmp_path):
    config = replace(TINY, num_demonstrations=0, env_steps=160)
    _, shown = train(tmp_path / "run", tasks=["alone-v1"], config=config)
    assert shown == {"alone-v1": []}


def test_the_curve_has_a_return_of_every_agent_and_round(unstopped):
    record, _ = unstopped
    curve = np.array(record.curve)
    assert curve.shape == (record.num_rounds, 2, len(TASKS) * TINY.num_runs)
    assert (curve[:, 0] < 0).all()
    solved = {(item.agent, item.step // TINY.round_steps) for item in record.lived}
    for row, (task, run) in enumerate((task, run) for task in TASKS for run in range(2)):
        for number in range(TINY.replay_steps // TINY.round_steps):
            assert curve[number, 1, row] == ((Agent(task, run), number) in solved)


def test_training_stops_at_its_steps_where_nobody_succeeds(tmp_path):
    killer = Killer(0)
    record, _ = train(tmp_path / "run", tasks=["never-v1"], on_progress=killer)
    assert record.num_rounds == TINY.env_steps / TINY.round_steps
    assert (record.checkpoints, record.lived) == ([], [])
    np.testing.assert_allclose(killer.shares, np.arange(1, 13) / 12)


def test_a_run_that_is_killed_goes_on_to_the_same_end(tmp_path, unstopped, save_always):
    kills = 0
    for _ in range(20):
        try:
            # After the round whose state is there, and the one after it.
            result = train(tmp_path / "run", tasks=TASKS, on_progress=Killer(1 + kills % 2))
            break
        except KeyboardInterrupt:
            kills += 1
    assert kills >= 4
    assert contents_of(result) == contents_of(unstopped)
    # What is finished is found again without a round.
    again = train(tmp_path / "run", tasks=TASKS, on_progress=Killer(1))
    assert contents_of(again) == contents_of(unstopped)


def test_a_kill_between_chunk_and_networks_costs_a_round(tmp_path, unstopped, monkeypatch):
    monkeypatch.setattr(store, "_SAVE_SECONDS", 0)
    write, states = store.write_tensors, count(1)

    def write_or_die(path, arrays):
        if path.name == "state.safetensors" and next(states) == 3:
            raise KeyboardInterrupt
        write(path, arrays)

    monkeypatch.setattr(store, "write_tensors", write_or_die)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", tasks=TASKS)
    assert len(list((tmp_path / "run").glob("rounds-*"))) == 3
    killer = Killer(0)
    result = train(tmp_path / "run", tasks=TASKS, on_progress=killer)
    assert killer.shares[0] == 3 * TINY.round_steps / TINY.env_steps
    assert contents_of(result) == contents_of(unstopped)


def test_a_kill_before_the_first_save_begins_anew(tmp_path, unstopped):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", tasks=TASKS, on_progress=Killer(4))
    assert not (tmp_path / "run").exists()
    # Nor does a chunk count that no networks go with.
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "rounds-000000.safetensors").write_bytes(b"half")
    assert contents_of(train(tmp_path / "run", tasks=TASKS)) == contents_of(unstopped)


def test_saves_far_apart_lose_nothing(tmp_path, unstopped, monkeypatch):
    # Two rounds between saves.
    clock = count(0, 10)
    monkeypatch.setattr(store, "_SAVE_SECONDS", 25)
    monkeypatch.setattr(store.time, "monotonic", lambda: next(clock))
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", tasks=TASKS, on_progress=Killer(5))
    chunks = len(list((tmp_path / "run").glob("rounds-*")))
    assert 0 < chunks < 5
    assert contents_of(train(tmp_path / "run", tasks=TASKS)) == contents_of(unstopped)


def test_the_seed_decides_everything(tmp_path, unstopped):
    record, shown = train(tmp_path / "run", tasks=TASKS, seed=1)
    other, others = unstopped
    assert record.checkpoints[0].parameters.tobytes() != other.checkpoints[0].parameters.tobytes()
    assert bytes_of(shown[TASKS[0]][1]) != bytes_of(others[TASKS[0]][1])
    assert np.array(record.curve[0]).tobytes() != np.array(other.curve[0]).tobytes()


def test_worker_processes_change_nothing(tmp_path, unstopped):
    result = train(tmp_path / "run", tasks=TASKS, workers=2)
    assert contents_of(result) == contents_of(unstopped)


def test_experts_episodes_of_different_lengths_fit_into_one_population(tmp_path):
    config = replace(TINY, env_steps=120)
    record, shown = train(tmp_path / "run", tasks=["reach-v1", "arrive-v1"], config=config)
    assert record.num_rounds == 3
    # Those of arrive end before a prompt can be cut out of them.
    assert len(shown["reach-v1"]) == TINY.num_demonstrations
    assert shown["arrive-v1"] == []
