"""The novelty report on a small zoo: copies are shown up, every number is where it should be."""

import json
from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from benchmarks.__main__ import main
from benchmarks.experiments.novelty import NoveltyConfig, run_novelty
from benchmarks.experiments.novelty_page import draw_novelty
from PIL import Image
from tests.tiny_zoo import TASKS, TINY

from makeanagent.errors import InputError
from makeanagent.evaluation.figures import LINE, write_figure
from makeanagent.generator import MakeAnAgent
from makeanagent.generator_config import GeneratorConfig
from makeanagent.models.autoencoder import AutoencoderConfig
from makeanagent.models.behavior import BehaviorConfig
from makeanagent.models.denoisers import DenoiserConfig
from makeanagent.parallel import open_pool
from makeanagent.policies.batch import PolicyBatch
from makeanagent.policies.policy import Policy
from makeanagent.rollouts.scores import score_policies
from makeanagent.suites import find_suite, layouts
from makeanagent.zoo.store import Zoo

CONFIG = NoveltyConfig(
    num_prompts=4, num_layouts=3, num_references=4, num_probes=30, held_out_runs=1
)


SETTINGS = {"sizes": asdict(CONFIG)}


@pytest.fixture(scope="module")
def zoo(tiny_zoo, tmp_path_factory) -> Zoo:
    """The tiny zoo with all of its policies passed for qualified."""
    folder = tmp_path_factory.mktemp("novelty") / "zoo"
    zoo = Zoo.create(folder, tiny_zoo.suite, tiny_zoo.spec, "distillation", TINY, 0)
    for name in tiny_zoo.shard_names():
        shard = tiny_zoo.load_shard(name)
        zoo.add_shard(replace(shard, success=np.ones_like(shard.success)))
    return zoo


@pytest.fixture(scope="module")
def generator(zoo) -> MakeAnAgent:
    config = GeneratorConfig(
        spec=zoo.spec,
        autoencoder=AutoencoderConfig(latent_dim=4),
        behavior=BehaviorConfig(hidden_dim=8, embedding_dim=4),
        denoiser=DenoiserConfig(widths=(8,), time_dim=8),
        suite=zoo.suite,
        tasks=TASKS[:1],
    )
    return MakeAnAgent(config)


def report(zoo, generator, tasks=TASKS, config=CONFIG):
    done = []
    with open_pool(1) as pool:
        result = run_novelty(
            pool, find_suite(zoo.suite), zoo, generator, tasks, config, done.append
        )
    assert sorted(done) == sorted([*tasks, *tasks])
    return json.loads(json.dumps(result, allow_nan=False))


@pytest.fixture(scope="module")
def result(zoo, generator):
    return report(zoo, generator)


def test_seen_and_unseen_tasks_each_have_a_row_and_a_group(result):
    # Three runs of three checkpoints, one of the runs held out.
    assert (result["num_training_policies"], result["num_training_runs"]) == (6, 2)
    assert result["num_held_out_policies"] == 3
    assert [(row["task"], row["seen"]) for row in result["tasks"]] == [
        (TASKS[0], True), (TASKS[1], False),
    ]  # fmt: skip
    assert [(group["seen"], group["num_tasks"]) for group in result["groups"]] == [
        (True, 1), (False, 1),
    ]  # fmt: skip
    assert result["layouts"] == [layouts.SCORING.start, layouts.SCORING.start + 3]
    for row in result["tasks"]:
        assert [len(values) for values in row["policies"].values()] == [4, 4, 4, 4]
        assert row["copying"]["held_out_runs"]["action"]["num_generated"] == 4
        assert row["copying"]["held_out_runs"]["action"]["num_held_out"] == 3
        # Two training runs make one pair.
        assert row["failure_overlap"]["training_runs"]["num_pairs"] == 1
        assert row["nearest_tasks"] == {TASKS[0]: 4}


def test_one_task_has_no_other_to_compare_with(result):
    references = result["references"]
    assert references["task"]["action"]["num"] == 0
    assert references["held_out_tasks"]["weight"]["median"] is None
    assert result["tasks"][0]["copying"]["held_out_tasks"]["action"]["z"] is None
    # Another checkpoint at most as far as another run.
    for kind in ("action", "weight"):
        checkpoint, run = (references[name][kind]["median"] for name in ("checkpoint", "run"))
        assert 0 < checkpoint <= run
        assert result["novelty_level"][kind] == run


def test_the_untrained_generator_is_far_from_all(result):
    row = result["tasks"][0]
    assert row["distances"]["action"]["min"] > result["references"]["run"]["action"]["q90"]
    assert row["copying"]["held_out_runs"]["action"]["share_farther"] == 1
    # Far, and good for nothing.
    assert row["good_and_novel"] == {"action": 0, "weight": 0}


def test_a_generator_that_copies_is_shown_up(zoo, generator):
    (shard,) = zoo.load_task(TASKS[0])
    rows = np.flatnonzero(shard.run == 1)
    copied = PolicyBatch(torch.from_numpy(shard.parameters[rows]), zoo.spec)
    copier = SimpleNamespace(
        config=generator.config, fingerprint=None, generate=lambda prompts, seed: copied
    )
    everything_is_good = replace(CONFIG, success_bar=0.0)
    (row,) = report(zoo, copier, TASKS[:1], everything_is_good)["tasks"]
    assert row["policies"]["action"] == pytest.approx([0, 0, 0], abs=1e-5)
    assert row["policies"]["weight"] == pytest.approx([0, 0, 0], abs=1e-4)
    for kind in ("action", "weight"):
        assert row["copying"]["held_out_runs"][kind]["share_farther"] == 0
    assert row["good"] == 1
    assert row["good_and_novel"] == {"action": 0, "weight": 0}
    # A copy does what its original does.
    assert row["policies"]["success"] == row["policies"]["nearest_success"]
    assert row["good_where_nearest_is_not"] == 0
    assert row["failure_overlap"]["nearest"]["mean"] in (None, 1)
    with open_pool(1) as pool:
        actors = [Policy(vector, zoo.spec) for vector in shard.parameters[rows]]
        suite = find_suite(zoo.suite)
        scores = score_policies(pool, suite, TASKS[0], actors, layouts.SCORING[:3])
    assert row["policies"]["success"] == scores.success.mean(axis=1).tolist()


def test_what_the_nearest_policy_could_do_as_well_is_told_apart(zoo, generator, monkeypatch):
    (shard,) = zoo.load_task(TASKS[0])
    originals = shard.parameters[shard.run == 1]
    made = PolicyBatch(torch.from_numpy(originals * np.float32(1.001)), zoo.spec)
    maker = SimpleNamespace(
        config=generator.config, fingerprint=None, generate=lambda prompts, seed: made
    )

    def score(pool, suite, task, actors, where):
        parameters = np.stack([actor.parameters for actor in actors])
        # Generated policies, which come first, succeed on 3, 3 and 2 layouts; of the others only
        # the third original does.
        success = np.zeros((len(parameters), len(where)), bool)
        success[:2], success[2, :2] = True, True
        success[(parameters == originals[2]).all(axis=1)] = True
        return SimpleNamespace(require_success=lambda: success)

    monkeypatch.setattr("benchmarks.experiments.novelty.score_policies", score)
    (row,) = report(zoo, maker, TASKS[:1])["tasks"]
    assert row["policies"]["success"] == [1, 1, pytest.approx(2 / 3)]
    assert row["policies"]["nearest_success"] == [0, 0, 1]
    assert row["good"] == row["good_where_nearest_is_not"] == pytest.approx(2 / 3)
    # Failed by both, of those that either fails: none of 3, none of 3, none of 1.
    assert row["failure_overlap"]["nearest"] == {"mean": 0, "num_pairs": 3, "num_defined": 3}


def test_another_zoo_is_refused(zoo, generator):
    other = replace(generator.config, tasks=("Nothing-v0",))
    with pytest.raises(InputError, match="not the zoo that the generator was trained on"):
        report(zoo, SimpleNamespace(config=other), TASKS[:1])


def test_the_picture_shows_every_policy_and_level(result):
    figure = draw_novelty(result, SETTINGS)
    (ax,) = figure.axes
    assert ax.get_xscale() == "log"
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert any(text.startswith("seen tasks: 0% good and new") for text in labels)
    assert any("another run" in text for text in labels)
    assert not any("another task" in text for text in labels)
    points = [line for line in ax.lines if line.get_marker() in ("o", "^")]
    for line, row in zip(points, result["tasks"], strict=True):
        assert line.get_xdata().tolist() == row["policies"]["action"]


def test_a_copy_has_a_place_in_the_picture(result):
    result = json.loads(json.dumps(result))
    result["tasks"][0]["policies"]["action"][0] = 0.0
    assert draw_novelty(result, SETTINGS).axes[0].get_xscale() == "linear"


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_saved_pictures_need_no_page(result, tmp_path, ending):
    path = tmp_path / f"novelty.{ending}"
    write_figure(draw_novelty(result, SETTINGS), path)
    if ending == "svg":
        assert LINE not in path.read_text()
    else:
        assert Image.open(path).convert("RGBA").getpixel((1, 1)) == (255, 255, 255, 255)


def test_the_command(zoo, generator, tmp_path, capsys):
    generator.save_pretrained(tmp_path / "generator")
    out, figure = tmp_path / "novelty.json", tmp_path / "novelty.png"
    options = {
        "zoo": zoo.folder, "generator": tmp_path / "generator", "num-prompts": 2, "num-layouts": 2,
        "out": out, "tasks": TASKS[0],
    }  # fmt: skip
    command = ["novelty"]
    command += [str(part) for name, value in options.items() for part in (f"--{name}", value)]
    assert main([*command, "--figure", str(figure.with_suffix(".bmp"))]) == 2
    assert "must end in .png or .svg" in capsys.readouterr().err
    assert main([*command, "--figure", str(figure)]) == 0
    assert json.loads(out.read_text())["settings"]["sizes"]["num_layouts"] == 2
    assert figure.stat().st_size > 1000
