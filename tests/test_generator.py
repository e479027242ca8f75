"""The artifact: what ships, what loading refuses, and what goes to the hub."""

import dataclasses
import json
import shutil
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import torch
from tests import tiny_generator, tiny_reader

from makeanagent.artifacts import read_tensors, write_manifest
from makeanagent.errors import InputError
from makeanagent.generator import MakeAnAgent
from makeanagent.generator_config import GeneratorConfig
from makeanagent.hub import PRETRAINED, find_generator
from makeanagent.models.autoencoder import AutoencoderConfig
from makeanagent.models.behavior import BehaviorConfig
from makeanagent.models.denoisers import DenoiserConfig
from makeanagent.models.guidance import GuidanceConfig
from makeanagent.parallel import open_pool
from makeanagent.policies import PolicySpec
from makeanagent.rollouts.scores import score_policies
from makeanagent.suites import find_suite, layouts
from makeanagent.trajectories import Trajectory

PROMPTS = PRETRAINED.parent / "prompts"
READER = tiny_generator.READER
CONFIG = GeneratorConfig(
    spec=PolicySpec(observation_dim=10, action_dim=2, hidden=(8, 8)),
    autoencoder=AutoencoderConfig(latent_dim=4),
    behavior=BehaviorConfig(hidden_dim=8, embedding_dim=4),
    denoiser=DenoiserConfig(widths=(8,), time_dim=8),
)


@pytest.fixture
def folder(tmp_path) -> Path:
    MakeAnAgent(CONFIG).save_pretrained(tmp_path / "generator")
    return tmp_path / "generator"


@pytest.fixture(scope="module")
def bundled() -> MakeAnAgent:
    return MakeAnAgent.from_pretrained("metaworld")


def make_prompt(steps: int = 60, width: int = 10, seed: int = 0) -> Trajectory:
    rng = np.random.default_rng(seed)
    return Trajectory(
        observations=rng.normal(size=(steps + 1, width)),
        actions=rng.uniform(-1, 1, size=(steps, 2)),
        success=np.arange(steps) > 40,
        name="mine.npz",
    )


def test_bundled_generators_are_small_and_rounded():
    assert [folder.name for folder in sorted(PRETRAINED.iterdir())] == ["metaworld", "metaworld-41"]
    assert sum(path.stat().st_size for path in PRETRAINED.rglob("*") if path.is_file()) < 15e6
    for folder in PRETRAINED.iterdir():
        assert not (folder / "training.safetensors").exists()
        for name, tensor in read_tensors(folder / "model.safetensors").items():
            assert tensor.ndim < 2 or tensor.dtype == np.float16, name


def test_bundled_generators_know_all_tasks_and_all_but_the_unseen_ones(bundled):
    suite = find_suite("metaworld")
    assert set(bundled.config.tasks) == set(suite.tasks())
    other = MakeAnAgent.from_pretrained("metaworld-41")
    assert set(other.config.tasks) == set(suite.groups["training"])
    assert not set(other.config.tasks) & set(suite.groups["unseen"])


def test_the_bundled_generators_cards_say_what_they_read(bundled):
    for name in ("metaworld", "metaworld-41"):
        card = (PRETRAINED / name / "README.md").read_text()
        config = MakeAnAgent.from_pretrained(name).config
        assert "a whole demonstration of any length" in card
        assert all(f"- metaworld/{task}\n" in card for task in config.tasks)


def test_the_bundled_generator_reads_demonstrations_of_any_length(bundled):
    demo = Trajectory.load(PROMPTS / "door-lock-v3.npz")
    short = dataclasses.replace(
        demo,
        observations=demo.observations[:6],
        actions=demo.actions[:5],
        success=demo.success[:5],
    )
    assert bundled.generate([demo, short]).parameters.isfinite().all()


def test_the_bundled_generator_guides(bundled):
    demo = Trajectory.load(PROMPTS / "door-lock-v3.npz")
    guided, plain = (
        bundled.generate(demo, num_policies=8, guidance=guidance).parameters
        for guidance in (GuidanceConfig(), None)
    )
    assert guided.shape == plain.shape
    assert not torch.equal(guided, plain)


def test_the_bundled_generator_opens_a_door_from_one_demonstration(bundled):
    policies = bundled.generate(Trajectory.load(PROMPTS / "door-open-v3.npz"), num_policies=3)
    with open_pool(1) as pool:
        success = score_policies(
            pool,
            find_suite("metaworld"),
            "door-open-v3",
            policies,
            layouts.VALIDATION[:4],
        ).success
    assert success.mean() > 0.8


def test_its_decoder_and_embedding_are_those_of_its_config(bundled):
    policies = bundled.generate(Trajectory.load(PROMPTS / "reach-v3.npz"))
    assert policies.parameters.shape == (1, 22_664)


def edit_config(folder, change):
    """Alter the config, under a manifest that vouches for it."""
    content = json.loads((folder / "config.json").read_text())
    change(content)
    (folder / "config.json").write_text(json.dumps(content))
    write_manifest(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.pop("space"), "'space'"),
        (lambda content: content["space"].update(unit=0), "unit 0"),
        (lambda content: content.pop("familiarity"), "'familiarity'"),
        (lambda content: content.pop("training"), "'training'"),
        (lambda content: content["diffusion"].update(depth=3), "depth"),
        (lambda content: content["window"].update(kind="whole"), "kind 'whole'"),
        (lambda content: content["window"].update(num_steps=60.0), "window: num_steps 60.0"),
        (lambda content: content.update(colour=1), "unknown field 'colour'"),
        (lambda content: content.update(condition="x"), "condition 'x': accepted are hv, h, v"),
        (lambda content: content.update(behavior="x"), "'str'"),
        (lambda content: content["space"].update(action_low=["a", 0]), "space: action_low"),
        (lambda content: content["autoencoder"].update(latent_dim="a"), "latent_dim 'a'"),
        (lambda content: content["denoiser"].update(widths=[8, 0.5]), "denoiser: widths"),
        (lambda content: content["diffusion"].update(prediction="x"), "prediction 'x'"),
    ],
)
def test_a_config_with_anything_amiss_is_named(folder, change, message):
    edit_config(folder, change)
    with pytest.raises(InputError, match=f"config.json: not a generator's config: .*{message}"):
        MakeAnAgent.from_pretrained(folder)


def test_what_generation_does_not_use_has_a_file_of_its_own(folder):
    tensors = read_tensors(folder / "training.safetensors")
    assert set(tensors) == {
        "autoencoder.encoders.0.weight",
        "autoencoder.encoders.1.weight",
        "embedding.metric",
    }
    assert not set(tensors) & set(read_tensors(folder / "model.safetensors"))
    with pytest.raises(InputError, match="training.safetensors: missing"):
        (folder / "training.safetensors").unlink()
        MakeAnAgent.from_pretrained(folder)


@pytest.mark.parametrize("layer_norm", [False, True])
def test_a_generator_without_it_generates_and_says_what_it_lacks(tmp_path, layer_norm):
    autoencoder = dataclasses.replace(CONFIG.autoencoder, layer_norm=layer_norm)
    generator = MakeAnAgent(dataclasses.replace(CONFIG, autoencoder=autoencoder))
    generator.save_pretrained(tmp_path / "bare", for_training=False)
    bare = MakeAnAgent.from_pretrained(tmp_path / "bare")
    policies, again = (each.generate(make_prompt(), 2).parameters for each in (generator, bare))
    assert torch.equal(policies, again)
    assert len(bare.state_dict()) == len(generator.state_dict()) - (5 if layer_norm else 3)
    with pytest.raises(InputError, match="autoencoder: .* without its encoder"):
        bare.autoencoder.encode(policies)
    with pytest.raises(InputError, match="embedding: .* without its metric"):
        bare.embedding.similarity(torch.zeros(1, 4), torch.zeros(1, 4))
    # It can be saved again, and lacks no more then.
    bare.save_pretrained(tmp_path / "again")
    assert not (tmp_path / "again" / "training.safetensors").exists()
    copy = MakeAnAgent.from_pretrained(tmp_path / "again")
    assert copy.state_dict().keys() == bare.state_dict().keys()
    assert copy.fingerprint == bare.fingerprint


@pytest.mark.parametrize("layer_norm", [False, True])
def test_a_whole_generator_encodes_as_before(tmp_path, layer_norm):
    autoencoder = dataclasses.replace(CONFIG.autoencoder, layer_norm=layer_norm)
    generator = MakeAnAgent(dataclasses.replace(CONFIG, autoencoder=autoencoder))
    generator.save_pretrained(tmp_path / "whole")
    loaded = MakeAnAgent.from_pretrained(tmp_path / "whole")
    policies = torch.randn(3, CONFIG.spec.num_parameters)
    assert torch.equal(loaded.autoencoder.encode(policies), generator.autoencoder.encode(policies))
    h, v = torch.randn(2, 3, 4)
    assert torch.equal(loaded.embedding.similarity(h, v), generator.embedding.similarity(h, v))


def test_numbers_that_float16_holds_are_stored_so(tmp_path):
    generator = MakeAnAgent(CONFIG)
    halves, wide = generator.denoiser.head.weight, generator.denoiser.embed.weight
    halves.copy_(halves.half())
    wide.copy_(wide.half())
    wide[0, 0] = 1e6
    generator.save_pretrained(tmp_path / "generator")
    found = read_tensors(tmp_path / "generator" / "model.safetensors")
    assert found["denoiser.head.weight"].dtype == np.float16
    assert found["denoiser.embed.weight"].dtype == np.float32
    assert found["autoencoder.decoders.0.weight"].dtype == np.float32
    loaded = MakeAnAgent.from_pretrained(tmp_path / "generator")
    for name, tensor in loaded.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, generator.state_dict()[name]), name


@pytest.mark.parametrize("config", [CONFIG, READER], ids=["stages", "reader"])
def test_matrices_are_rounded_to_be_shipped(tmp_path, config):
    torch.manual_seed(0)
    generator = MakeAnAgent(config)
    generator.save_pretrained(tmp_path / "whole")
    generator.save_pretrained(tmp_path / "small", for_training=False, half=True)
    files = [tmp_path / name / "model.safetensors" for name in ("whole", "small")]
    assert files[1].stat().st_size < 0.75 * files[0].stat().st_size
    for name, tensor in read_tensors(files[1]).items():
        found = generator.state_dict()[name].numpy()
        np.testing.assert_allclose(tensor, found, rtol=1e-3, atol=1e-6, err_msg=name)
        if tensor.ndim > 1:
            assert tensor.dtype == np.float16, name
        else:
            np.testing.assert_array_equal(tensor, found, err_msg=name)
    # What is rounded stays as it is.
    small = MakeAnAgent.from_pretrained(tmp_path / "small")
    small.save_pretrained(tmp_path / "again")
    assert MakeAnAgent.from_pretrained(tmp_path / "again").fingerprint == small.fingerprint
    states = torch.randn(20, 10)
    before, after = (each.generate(make_prompt(), 2).act_all(states) for each in (generator, small))
    assert (after - before).abs().max() < 0.01


def test_matrices_beyond_the_range_of_float16_are_not_rounded(tmp_path):
    generator = MakeAnAgent(CONFIG)
    generator.denoiser.head.weight[0, 0] = 1e6
    generator.save_pretrained(tmp_path / "generator", half=True)
    found = read_tensors(tmp_path / "generator" / "model.safetensors")["denoiser.head.weight"]
    np.testing.assert_array_equal(found, generator.denoiser.head.weight.numpy())


@pytest.mark.parametrize(
    ("tasks", "origin"),
    [
        ((), "Trained on drawn manipulation tasks"),
        (("a", "b"), "Trained on demonstrations and experts of\n\n- toy/a\n- toy/b\n"),
    ],
)
def test_a_readers_card_says_what_it_reads_and_where_it_comes_from(tmp_path, tasks, origin):
    config = dataclasses.replace(READER, suite="toy", tasks=tasks)
    MakeAnAgent(config).save_pretrained(tmp_path / "generator")
    card = (tmp_path / "generator" / "README.md").read_text()
    assert "observations of 10 numbers and actions of 2,\n  a whole demonstration of any" in card
    assert "60 steps" not in card
    assert origin in card


def test_a_reader_comes_back_and_reads_what_is_short(tmp_path):
    generator = MakeAnAgent(READER)
    assert (READER.reads_whole, READER.min_steps, CONFIG.reads_whole) == (True, 1, False)
    generator.save_pretrained(tmp_path / "generator")
    loaded = MakeAnAgent.from_pretrained(tmp_path / "generator")
    assert loaded.config == READER
    prompts = [make_prompt(), make_prompt(steps=5)]
    assert torch.equal(loaded.generate(prompts).parameters, generator.generate(prompts).parameters)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "README.md"])
def test_an_altered_or_missing_file_is_named(folder, name):
    path = folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: altered"):
        MakeAnAgent.from_pretrained(folder)
    path.unlink()
    with pytest.raises(InputError, match=f"{name}: missing"):
        MakeAnAgent.from_pretrained(folder)


def test_other_schema_versions_are_refused(folder):
    edit_config(folder, lambda content: content.update(schema_version=99))
    with pytest.raises(InputError, match="schema version 99"):
        MakeAnAgent.from_pretrained(folder)


def test_weights_of_another_config_are_refused(folder):
    edit_config(folder, lambda content: content["autoencoder"].update(latent_dim=5))
    with pytest.raises(InputError, match="does not fit config.json"):
        MakeAnAgent.from_pretrained(folder)


@pytest.mark.parametrize("sample_steps", [1, 4])
def test_generation_takes_the_sampler_steps_of_its_config(sample_steps):
    diffusion = dataclasses.replace(CONFIG.diffusion, sample_steps=sample_steps)
    generator = MakeAnAgent(dataclasses.replace(CONFIG, diffusion=diffusion))
    calls = []
    generator.denoiser.register_forward_hook(lambda *_: calls.append(1))
    generator.generate(make_prompt(), 3)
    assert len(calls) == sample_steps


def test_unusable_prompts_are_refused():
    generator = MakeAnAgent(CONFIG)
    with pytest.raises(InputError, match="mine.npz: 'observations' are 11 wide; accepted are 10"):
        generator.generate(make_prompt(width=11))
    with pytest.raises(InputError, match="30 steps are too few"):
        generator.generate(make_prompt(steps=30))
    with pytest.raises(InputError, match="no demonstration"):
        generator.generate([])
    with pytest.raises(InputError, match="0 policies"):
        generator.generate(make_prompt(), 0)


def test_a_folder_with_files_is_not_overwritten(folder):
    with pytest.raises(InputError, match="not empty"):
        MakeAnAgent(CONFIG).save_pretrained(folder)


def test_unknown_names_say_what_there_is():
    with pytest.raises(InputError, match="nothing: no such generator; bundled are metaworld"):
        find_generator("nothing")


def test_a_hub_id_is_fetched(folder, monkeypatch):
    def fetch(name: str, repo_type: str, allow_patterns: None) -> str:
        assert (name, repo_type) == ("someone/something", "model")
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    assert MakeAnAgent.from_pretrained("someone/something").config == CONFIG


def test_an_unreachable_hub_is_one_line(monkeypatch):
    def fail(name: str, **options: object) -> str:
        raise huggingface_hub.errors.LocalEntryNotFoundError("no network\nand more")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(InputError, match="not to be had from the hub: no network and more$"):
        find_generator("someone/something")


def test_what_is_pushed_can_be_loaded(tmp_path, monkeypatch):
    class Hub:
        def create_repo(self, repo_id: str, repo_type: str, private: bool, exist_ok: bool) -> None:
            assert (repo_id, repo_type) == ("someone/something", "model")
            assert private and exist_ok

        def upload_folder(self, repo_id: str, repo_type: str, folder_path: Path) -> str:
            shutil.copytree(folder_path, tmp_path / "hub")
            return f"hub/{repo_id}"

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    generator = MakeAnAgent(CONFIG)
    assert generator.push_to_hub("someone/something", private=True) == "hub/someone/something"
    copy = MakeAnAgent.from_pretrained(tmp_path / "hub")
    prompt = make_prompt()
    assert copy.generate(prompt).parameters.equal(generator.generate(prompt).parameters)


@pytest.fixture(scope="module")
def reader() -> MakeAnAgent:
    return tiny_reader.build()


def test_a_reader_comes_back_exactly(reader, tmp_path):
    reader.save_pretrained(tmp_path / "reader")
    copy = MakeAnAgent.from_pretrained(tmp_path / "reader")
    assert copy.config == reader.config
    demo = tiny_reader.make_demonstration()
    assert torch.equal(copy.generate(demo, 2).parameters, reader.generate(demo, 2).parameters)
    assert not (tmp_path / "reader" / "training.safetensors").exists()


def test_a_readers_first_policy_is_its_best_guess_and_others_vary_by_the_seed(reader):
    first, second = (tiny_reader.make_demonstration(seed=seed) for seed in (1, 2))
    found = reader.generate([first, second], 4, seed=1).parameters
    assert found.shape == (4, tiny_reader.SPEC.num_parameters)
    other = reader.generate([first, second], 4, seed=2).parameters
    assert torch.equal(found[:2], other[:2])
    assert torch.equal(found, reader.generate([first, second], 4, seed=1).parameters)
    for policy in (found[2], other[2]):
        assert (policy - found[0]).abs().max() > 1e-4
    assert not torch.equal(found[2], other[2])
    assert (found[0] - found[1]).abs().max() > 1e-3
    latents = reader.denoiser.predict(reader.embed([first]))
    torch.testing.assert_close(found[:1], reader.autoencoder.decode(latents))


def test_a_reader_reads_a_group_as_a_whole(reader):
    first, second = (tiny_reader.make_demonstration(seed=seed) for seed in (1, 2))
    group, alone = reader.embed_groups([[first, second], [first]])
    torch.testing.assert_close(alone, reader.embed([first])[0])
    mean = reader.embed([first, second]).mean(dim=0)
    assert (group - mean).abs().max() > 1e-3
    policies = reader.generate([[first, second], first])
    turned = reader.generate([[second, first], first])
    torch.testing.assert_close(policies.parameters, turned.parameters, atol=1e-5, rtol=1e-4)


def test_a_reader_reads_demonstrations_of_any_length(reader):
    assert reader.config.min_steps == 1
    short = tiny_reader.make_demonstration(steps=1, success=None)
    assert reader.generate(short).parameters.isfinite().all()
    with pytest.raises(InputError, match="mine.npz: 'observations' are 11 wide; accepted are 14"):
        reader.generate(make_prompt(width=11))


def test_a_readers_policies_are_guided(reader):
    demo = tiny_reader.make_demonstration(steps=70, success=60)
    guided = reader.generate(demo, 2, guidance=GuidanceConfig()).parameters
    plain = reader.generate(demo, 2).parameters
    assert guided.isfinite().all()
    assert not torch.equal(guided, plain)
    assert reader.judge_familiarity([demo]) is None


def test_a_reader_may_have_no_layers_and_a_basis_the_seed_zero(tmp_path):
    training = tiny_reader.TRAINING
    parts = {
        "behavior": dataclasses.replace(training.reader, num_layers=0),
        "autoencoder": dataclasses.replace(training.basis, init_seed=0),
    }
    tiny_reader.build(**parts).save_pretrained(tmp_path / "reader")
    copy = MakeAnAgent.from_pretrained(tmp_path / "reader")
    assert (copy.config.behavior, copy.config.autoencoder) == tuple(parts.values())
    with pytest.raises(InputError, match="behavior: width 0: must be a whole number of at least 1"):
        tiny_reader.build(behavior=dataclasses.replace(training.reader, width=0))
