"""A training run: what of its config reaches the data, what is logged when, and what is kept."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.tiny_zoo import TASKS

from makeanagent.artifacts import as_json, read_json
from makeanagent.cli import main
from makeanagent.errors import InputError
from makeanagent.generator import MakeAnAgent
from makeanagent.policies.alignment import align_runs
from makeanagent.training.presets import PRESETS, SMOKE
from makeanagent.training.run import STAGES, TrainingRun, _Log
from makeanagent.trajectories import PromptWindow
from makeanagent.zoo.store import Zoo, ZooShard

CONFIG = replace(
    SMOKE,
    autoencoder=replace(SMOKE.autoencoder, gradient_steps=2),
    behavior=replace(SMOKE.behavior, gradient_steps=2),
    diffusion=replace(SMOKE.diffusion, gradient_steps=2),
    seed=4,
)


@pytest.fixture(scope="module")
def zoo(tiny_zoo):
    """Its policies are hardly trained: all count as good enough to learn from."""
    with pytest.MonkeyPatch.context() as patch:
        everyone = property(lambda shard: torch.ones(len(shard.run)).bool().numpy())
        patch.setattr(ZooShard, "qualified", everyone)
        yield tiny_zoo


@pytest.fixture(scope="module")
def run(zoo, tmp_path_factory):
    run = TrainingRun(tmp_path_factory.mktemp("run") / "run", zoo, CONFIG, TASKS)
    for stage in STAGES:
        run.train(stage, "cpu", lambda *_: None)
    run.save_generator()
    return run


def test_the_data_is_read_as_the_config_says(zoo, tmp_path):
    config = replace(
        CONFIG,
        window=PromptWindow(num_steps=30),
        held_out_runs=0,
        max_policies=4,
        align=True,
    )
    plain, other = (
        TrainingRun(tmp_path / name, zoo, each, TASKS).data
        for name, each in (("plain", CONFIG), ("other", config))
    )
    assert len(plain.parameters) == 18
    assert len(other.parameters) == 8
    assert plain.held_out.sum() == 6
    assert other.held_out.sum() == 0
    assert 2 * other.rollouts.behavior.shape[2] == plain.rollouts.behavior.shape[2]
    # The first and the last of nine checkpoints, and two between.
    picked = torch.tensor([0, 2, 5, 8, 9, 11, 14, 17])
    assert torch.equal(other.run, plain.run[picked])
    aligned = align_runs(plain.parameters[picked].numpy(), plain.run[picked].numpy(), zoo.spec)
    assert torch.equal(other.parameters, torch.from_numpy(aligned))
    assert not torch.equal(other.parameters, plain.parameters[picked])


def test_a_run_trains_on_its_tasks_alone(zoo, tmp_path):
    run = TrainingRun(tmp_path / "run", zoo, CONFIG, TASKS[:1])
    assert run.data.tasks == TASKS[:1]
    assert len(run.data.parameters) == 9
    assert list(read_json(run.folder / "run.json")["shards"]) == [f"{TASKS[0]}-000"]


def test_a_generator_says_how_it_was_trained(zoo, run, tmp_path):
    generator = MakeAnAgent.from_pretrained(run.folder / "generator")
    training = generator.config.training
    assert training == {
        "config": as_json(run._settings["config"]),
        "seed": 4,
        "shards": {name: zoo.read_index(name)["sha256"] for name in zoo.shard_names()},
        "start": None,
    }
    assert training["config"]["diffusion"]["gradient_steps"] == 2
    assert run.assemble_generator().config == generator.config
    generator.save_pretrained(tmp_path / "copy")
    assert MakeAnAgent.from_pretrained(tmp_path / "copy").config == generator.config


def test_the_diffusion_needs_both_stages_before_it(zoo, tmp_path):
    run = TrainingRun(tmp_path / "run", zoo, CONFIG, TASKS)
    for stage in STAGES[:2]:
        with pytest.raises(InputError, match=f"this stage needs the {stage}; run `train {stage}`"):
            run.train("diffusion", "cpu", lambda *_: None)
        run.train(stage, "cpu", lambda *_: None)


def test_the_commands_options_reach_the_run(zoo, tmp_path, monkeypatch):
    monkeypatch.setitem(PRESETS, "smoke", CONFIG)
    monkeypatch.setattr(Zoo, "trainable_tasks", Zoo.tasks)
    arguments = ["train", "behavior", "--zoo", zoo.folder, "--out", tmp_path / "run"]
    arguments += ["--preset", "smoke", "--tasks", TASKS[0]]
    arguments += ["--window-steps", "30", "--condition", "v", "--seed", "7"]
    assert main([str(argument) for argument in arguments]) == 0
    settings = read_json(tmp_path / "run" / "run.json")
    assert settings["tasks"] == [TASKS[0]]
    assert settings["config"]["window"]["num_steps"] == 30
    assert settings["config"]["diffusion"]["condition"] == "v"
    assert settings["config"]["seed"] == 7


class Value:
    """Counts how often it is read, as a tensor on a GPU would be waited for."""

    def __init__(self) -> None:
        self.readings = 0

    def __float__(self) -> float:
        self.readings += 1
        return 0.25


def test_values_are_read_only_where_the_log_writes(tmp_path: Path):
    texts = []
    with _Log(tmp_path, "behavior", lambda step, num_steps, text: texts.append(text)) as log:
        readings = []
        for step in range(1, 46):
            values = {"contrastive_loss": Value()}
            if step == 33:
                values["validation/loss"] = Value()
            log(step, 45, values)
            if any(value.readings for value in values.values()):
                readings.append(step)
                assert all(value.readings == 1 for value in values.values())
    assert readings == [20, 33, 40, 45]
    # The words stand until the next reading.
    assert texts[:19] == ["behavior"] * 19
    assert texts[19:32] == ["behavior: contrastive_loss 0.2500"] * 13
    assert texts[32] == "behavior: contrastive_loss 0.2500, validation/loss 0.2500"


def test_the_log_holds_every_stage(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    names = {
        "autoencoder": {"weight_error", "action_error"},
        "behavior": {"contrastive_loss"},
        "diffusion": {"loss", "action_error", "validation/action_error"},
    }
    for stage, expected in names.items():
        found = EventAccumulator(str(run.folder / "logs" / stage)).Reload()
        tags = set(found.Tags()["scalars"])
        assert {f"{stage}/{name}" for name in expected} <= tags
        assert [event.step for event in found.Scalars(f"{stage}/{min(expected)}")] == [2]
