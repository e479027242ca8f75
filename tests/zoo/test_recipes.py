"""Recipes behind one record: found by name, told apart by what they say, extended by a line."""

import json
import pickle
import shutil
import sys
from concurrent.futures import Future
from dataclasses import dataclass, replace
from types import ModuleType
from typing import get_args, get_type_hints

import numpy as np
import pytest
from tests import tiny_sac
from tests.tiny_zoo import SUITE, TASKS, TINY, bytes_of, spec_for

from makeanagent.cli.zoo import Build
from makeanagent.errors import InputError
from makeanagent.parallel import Pool
from makeanagent.policies.initialization import initialize_actor
from makeanagent.suites import find_suite
from makeanagent.training.data import load_training_data
from makeanagent.trajectories.windows import PromptWindow
from makeanagent.zoo.build import build_zoo, find_space
from makeanagent.zoo.recipes import registry
from makeanagent.zoo.recipes.recipe import Recipe
from makeanagent.zoo.recipes.registry import RECIPES, find_recipe
from makeanagent.zoo.store import Zoo


@dataclass(frozen=True, kw_only=True)
class UntrainedConfig:
    """Settings of a recipe that does not train."""

    num_policies: int = 3
    num_score_layouts: int = 2

    def check(self):
        if self.num_policies < 1:
            raise InputError(f"num_policies {self.num_policies}: must be at least 1")


def draw_actors(plan, folder, report):
    seeds = [100 * plan.seed + row for row in range(plan.config.num_policies)]
    rows = np.arange(len(seeds))
    report(0.25)
    parameters = np.stack([initialize_actor(plan.spec, seed).numpy() for seed in seeds])
    return {"parameters": parameters, "run": rows, "step": 0 * rows}


@pytest.fixture
def untrained(monkeypatch):
    """One more recipe, added as the registry says: a module and a name."""
    module = ModuleType("makeanagent.zoo.recipes.untrained")
    module.RECIPE = Recipe(
        name="untrained",
        config=UntrainedConfig,
        train=draw_actors,
        needs_experts=lambda config: False,
        trains_on_qualified=False,
    )
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(registry, "RECIPES", (*RECIPES, "untrained"))
    return module.RECIPE


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_found_by_name(name):
    recipe = find_recipe(name)
    assert recipe.name == name
    recipe.config().check()
    assert pickle.loads(pickle.dumps(recipe.train)) is recipe.train, "as workers get it"


def test_the_command_line_has_the_recipes_of_the_registry():
    assert get_args(get_type_hints(Build)["recipe"]) == RECIPES


def test_what_the_recipes_say_of_themselves():
    distillation, sac = map(find_recipe, ("distillation", "sac"))
    assert distillation.needs_experts(distillation.config())
    assert sac.needs_experts(sac.config())
    assert not sac.needs_experts(sac.config(num_demonstrations=0))
    assert (distillation.trains_on_qualified, sac.trains_on_qualified) == (True, False)
    assert (distillation.gives_replay, sac.gives_replay) == (False, True)
    assert distillation.train_together is None


def test_an_unknown_recipe_is_refused_in_one_line(tmp_path, tiny_zoo):
    message = "ppo: no such recipe; there are distillation, sac"
    with pytest.raises(InputError) as caught:
        find_recipe("ppo")
    assert str(caught.value) == message
    with pytest.raises(InputError) as caught:
        Zoo.create(tmp_path / "new", SUITE, tiny_zoo.spec, "ppo", TINY, 0)
    assert str(caught.value) == message
    assert not (tmp_path / "new").exists()
    for name in ("ppo", None, ["sac"]):
        (tmp_path / "zoo.json").write_text(json.dumps(tiny_zoo.header | {"recipe": name}))
        with pytest.raises(InputError) as caught:
            Zoo.open(tmp_path)
        assert str(caught.value).startswith(f"{tmp_path / 'zoo.json'}: {name}: no such recipe")


def test_one_more_recipe_builds_zoos_that_train_a_generator(tmp_path, untrained):
    suite, config = find_suite(SUITE), UntrainedConfig()
    zoo = Zoo.create(tmp_path, SUITE, spec_for(find_space(suite, TASKS)), "untrained", config, 4)
    shares = []
    with pytest.raises(InputError, match="^num_policies 0: "):
        build_zoo(zoo, suite, TASKS, replace(config, num_policies=0), Elsewhere(zoo))
    build_zoo(
        zoo,
        suite,
        TASKS,
        config,
        Elsewhere(zoo),
        seed=4,
        on_progress=lambda task, share: shares.append(share),
    )
    zoo = Zoo.open(tmp_path)
    assert zoo.verify() == []
    for task in TASKS:
        (shard,) = zoo.load_task(task)
        expected = [initialize_actor(zoo.spec, seed).numpy() for seed in (400, 401, 402)]
        assert np.array_equal(shard.parameters, expected)
        assert shard.success.shape == (3, 2)
        assert shard.expert_success is None
        assert shard.training_seconds > 0
    assert zoo.trainable_tasks() == sorted(TASKS)
    assert len(load_training_data(zoo, (), PromptWindow()).parameters) == 6
    assert sum(shares) == 2.0


class Elsewhere(Pool):
    """Runs jobs as another machine would: from bytes to bytes, and without the zoo's folder."""

    num_workers = 1

    def __init__(self, zoo):
        self._folder, self.jobs = zoo.folder, []

    def submit(self, fn, /, *args):
        hidden = self._folder.with_name("hidden")
        sent = pickle.dumps((fn, args))
        self._folder.rename(hidden)
        future = Future()
        try:
            function, arguments = pickle.loads(sent)
            received = pickle.dumps(function(*arguments))
            self.jobs.append((fn.__name__, len(sent)))
            future.set_result(pickle.loads(received))
        except InputError as error:
            future.set_exception(pickle.loads(pickle.dumps(error)))
        finally:
            # What a recipe kept on the worker's disk.
            shutil.rmtree(self._folder, ignore_errors=True)
            hidden.rename(self._folder)
        return future


def build_elsewhere(folder, suite, spec, recipe, config, tasks, window):
    zoo = Zoo.create(folder, suite, spec, recipe, config, 0, window.num_steps)
    pool = Elsewhere(zoo)
    build_zoo(zoo, find_suite(suite), tasks, config, pool, window=window)
    assert not list(folder.glob(".*"))
    return zoo, pool.jobs


def test_jobs_need_no_disk_of_the_zoo(tmp_path, tiny_zoo):
    spec, window = tiny_zoo.spec, PromptWindow()
    zoo, jobs = build_elsewhere(tmp_path / "zoo", SUITE, spec, "distillation", TINY, TASKS, window)
    assert bytes_of(zoo) == bytes_of(tiny_zoo)
    assert [name for name, _ in jobs] == ["train_shard", *["score_shard_policies"] * 8] * 2
    # Two of nine policies at most are sent to be scored.
    vector_size = 4 * spec.num_parameters
    assert all(size < 2.5 * vector_size for name, size in jobs)
    zoo, _ = build_elsewhere(
        tmp_path / "sac",
        tiny_sac.SUITE,
        tiny_sac.SPEC,
        "sac",
        tiny_sac.TINY,
        tiny_sac.TASKS[:1],
        tiny_sac.WINDOW,
    )
    assert bytes_of(zoo) == bytes_of(tiny_sac.build(tmp_path / "own"))
