"""Beginning from another generator's weights: what is taken over, and what is said of the rest."""

from dataclasses import replace

import pytest
import torch
from tests import tiny_generator
from tests.tiny_zoo import TASKS
from tests.training.tiny_data import AUTOENCODER, BEHAVIOR, DIFFUSION, SPEC, make_data
from tests.training.tracing import same, train

from makeanagent.artifacts import hash_file, read_json, write_json
from makeanagent.cli import main
from makeanagent.errors import InputError
from makeanagent.generator import MakeAnAgent
from makeanagent.generator_config import GeneratorConfig
from makeanagent.models.autoencoder import AutoencoderConfig, ParameterAutoencoder
from makeanagent.models.behavior import BehaviorEmbedding
from makeanagent.models.denoisers import DenoiserConfig, MLPDenoiser
from makeanagent.policies.spec import PolicySpec
from makeanagent.training.autoencoder import train_autoencoder
from makeanagent.training.behavior import train_behavior
from makeanagent.training.diffusion import train_diffusion
from makeanagent.training.presets import SMOKE
from makeanagent.training.run import STAGES, TrainingRun
from makeanagent.training.start import find_misfits, load_start, take_over
from makeanagent.zoo.store import Zoo, ZooShard

LAYERS = AutoencoderConfig(latent_dim=6, grouping="layers")
CONFIG = replace(
    SMOKE,
    autoencoder=replace(SMOKE.autoencoder, model=LAYERS, gradient_steps=2),
    behavior=replace(SMOKE.behavior, gradient_steps=2),
    diffusion=replace(
        SMOKE.diffusion, model=DenoiserConfig(widths=(16,), time_dim=8), gradient_steps=2
    ),
)


def fill(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """All tensors at random, buffers too."""
    generator = torch.Generator().manual_seed(seed)
    for tensor in module.state_dict().values():
        tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return module


def make_generator(spec: PolicySpec) -> MakeAnAgent:
    """One of CONFIG's shape for actors of `spec`, with random weights."""
    generator = MakeAnAgent(
        GeneratorConfig(
            spec=spec,
            autoencoder=LAYERS,
            behavior=CONFIG.behavior.model,
            denoiser=CONFIG.diffusion.model,
        )
    )
    return fill(generator)


@pytest.fixture
def zoo(tiny_zoo, monkeypatch):
    """Its policies are hardly trained: all count as good enough to learn from."""
    everyone = property(lambda shard: torch.ones(len(shard.run)).bool().numpy())
    monkeypatch.setattr(ZooShard, "qualified", everyone)
    monkeypatch.setattr(Zoo, "trainable_tasks", Zoo.tasks)
    return tiny_zoo


@pytest.fixture(scope="module")
def twin(tiny_zoo, tmp_path_factory):
    """A generator of the same shapes as CONFIG's on the tiny zoo."""
    folder = tmp_path_factory.mktemp("twin") / "twin"
    make_generator(tiny_zoo.spec).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def cousin(tiny_zoo, tmp_path_factory):
    """One for wider observations and more actions."""
    folder = tmp_path_factory.mktemp("cousin") / "cousin"
    make_generator(replace(tiny_zoo.spec, observation_dim=14, action_dim=3)).save_pretrained(folder)
    return folder


def test_recipes_begin_with_exactly_the_weights_of_their_start():
    data = make_data()
    autoencoder = fill(ParameterAutoencoder(SPEC, AUTOENCODER.model))
    embedding = fill(BehaviorEmbedding(12, 6, BEHAVIOR.model))
    denoiser = fill(MLPDenoiser((2, 6), 8, DIFFUSION.model))
    for start, recipe, others, config in (
        (autoencoder, train_autoencoder, (), AUTOENCODER),
        (embedding, train_behavior, (), BEHAVIOR),
        (denoiser, train_diffusion, (autoencoder, embedding), DIFFUSION),
    ):
        trace = train(recipe, data, *others, replace(config, gradient_steps=1), start=start)
        assert same(trace.weights[0], list(start.parameters())), recipe.__name__
        plain = train(recipe, data, *others, replace(config, gradient_steps=1))
        assert not same(plain.weights[0], trace.weights[0])


def test_buffers_are_taken_over_too():
    data = make_data()
    start = fill(BehaviorEmbedding(12, 6, BEHAVIOR.model))
    model = train(train_behavior, data, replace(BEHAVIOR, gradient_steps=0), start=start).model
    assert same(list(model.state_dict().values()), list(start.state_dict().values()))
    start = fill(ParameterAutoencoder(SPEC, AUTOENCODER.model))
    model = train(
        train_autoencoder, data, replace(AUTOENCODER, gradient_steps=0), start=start
    ).model
    assert torch.equal(model.mean, start.mean)


def test_averages_begin_with_the_start_as_well():
    """At a rate of 0, what is kept is what was begun with."""
    data = make_data()
    parts = (
        fill(ParameterAutoencoder(SPEC, AUTOENCODER.model)),
        fill(BehaviorEmbedding(12, 6, BEHAVIOR.model)),
    )
    start = fill(MLPDenoiser((2, 6), 8, DIFFUSION.model))
    still = replace(DIFFUSION, learning_rate=0.0)
    kept = train(train_diffusion, data, *parts, still, start=start).model
    for found, expected in zip(kept.parameters(), start.parameters(), strict=True):
        torch.testing.assert_close(found, expected)


def test_the_middle_group_fits_where_widths_differ():
    here = PolicySpec(observation_dim=4, action_dim=2, hidden=(8, 6))
    there = PolicySpec(observation_dim=9, action_dim=3, hidden=(8, 6))
    source, target = (fill(ParameterAutoencoder(spec, LAYERS), 1) for spec in (here, there))
    fill(target, 2)
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    take_over(target, source)
    assert torch.equal(target.encoders[1].weight, source.encoders[1].weight)
    assert torch.equal(target.decoders[1].weight, source.decoders[1].weight)
    assert torch.equal(target.mean[target.groups[1]], source.mean[source.groups[1]])
    assert torch.equal(target.scale, source.scale)
    for index in (0, 2):
        group = target.groups[index]
        assert torch.equal(target.encoders[index].weight, before[f"encoders.{index}.weight"])
        assert torch.equal(target.decoders[index].weight, before[f"decoders.{index}.weight"])
        assert torch.equal(target.mean[group], before["mean"][group])


def test_a_groups_mean_and_the_scale_go_with_the_maps():
    source, target = (
        ParameterAutoencoder(SPEC, AutoencoderConfig(latent_dim=dim)) for dim in (6, 7)
    )
    assert find_misfits(target, source) == [
        *(f"{kind}coders.{index}.weight" for kind in ("en", "de") for index in (0, 1)),
        "mean.0",
        "mean.1",
        "scale",
    ]
    assert find_misfits(target, target) == []


def run_of(zoo, folder, start=None, config=CONFIG):
    return TrainingRun(folder, zoo, config, TASKS, start and load_start(start))


def test_a_run_says_that_everything_fits(zoo, twin, tmp_path):
    assert run_of(zoo, tmp_path / "run", twin).describe_start() == [
        f"{name}: begins with all weights of {twin}"
        for name in ("autoencoder", "embedding", "denoiser")
    ]
    assert run_of(zoo, tmp_path / "plain").describe_start() == []


def test_a_run_names_what_does_not_fit(zoo, cousin, tmp_path):
    first, second, third = run_of(zoo, tmp_path / "run", cousin).describe_start()
    begin = f"begins with weights of {cousin}; afresh, as they do not fit: "
    assert first == f"autoencoder: {begin}" + ", ".join(
        [
            *(f"{kind}coders.{index}.weight" for kind in ("en", "de") for index in (0, 2)),
            "mean.0",
            "mean.2",
        ]
    )
    assert second == f"embedding: {begin}" + ", ".join(
        [
            "behavior_mean",
            "behavior_std",
            "outcome_mean",
            "outcome_std",
            "behavior_network.0.weight",
            "outcome_network.0.weight",
        ]
    )
    assert third == f"denoiser: begins with all weights of {cousin}"


def test_nothing_fits_a_network_of_another_kind(zoo, twin, tmp_path):
    other = replace(
        CONFIG,
        diffusion=replace(
            CONFIG.diffusion, model=DenoiserConfig(kind="unet", widths=(16,), time_dim=16)
        ),
    )
    lines = run_of(zoo, tmp_path / "run", twin, other).describe_start()
    assert lines[2] == f"denoiser: begins afresh, as no weights of {twin} fit"


def test_runs_begin_their_stages_with_the_start_and_remember_it(zoo, twin, cousin, tmp_path):
    still = replace(
        CONFIG,
        autoencoder=replace(CONFIG.autoencoder, learning_rate=0.0),
        behavior=replace(CONFIG.behavior, learning_rate=0.0),
        diffusion=replace(CONFIG.diffusion, learning_rate=0.0),
    )
    run = run_of(zoo, tmp_path / "run", twin, still)
    for stage in STAGES:
        run.train(stage, "cpu", lambda *_: None)
    start = MakeAnAgent.from_pretrained(twin)
    trained = MakeAnAgent.from_pretrained(run.save_generator())
    for name in ("autoencoder", "embedding", "denoiser"):
        for found, expected in zip(
            getattr(trained, name).parameters(),
            getattr(start, name).parameters(),
            strict=True,
        ):
            torch.testing.assert_close(found, expected)

    known = {"name": str(twin), "sha256": hash_file(twin / "model.safetensors")}
    assert read_json(run.folder / "run.json")["start"] == known
    assert trained.config.training["start"] == known
    for other in (cousin, None):
        with pytest.raises(InputError, match="begun with another start"):
            run_of(zoo, run.folder, other, still)
    run_of(zoo, run.folder, twin, still)


def test_runs_from_before_there_were_starts_go_on_without_one(zoo, twin, tmp_path):
    run = run_of(zoo, tmp_path / "run")
    settings = read_json(run.folder / "run.json")
    assert settings.pop("start") is None
    write_json(run.folder / "run.json", settings)
    run_of(zoo, run.folder)
    with pytest.raises(InputError, match="begun with another start"):
        run_of(zoo, run.folder, twin)


def test_a_start_that_is_missing_is_one_clear_line(zoo, tmp_path, capsys):
    arguments = ["train", "all", "--zoo", zoo.folder, "--out", tmp_path / "run"]
    arguments += ["--preset", "smoke", "--start-from", "nowhere"]
    assert main([str(argument) for argument in arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("make-an-agent: error: nowhere: no such generator")
    assert not (tmp_path / "run").exists()


def test_the_command_says_what_fits(zoo, twin, tmp_path, capsys, monkeypatch):
    from makeanagent.training import presets

    monkeypatch.setitem(presets.PRESETS, "smoke", CONFIG)
    arguments = ["train", "autoencoder", "--zoo", zoo.folder, "--out", tmp_path / "run"]
    arguments += ["--preset", "smoke", "--start-from", twin]
    assert main([str(argument) for argument in arguments]) == 0
    assert f"denoiser: begins with all weights of {twin}" in capsys.readouterr().out


def test_a_generator_without_its_encoder_gives_no_part_of_its_autoencoder(twin, tmp_path):
    """A decoder that another encoder came with would decode other latents."""
    MakeAnAgent.from_pretrained(twin).save_pretrained(tmp_path / "bare", for_training=False)
    source = load_start(tmp_path / "bare").generator.autoencoder
    target = fill(ParameterAutoencoder(source.spec, LAYERS), seed=1)
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    take_over(target, source)
    assert all(torch.equal(tensor, before[name]) for name, tensor in target.state_dict().items())


def test_stages_do_not_begin_with_a_generator_that_reads(zoo, tmp_path):
    reader = tiny_generator.save_reader(tmp_path / "reader")
    with pytest.raises(InputError, match="reader: a generator that reads"):
        run_of(zoo, tmp_path / "run", reader)
    assert not (tmp_path / "run").exists()


def test_a_denoiser_begins_afresh_where_its_latents_do(zoo, twin, tmp_path):
    bare = tmp_path / "bare"
    MakeAnAgent.from_pretrained(twin).save_pretrained(bare, for_training=False)
    run = run_of(
        zoo,
        tmp_path / "run",
        bare,
        replace(CONFIG, diffusion=replace(CONFIG.diffusion, learning_rate=0.0)),
    )
    assert run.describe_start() == [
        f"autoencoder: begins afresh, as {bare} came without its encoder",
        f"embedding: begins with weights of {bare}; afresh, as they do not fit: metric",
        f"denoiser: begins afresh, as it knows no latents but {bare}'s own",
    ]
    for stage in STAGES:
        run.train(stage, "cpu", lambda *_: None)
    found, old = run.assemble_generator().denoiser, run.start.generator.denoiser
    assert not any(map(torch.equal, found.parameters(), old.parameters()))
