"""A reader's training run: its parts one after the other, what is made anew, what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests import tiny_generator
from tests.tiny_reader import RUN, SPACE, PointSuite, make_demonstration
from tests.tiny_sac import SUITE as EASY

from makeanagent.artifacts import read_json
from makeanagent.errors import InputError
from makeanagent.generator import MakeAnAgent
from makeanagent.models.diffusion import DiffusionConfig
from makeanagent.parallel import open_pool
from makeanagent.suites import find_suite
from makeanagent.suites.procedural import ProceduralSuite
from makeanagent.training import reading_run
from makeanagent.training.lessons import LessonShard
from makeanagent.training.reading import blend
from makeanagent.training.reading_loss import measure_actions
from makeanagent.training.reading_presets import READING_PRESETS
from makeanagent.training.reading_run import ReadingRun
from makeanagent.training.sampling_phase import SamplingTraining
from makeanagent.training.start import load_start
from makeanagent.trajectories import Trajectory

DRAWN = ProceduralSuite()
TASKS = ("3", "5")
SAMPLING = SamplingTraining(
    diffusion=DiffusionConfig(sample_steps=3, timestep_spacing="trailing"),
    num_prompts=12,
    num_states=8,
    teacher_steps=2,
    gradient_steps=3,
    batch_size=8,
)
PHASES = ("first", "second", "mixed-0", "mixed-1", "blended")


def train(run):
    """Train what is missing, and return the texts that were reported."""
    texts = []
    with open_pool(1) as pool:
        run.train("cpu", pool, lambda step, total, text: texts.append(text.partition(":")[0]))
    run.save_generator()
    return list(dict.fromkeys(texts))


@pytest.fixture(scope="module")
def lessons(tmp_path_factory):
    """A folder that several runs share."""
    return tmp_path_factory.mktemp("lessons")


@pytest.fixture(scope="module")
def run(tmp_path_factory, lessons):
    run = ReadingRun(tmp_path_factory.mktemp("run") / "run", DRAWN, TASKS, RUN, lessons=lessons)
    run.texts = train(run)
    return run


@pytest.fixture(scope="module")
def alone(tmp_path_factory, lessons):
    """Of drawn tasks alone."""
    run = ReadingRun(tmp_path_factory.mktemp("alone") / "run", DRAWN, (), RUN, lessons=lessons)
    run.texts = train(run)
    return run


def read(run, phase):
    """A phase's networks, which are there."""
    assert (run.folder / f"{phase}.safetensors").is_file()
    return run._phase(phase, [], RUN.first, None, "cpu", lambda *_: None)


def times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def weights(path):
    return MakeAnAgent.from_pretrained(path).state_dict()


def differ(first, second):
    # A trait that no demonstration has is NaN in familiarity's ranges, and NaN equals nothing.
    return {name for name in first if not first[name].nan_to_num().equal(second[name].nan_to_num())}


def make_prompt():
    rng = np.random.default_rng(0)
    return Trajectory(
        observations=rng.normal(size=(31, 39)).astype(np.float32),
        actions=rng.uniform(-1, 1, (30, 4)).astype(np.float32),
        success=np.arange(30) > 20,
    )


def test_a_run_draws_tasks_learns_records_and_learns_again(run):
    assert run.texts[0] == "drawing tasks"
    assert run.texts[-8:] == [
        "first phase",
        "visiting drawn tasks",
        "second phase",
        "recording the tasks",
        "mixed-0 phase",
        "visiting the tasks",
        "mixed-1 phase",
        "practice",
    ]
    names = {path.name for path in run.folder.iterdir()}
    weights = {f"{name}.safetensors" for name in (*PHASES, "practice")}
    assert names == {"run.json", *weights, "revisited-1", "generator"}
    settings = read_json(run.folder / "run.json")
    assert settings["tasks"] == list(TASKS)
    assert settings["suite"] == "procedural"
    assert settings["start"] is None


def test_the_generator_is_that_of_the_last_phase(run):
    generator = MakeAnAgent.from_pretrained(run.folder / "generator")
    config = generator.config
    assert (config.suite, config.tasks) == ("procedural", TASKS)
    assert config.space == DRAWN.space("3")
    assert config.training["config"]["mixed_steps"] == list(RUN.mixed_steps)
    prompts = [make_prompt(), [make_prompt(), make_prompt()]]
    assert generator.recognise(prompts[:1]) == [None]
    policies = generator.generate(prompts, 4)
    # As of the networks themselves, before they were saved.
    networks = read(run, "blended")
    again = run.assemble(networks).generate(prompts, 4)
    assert torch.equal(policies.parameters, again.parameters)
    for phase in PHASES[:-1]:
        other = run.assemble(read(run, phase)).generate(make_prompt())
        assert not torch.equal(other.parameters, policies.parameters[:1])


def test_its_weights_lie_between_those_before_the_mixed_phases_and_after(run):
    before, after, found = (
        read(run, name).state_dict() for name in ("second", "mixed-1", "blended")
    )
    assert RUN.kept_share == 0.5
    for name, weight in found.items():
        torch.testing.assert_close(weight, (before[name] + after[name]) / 2)
    assert not before["denoiser.head.weight"].equal(after["denoiser.head.weight"])


def test_a_latent_is_practised_for_each_of_the_suites_own_tasks(run, alone):
    generator = MakeAnAgent.from_pretrained(run.folder / "generator")
    practice = generator.practice
    assert practice.conditions.shape[:2] == (len(TASKS), RUN.shown.num_demonstrations)
    # Fitted to the lessons of the last turn: they do better in their states than what is read.
    for number, task in enumerate(TASKS):
        lessons = LessonShard.load(run.folder / "revisited-1" / f"{task}.safetensors")
        conditions = generator.embedding(lessons.prompts())
        torch.testing.assert_close(conditions, practice.conditions[number])
        assert practice.recognise(conditions).eq(number).float().mean() >= 0.5

        def measure(latents, lessons=lessons):
            states = lessons.states.expand(len(latents), -1, -1)
            labels = lessons.labels.expand(len(latents), -1, -1)
            means = generator.autoencoder.act(latents, states)
            return measure_actions(means, labels, RUN.first)

        read = generator.denoiser.predict(conditions)
        assert measure(practice.latents[number][None])[0] < 0.9 * measure(read).min()
    assert MakeAnAgent.from_pretrained(alone.folder / "generator").practice is None


@pytest.mark.parametrize(("share", "name"), [(0.0, "mixed-1"), (1.0, "second")])
def test_a_share_of_none_or_all_is_one_of_the_two(run, share, name):
    found = blend(read(run, "second"), read(run, "mixed-1"), share).state_dict()
    for key, weight in read(run, name).state_dict().items():
        torch.testing.assert_close(found[key], weight)


def test_run_again_it_does_nothing(run):
    before = times(run.folder)
    again = ReadingRun(run.folder, DRAWN, TASKS, RUN, lessons=run.lessons)
    assert train(again) == []
    assert times(run.folder) == before


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"config": replace(RUN, seed=1)}, "config"),
        ({"tasks": TASKS[:1]}, "tasks"),
    ],
)
def test_other_settings_are_refused(run, changes, name):
    settings = {"suite": DRAWN, "tasks": TASKS, "config": RUN} | changes
    with pytest.raises(InputError, match=f"begun with another {name}"):
        ReadingRun(run.folder, **settings)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("")
    with pytest.raises(InputError, match="not empty and no training run"):
        ReadingRun(tmp_path, DRAWN, TASKS, RUN)


def test_drawn_tasks_alone_are_the_first_two_phases_alone(alone, run):
    assert alone.texts[-1] == "second phase"
    assert not (alone.folder / "mixed-0.safetensors").exists()
    for phase in ("first", "second"):
        first, found = (
            (each.folder / f"{phase}.safetensors").read_bytes() for each in (run, alone)
        )
        assert first == found
    assert MakeAnAgent.from_pretrained(alone.folder / "generator").config.tasks == ()
    assert differ(weights(alone.folder / "generator"), weights(run.folder / "generator"))


def test_a_start_takes_the_place_of_the_first_two_phases(alone, run, tmp_path):
    start = load_start(alone.folder / "generator")
    begun = ReadingRun(tmp_path / "run", DRAWN, TASKS, RUN, lessons=alone.lessons, start=start)
    assert not {"first phase", "second phase"} & {*train(begun)}
    assert not (begun.folder / "second.safetensors").exists()
    # It is the very second phase of the other run.
    assert not differ(weights(begun.folder / "generator"), weights(run.folder / "generator"))
    assert read_json(begun.folder / "run.json")["start"] == start.to_dict()
    with pytest.raises(InputError, match="begun with another start"):
        ReadingRun(begun.folder, DRAWN, TASKS, RUN)


def test_without_tasks_a_start_takes_the_place_of_the_first_phase_alone(alone, tmp_path):
    first = replace(RUN, second_steps=0)
    begun = ReadingRun(tmp_path / "begun", DRAWN, (), first, lessons=alone.lessons)
    assert {"first phase"} == {*train(begun)} & {"first phase", "second phase"}
    # One phase of its own.
    assert not (begun.folder / "second.safetensors").exists()
    start = load_start(begun.save_generator())
    longer = replace(RUN, second_steps=RUN.second_steps + 1)
    went_on = {}
    for name, config in (("same", RUN), ("longer", longer)):
        run = ReadingRun(tmp_path / name, DRAWN, (), config, lessons=alone.lessons, start=start)
        assert {"second phase"} == {*train(run)} & {"first phase", "second phase"}
        went_on[name] = weights(run.folder / "generator")
    # Such as a run that has both phases.
    assert not differ(went_on["same"], weights(alone.folder / "generator"))
    assert differ(went_on["longer"], went_on["same"])


def test_a_start_that_cannot_take_its_place_is_refused(alone, tmp_path):
    start = load_start(alone.folder / "generator")
    wider = replace(RUN.first, reader=replace(RUN.first.reader, width=16))
    deeper = replace(RUN.first, reader=replace(RUN.first.reader, num_layers=0))
    for first in (wider, deeper):
        with pytest.raises(InputError, match="not of a reader of this preset for this suite"):
            ReadingRun(tmp_path / "b", DRAWN, TASKS, replace(RUN, first=first), start=start)
    paper = load_start(tiny_generator.save(tmp_path / "paper"))
    with pytest.raises(InputError, match="not of a reader of this preset for this suite"):
        ReadingRun(tmp_path / "c", DRAWN, TASKS, RUN, start=paper)
    assert not any((tmp_path / name).exists() for name in "bc")


@pytest.mark.parametrize("name", ["points", "easy"])
def test_a_suite_of_another_space_is_learned_by_itself(name, tmp_path, monkeypatch):
    """It begins with scales of its own lessons, as no drawn task has its space."""
    used = []
    original = reading_run.train_reading

    def watched(spec, space, sources, *arguments, **options):
        used.append([share for _, share, _ in sources])
        return original(spec, space, sources, *arguments, **options)

    monkeypatch.setattr(reading_run, "train_reading", watched)
    suite = PointSuite() if name == "points" else find_suite(EASY)
    tasks = ("goal", "object") if name == "points" else ("drift-v1",)
    run = ReadingRun(tmp_path / "run", suite, tasks, RUN)
    assert train(run) == [
        "recording the tasks",
        "mixed-0 phase",
        "visiting the tasks",
        "mixed-1 phase",
        "practice",
    ]
    assert used == [[1.0], [1.0]]
    generator = MakeAnAgent.from_pretrained(run.folder / "generator")
    for part in (generator.embedding, generator.autoencoder):
        assert (part.scale.std != 1).all()
    if name == "points":
        assert generator.config.space == SPACE
        assert generator.generate(make_demonstration(), 2).parameters.isfinite().all()


def test_tasks_of_different_spaces_are_not_learned_together(tmp_path):
    class Two(PointSuite):
        def space(self, task):
            return replace(SPACE, unit=2.0) if task == "object" else SPACE

    with pytest.raises(InputError, match="points: tasks of different spaces"):
        ReadingRun(tmp_path / "run", Two(), ("goal", "object"), RUN)


@pytest.mark.parametrize("preset", READING_PRESETS.values(), ids=READING_PRESETS)
def test_presets_read_as_many_knots_as_their_lessons_have(preset):
    assert preset.drawn.num_knots == preset.shown.num_knots == preset.first.reader.num_knots
    assert len(preset.first.basis.ranks) == 2


def test_a_run_may_end_with_learning_to_sample(tmp_path, lessons, alone):
    config = replace(RUN, sampling=SAMPLING)
    run = ReadingRun(tmp_path / "run", DRAWN, (), config, lessons=lessons)
    texts = train(run)
    assert texts[-3:] == ["reading prompts", "teacher", "sampling phase"]
    assert not list(run.folder.glob(".*.state"))
    before = weights(alone.folder / "generator")
    after = weights(run.folder / "generator")
    changed = differ(before, after)
    assert not [name for name in changed if name.startswith(("embedding", "autoencoder"))]
    assert "denoiser.scale" in changed
    generator = MakeAnAgent.from_pretrained(run.folder / "generator")
    assert generator.config.diffusion == SAMPLING.diffusion
    first, second = generator.generate(make_prompt(), 2).parameters
    assert not torch.equal(first, second)
    # Runs of before there was such a phase go on; with one, they are others.
    with pytest.raises(InputError, match="another config"):
        ReadingRun(alone.folder, DRAWN, (), config, lessons=lessons)


def test_a_run_on_a_suites_tasks_may_end_so_too(alone, lessons, tmp_path):
    config = replace(RUN, sampling=SAMPLING)
    start = load_start(alone.folder / "generator")
    run = ReadingRun(tmp_path / "run", DRAWN, TASKS, config, lessons=lessons, start=start)
    texts = train(run)
    assert texts[-4:] == ["practice", "reading prompts", "teacher", "sampling phase"]
    blended, sampling = (read(run, name).state_dict() for name in ("blended", "sampling"))
    assert not blended["denoiser.head.weight"].equal(sampling["denoiser.head.weight"])
    # Stopped in the last phase, it goes on with what was practised.
    (run.folder / "sampling.safetensors").unlink()
    assert "practice" not in train(run)
