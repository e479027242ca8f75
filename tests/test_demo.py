"""The demo as a recipe: what is shown is what was played, and on which layouts."""

import json
import shlex
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from tests import tiny_generator
from tests.tiny_generator import ENV, SUITE

from makeanagent import demo
from makeanagent.demo import DemoConfig, run_demo
from makeanagent.errors import InputError
from makeanagent.generator import MakeAnAgent
from makeanagent.methods.cloning import CloningConfig
from makeanagent.methods.method import MethodConfig, Sources
from makeanagent.methods.registry import find_method
from makeanagent.policies.folder import load_policies
from makeanagent.policies.policy import Policy
from makeanagent.rollouts.episodes import record_episode
from makeanagent.rollouts.film import Film
from makeanagent.rollouts.scenes import Scene, find_layout
from makeanagent.suites import find_task

# Of the held-out scores: the first for all policies, the others for the one ranked first.
SHARED, OTHERS = 50_250, range(50_251, 50_261)
QUICK = MethodConfig(cloning=CloningConfig(num_steps=30))


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """A demo, with what its report and its film were made from."""
    folder = tmp_path_factory.mktemp("demo")
    suite, task = find_task(ENV)
    demonstration = record_episode(
        suite.make(task), suite.expert(task), 20_000, env_id=ENV, source="expert"
    )
    demonstration.save(folder / "one.npz")
    tiny_generator.save(folder / "untrained")
    steps, films, reports = [], [], []

    def film_scenes(suite, task, takes):
        films.append((suite, task, takes))
        film = Film(frames=np.zeros((2, 8, 8, 3), np.uint8), steps=(0, 1))
        return [Scene(title=take.title, outcome=take.outcome, film=film) for take in takes]

    def write_report(path, report):
        reports.append(report)
        path.write_text("a page")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "MethodConfig", lambda: QUICK)
        patch.setattr(demo, "film_scenes", film_scenes)
        patch.setattr(demo, "write_report", write_report)
        result = run_demo(
            DemoConfig(
                prompt=folder / "one.npz",
                num_policies=4,
                generator=str(folder / "untrained"),
                out=folder / "out",
                seed=5,
                num_workers=1,
            ),
            lambda *step: steps.append(step),
        )
    (film,), (report,) = films, reports
    return SimpleNamespace(
        folder=folder, demonstration=demonstration, result=result, steps=steps, film=film,
        report=report,
    )  # fmt: skip


def play(policies, row, layout):
    """The actions of one policy on a layout, until its first success and three steps more."""
    suite, task = find_task(ENV)
    act = Policy(policies.parameters[row].numpy(), policies.spec)
    return record_episode(suite.make(task), act, layout, min_steps=1).actions


def test_policies_are_those_of_the_seed(shown):
    generator = MakeAnAgent.from_pretrained(shown.folder / "untrained")
    expected = generator.generate(shown.demonstration, 4, 5).parameters.numpy()
    np.testing.assert_array_equal(shown.result.policies.parameters.numpy(), expected)
    written, _, metadata = load_policies(shown.folder / "out" / "policies")
    np.testing.assert_array_equal(written, expected)
    assert (metadata["seed"], metadata["env_ids"]) == (5, [ENV])
    assert metadata["generator_sha256"] == generator.fingerprint


def test_pictures_show_all_policies_on_one_layout_and_the_first_on_others(shown):
    policies, report = shown.result.policies, shown.report
    (best, *_) = shown.result.evaluation["held_out"]["chosen_policies"]
    for row, episode in enumerate(report.same_layout):
        np.testing.assert_array_equal(episode.actions, play(policies, row, SHARED))
    for layout, episode in zip(OTHERS, report.chosen, strict=True):
        np.testing.assert_array_equal(episode.actions, play(policies, best, layout))


def test_the_demonstration_the_first_policies_and_the_rival_are_filmed(shown):
    policies, (suite, task, takes) = shown.result.policies, shown.film
    assert (suite.name, task) == (SUITE, "Reacher-v5")
    first, *generated, rival = takes
    # Found by its first observation.
    assert (first.layout, first.title) == (20_000, "The demonstration")
    np.testing.assert_array_equal(first.episode.actions, shown.demonstration.actions)
    for row, take in enumerate(generated):
        assert (take.title, take.layout) == (f"Generated policy {row}", SHARED)
        np.testing.assert_array_equal(take.episode.actions, play(policies, row, SHARED))
    assert len(generated) == 2
    assert (rival.title, rival.layout) == ("Cloned from the demonstration", SHARED)
    assert shown.report.film is shown.result.scenes[1].film
    assert "The demonstration tells no layout" not in shown.result.film_text


def test_the_rival_is_cloned_from_the_same_demonstration_and_scored_on_held_out_layouts(shown):
    generator = MakeAnAgent.from_pretrained(shown.folder / "untrained")
    sources = Sources(generator=generator, seed=5)
    method = find_method("cloning_moved").build(sources, QUICK)
    (policy,) = method.generate(shown.demonstration, 1, 5)
    suite, task = find_task(ENV)
    again = record_episode(suite.make(task), policy, SHARED, min_steps=1)
    np.testing.assert_allclose(again.actions, shown.film[2][-1].episode.actions, atol=1e-4)
    assert shown.result.rival["num_rollouts"] == 50
    assert shown.result.rival == shown.report.rival


def test_a_demonstration_of_an_unknown_layout_is_not_filmed(shown):
    suite, task = find_task(ENV)
    elsewhere = shown.demonstration.observations + 0.01
    assert find_layout(suite, task, replace(shown.demonstration, observations=elsewhere)) is None
    assert find_layout(suite, task, shown.demonstration) == 20_000


def test_what_is_written_is_what_was_found(shown):
    content = json.loads((shown.folder / "out" / "evaluation.json").read_text())
    assert content.items() >= shown.result.evaluation.items()
    assert content["cloning"] == shown.result.rival
    assert content["facts"] == shown.result.facts == dict(shown.report.facts)
    assert shown.report.result == shown.result.evaluation
    assert shown.result.report.read_text() == "a page"
    assert content["held_out"]["layouts_per_policy"] == 10
    saved = np.load(shown.folder / "out" / "demonstration.npz")["actions"]
    np.testing.assert_array_equal(saved, shown.demonstration.actions)


def test_the_command_in_the_report_makes_the_same_again(shown, monkeypatch):
    from makeanagent import cli

    verbs = []
    monkeypatch.setattr(cli.Demo, "run", lambda self: verbs.append(self))
    words = shlex.split(shown.report.command)
    assert words.pop(0) == "make-an-agent"
    assert cli.main(words) == 0
    (verb,) = verbs
    assert (verb.env, verb.num, verb.seed) == (ENV, 4, 5)
    assert verb.prompt == shown.folder / "one.npz"
    assert verb.generator == str(shown.folder / "untrained")


def test_progress_tells_of_each_stage_from_its_beginning_to_its_end(shown):
    stages = list(dict.fromkeys(stage for stage, _, _ in shown.steps))
    assert stages == ["load", "generate", "rollouts", "film", "report"]
    assert list(shown.result.seconds) == stages
    for stage in stages:
        counts = [done for name, done, _ in shown.steps if name == stage]
        (total,) = {total for name, _, total in shown.steps if name == stage}
        assert (counts[0], counts[-1]) == (0, total)
        assert counts == sorted(counts)
    # 4 policies on 5 + 5 + 10 layouts, all 4 and the rival on 50; 15 episodes for the pictures.
    total = 4 * 20 + 4 * 50 + 50 + 15
    assert ("rollouts", total, total) in shown.steps


def test_without_an_opengl_library_the_report_says_what_a_film_needs(monkeypatch, shown):
    def refuse(*_):
        raise InputError("no film: none here")

    monkeypatch.setattr(demo, "film_scenes", refuse)
    found = demo._film(*find_task(ENV), shown.demonstration, shown.film[2][1:])
    assert found == ([], "no film: none here")


def test_a_task_without_a_success_signal_is_refused_before_anything_is_played(shown, tmp_path):
    (tmp_path / "suite.py").write_text(
        "from makeanagent.suites.gymnasium import GymnasiumSuite, GymnasiumTask\n"
        "suite = GymnasiumSuite((GymnasiumTask(env_id='Reacher-v5', success=False),))\n"
    )
    config = DemoConfig(
        env=f"{tmp_path}/suite.py/Reacher-v5",
        prompt=shown.folder / "one.npz",
        generator=str(shown.folder / "untrained"),
        out=tmp_path / "out",
    )
    stages = []
    with pytest.raises(InputError, match="Reacher-v5: has no success signal"):
        run_demo(config, lambda name, *_: stages.append(name))
    assert set(stages) == {"load"}
    assert not config.out.exists()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_policies": 0}, "num_policies 0: must be at least 1"),
        ({"num_workers": 0}, "num_workers 0: must be at least 1"),
        ({"seed": -1}, "seed -1: must be at least 0"),
    ],
)
def test_counts_that_are_too_small(fields, message):
    with pytest.raises(InputError) as caught:
        DemoConfig(**fields)
    assert str(caught.value) == message


def test_a_demo_replaces_nothing_but_a_demos_files(tmp_path, shown):
    (tmp_path / "report.html").write_text("mine")
    prompt, generator = shown.folder / "one.npz", str(shown.folder / "untrained")
    config = DemoConfig(prompt=prompt, generator=generator, out=tmp_path, num_policies=4)
    with pytest.raises(InputError, match="report.html: not of an earlier demo, which leaves"):
        run_demo(config)
    assert (tmp_path / "report.html").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    # An earlier demo has left its mark.
    assert (shown.folder / "out" / "demo.json").is_file()
