"""Tasks left out fold by fold, on a suite whose goals can be hidden: arms, layouts, figures."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from benchmarks.__main__ import main
from benchmarks.experiments import folds
from benchmarks.experiments.folds import PARTITION, resolve_settings
from benchmarks.experiments.folds_cells import ARMS, FoldsConfig, run_folds
from benchmarks.experiments.folds_page import write_folds, write_summary
from benchmarks.experiments.folds_partition import (
    FOLDS,
    SPLITS,
    TWINS,
    deal_folds,
    find_fold,
    find_twins,
)
from benchmarks.experiments.folds_summary import summarize_folds
from benchmarks.experiments.folds_training import find_generator
from benchmarks.hidden import HiddenGoals, hide_goals

from benchmarks import sealed
from makeanagent.artifacts import as_json, describe_provenance
from makeanagent.errors import InputError
from makeanagent.evaluation.metrics import hierarchical_bootstrap
from makeanagent.methods.cloning import CloningConfig
from makeanagent.methods.method import MethodConfig
from makeanagent.parallel import open_pool
from makeanagent.policies.batch import PolicyBatch
from makeanagent.policies.spec import PolicySpec
from makeanagent.suites import BatchStep, Step, Suite, find_suite, layouts
from makeanagent.trajectories.space import Space

SPEC = PolicySpec(
    observation_dim=7, action_dim=1, hidden=(1,), activations=("relu",), heads=("mean",)
)
SPACE = Space(observation_dim=7, action_dim=1, positions=(0, 3), goals=(3,))
TASKS = ("t0", "t1", "t2", "t3", "t4", "t5")
FOLD = {"x": TASKS[:3], "y": TASKS[3:]}
CONFIG = FoldsConfig(
    num_prompts=4,
    layouts_per_policy=2,
    num_known=2,
    methods=MethodConfig(cloning=CloningConfig(num_steps=2)),
)


class GoalEnvironment:
    """Solved by a positive action; observations tell layout, task number, and a goal of ones."""

    horizon = 70

    def __init__(self, task: str) -> None:
        self._number = TASKS.index(task)

    def _observe(self) -> np.ndarray:
        return np.array([self._layout, self._number, 1, 1, 1, 1, 1.0])

    def reset(self, layout: int) -> np.ndarray:
        self._layout = layout
        return self._observe()

    def step(self, action: np.ndarray) -> Step:
        success = bool(action[0] > 0)
        return Step(self._observe(), float(success), success, terminated=False, over=False)

    def close(self) -> None: ...


@dataclass(frozen=True)
class GoalSuite(Suite):
    name: str = "goals"

    def tasks(self):
        return TASKS

    def check_task(self, task):
        return task

    def space(self, task):
        return SPACE

    def make(self, task, *, render=False):
        return GoalEnvironment(task)

    def expert(self, task) -> Callable:
        # Noise of 0.3 does not turn its sign.
        return lambda observation: np.ones(1)


def make_policies(count: int) -> PolicyBatch:
    """Policies that act by the goal: positive where they see its ones, negative where zeros."""
    parameters = np.zeros((count, SPEC.num_parameters), np.float32)
    first, last = SPEC.layers
    parameters[:, first.weight.start + 3] = 1.0
    parameters[:, last.weight] = 2.0
    parameters[:, last.bias] = -1.0
    return PolicyBatch(torch.from_numpy(parameters), SPEC)


@dataclass(frozen=True)
class FakeConfig:
    tasks: tuple[str, ...]
    spec: PolicySpec = SPEC
    space: Space = SPACE
    training: None = None


class FakeGenerator:
    """Remembers what it was prompted by; its embedding is the task's number."""

    def __init__(self, name: str, tasks: tuple[str, ...]) -> None:
        self.fingerprint, self.config = name, FakeConfig(tasks)
        self.calls: list[SimpleNamespace] = []

    def generate(self, prompts, num_policies=None, seed=0, guidance=None):
        self.calls.append(SimpleNamespace(prompts=prompts, seed=seed, guidance=guidance))
        return make_policies(len(prompts))

    def embed_groups(self, groups):
        assert all(len(group) == 1 for group in groups)
        return torch.tensor([[float(prompt.observations[0, 1])] for (prompt,) in groups])


@pytest.fixture
def run(tmp_path):
    """Runs the experiment with fresh generators, and gives its cells and these."""

    def run(config=CONFIG, seeds=(0, 1), name="cells", fingerprint="", log=tmp_path / "log.jsonl"):
        made = {
            (fold, seed): FakeGenerator(
                f"{fold}-{seed}{fingerprint}", tuple(t for t in TASKS if t not in FOLD[fold])
            )
            for seed in seeds
            for fold in FOLD
        }
        loads = {key: (lambda each=each: each) for key, each in made.items()}
        names: list[str] = []
        with open_pool(1) as pool:
            cells = run_folds(
                pool, GoalSuite(), FOLD, loads, tmp_path / name, config, names.append, log
            )
        assert len(names) == len(set(names)) == len(cells)
        return cells, made

    return run


def tell(prompts):
    """Layouts and task numbers that demonstrations were recorded on."""
    where = {int(prompt.observations[0, 0]) for prompt in prompts}
    return where, [int(prompt.observations[0, 1]) for prompt in prompts]


def only(arm, config=CONFIG):
    return replace(config, arms=(arm,))


def test_the_folds_are_a_partition_with_the_two_splits():
    tasks = find_suite("metaworld").tasks()
    left_out = [task for fold in PARTITION.values() for task in fold]
    assert sorted(left_out) == sorted(tasks) and len(tasks) == 50
    assert len(PARTITION) == 10 and {len(fold) for fold in PARTITION.values()} == {5}
    from metaworld.env_dict import ML10_V3, ML45_V3

    assert set(PARTITION["ml45"]) == set(ML45_V3["test"])
    assert set(PARTITION["ml10"]) == set(ML10_V3["test"])


def test_the_other_forty_are_as_the_written_seed_deals_them():
    names = [task.removesuffix("-v3") for task in find_suite("metaworld").tasks()]
    assert deal_folds(names) == [tasks for fold, tasks in FOLDS.items() if fold not in SPLITS]


def test_twins_are_tasks_of_two_folds():
    names = {task for fold in FOLDS.values() for task in fold}
    assert all({pair.first, pair.second} <= names and pair.reason for pair in TWINS)
    assert [(other, pair.kinship) for other, pair in find_twins("window-open-v3")] == [
        ("window-close", "mirrored")
    ]
    # Left out together: neither is there to be learned from.
    assert find_fold("door-lock") == find_fold("door-unlock") == "ml45"
    assert not list(find_twins("door-lock-v3"))


def test_hidden_goals_are_hidden_in_both_places(run):
    cells, made = run(only("hidden"))
    assert all(not np.any(cell["success"]) for cell in cells)
    for generator in made.values():
        for call in generator.calls:
            for prompt in call.prompts:
                assert not prompt.observations[:, 3:6].any()
                # The rest stays as it was recorded.
                assert (prompt.observations[:, [2, 6]] == 1).all()
    cells, made = run(only("shown"))
    assert all(np.all(cell["success"]) for cell in cells)
    for generator in made.values():
        for call in generator.calls:
            assert all((prompt.observations[:, 3:6] == 1).all() for prompt in call.prompts)


def test_a_suite_hides_goals_in_every_kind_of_world():
    rows = np.arange(14.0).reshape(2, 7)
    hidden = hide_goals(rows, SPACE)
    assert hidden.tolist() == [[0, 1, 2, 0, 0, 0, 6], [7, 8, 9, 0, 0, 0, 13]]
    assert rows[0, 3] == 3
    suite = HiddenGoals(GoalSuite())
    environment = suite.make("t1")
    assert environment.reset(5).tolist() == [5, 1, 1, 0, 0, 0, 1]
    assert environment.step(np.ones(1)).observation.tolist() == [5, 1, 1, 0, 0, 0, 1]
    assert suite.make_batch("t1") is None
    with pytest.raises(InputError, match="no expert"):
        suite.expert("t1")

    class Worlds(GoalSuite):
        def make_batch(self, task):
            step = BatchStep(np.ones((2, 7)), np.zeros(2), None, np.zeros(2), np.zeros(2))
            return SimpleNamespace(
                horizon=3, reset=lambda where: np.ones((2, 7)), step=lambda actions: step
            )

    worlds = HiddenGoals(Worlds()).make_batch("t1")
    assert worlds.reset(np.arange(2)).sum(axis=1).tolist() == [4, 4]
    assert worlds.step(np.ones((2, 1))).observations.sum(axis=1).tolist() == [4, 4]


def test_a_task_without_goals_cannot_hide_any():
    class Plain(GoalSuite):
        def space(self, task):
            return replace(SPACE, goals=())

    with pytest.raises(InputError, match="no goals"):
        HiddenGoals(Plain()).make("t1")


def test_a_wrong_prompt_is_of_the_next_task_of_the_fold(run):
    cells, made = run(only("wrong"), seeds=(0,))
    found = {cell["task"]: cell["prompts_of"] for cell in cells}
    assert found == {"t0": "t1", "t1": "t2", "t2": "t0", "t3": "t4", "t4": "t5", "t5": "t3"}
    for fold, number in (("x", 0), ("y", 3)):
        prompted = [tell(call.prompts)[1] for call in made[fold, 0].calls]
        assert prompted == [[number + 1] * 4, [number + 2] * 4, [number] * 4]


def test_the_nearest_prompt_is_a_training_task_s_own_demonstration(run):
    cells, made = run(only("nearest"), seeds=(0,))
    # Of the other fold, by the task's number, and never of its own.
    found = {cell["task"]: set(cell["prompts_of"]) for cell in cells}
    assert found == {**dict.fromkeys(TASKS[:3], {"t3"}), **dict.fromkeys(TASKS[3:], {"t2"})}
    for generator in made.values():
        for call in generator.calls:
            assert tell(call.prompts)[0] <= set(layouts.ZOO)
    assert {n for call in made["x", 0].calls for n in tell(call.prompts)[1]} == {3}


def test_guidance_is_for_its_arm_alone(run):
    _, made = run(replace(CONFIG, arms=("shown", "guided")))
    for (_, seed), generator in made.items():
        given = [call.guidance for call in generator.calls]
        assert given == [None, CONFIG.methods.guidance] * 3
        assert {call.seed for call in generator.calls} == {seed}


@pytest.mark.parametrize("sealed_layouts", [False, True])
def test_layouts_serve_one_purpose(run, sealed_layouts, monkeypatch):
    played: dict[str, set[int]] = {}
    reset = GoalEnvironment.reset

    def note(self, layout):
        played.setdefault(f"t{self._number}", set()).add(layout)
        return reset(self, layout)

    monkeypatch.setattr(GoalEnvironment, "reset", note)
    cells, made = run(replace(CONFIG, sealed=sealed_layouts))
    scored = layouts.SEALED if sealed_layouts else layouts.VALIDATION
    prompts = set()
    for generator in made.values():
        for call in generator.calls:
            prompts |= tell(call.prompts)[0]
    expected, shown = set(scored[9_500:9_508]), set(layouts.PROMPTS[9_500:9_504])
    known = set(layouts.ZOO[:2])
    assert shown < prompts <= shown | known
    for task in TASKS:
        assert played[task] == shown | known | expected
    for cell in cells:
        # Each of its layouts once, and the same in every arm and training seed.
        assert sorted(np.ravel(cell["layouts"])) == sorted(expected)
        assert np.shape(cell["success"]) == np.shape(cell["layouts"]) == (4, 2)
    assert {cell["use"] is None for cell in cells} == {not sealed_layouts}


def test_sealed_layouts_are_logged_once_for_a_run_and_each_that_goes_on(run, tmp_path):
    run(CONFIG)
    assert sealed.read_log(tmp_path / "log.jsonl") == []
    config = replace(CONFIG, sealed=True, arms=("shown", "wrong"))
    cells, _ = run(config)
    (line,) = sealed.read_log(tmp_path / "log.jsonl")
    assert line["layouts"] == [[69_500, 69_508]]
    assert line["generators_sha256"] == {f"{f}-{s}": f"{f}-{s}" for s in (0, 1) for f in FOLD}
    assert all(cell["use"] == line for cell in cells)
    next((tmp_path / "cells").glob("wrong-sealed-*")).unlink()
    run(config)
    assert sealed.read_log(tmp_path / "log.jsonl") == [line]


def test_a_killed_run_goes_on_with_the_cells_that_are_missing(run, tmp_path):
    first, _ = run()
    assert len(first) == 6 * (5 * 2 + 1)
    assert {cell["seed"] for cell in first if cell["arm"] == "cloning_moved"} == {None}
    (tmp_path / "cells" / "shown-t1-x-1.json").unlink()
    again, made = run()
    assert {key: len(generator.calls) for key, generator in made.items()} == {
        ("x", 0): 0, ("y", 0): 0, ("x", 1): 1, ("y", 1): 0
    }  # fmt: skip
    assert [cell["success"] for cell in again] == [cell["success"] for cell in first]
    # Cells of other generators are made again; cloning has none, and stays.
    cloned = tmp_path / "cells" / "cloning_moved-t1.json"
    before = cloned.stat().st_mtime_ns
    _, made = run(fingerprint="-other")
    assert {len(generator.calls) for generator in made.values()} == {5 * 3}
    assert cloned.stat().st_mtime_ns == before


@pytest.mark.parametrize("name", ["t1", "goals/t1", "goals-symmetric/t1.mirrored"])
def test_a_generator_that_was_trained_on_a_left_out_task_is_refused(tmp_path, name):
    loads = {("x", 0): lambda: FakeGenerator("x-0", ("t3", name))}
    with open_pool(1) as pool, pytest.raises(InputError, match="x-0 was trained on t1"):
        run_folds(pool, GoalSuite(), FOLD, loads, tmp_path, CONFIG)


def test_an_expert_that_keeps_failing_costs_its_task_alone(run, monkeypatch):
    monkeypatch.setattr(
        GoalSuite, "expert", lambda self, task: lambda seen: np.ones(1) - 2 * (task == "t1")
    )
    cells, _ = run(seeds=(0,))
    failed = {(cell["arm"], cell["task"]) for cell in cells if cell["success"] is None}
    # A wrong prompt is missing where the other task's is.
    assert failed == {(arm, "t1") for arm in ARMS} | {("wrong", "t0")}
    groups = {group["group"]: group for group in summarize(cells)["groups"]}
    assert groups["all"]["arms"]["shown"]["num_tasks"] == 5
    assert len(summarize(cells)["not_made"]) == 7


def summarize(cells):
    return as_json(summarize_folds(cells, FOLD, {"all": TASKS}))


def make_cell(arm, task, seed, rates):
    """A cell whose policies each solve a share of ten layouts."""
    fold = next(fold for fold, tasks in FOLD.items() if task in tasks)
    success = [[int(n < round(10 * rate)) for n in range(10)] for rate in rates]
    return {
        "arm": arm, "task": task, "fold": fold, "seed": seed, "success": success, "use": None,
        "generator_sha256": f"{fold}{seed}", "provenance": {"git_commit": "c"},
    }  # fmt: skip


def test_means_and_differences_are_over_what_all_have():
    cells = [
        make_cell("shown", "t0", 0, (1.0, 0.8)),
        make_cell("shown", "t1", 0, (0.0, 0.0)),
        make_cell("shown", "t0", 1, (0.6, 0.4)),
        make_cell("shown", "t1", 1, (0.0, 0.0)),
        make_cell("wrong", "t0", 0, (0.1, 0.1)),
        make_cell("wrong", "t1", 0, (0.0, 0.0)),
        make_cell("cloning_moved", "t0", None, (0.5, 0.3)),
        make_cell("cloning_moved", "t1", None, (0.1, 0.1)),
    ]
    result = summarize(cells)
    groups = {group["group"]: group for group in result["groups"]}
    assert set(groups) == {"all", "x"}
    shown = groups["x"]["arms"]["shown"]
    assert shown["mean"] == pytest.approx(0.35)
    assert shown["seeds"] == {"0": pytest.approx(0.45), "1": pytest.approx(0.25)}
    assert (shown["num_tasks"], groups["x"]["num_tasks"]) == (2, 3)
    assert (shown["lowest_task"], shown["at_zero"]) == ("t1", ["t1"])
    rates = np.array([[[1, 0.8], [0, 0]], [[0.6, 0.4], [0, 0]]])
    expected = hierarchical_bootstrap(rates, lambda sample: float(sample.mean()))
    assert shown["interval_95"] == pytest.approx(list(expected))
    assert shown["interval_of"] == "training seeds, then prompts"
    assert groups["x"]["arms"]["wrong"]["interval_of"] == "prompts of one training seed"
    cloning = groups["x"]["arms"]["cloning_moved"]
    assert cloning["interval_of"] == "prompts, without any training"
    assert cloning["mean"] == pytest.approx(0.25)
    # Against the one seed that both have, and cloning against each.
    assert groups["x"]["less"]["wrong"]["mean"] == pytest.approx(0.45 - 0.05)
    assert groups["x"]["less"]["cloning_moved"]["mean"] == pytest.approx(0.35 - 0.25)
    assert groups["x"]["less"]["cloning_moved"]["interval_of"] == shown["interval_of"]
    # Of a seed that not all tasks have, nothing is counted.
    lacking = summarize([cell for cell in cells if (cell["task"], cell["seed"]) != ("t1", 1)])
    assert lacking["groups"][1]["arms"]["shown"]["mean"] == pytest.approx(0.45)
    (first, second) = result["tasks"]
    assert first["arms"]["shown"]["seeds"] == pytest.approx([0.9, 0.5])
    low, high = second["arms"]["shown"]["interval_95"]
    assert low == 0 < high
    assert result["success"][0]["success"] == ["1" * 10, "1" * 8 + "00"]
    assert result["num_seeds"] == 2


@pytest.fixture
def result(monkeypatch):
    """Figures as a file has them, of two tasks of ML45 and one with a twin."""
    found = ("door-lock-v3", "box-close-v3", "window-open-v3")
    cells = [
        make_cell(arm, "t0", seed, (1.0, 0.8)) | {"task": task, "fold": find_fold(task)}
        for task in found
        for arm in ("shown", "wrong", "nearest")
        for seed in (0, 1, 2)
    ]
    for cell in cells:
        if cell["arm"] == "nearest":
            cell["prompts_of"] = ["reach-v3", "push-v3", "push-v3"]
    groups = {"fifty": [t for fold in PARTITION.values() for t in fold], "nine": found[:1]}
    options = {"folds": ["ml45", "d"], "seeds": 3, "arms": list(ARMS), "num_prompts": 10}
    figures = summarize_folds(cells, PARTITION, groups) | {"unseen": None}
    figures["settings"] = resolve_settings(**options, sealed=False)
    figures |= {"note": "", "provenance": describe_provenance()}
    return as_json(figures)


def test_the_page_has_all_tables(result):
    page = write_folds(result, resolve_settings)
    assert page.startswith("## ") and page.endswith("\n\n")
    assert "0.53; 0.89 with fine-tuning" in page
    lines = page.splitlines()
    (row,) = [line for line in lines if line.startswith("| d | window-open |")]
    assert row.endswith("| push | window-close (mirrored) |")
    (row,) = [line for line in lines if line.startswith("| ml45 | door-lock |")]
    assert row.endswith("| – |")
    (row,) = [line for line in lines if line.startswith("| ML45's five, 2 of 5 |")]
    assert row.count("0.90 (") == 3
    assert "another settings" not in page and "Measured with other settings" not in page
    assert "training seeds, then prompts" in page


def test_the_summary_leaves_out_folds_that_are_no_split(result):
    summary = write_summary(result, resolve_settings)
    assert "| fold d" in write_folds(result, resolve_settings)
    assert "| fold d" not in summary and "| ML45's five, 2 of 5 |" in summary
    assert "in ten folds (3 training seeds)" in summary


def test_the_nine_are_kept_from_the_other_experiment(result, tmp_path):
    mean = {"method": "unguided", "seen": False, "mean": 0.51, "interval_95": [0.4, 0.6]}
    mean |= {"num_tasks": 9, "seeds": {}}
    content = {"benchmark": "unseen", "means": [mean, mean | {"seen": True, "mean": 0.99}]}
    content |= {"generators_sha256": {}, "provenance": {}}
    path = tmp_path / "unseen.json"
    path.write_text(json.dumps(content))
    kept = folds.read_nine(path)
    page = write_folds(result | {"unseen": kept}, resolve_settings)
    (row,) = [line for line in page.splitlines() if "(`unseen`)" in line]
    assert "0.51 (0.40 to 0.60)" in row and "0.99" not in row
    path.write_text(json.dumps(content | {"benchmark": "speed"}))
    with pytest.raises(InputError, match="unseen"):
        folds.read_nine(path)


@pytest.fixture
def command(monkeypatch, tmp_path):
    """Runs the command without training and without playing; gives what was trained."""
    trained = {}

    def train(folder, suite, tasks, seed, source):
        trained[folder.name] = (tuple(tasks), seed, source)
        return folder / "generator"

    monkeypatch.setattr(folds, "train_generator", train)
    monkeypatch.setattr(folds, "open_pool", lambda: open_pool(1))
    monkeypatch.setattr(
        folds.MakeAnAgent, "from_pretrained", lambda path, device: FakeGenerator(str(path), ())
    )

    def play(pool, suite, partition, generators, *rest):
        for load in generators.values():
            load()
        return []

    monkeypatch.setattr(folds, "run_folds", play)

    def run(*options):
        out = tmp_path / "folds.json"
        runs = ["--runs", str(tmp_path / "runs"), "--out", str(out)]
        return main(["folds", *runs, *options]), trained, out

    return run


def test_each_generator_is_trained_on_the_other_forty_five(command, tmp_path):
    code, trained, out = command("--base", str(tmp_path / "base"), "--seeds", "2")
    assert code == 0
    assert set(trained) == {f"{fold}-{seed}" for fold in FOLDS for seed in (0, 1)}
    for name, (tasks, seed, source) in trained.items():
        fold, _, number = name.partition("-")
        assert len(set(tasks)) == 45 and not set(tasks) & set(PARTITION[fold])
        assert (str(seed), source.base) == (number, tmp_path / "base")
    settings = json.loads(out.read_text())["settings"]
    assert settings == as_json(resolve_settings(**settings["options"]))


def test_generators_that_are_there_are_used_and_missing_ones_named(command, tmp_path, capsys):
    (tmp_path / "made" / "ml45-0" / "generator").mkdir(parents=True)
    options = ["--generators", str(tmp_path / "made"), "--seeds", "1", "--folds"]
    assert command(*options, "ml45")[:2] == (0, {})
    assert find_generator(tmp_path / "made", "ml45", 0).is_dir()
    assert command(*options, "ml45", "a")[0] == 2
    assert "a-0/generator" in capsys.readouterr().err
    assert command(*options, "z")[0] == 2
    assert command("--seeds", "1")[0] == 2


def test_sizes_that_there_are_no_layouts_for_are_refused():
    with pytest.raises(InputError, match="500 layouts"):
        FoldsConfig(num_prompts=101)
    with pytest.raises(InputError, match="at least 1"):
        FoldsConfig(num_known=0)
    assert asdict(FoldsConfig())["num_prompts"] == 10
