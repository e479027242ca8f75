"""Table 4 on a small suite: cells, resuming, prompts of both sources, and the summary."""

import json

import numpy as np
import pytest
from tests.tiny_zoo import TASKS

from makeanagent.benchmarks.prompts import record_expert_prompts, record_zoo_prompts
from makeanagent.benchmarks.table4 import Table4Config, run_table4, summarize_table4
from makeanagent.environments import find_suite
from makeanagent.errors import InputError
from makeanagent.generator import GeneratorConfig, MakeAnAgent
from makeanagent.models.autoencoder import AutoencoderConfig
from makeanagent.models.behavior import BehaviorConfig
from makeanagent.models.denoisers import DenoiserConfig
from makeanagent.parallel import open_pool
from makeanagent.trajectories import PromptWindow, make_prompt

CONFIG = Table4Config(num_prompts=3, sources=("expert",), layouts_per_policy=2, best_of=2)


@pytest.fixture(scope="module")
def generator(tiny_zoo) -> MakeAnAgent:
    config = GeneratorConfig(
        spec=tiny_zoo.spec,
        autoencoder=AutoencoderConfig(latent_dim=4),
        behavior=BehaviorConfig(hidden_dim=8, embedding_dim=4),
        denoiser=DenoiserConfig(widths=(8,), time_dim=8),
        tasks=TASKS[:1],
    )
    return MakeAnAgent(config)


def test_cells_are_filled_once_and_summed_up(tiny_zoo, generator, tmp_path):
    suite = find_suite(tiny_zoo.suite)
    loads = [lambda: generator, lambda: generator]
    names = []
    with open_pool(1) as pool:
        run_table4(pool, suite, TASKS, loads, lambda _: tiny_zoo, tmp_path, CONFIG, names.append)
        assert sorted(names) == sorted(f"expert-{task}-{seed}" for task in TASKS for seed in (0, 1))
        # A second run, after one cell was lost, makes that cell again and no other.
        lost = tmp_path / f"expert-{TASKS[0]}-1.json"
        before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir() if path != lost}
        found = json.loads(lost.read_text())
        lost.unlink()
        run_table4(pool, suite, TASKS, loads, lambda _: tiny_zoo, tmp_path, CONFIG)
    again = json.loads(lost.read_text())
    assert again["paper"] == found["paper"]
    assert again["held_out"] == found["held_out"]
    assert before == {path: path.stat().st_mtime_ns for path in before}

    summary = summarize_table4(tmp_path)
    assert [(row["task"], row["seen"]) for row in summary["rows"]] == sorted(
        (task, task == TASKS[0]) for task in TASKS
    )
    row = next(row for row in summary["rows"] if row["task"] == TASKS[0])
    rates = [
        found["paper"]["qualified_rate"],
        json.loads((tmp_path / f"expert-{TASKS[0]}-0.json").read_text())["paper"]["qualified_rate"],
    ]
    assert sorted(row["qualified"]["seeds"]) == sorted(rates)
    assert row["qualified"]["mean"] == pytest.approx(np.mean(rates))
    assert {mean["seen"]: mean["num_tasks"] for mean in summary["means"]} == {True: 1, False: 1}


def test_training_seeds_play_different_layouts(tiny_zoo, generator, tmp_path):
    suite = find_suite(tiny_zoo.suite)
    with open_pool(1) as pool:
        run_table4(
            pool, suite, TASKS[:1], [lambda: generator] * 2, lambda _: tiny_zoo, tmp_path, CONFIG
        )
    cells = [json.loads(path.read_text()) for path in sorted(tmp_path.iterdir())]
    assert not set(cells[0]["paper"]["layouts"]) & set(cells[1]["paper"]["layouts"])


def test_expert_prompts_are_successes_on_layouts_of_their_own(tiny_zoo):
    suite = find_suite(tiny_zoo.suite)
    window = PromptWindow()
    with open_pool(1) as pool:
        prompts = record_expert_prompts(pool, suite, TASKS[0], 4, window)
    assert all(make_prompt(prompt, window).has_success for prompt in prompts)
    starts = np.stack([prompt.observations[0] for prompt in prompts])
    assert len(np.unique(starts, axis=0)) == 4


def test_zoo_prompts_need_a_qualified_policy(tiny_zoo):
    suite = find_suite(tiny_zoo.suite)
    # Thirty gradient steps qualify nobody.
    assert not any(shard.qualified.any() for shard in tiny_zoo.load_task(TASKS[0]))
    with open_pool(1) as pool, pytest.raises(InputError, match="no qualified policy"):
        record_zoo_prompts(pool, suite, TASKS[0], tiny_zoo, 3, PromptWindow(), 2)
