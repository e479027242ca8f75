"""What a zoo's file says, and which zoos the page gathers."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from benchmarks.experiments.zoo import Command, describe_zoo, resolve_settings
from benchmarks.results import list_changes
from tests.tiny_zoo import SUITE, TASKS, TINY

from makeanagent.zoo.recipes.distillation_config import DistillationConfig
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


def test_a_default_that_has_changed_since_a_zoo_was_built_is_told():
    given = {"preset": "fast", "num_runs": 3}
    config = asdict(DistillationConfig(num_runs=3, max_rounds=16)) | {"gone_since": 1}
    del config["batch_size"]
    options = {"recipe": "distillation", "seed": 0, "given": given}
    found = list_changes({"settings": {"options": options, "recipe": config}}, resolve_settings)
    now = DistillationConfig().max_rounds
    assert f"recipe.max_rounds 16 -> {now}" in found
    assert "recipe.gone_since 1 -> gone" in found
    assert "recipe.batch_size not recorded" in found
    assert not any("num_runs" in change for change in found)


@pytest.mark.parametrize(
    ("given", "changes"),
    [({"preset": "fast", **asdict(TINY)}, []), (None, ["options.given not recorded"])],
)
def test_a_zoo_that_does_not_tell_what_was_chosen_counts_as_changed(
    given, changes, tiny_zoo, tmp_path
):
    zoo = Zoo.create(tmp_path / "zoo", SUITE, tiny_zoo.spec, "distillation", TINY, 0, given=given)
    zoo.add_shard(tiny_zoo.load_task(TASKS[0])[0])
    out = tmp_path / "zoo.json"
    Command(zoo=zoo.folder, out=out).run()
    found = list_changes(json.loads(out.read_text()), resolve_settings)
    assert [change for change in found if change.startswith("options")] == changes
    assert bool(found) == bool(changes)
