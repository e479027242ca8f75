"""Prompts of other tasks, never of the same."""

import pytest
import torch

from makeanagent.errors import InputError
from makeanagent.methods.shuffled import Shuffled
from makeanagent.policies.batch import PolicyBatch
from makeanagent.trajectories import Trajectory


class Recorder:
    """Keeps what it is asked for."""

    def generate(self, prompts, num_policies=None, seed=0):
        self.asked = (prompts, num_policies, seed)
        return PolicyBatch(torch.zeros(num_policies, 3), FakeSpec())


class FakeSpec:
    num_parameters = 3


def make_prompt(task: str | None, number: float = 0.0) -> Trajectory:
    return Trajectory(
        observations=[[number], [number]], actions=[[0.0]], success=[False], env_id=task
    )


BANK = [make_prompt(task, number) for task in "abc" for number in range(4)]


@pytest.mark.parametrize("seed", range(20))
def test_a_prompt_is_never_replaced_by_one_of_its_own_task(seed):
    prompts = [[make_prompt(task)] for task in "abcaabbccaaaaad"]
    replaced = Shuffled(Recorder(), BANK).replace(prompts, seed)
    for (given,), (asked,) in zip(replaced, prompts, strict=True):
        assert given.env_id != asked.env_id
        assert any(given is known for known in BANK)


@pytest.mark.parametrize("seed", range(20))
def test_a_group_is_replaced_by_as_many_of_one_other_task(seed):
    groups = [[make_prompt(task) for task in group] for group in ("aaa", "bb", "c", "ab", "aaaaaa")]
    replaced = Shuffled(Recorder(), BANK).replace(groups, seed)
    for given, asked in zip(replaced, groups, strict=True):
        (task,) = {prompt.env_id for prompt in given}
        assert task not in {prompt.env_id for prompt in asked}
        assert len(given) == len(asked)
        # The last has more than a task's four.
        assert len({id(prompt) for prompt in given}) == min(len(given), 4)
    with pytest.raises(InputError, match="demonstrations of all tasks"):
        Shuffled(Recorder(), BANK).replace([[make_prompt(task) for task in "abc"]], seed)


def test_no_prompt_comes_twice_while_there_are_others():
    replaced = Shuffled(Recorder(), BANK).replace([[make_prompt("a")]] * 8)
    assert {id(given) for (given,) in replaced} == {id(known) for known in BANK[4:]}
    more = Shuffled(Recorder(), BANK).replace([[make_prompt("a")]] * 16)
    assert {id(given) for (given,) in more[8:]} == {id(known) for known in BANK[4:]}


def test_seeds_decide_the_prompts():
    shuffled = Shuffled(Recorder(), BANK)
    orders = [
        [id(given) for (given,) in shuffled.replace([[make_prompt("a")]] * 8, seed)]
        for seed in (0, 0, 1)
    ]
    assert orders[0] == orders[1] != orders[2]


def test_the_generator_gets_the_replaced_prompts():
    recorder = Recorder()
    shuffled = Shuffled(recorder, BANK)
    prompts = [make_prompt("a"), make_prompt("b")]
    assert len(shuffled.generate(prompts, 5, seed=4)) == 5
    asked, num_policies, seed = recorder.asked
    assert (num_policies, seed) == (5, 4)
    expected = shuffled.replace([[prompt] for prompt in prompts], 4)
    assert [id(one) for (one,) in asked] == [id(one) for (one,) in expected]


def test_prompts_must_name_tasks():
    with pytest.raises(InputError, match="trajectory: names no task"):
        Shuffled(Recorder(), BANK).generate(make_prompt(None))
    with pytest.raises(InputError, match="at least 2 tasks"):
        Shuffled(Recorder(), BANK[:4])
