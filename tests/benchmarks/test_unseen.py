"""Unseen tasks on a small suite: cells, resuming, layouts, the picture, the page, the command."""

import json
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.__main__ import main
from benchmarks.experiments import unseen_cells as recipe
from benchmarks.experiments.unseen import read_unseen, resolve_settings
from benchmarks.experiments.unseen_cells import Cell, UnseenConfig, plan_cells, run_unseen
from benchmarks.experiments.unseen_methods import CORE, RIVALS, Makers
from benchmarks.experiments.unseen_page import (
    draw_unseen,
    summarize_shipped,
    write_shipped,
    write_unseen,
)
from benchmarks.experiments.unseen_summary import summarize_unseen
from benchmarks.pages.tables import rate
from benchmarks.prompts import record_expert_prompts
from benchmarks.results import read_optional
from PIL import Image
from tests.benchmarks.toy import SPEC, ToySuite, number_policies, solved
from tests.tiny_zoo import TASKS, TINY

from benchmarks import sealed
from makeanagent.errors import InputError
from makeanagent.evaluation.figures import write_figure
from makeanagent.evaluation.metrics import hierarchical_bootstrap
from makeanagent.evaluation.protocols import ProtocolConfig
from makeanagent.generator import MakeAnAgent
from makeanagent.generator_config import GeneratorConfig
from makeanagent.methods.cloning import CloningConfig
from makeanagent.methods.method import MethodConfig
from makeanagent.methods.regression import RegressionConfig
from makeanagent.models.autoencoder import AutoencoderConfig
from makeanagent.models.behavior import BehaviorConfig
from makeanagent.models.denoisers import DenoiserConfig
from makeanagent.models.guidance import GuidanceConfig
from makeanagent.parallel import open_pool
from makeanagent.policies.batch import PolicyBatch
from makeanagent.suites import find_suite, layouts
from makeanagent.training.presets import PRESETS
from makeanagent.trajectories import PromptWindow
from makeanagent.zoo.store import Zoo

ROOT = Path(__file__).parents[2]
CONFIG = UnseenConfig(
    num_prompts=3,
    layouts_per_policy=2,
    num_chosen=2,
    num_tried=6,
    demonstrations=(1, 2),
    noise=(0.0, 0.3),
    held_out_runs=1,
    methods=MethodConfig(
        guidance=GuidanceConfig(num_steps=3),
        cloning=CloningConfig(num_steps=5),
        regression=RegressionConfig(num_steps=5, hidden_dim=8),
    ),
)


@pytest.fixture(scope="module")
def zoo(tiny_zoo, tmp_path_factory) -> Zoo:
    """The tiny zoo with all of its policies passed for qualified."""
    folder = tmp_path_factory.mktemp("unseen") / "zoo"
    zoo = Zoo.create(folder, tiny_zoo.suite, tiny_zoo.spec, "distillation", TINY, 0)
    for name in tiny_zoo.shard_names():
        shard = tiny_zoo.load_shard(name)
        zoo.add_shard(replace(shard, success=np.ones_like(shard.success)))
    return zoo


def make_generator(zoo, seed) -> MakeAnAgent:
    torch.manual_seed(seed)
    config = GeneratorConfig(
        spec=zoo.spec,
        autoencoder=AutoencoderConfig(latent_dim=4),
        behavior=BehaviorConfig(hidden_dim=8, embedding_dim=4),
        denoiser=DenoiserConfig(widths=(8,), time_dim=8),
        suite=zoo.suite,
        tasks=TASKS[:1],
    )
    return MakeAnAgent(config)


@pytest.fixture(scope="module")
def generators(zoo):
    """Of two training seeds."""
    made = [make_generator(zoo, seed) for seed in (0, 1)]
    return [partial(lambda each: each, each) for each in made]


def run(zoo, generators, folder, config=CONFIG, tasks=TASKS):
    names = []
    with open_pool(1) as pool:
        suite = find_suite(zoo.suite)
        run_unseen(pool, suite, tasks, generators, zoo, folder, config, names.append)
    assert sorted(names) == sorted(cell.name for cell in plan_cells(tasks, generators, config))


@pytest.fixture(scope="module")
def folder(zoo, generators, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unseen") / "cells"
    run(zoo, generators, folder)
    return folder


@pytest.fixture(scope="module")
def summary(folder, generators):
    result = summarize_unseen(folder, TASKS, generators, CONFIG)
    return json.loads(json.dumps(result, allow_nan=False))


def load(folder, **values):
    cells = [json.loads(path.read_text()) for path in sorted(folder.iterdir())]
    return [cell for cell in cells if all(cell[name] == value for name, value in values.items())]


def test_every_method_has_its_cells(folder, generators):
    core = {(cell["method"], cell["task"], cell["seed"]) for cell in load(folder, part="core")}
    expected = {(name, task, seed) for name in CORE for task in TASKS for seed in (0, 1)}
    assert core == {each for each in expected if each[0] != "selected" or each[1] == TASKS[1]}
    rivals = {(cell["method"], cell["task"], cell["seed"]) for cell in load(folder, part="rivals")}
    assert rivals == {(name, task, 0) for name in RIVALS for task in TASKS}
    # Four points of three methods on the one unseen task.
    curves = load(folder, part="curves")
    assert len(curves) == 12
    assert {(cell["task"], cell["seed"]) for cell in curves} == {(TASKS[1], 0)}
    for cell in load(folder, success=None):
        assert (cell["method"], cell["seed"]) == ("average_16", 0)
        assert cell["reason"]


def test_layouts_serve_one_purpose_and_one_seed(folder):
    played = {0: set(), 1: set()}
    for cell in load(folder):
        if cell["success"] is None:
            continue
        where = np.array(cell["layouts"])
        assert where.shape == np.array(cell["success"]).shape
        assert set(where.flat) <= set(layouts.SCORING)
        played[cell["seed"]] |= set(where.flat)
        if cell["method"] == "selected":
            assert set(np.ravel(cell["selection_layouts"])) <= set(layouts.SELECTION)
            assert where.shape == (2, 50)
            assert np.shape(cell["selection_layouts"]) == (6, 5)
            assert np.shape(cell["selection_success"]) == (6, 5)
    assert not played[0] & played[1]


def play(cell, num_policies, config=CONFIG):
    with open_pool(1) as pool:
        policies = PolicyBatch(torch.from_numpy(number_policies(num_policies)), SPEC)
        return recipe._play(pool, ToySuite(), cell, policies, config)


@pytest.mark.parametrize("sealed_layouts", [False, True])
def test_what_is_chosen_by_rollouts_is_chosen_on_other_layouts(sealed_layouts):
    config = replace(CONFIG, num_chosen=5)
    result = play(Cell("core", "selected", "a", 2, sealed=sealed_layouts), 40, config)
    protocol = ProtocolConfig(layout_seed=2, score_on="sealed" if sealed_layouts else "scoring")
    tried = solved(range(40), protocol.selection_range)
    assert result["selection_success"] == tried
    assert result["selection_layouts"] == [list(protocol.selection_range)] * 40
    best = sorted(range(40), key=lambda number: -sum(tried[number]))[:5]
    assert result["chosen_policies"] == best
    # Neither the first five, nor what the scoring layouts would have chosen.
    scores = solved(range(40), protocol.held_out_range)
    flattered = sorted(range(40), key=lambda number: -sum(scores[number]))[:5]
    assert set(best) != set(range(5)) and set(best) != set(flattered)
    assert result["success"] == solved(best, protocol.held_out_range)
    assert result["layouts"] == [list(protocol.held_out_range)] * 5


@pytest.mark.parametrize("method", ["guided", "cloning", "retrieval"])
def test_ten_policies_play_all_fifty_layouts_once(method):
    config = replace(CONFIG, layouts_per_policy=5)
    result = play(Cell("core", method, "a", 1), 10, config)
    where = np.array(result["layouts"])
    assert sorted(where.flat) == list(ProtocolConfig(layout_seed=1).held_out_range)
    assert result["success"] == solved(range(10), where)


def test_seeds_have_different_prompts(zoo):
    with open_pool(1) as pool:
        record = partial(
            record_expert_prompts, pool, find_suite(zoo.suite), TASKS[0], window=PromptWindow()
        )
        first, more, others = record(count=2), record(count=3), record(count=2, offset=500)
        with pytest.raises(InputError, match="10000 layouts"):
            record(count=2, offset=9_999)
    starts = [trajectory.observations[0] for trajectory in (*first, *others)]
    assert len(np.unique(starts, axis=0)) == 4
    # The first prompts are the same, however many are recorded.
    for short, long in zip(first, more, strict=False):
        assert np.array_equal(short.actions, long.actions)


def test_prompts_follow_the_training_seed_and_the_noise_of_the_curve(zoo, generators, monkeypatch):
    asked = []

    def record(pool, suite, task, count, window, noise_scales, offset):
        asked.append((task, count, noise_scales, offset))
        return list(range(count))

    monkeypatch.setattr(recipe, "record_expert_prompts", record)
    for seed in (0, 1):
        prompts = recipe._Prompts(None, None, generators[seed](), seed, CONFIG)
        prompts.gather(Cell("core", "guided", "a", seed))
        prompts.gather(Cell("curves", "guided", "a", seed, "noise", 0.4))
        prompts.gather(Cell("curves", "guided", "a", seed, "demonstrations", 2))
    turns = (0.0, 0.1, 0.2, 0.3)
    assert asked == [
        (task, count, noise, 500 * seed)
        for seed in (0, 1)
        for task, count, noise in (("a", 3, turns), ("a", 3, (0.4,)), ("a", 6, turns))
    ]


def test_policies_are_made_by_the_cells_seed(zoo, generators, folder, tmp_path, monkeypatch):
    seeds = []
    make = Makers.make

    def spy(self, name, groups, seed):
        seeds.append((name, seed))
        return make(self, name, groups, seed)

    monkeypatch.setattr(Makers, "make", spy)
    lost = [f"guided-{TASKS[1]}-1.json", f"gaussian-{TASKS[1]}-0.json"]
    cells = tmp_path / "cells"
    cells.mkdir()
    for path in folder.iterdir():
        if path.name not in lost:
            (cells / path.name).write_bytes(path.read_bytes())
    run(zoo, generators, cells)
    assert sorted(seeds) == [("gaussian", 0), ("guided", 1)]


def test_rivals_refuse_a_zoo_that_the_generator_was_not_trained_on(zoo, generators, monkeypatch):
    generator = generators[0]()
    (name,) = zoo.shard_names()[:1]
    for known, fits in (({name: zoo.read_index(name)["sha256"]}, True), ({name: "0"}, False)):
        config = replace(generator.config, training={"config": {}, "shards": known})
        monkeypatch.setattr(generator, "config", config)
        if fits:
            recipe._load_bank(zoo, generator, CONFIG)
        else:
            with pytest.raises(InputError, match=f"{name}: not as the generator was trained"):
                recipe._load_bank(zoo, generator, CONFIG)


def test_rivals_know_what_the_generator_was_trained_on(zoo, generators):
    bank = recipe._load_bank(zoo, generators[0](), CONFIG)
    (shard,) = zoo.load_task(TASKS[0])
    trained_on = shard.parameters[shard.run != shard.run.max()]
    assert np.array_equal(np.sort(bank.parameters.numpy(), axis=0), np.sort(trained_on, axis=0))


def test_demonstrations_of_a_group_differ_in_noise(zoo, generators):
    config = replace(CONFIG, num_prompts=10)
    with open_pool(1) as pool:
        prompts = recipe._Prompts(pool, find_suite(zoo.suite), generators[0](), 0, config)
        # Every prompt stands for its own number here.
        prompts.record = lambda task, count: list(range(count))
        groups = prompts.gather(Cell("curves", "guided", TASKS[1], 0, "demonstrations", 5))
        single = prompts.gather(Cell("core", "guided", TASKS[1], 0))
    assert [group[0] for group in groups] == [number for (number,) in single] == list(range(10))
    assert sorted(sum(groups, [])) == list(range(50))
    for group in groups:
        assert len({number % 4 for number in group}) >= 3


def test_a_second_run_makes_what_is_missing_alone(zoo, generators, folder, tmp_path, monkeypatch):
    cells = tmp_path / "cells"
    cells.mkdir()
    for path in folder.iterdir():
        (cells / path.name).write_bytes(path.read_bytes())
    # Without a missing rival, the zoo is not read.
    monkeypatch.setattr(recipe, "_load_bank", lambda *_: pytest.fail("read the zoo"))
    lost = cells / f"guided-{TASKS[1]}-1.json"
    found = json.loads(lost.read_text())
    lost.unlink()
    before = {path: path.stat().st_mtime_ns for path in cells.iterdir()}
    run(zoo, generators, cells)
    assert before == {path: path.stat().st_mtime_ns for path in before}
    again = json.loads(lost.read_text())
    for name in ("success", "layouts", "weights_sha256"):
        assert again[name] == found[name]


def test_cells_of_another_generator_or_size_are_made_again(zoo, generators, folder, monkeypatch):
    (cell,) = [
        cell
        for cell in plan_cells(TASKS, generators, CONFIG)
        if cell == Cell("core", "guided", TASKS[0], 0)
    ]
    first = generators[0]()
    assert recipe.read_cell(folder, cell, first, CONFIG) is not None
    assert recipe.read_cell(folder, cell, generators[1](), CONFIG) is None
    assert recipe.read_cell(folder, cell, first, replace(CONFIG, num_prompts=4)) is None
    # The same weights, read with fewer steps of the sampler; and other demonstrations.
    config = first.config
    sampler = replace(config.diffusion, sample_steps=config.diffusion.sample_steps - 1)
    with monkeypatch.context() as patch:
        patch.setattr(first, "config", replace(config, diffusion=sampler))
        assert recipe.read_cell(folder, cell, first, CONFIG) is None
    with monkeypatch.context() as patch:
        patch.setattr(recipe, "EXPERT_NOISE", (0.0,))
        assert recipe.read_cell(folder, cell, first, CONFIG) is None


def test_the_summary_is_what_the_cells_say(folder, summary):
    for mean in summary["means"]:
        if mean["method"] == "selected_best":
            continue
        cells = [
            cell
            for cell in load(folder, method=mean["method"], seen=mean["seen"], curve=None)
            if cell["success"] is not None
        ]
        if not cells:
            assert mean["mean"] is None and mean["not_made"]
            continue
        rates = np.array([[np.mean(cell["success"], axis=1)] for cell in cells])
        assert mean["num_tasks"] == 1
        assert mean["mean"] == mean["lowest"] == pytest.approx(rates.mean())
        interval = hierarchical_bootstrap(rates, lambda sample: float(sample.mean()))
        assert mean["interval_95"] == pytest.approx(interval)
        assert mean["seeds"] == {
            str(cell["seed"]): pytest.approx(np.mean(cell["success"])) for cell in cells
        }
        chosen = mean["method"] == "selected"
        effort = (mean["num_demonstrations"], mean["num_rollouts"])
        assert effort == ((3, 6 * 5) if chosen else (1, 0))
        (row,) = (row for row in summary["tasks"] if row["seen"] == mean["seen"])
        found = row["methods"][mean["method"]]
        assert found["mean"] == pytest.approx(rates.mean())
        assert found["num_rollouts"] == sum(np.size(cell["success"]) for cell in cells)
        assert found["interval_95"][0] <= interval[0] <= interval[1] <= found["interval_95"][1]
        # Even where all ended alike.
        assert found["interval_95"][0] < found["interval_95"][1]
    assert {mean["seen"] for mean in summary["means"] if mean["method"] == "selected"} == {False}
    (best,) = (mean for mean in summary["means"] if mean["method"] == "selected_best")
    cells = load(folder, method="selected")
    assert best["mean"] == pytest.approx(np.mean([cell["success"][0] for cell in cells]))
    assert summary["generators_sha256"] == {"0": None, "1": None}
    assert isinstance(summary["guidance_milliseconds"], float)


def test_curves_are_counted_from_cells(folder, generators, tmp_path):
    for path in folder.iterdir():
        cell = json.loads(path.read_text())
        if cell["success"] is not None:
            won = cell["curve"] is not None
            cell["success"] = np.full(np.shape(cell["success"]), int(won)).tolist()
        if cell["curve"] == "noise" and cell["value"] == 0.3:
            cell |= {"success": None, "reason": "the expert failed"}
        (tmp_path / path.name).write_text(json.dumps(cell))
    result = summarize_unseen(tmp_path, TASKS, generators, CONFIG)
    points = {(p["curve"], p["value"], p["method"]): p for p in result["curves"]}
    assert points["demonstrations", 2, "cloning"]["mean"] == 1
    assert points["demonstrations", 2, "cloning"]["interval_95"] == [1, 1]
    # A task without one point is left out of the whole curve.
    kept = points["noise", 0.0, "guided"]
    assert (kept["mean"], kept["num_tasks"], kept["tasks"]) == (None, 0, {TASKS[1]: 1.0})
    lost = points["noise", 0.3, "guided"]
    assert lost["tasks"] == {TASKS[1]: None}
    assert lost["not_made"] == {TASKS[1]: "the expert failed"}
    draw_unseen(result)


def test_the_picture_shows_both_curves(summary, tmp_path):
    figure = draw_unseen(summary)
    demonstrations, noise = figure.axes
    assert [line.get_xdata().tolist() for line in demonstrations.lines] == [[1, 2]] * 3
    assert [line.get_xdata().tolist() for line in noise.lines] == [[0, 0.3]] * 3
    path = tmp_path / "unseen.png"
    write_figure(figure, path)
    assert Image.open(path).convert("RGBA").getpixel((1, 1)) == (255, 255, 255, 255)


def as_file(summary):
    """The summary as the command would have written it, with a provenance that names Meta-World."""
    options = {"seeds": 2, "rival_seeds": 1, "num_prompts": 10, "parts": ["core", "rivals"]}
    settings = resolve_settings(**options, sealed=False, preset="fast")
    provenance = read_optional("unseen")["provenance"]
    return summary | {"settings": settings, "note": "A note.", "provenance": provenance}


def write_whole(result, **parts):
    parts = {"zoo": None, "whole": None, "known": None} | parts
    return write_unseen(result, **parts, resolve=resolve_settings)


def test_the_page_has_the_figures(summary):
    text = write_whole(as_file(summary))
    (guided,) = (m for m in summary["means"] if m["method"] == "guided" and not m["seen"])
    assert rate(guided) in text
    assert "images/unseen.png" in text
    assert "| average of the 16 nearest zoo policies | – | 0/0 | – | – | – | – |" in text
    assert "| guided, top 5 of 100 by rollouts on other layouts | 3, 30 |" in text
    assert "| top 5 of 100 (3, 30) |" in text
    assert "A note." in text
    assert "Measured with other settings" not in text and "sealed layouts" not in text
    text = write_whole(as_file(summary) | {"sealed": {"uses_before": 2}})
    assert "sealed layouts, which had been used 2 times before" in text


def test_the_page_says_what_was_measured_apart(summary):
    zoo, whole = read_optional("zoo_generators"), read_optional("zoo_training")
    known = as_file(summary) | {"note": "Another note."}
    text = write_whole(as_file(summary), zoo=zoo, whole=whole, known=known)
    assert "push-wall" in text
    (line,) = (line for line in text.splitlines() if line.startswith("The seen tasks: "))
    assert "Another note." in line


def test_seen_tasks_measured_apart_stand_beside_the_unseen_ones():
    unseen, known, both = read_optional("unseen"), read_optional("known"), read_unseen()
    for part in ("means", "against_rival"):
        assert [each for each in both[part] if each["seen"]] == [
            each for each in known[part] if each["seen"]
        ]
        assert [each for each in both[part] if not each["seen"]] == [
            each for each in unseen[part] if not each["seen"]
        ]


def test_the_page_of_the_bundled_generator(folder, generators):
    result = as_file(summarize_unseen(folder, TASKS, generators[:1], CONFIG))
    lines = write_shipped(result, resolve_settings).splitlines()
    order = sorted(result["tasks"], key=lambda row: not row["seen"])
    names = [row["task"].removesuffix("-v3") for row in order]
    found = [line for line in lines if line.startswith("| ")][2:]
    assert [line.split(" | ")[0].removeprefix("| ") for line in found] == names
    for row, line in zip(order, found, strict=True):
        assert f"| {rate(row['methods']['guided'])} |" in line
        (gain,) = (
            each
            for found in result["against_rival"]
            for each in found["tasks"]
            if each["task"] == row["task"]
        )
        low, high = gain["interval_95"]
        assert line.endswith(f"| {gain['mean']:+.2f} ({low:+.2f} to {high:+.2f}) |")
    (guided,) = (m for m in result["means"] if m["method"] == "guided" and not m["seen"])
    assert f"| {rate(guided)} |" in summarize_shipped(result, resolve_settings)


@pytest.mark.parametrize("write", [write_shipped, summarize_shipped])
def test_figures_of_weights_that_are_bundled_no_more_are_told(folder, generators, write):
    result = as_file(summarize_unseen(folder, TASKS, generators[:1], CONFIG))
    assert "**Of an earlier `metaworld-41`**" in write(result, resolve_settings)
    bundled = MakeAnAgent.from_pretrained("metaworld-41").fingerprint
    result["generators_sha256"] = {"0": bundled}
    assert "Of an earlier" not in write(result, resolve_settings)


def test_the_command(zoo, tmp_path, capsys, monkeypatch):
    make_generator(zoo, 0).save_pretrained(tmp_path / "generator")
    trained = []

    def train(folder, zoo, config, device, tasks):
        trained.append((folder.name, config.seed, tasks))
        return tmp_path / "generator"

    monkeypatch.setattr("benchmarks.experiments.unseen.train_all", train)
    suite = type(find_suite(zoo.suite))
    monkeypatch.setattr(suite, "groups", {"unseen": TASKS[1:]}, raising=False)
    out, figure = tmp_path / "unseen.json", tmp_path / "unseen.png"
    command = ["unseen", "--zoo", str(zoo.folder), "--runs", str(tmp_path / "runs")]
    command += ["--out", str(out), "--seeds", "1", "--num-prompts", "2", "--tasks", TASKS[0]]
    command += ["--parts", "rivals", "--preset", "smoke", "--device", "cpu", "--figure"]
    assert main([*command, str(figure.with_suffix(".bmp"))]) == 2
    assert "must end in .png or .svg" in capsys.readouterr().err
    assert main([*command, str(figure)]) == 0
    # Nothing is trained on the suite's unseen tasks, though the zoo holds them.
    assert trained == [("seed-0", 0, TASKS[:1])]
    result = json.loads(out.read_text())
    assert {mean["part"] for mean in result["means"]} == {"rivals"}
    # Trained by the command: the settings are those that it asked for.
    assert result["settings"]["training"]["behavior"] == asdict(PRESETS["smoke"].behavior)
    # Seen tasks have no curves, and nothing to draw.
    assert result["curves"] == [] and not figure.exists()


def test_the_command_measures_a_generator_that_is_there(zoo, tmp_path, capsys):
    folder, out = tmp_path / "generator", tmp_path / "unseen.json"
    make_generator(zoo, 0).save_pretrained(folder)
    command = ["unseen", "--runs", str(tmp_path / "runs"), "--out", str(out)]
    command += ["--num-prompts", "2", "--tasks", TASKS[0], "--device", "cpu"]
    assert main(command) == 2
    assert "give --zoo to train on, or a trained --generator" in capsys.readouterr().err
    command += ["--generator", str(folder), "--parts"]
    assert main([*command, "core", "rivals"]) == 2
    assert "rivals need the generator's --zoo" in capsys.readouterr().err
    assert main([*command, "core"]) == 0
    result = json.loads(out.read_text())
    assert result["num_seeds"] == 1
    sha = MakeAnAgent.from_pretrained(folder).fingerprint
    assert result["generators_sha256"] == {"0": sha}
    assert {mean["part"] for mean in result["means"]} == {"core"}
    # This generator does not tell how it was trained.
    assert result["settings"]["training"] is None


def test_prompts_of_seeds_must_not_meet():
    with pytest.raises(InputError, match="num_prompts 51: must be 1 to 50"):
        UnseenConfig(num_prompts=51)


@pytest.fixture
def play_sealed(zoo, generators, tmp_path):
    """Runs one task's core cells, sealed or not, and gives the log's lines."""
    log = tmp_path / "log.jsonl"

    def run(*, sealed_layouts, name="cells", config=CONFIG, num_seeds=2):
        config = replace(config, parts=("core",), sealed=sealed_layouts)
        with open_pool(1) as pool:
            suite, loads = find_suite(zoo.suite), generators[:num_seeds]
            run_unseen(pool, suite, TASKS[:1], loads, zoo, tmp_path / name, config, log=log)
        return sealed.read_log(log)

    return run


def test_nothing_plays_sealed_layouts_unasked(play_sealed, tmp_path):
    assert play_sealed(sealed_layouts=False) == []
    for cell in load(tmp_path / "cells"):
        if cell["success"] is not None:
            assert not set(np.ravel(cell["layouts"])) & set(layouts.SEALED)


def test_each_run_on_sealed_layouts_is_logged_once(play_sealed, generators, tmp_path):
    (first,) = play_sealed(sealed_layouts=True)
    assert first["uses_before"] == 0
    assert first["layouts"] == [[60_250, 60_300], [60_750, 60_800]]
    assert first["generators_sha256"] == {"0": None, "1": None}
    cells = [cell for cell in load(tmp_path / "cells") if "task" in cell]
    played = {int(n) for cell in cells if cell["success"] for n in np.ravel(cell["layouts"])}
    assert played and played <= set(layouts.SEALED)
    # One that goes on, from the end or from the middle, is the same run.
    assert play_sealed(sealed_layouts=True) == [first]
    next((tmp_path / "cells").glob("guided-*")).unlink()
    assert play_sealed(sealed_layouts=True) == [first]
    # The summary says which one.
    config = replace(CONFIG, parts=("core",), sealed=True)
    assert summarize_unseen(tmp_path / "cells", TASKS[:1], generators, config)["sealed"] == first
    # From the beginning, or with other settings, it is another, after the first.
    assert [line["uses_before"] for line in play_sealed(sealed_layouts=True, name="b")] == [0, 1]
    methods = replace(CONFIG.methods, cloning=CloningConfig(num_steps=6))
    other = replace(CONFIG, methods=methods)
    lines = play_sealed(sealed_layouts=True, config=other)
    assert [line["uses_before"] for line in lines] == [0, 1, 2]
