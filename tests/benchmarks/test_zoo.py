"""What a zoo's file says, and which zoos the page gathers."""

from dataclasses import replace

import numpy as np
import pytest
from benchmarks.experiments.zoo import describe_zoo, resolve_settings
from benchmarks.results import list_changes
from tests.tiny_zoo import SUITE, TASKS, TINY

from makeanagent.zoo.store import Zoo


def test_rates_are_of_policies_and_of_rollouts(tiny_zoo, tmp_path):
    zoo = Zoo.create(tmp_path / "zoo", SUITE, tiny_zoo.spec, "distillation", TINY, 0)
    shard = tiny_zoo.load_task(TASKS[0])[0]
    success = np.ones_like(shard.success)
    # Three policies of nine fail on one of two layouts.
    success[:3, 0] = False
    zoo.add_shard(replace(shard, success=success))
    (row,) = describe_zoo(zoo)["tasks"]
    assert (row["num_policies"], row["num_runs"], row["num_score_layouts"]) == (9, 3, 2)
    assert row["qualified_rate"] == pytest.approx(6 / 9)
    assert row["success_rate"] == pytest.approx(15 / 18)


def test_what_a_zoo_was_built_with_is_its_own_choice_but_for_what_is_new():
    config = {"num_runs": 3, "gone_since": 1}
    options = {"recipe": "distillation", "config": config, "seed": 0}
    found = list_changes({"settings": {"options": options, "recipe": config}}, resolve_settings)
    assert "recipe.gone_since 1 -> gone" in found
    assert "recipe.batch_size not recorded" in found
    assert not any("num_runs" in change for change in found)
