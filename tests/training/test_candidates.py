"""Candidates for the success predictor: made without their tasks, played, and read again."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tests.tiny_zoo import TASKS

from makeanagent.artifacts import read_json, write_json
from makeanagent.errors import InputError
from makeanagent.parallel import open_pool
from makeanagent.suites import find_suite
from makeanagent.training import candidates
from makeanagent.training.candidates import (
    CandidateConfig,
    load_candidates,
    play_candidates,
    split_tasks,
)
from makeanagent.training.predictor import PredictorTraining
from makeanagent.training.presets import SMOKE
from makeanagent.training.ranking import train_ranking
from makeanagent.training.run import STAGES, TrainingRun

SMALL = CandidateConfig(
    num_folds=2, gradient_steps=5, max_policies=9, num_prompts=2, num_candidates=3, num_layouts=2
)
SHORT = replace(
    SMOKE,
    autoencoder=replace(SMOKE.autoencoder, gradient_steps=2),
    behavior=replace(SMOKE.behavior, gradient_steps=5),
    diffusion=replace(SMOKE.diffusion, gradient_steps=5),
)


@pytest.fixture
def zoo(tiny_zoo, monkeypatch):
    """Its policies are hardly trained: all count as good enough to learn from."""
    from makeanagent.zoo.store import ZooShard

    monkeypatch.setattr(
        ZooShard, "qualified", property(lambda shard: torch.ones(len(shard.run)).bool().numpy())
    )
    return tiny_zoo


def play(zoo, folder, config=SMALL):
    seen = []
    with open_pool(1) as pool:
        play_candidates(
            pool, find_suite(zoo.suite), zoo, TASKS, folder, SHORT, config, "cpu",
            lambda share, text: seen.append(share),
        )  # fmt: skip
    return sum(seen)


def test_kin_tasks_go_to_different_folds():
    folds = split_tasks(("push", "push-wall", "reach", "reach-wall"), 2)
    assert folds == [("push", "reach"), ("push-wall", "reach-wall")]
    with pytest.raises(InputError, match="2 tasks for 3 folds"):
        split_tasks(("a", "b"), 3)


def test_candidates_are_played_and_read_again(zoo, tmp_path):
    assert play(zoo, tmp_path) == pytest.approx(1.0)
    for fold, task in enumerate(sorted(TASKS)):
        run = TrainingRun(
            tmp_path / f"fold-{fold}",
            zoo,
            replace(
                SHORT,
                max_policies=9,
                diffusion=replace(SHORT.diffusion, gradient_steps=5, action_weight=0.0),
            ),
            [other for other in TASKS if other != task],
        )
        assert task not in run.tasks
    generator = run.assemble_generator()
    data = load_candidates(tmp_path, zoo, TASKS, generator, SHORT, SMALL)
    assert data.parameters.shape == (12, zoo.spec.num_parameters)
    assert data.task.tolist() == [0] * 6 + [1] * 6
    assert data.prompt.tolist() == [0, 1] * 6
    assert (data.trials == 2).all()
    assert (data.successes <= 2).all()


def test_a_killed_run_goes_on(zoo, tmp_path):
    play(zoo, tmp_path)
    first, second = (tmp_path / f"{task}.safetensors" for task in TASKS)
    before, kept = first.read_bytes(), second.stat().st_mtime_ns
    first.unlink()
    assert play(zoo, tmp_path) == pytest.approx(1.0)
    assert first.read_bytes() == before
    assert second.stat().st_mtime_ns == kept


def test_candidates_of_other_settings_are_played_again(zoo, tmp_path):
    play(zoo, tmp_path)
    path = tmp_path / f"{TASKS[0]}.safetensors"
    before = path.read_bytes()
    settings = read_json(tmp_path / "settings.json")
    settings["guidance"]["num_steps"] += 1
    write_json(tmp_path / "settings.json", settings)
    path.write_bytes(b"of another guidance")
    assert play(zoo, tmp_path) == pytest.approx(1.0)
    assert path.read_bytes() == before


def test_folds_of_other_settings_are_trained_again(zoo, tmp_path):
    play(zoo, tmp_path)
    assert play(zoo, tmp_path, replace(SMALL, gradient_steps=4)) == pytest.approx(1.0)
    settings = read_json(tmp_path / "fold-0" / "run.json")
    assert settings["config"]["diffusion"]["gradient_steps"] == 4


def test_candidates_of_a_task_with_a_slash_lie_in_the_folder_itself(zoo, tmp_path, monkeypatch):
    """As ids of Gymnasium may have one."""
    suite, seen = find_suite(zoo.suite), []
    tasks = tuple(f"family/{task}" for task in TASKS)
    run = SimpleNamespace(train=lambda *_: None, assemble_generator=lambda: None)
    monkeypatch.setattr(candidates, "TrainingRun", lambda *_: run)
    monkeypatch.setattr(candidates, "pick_demonstrations", lambda *_: [])
    monkeypatch.setattr(
        candidates, "_play", lambda *given: seen.append(given[2]) or {"trials": np.ones(1)}
    )
    for _ in range(2):
        play_candidates(None, suite, zoo, tasks, tmp_path, SHORT, SMALL, "cpu", lambda *_: None)
    assert sorted(seen) == sorted(tasks)
    assert len(list(tmp_path.glob("family*.safetensors"))) == 2


def test_a_predictor_needs_its_stages_and_three_tasks(zoo, tmp_path):
    run = TrainingRun(tmp_path / "run", zoo, SHORT, TASKS)

    def rank():
        with open_pool(1) as pool:
            train_ranking(
                run, pool, find_suite(zoo.suite), SMALL, PredictorTraining(), "cpu",
                lambda share, text: None,
            )  # fmt: skip

    with pytest.raises(InputError, match="needs the autoencoder"):
        rank()
    for stage in STAGES:
        run.train(stage, "cpu", lambda *_: None)
    with pytest.raises(InputError, match="2 tasks"):
        rank()
