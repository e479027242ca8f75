"""Files of figures keep their settings, and what is no longer the code's is listed and marked."""

import json
from dataclasses import asdict
from types import SimpleNamespace

import pytest
from benchmarks.experiments import unseen
from benchmarks.pages.tables import describe
from benchmarks.results import describe_training, list_changes, read_result, write_result

from benchmarks import results, write_results
from makeanagent.artifacts import as_json
from makeanagent.generator_config import GeneratorConfig
from makeanagent.models import guidance
from makeanagent.policies.spec import PolicySpec
from makeanagent.training.presets import FAST


def resolve(*, size, scale=1):
    return {
        "options": {"size": size, "scale": scale},
        "guidance": {"num_starts": 8, "noise": [0.0, 0.1]},
        "protocol": {"layouts": 50, "sealed": False},
        "training": {"rate": 0.1, "model": {"width": 4}},
    }


def test_settings_that_are_the_codes_are_not_listed(tmp_path):
    path = tmp_path / "file.json"
    write_result(path, "toy", {"mean": 0.5}, resolve(size=3), "Said of it.")
    written = json.loads(path.read_text())
    assert list_changes(written, resolve) == []
    assert (written["benchmark"], written["note"], written["mean"]) == ("toy", "Said of it.", 0.5)
    assert "git_commit" in written["provenance"]


def test_each_field_that_differs_is_listed():
    settings = resolve(size=3)
    settings["guidance"] = {"num_starts": 4, "noise": [0.0, 0.2], "old": 1}
    settings["protocol"] = {"layouts": 50}
    settings["training"] = None
    assert list_changes({"settings": settings}, resolve) == [
        "guidance.num_starts 4 -> 8",
        "guidance.noise [0.0, 0.2] -> [0.0, 0.1]",
        "guidance.old 1 -> gone",
        "protocol.sealed not recorded",
        "training not recorded",
    ]
    del settings["training"]
    settings["guidance"] = resolve(size=3)["guidance"]
    found = list_changes({"settings": settings}, resolve)
    assert found == ["protocol.sealed not recorded", "training not recorded"]
    settings["options"] = {"width": 3}
    found = list_changes({"settings": settings}, resolve)
    assert found == ["options that the command no longer takes"]


def test_the_page_marks_what_was_measured_with_other_settings():
    result = read_result("unseen")
    settings = unseen.resolve_settings(**result["settings"]["options"])
    assert "Measured with other" not in describe(
        result | {"settings": settings}, unseen.resolve_settings
    )
    settings["guidance"]["num_starts"] = 3
    text = describe(result | {"settings": settings}, unseen.resolve_settings)
    now = guidance.GuidanceConfig().num_starts
    assert text.endswith(
        f"**Measured with other settings than today's, or unknown ones**:"
        f" guidance.num_starts 3 -> {now}."
    )


@pytest.fixture
def pages(tmp_path, monkeypatch):
    """The check on a copy of the figures and of both pages."""
    for name in ("README.md", "docs/results.md"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((results.ROOT / name).read_text())
    copies = tmp_path / "results"
    copies.mkdir()
    for path in results.RESULTS.glob("*.json"):
        (copies / path.name).write_text(path.read_text())
    for module in (results, write_results):
        monkeypatch.setattr(module, "RESULTS", copies)
        monkeypatch.setattr(module, "ROOT", tmp_path)

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["write_results", *arguments])
        return write_results.main()

    run()
    return copies, run


def test_the_check_lists_other_settings_and_fails_by_other_pages_alone(pages, capsys):
    copies, run = pages
    capsys.readouterr()
    path = copies / "speed.json"
    content = json.loads(path.read_text())
    content["settings"]["guidance"]["num_steps"] = 7
    path.write_text(json.dumps(content))
    # The page does not say so yet.
    assert run("--check") == 1
    said = capsys.readouterr().out
    assert "guidance.num_steps 7 -> " in said
    assert "docs/results.md: not what benchmarks/results says" in said
    assert run() == 0
    capsys.readouterr()
    assert run("--check") == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "speed.json" in line)
    assert "guidance.num_steps 7 -> " in line
    content["generation"]["seconds"] = 0.111
    path.write_text(json.dumps(content))
    assert run("--check") == 1


def test_a_generator_says_how_it_was_trained_if_it_knows():
    spec = PolicySpec(observation_dim=2, action_dim=1)
    # As `TrainingRun` keeps it.
    training = {"config": as_json(asdict(FAST)), "seed": 3, "shards": {}, "start": None}
    known = SimpleNamespace(config=GeneratorConfig(spec=spec, training=training))
    options = {"seeds": 1, "rival_seeds": 1, "num_prompts": 1, "parts": ["core"]}
    options |= {"sealed": False, "preset": "fast"}
    settings = unseen.resolve_settings(**options) | {"training": describe_training(known)}
    assert list_changes({"settings": settings}, unseen.resolve_settings) == []
    assert describe_training(SimpleNamespace(config=GeneratorConfig(spec=spec))) is None
