"""The paper's experiments on a small suite: cells, resuming, prompts of every source, summaries."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from benchmarks.cells import (
    Cell,
    CellConfig,
    disturb,
    fill_cells,
    list_replay_cells,
    read_cells,
)
from benchmarks.experiments import alignment, figure5, figure7, table4
from benchmarks.prompts import record_expert_prompts, record_zoo_prompts
from benchmarks.results import read_result
from tests.tiny_zoo import TASKS

from makeanagent.errors import InputError
from makeanagent.evaluation.figures import write_figure
from makeanagent.generator import MakeAnAgent
from makeanagent.generator_config import GeneratorConfig
from makeanagent.models.autoencoder import AutoencoderConfig
from makeanagent.models.behavior import BehaviorConfig
from makeanagent.models.denoisers import DenoiserConfig
from makeanagent.models.diffusion import DiffusionConfig
from makeanagent.parallel import open_pool
from makeanagent.policies.batch import PolicyBatch
from makeanagent.suites import find_suite
from makeanagent.trajectories import PromptWindow, make_prompt

CONFIG = CellConfig(num_prompts=3, layouts_per_policy=2, best_of=2)
SETTINGS = {"protocol": {"paper_layouts": 3}}


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


@pytest.fixture(scope="module")
def fill(tiny_zoo, generator):
    """Fills cells in a folder with expert prompts, and notes how often these were recorded."""
    suite = find_suite(tiny_zoo.suite)

    def run(folder, cells, recorded=None, generator=generator, config=CONFIG, offset=0):
        names = []
        with open_pool(1) as pool:

            def prompt(generator, source, task):
                if recorded is not None:
                    recorded.append((source, task))
                window = generator.config.window
                return record_expert_prompts(
                    pool, suite, task, config.num_prompts, window, offset=offset
                )

            fill_cells(
                pool, suite, cells, lambda *_: generator, prompt, folder, config, names.append
            )
        return names

    return run


def test_cells_are_filled_once(fill, tmp_path):
    cells = table4.list_cells(("distilled",), ("expert",), TASKS, 2)
    recorded = []
    names = fill(tmp_path, cells, recorded)
    assert sorted(names) == sorted(f"distilled-expert-{t}-{s}" for t in TASKS for s in (0, 1))
    assert sorted(recorded) == sorted(("expert", task) for task in TASKS)
    # A second run, after one cell was lost, makes that cell again and no other.
    lost = tmp_path / f"distilled-expert-{TASKS[0]}-1.json"
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir() if path != lost}
    found = json.loads(lost.read_text())
    lost.unlink()
    recorded.clear()
    assert sorted(fill(tmp_path, cells, recorded)) == sorted(names)
    assert sorted(recorded) == sorted(("expert", task) for task in TASKS)
    again = json.loads(lost.read_text())
    assert again["paper"] == found["paper"]
    assert again["held_out"] == found["held_out"]
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_cells_of_another_generator_size_or_prompts_are_made_again(fill, generator, tmp_path):
    cells = table4.list_cells(("distilled",), ("expert",), TASKS[:1], 1)
    fill(tmp_path, cells)
    smaller = replace(CONFIG, num_prompts=2)
    fill(tmp_path, cells, config=smaller)
    (cell,) = read_cells(tmp_path, cells)
    assert cell["num_policies"] == 2
    generator.save_pretrained(tmp_path / "generator")
    saved = MakeAnAgent.from_pretrained(tmp_path / "generator")
    path = tmp_path / f"{cells[0].name}.json"

    def is_made_again(**options):
        before = path.stat().st_mtime_ns
        fill(tmp_path, cells, config=smaller, **options)
        return path.stat().st_mtime_ns != before

    assert [is_made_again(generator=saved) for _ in range(2)] == [True, False]
    (cell,) = read_cells(tmp_path, cells)
    assert cell["generator_sha256"] == saved.fingerprint
    # The same weights, asked for in another way.
    saved.config = replace(saved.config, diffusion=DiffusionConfig(sample_steps=2))
    assert [is_made_again(generator=saved) for _ in range(2)] == [True, False]
    # The same source and task, other demonstrations.
    assert [is_made_again(generator=saved, offset=8) for _ in range(2)] == [True, False]


def test_table_4_is_a_row_a_task_and_its_means(fill, tmp_path):
    cells = table4.list_cells(("distilled",), ("expert",), TASKS, 2)
    fill(tmp_path, cells)
    summary = table4.summarize(read_cells(tmp_path, cells))
    assert [(row["task"], row["seen"]) for row in summary["rows"]] == sorted(
        (task, task == TASKS[0]) for task in TASKS
    )
    row = next(row for row in summary["rows"] if row["task"] == TASKS[0])
    paths = [tmp_path / f"distilled-expert-{TASKS[0]}-{seed}.json" for seed in (0, 1)]
    rates = [json.loads(path.read_text())["paper"]["qualified_rate"] for path in paths]
    assert row["qualified"]["seeds"] == rates
    assert row["qualified"]["mean"] == pytest.approx(np.mean(rates))
    assert {mean["seen"]: mean["num_tasks"] for mean in summary["means"]} == {True: 1, False: 1}


def test_a_row_below_the_paper_is_counted():
    cells = [
        made_cell("window-open-v3", seed, qualified=0.5, top_5=0.9, top_10=1.0) for seed in (0, 1)
    ]
    (mean,) = table4.summarize(cells)["means"]
    assert (mean["cells_below_paper"], mean["cells_in_paper"]) == (1, 3)
    assert mean["paper_qualified"] == 0.33


def test_the_page_explains_the_prompts_that_its_rows_have():
    for name, write in (("table4", table4.write_table4), ("table4_expert", table4.write_earlier)):
        result = read_result(name)
        told = {source.lower() for source in re.findall(r"\*(\w+)\* prompts", write(result))}
        assert told == {row["source"] for row in result["rows"]}


def test_sac_zoos_have_replay_prompts_alone():
    cells = table4.list_cells(("distilled", "sac"), ("expert", "replay"), ("reach-v3",), 1)
    assert {(cell.zoo, cell.source) for cell in cells} == {
        ("distilled", "expert"), ("distilled", "replay"), ("sac", "replay"),
    }  # fmt: skip


def test_figures_5_and_7_share_cells_with_table_4():
    tasks = ("reach-v3", "door-open-v3")
    names = {cell.name for cell in table4.list_cells(("distilled", "sac"), ("replay",), tasks, 2)}
    assert {cell.name for cell in list_replay_cells(("distilled", "sac"), tasks, 2)} == names
    noisy = {cell.name for cell in figure7.list_cells(("distilled",), tasks, 2)}
    assert {name for name in noisy if "noise" not in name} < names
    assert len(noisy) == len(figure7.NOISE) * 4
    aligned = {cell.name for cell in list_replay_cells(alignment.KINDS, tasks, 2)}
    assert len(aligned & names) == 4


def test_figure_5_takes_the_first_prompts(tmp_path):
    # Of a hundred policies the first ten fail, and the next forty succeed on four layouts of five.
    success = np.zeros((100, 5), bool)
    success[10:50, :4] = True
    success[50:] = True
    cells = [made_cell("reach-v3", seed, success=success) for seed in (0, 1)]
    cells += [made_cell("reach-v3", seed, success=~success, seen=False) for seed in (0, 1)]
    result = figure5.summarize(cells)
    points = {
        point["num_prompts"]: point for point in result["points"] if point["seen"]
    }  # fmt: skip
    assert [points[n]["best"]["mean"] for n in (5, 10, 50, 100)] == [0, 0, 0.8, 1]
    assert points[100]["qualified"]["mean"] == 0.5
    assert points[50]["mean"]["mean"] == pytest.approx(0.8 * 40 / 50)
    path = tmp_path / "figure5.png"
    drawn = figure5.draw(result, SETTINGS)
    assert drawn.axes[0].get_ylabel() == "success on 3 random layouts"
    write_figure(drawn, path)
    assert path.stat().st_size > 10_000


def test_figure_7_is_a_point_a_noise(tmp_path):
    cells = [
        made_cell("door-lock-v3", seed, seen=False, noise=noise, qualified=1 - noise - 0.1 * seed)
        for seed in (0, 1)
        for noise in figure7.NOISE
    ]
    result = figure7.summarize(cells)
    assert [point["noise"] for point in result["points"]] == list(figure7.NOISE)
    assert result["points"][1]["qualified"]["mean"] == pytest.approx(0.85)
    assert result["points"][1]["qualified"]["std"] == pytest.approx(0.05)
    path = tmp_path / "figure7.png"
    write_figure(figure7.draw(result, SETTINGS), path)
    assert path.stat().st_size > 10_000


def test_noise_falls_on_actions_alone_and_is_the_same_every_time(tiny_zoo):
    prompts = tiny_zoo.load_task(TASKS[0])[0].demonstrations[:3]
    assert [a is b for a, b in zip(disturb(prompts, 0.0), prompts, strict=True)] == [True] * 3
    first, again = disturb(prompts, 0.2), disturb(prompts, 0.2)
    for prompt, noisy, same in zip(prompts, first, again, strict=True):
        assert (noisy.observations == prompt.observations).all()
        assert (noisy.actions == same.actions).all()
        assert np.abs(noisy.actions).max() <= 1
    inner = [np.abs(p.actions) < 0.2 for p in prompts]
    noise = np.concatenate(
        [(n.actions - p.actions)[i] for p, n, i in zip(prompts, first, inner, strict=True)]
    )
    assert noise.std() == pytest.approx(0.2, rel=0.15)


def made_cell(task, seed, *, success=None, seen=True, noise=0.0, **rates):
    """A cell's result without any rollout; no two of its rates are alike."""
    success = np.ones((100, 5), bool) if success is None else success
    cell = Cell(zoo="distilled", source="replay", task=task, seed=seed, noise=noise)
    paper = {
        "qualified_rate": rates.get("qualified", 0.95),
        "top_5": rates.get("top_5", 0.98),
        "top_10": rates.get("top_10", 0.97),
        "best": 0.99,
        "mean_success": 0.96,
        "success": success.astype(int).tolist(),
    }
    return vars(replace(cell)) | {
        "paper": paper,
        "held_out": {"first_sample": {"mean": 0.93}, "best_of_n": {"mean": 0.94}},
        "seen": seen,
        "num_policies": len(success),
        "num_rollouts": 500,
        "generator_sha256": "0" * 64,
        "provenance": {"git_commit": "c" * 40},
    }


def test_each_rate_stands_under_its_own_name():
    (row,) = table4.summarize([made_cell("reach-v3", 0)])["rows"]
    names = ("qualified", "top_5", "top_10", "first_sample", "best_of_n")
    assert [row[name]["mean"] for name in names] == [0.95, 0.98, 0.97, 0.93, 0.94]
    (point,) = figure7.summarize([made_cell("reach-v3", 0, seen=False)])["points"]
    names = ("qualified", "best", "top_5", "mean")
    assert [point[name]["mean"] for name in names] == [0.95, 0.99, 0.98, 0.96]


def test_a_cell_generates_by_its_seed_from_its_own_prompts(tiny_zoo, tmp_path):
    prompts = tiny_zoo.load_task(TASKS[0])[0].demonstrations[:3]
    cells = [
        Cell(zoo="distilled", source="replay", task=TASKS[0], seed=seed, noise=noise)
        for seed in (0, 1)
        for noise in (0.0, 0.3)
    ]
    asked = {}

    class Spy:
        fingerprint, config = None, GeneratorConfig(spec=tiny_zoo.spec, tasks=TASKS[:1])

        def generate(self, prompts, seed):
            asked.setdefault(seed, []).append(prompts)
            return PolicyBatch(torch.zeros(3, tiny_zoo.spec.num_parameters), tiny_zoo.spec)

    with open_pool(1) as pool:
        fill_cells(
            pool,
            find_suite(tiny_zoo.suite),
            cells,
            lambda *_: Spy(),
            lambda *_: prompts,
            tmp_path,
            CONFIG,
        )
    assert sorted(asked) == [0, 1]
    for given in asked.values():
        errors = [np.abs(each[0].actions - prompts[0].actions).max() for each in given]
        assert sorted(error > 0 for error in errors) == [False, True]
    found = {(cell["seed"], cell["noise"]): cell for cell in read_cells(tmp_path, cells)}
    assert len(found) == 4
    for (seed, _), cell in found.items():
        protocol = CONFIG.protocol(seed)
        assert cell["paper"]["layouts"] == list(protocol.paper_range)
        assert cell["protocol"]["best_of"] == CONFIG.best_of


def test_training_seeds_play_different_layouts(fill, tmp_path):
    cells = table4.list_cells(("distilled",), ("expert",), TASKS[:1], 2)
    fill(tmp_path, cells)
    first, second = read_cells(tmp_path, cells)
    assert not set(first["paper"]["layouts"]) & set(second["paper"]["layouts"])


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
