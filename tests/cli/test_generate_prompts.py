"""`generate`: guidance, demonstrations together, and the warning for unfamiliar prompts."""

import dataclasses

import numpy as np
import pytest
import torch
from tests.tiny_reader import build, make_demonstration

from makeanagent.generator import MakeAnAgent
from makeanagent.models.familiarity import FamiliarityConfig
from makeanagent.models.guidance import GuidanceConfig
from makeanagent.models.practice import PracticeConfig
from makeanagent.policies.folder import load_policies
from makeanagent.trajectories import Trajectory
from makeanagent.trajectories.demonstrations import read_demonstrations
from makeanagent.trajectories.excerpt import excerpt_trajectories


@pytest.fixture(scope="module")
def demonstrations(tmp_path_factory):
    from tests.tiny_generator import ENV

    from makeanagent.cli import main

    folder = tmp_path_factory.mktemp("demos") / "demos"
    assert main(["record", "--env", ENV, "--out", str(folder), "--num", "8"]) == 0
    return folder


@pytest.fixture(scope="module")
def knowing(generator, demonstrations, tmp_path_factory):
    """The untrained generator, with the demonstrations as what it knows."""
    plain = MakeAnAgent.from_pretrained(generator)
    config = dataclasses.replace(
        plain.config,
        familiarity=FamiliarityConfig(num_knots=16),
    )
    full = MakeAnAgent(config, plain.autoencoder, plain.embedding, plain.denoiser)
    prompts = read_demonstrations(str(demonstrations))
    full.familiarity.fit(excerpt_trajectories(prompts, 16), np.arange(8) % 2)
    folder = tmp_path_factory.mktemp("knowing") / "generator"
    full.save_pretrained(folder)
    return folder


def test_guidance_is_off_unless_it_is_asked_for(run, generator, tmp_path):
    # Actions that an untrained generator's policies are far from.
    demonstration = tmp_path / "bold.npz"
    rng = np.random.default_rng(0)
    Trajectory(
        observations=rng.normal(size=(81, 10)),
        actions=np.full((80, 2), 0.9),
        success=np.arange(80) > 60,
    ).save(demonstration)
    for name, options in (("guided", ["--guidance"]), ("plain", [])):
        run(
            "generate", "--prompt", demonstration, "--generator", generator, "--num", 2,
            "--out", tmp_path / name, *options,
        )  # fmt: skip
    guided, plain = (load_policies(tmp_path / name) for name in ("guided", "plain"))
    assert np.abs(guided[0] - plain[0]).max() > 1e-3
    assert guided[2]["guidance"]["num_steps"] == GuidanceConfig().num_steps
    assert plain[2]["guidance"] is None


def test_together_demonstrations_are_one_prompt(run, generator, demonstrations, tmp_path):
    run(
        "generate", "--prompt", demonstrations, "--generator", generator, "--num", 3,
        "--together", "--out", tmp_path / "policies",
    )  # fmt: skip
    _, _, metadata = load_policies(tmp_path / "policies")
    assert metadata["prompt_of_policy"] == [0, 0, 0]
    assert len(metadata["env_ids"]) == 8


def test_a_prompt_of_another_kind_gets_a_warning(run, knowing, demonstrations, tmp_path):
    known = next(iter(sorted(demonstrations.glob("*.npz"))))
    rng = np.random.default_rng(0)
    demo = Trajectory.load(known)
    Trajectory(
        observations=rng.normal(size=demo.observations.shape),
        actions=rng.uniform(-1, 1, size=demo.actions.shape),
        success=demo.success,
    ).save(tmp_path / "noise.npz")
    for prompt, warned in ((tmp_path / "noise.npz", True), (known, False)):
        out = run(
            "generate", "--prompt", prompt, "--generator", knowing, "--num", 1,
            "--out", tmp_path / f"policies-{warned}",
        )  # fmt: skip
        assert ("unlike what the generator was trained on" in out) == warned
        (findings,) = load_policies(tmp_path / f"policies-{warned}")[2]["unlike_training"]
        assert bool(findings) == warned
        for finding in findings:
            assert f"{finding['subject']}: " in out


def test_demonstrations_of_practised_tasks_are_told(run, tmp_path):
    known = [make_demonstration(steps=20 + n) for n in range(4)]
    generator = build(
        practice=PracticeConfig(num_tasks=1, num_demonstrations=4), tasks=("push-v1",)
    )
    latents = torch.randn(1, *generator.autoencoder.latent_shape)
    generator.practice.fit(generator.embed(known)[None], latents)
    generator.save_pretrained(tmp_path / "generator")
    folder = tmp_path / "demonstrations"
    folder.mkdir()
    for number, each in enumerate([known[0], make_demonstration(seed=5), known[2]]):
        each.save(folder / f"{number}.npz")
    out = run(
        "generate", "--prompt", folder, "--generator", tmp_path / "generator",
        "--out", tmp_path / "policies",
    )  # fmt: skip
    assert "note: 2 demonstrations of " in out and "recognised as push-v1, which" in out
    metadata = load_policies(tmp_path / "policies")[2]
    assert metadata["practised_tasks"] == ["push-v1", None, "push-v1"]
