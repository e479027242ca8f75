"""What Python's users meet first: names, short words for objects, and clear errors."""

import pydoc

import numpy as np
import pytest
import torch

import makeanagent
from makeanagent import GuidanceConfig, InputError, MakeAnAgent
from makeanagent.cli import main
from makeanagent.demo import PROMPTS

DEMONSTRATION = PROMPTS / "door-open-v3.npz"


@pytest.fixture(scope="module")
def generator():
    return MakeAnAgent.from_pretrained("metaworld-41", torch.device("cpu"))


def test_the_package_tells_its_names_and_version(capsys):
    assert set(dir(makeanagent)) == set(makeanagent.__all__)
    for name in makeanagent.__all__:
        assert getattr(makeanagent, name) is not None, name
    assert makeanagent.__version__.count(".") >= 1
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"make-an-agent {makeanagent.__version__}\n"


def test_help_is_about_the_generator_and_not_about_torch():
    public = {name for name in dir(MakeAnAgent) if not name.startswith("_")}
    assert public == {
        "device",
        "embed",
        "embed_groups",
        "from_pretrained",
        "generate",
        "generate_from",
        "judge_familiarity",
        "num_parameters",
        "push_to_hub",
        "recognise",
        "save_pretrained",
        "state_dict",
        "to",
    }
    assert "nn.Module" not in pydoc.render_doc(MakeAnAgent)


def test_objects_say_what_they_are_in_one_line(generator):
    demonstration = makeanagent.Trajectory.load(DEMONSTRATION)
    policies = generator.generate(demonstration, 3)
    for thing, words in (
        (generator, "41 tasks of metaworld"),
        (policies, "3 policies, 39 -> 128 -> 128 -> 4"),
        (policies[0], "39 -> 128 -> 128 -> 4"),
        (demonstration, f"{len(demonstration)} steps"),
    ):
        text = repr(thing)
        assert words in text and "\n" not in text and len(text) < 200, text


def test_a_path_is_a_prompt(generator):
    from_path = generator.generate(str(DEMONSTRATION), 2)
    again = generator.generate(makeanagent.Trajectory.load(DEMONSTRATION), 2)
    torch.testing.assert_close(from_path.parameters, again.parameters)
    assert generator.recognise(DEMONSTRATION) == ["door-open-v3"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"prompts": "none.npz"}, "none.npz: no such file"),
        ({"prompts": [1, 2]}, "a demonstration is a int"),
        ({"prompts": ["demo.npz"]}, "a demonstration is a str"),
        ({"guidance": True}, "guidance True; must be a GuidanceConfig or None"),
        ({"seed": None}, "seed None; must be a whole number"),
        ({"seed": 2**64}, "must be a whole number"),
        ({"seed": -1}, "must be a whole number"),
        ({"num_policies": 10**9}, "accepted are 1 to 1,000,000"),
        ({"num_policies": 0}, "accepted are 1 to"),
        ({"num_policies": 1.5}, "accepted are 1 to"),
    ],
)
def test_what_cannot_be_generated_is_said_in_one_line(generator, arguments, words):
    with pytest.raises(InputError, match=words) as caught:
        generator.generate(**{"prompts": DEMONSTRATION} | arguments)
    assert "\n" not in str(caught.value)


def test_guidance_is_taken(generator):
    guided = generator.generate(DEMONSTRATION, guidance=GuidanceConfig(num_steps=1))
    assert not torch.equal(guided.parameters, generator.generate(DEMONSTRATION).parameters)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_all_policies_act_on_all_observations_or_each_on_its_own(generator, kind):
    policies = generator.generate(DEMONSTRATION, 3)
    rows = torch.from_numpy(makeanagent.Trajectory.load(DEMONSTRATION).observations[:5])
    seen = rows if kind == "torch" else rows.numpy()
    found = policies.act_all(seen)
    assert type(found) is type(seen) and tuple(found.shape) == (3, 5, 4)
    for policy, actions in zip(policies, found, strict=True):
        np.testing.assert_allclose(actions, policy.act(rows.numpy()), atol=1e-5)
    own = policies.act(seen[:3])
    np.testing.assert_allclose(own[1], found[1][1], atol=1e-6)


@pytest.mark.parametrize("name", ["../generator", "./gen", "/none", "~/none", "a" * 300, "a/b/c"])
def test_a_name_of_no_generator_is_refused_in_one_line(name):
    with pytest.raises(InputError, match="no such generator; bundled are") as caught:
        MakeAnAgent.from_pretrained(name)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_an_impossible_id_of_the_hub_is_refused_in_one_line(capsys, tmp_path):
    options = ["--prompt", str(DEMONSTRATION), "--out", str(tmp_path / "p")]
    for generator in ("owner/na--me", f"owner/{'a' * 100}"):
        assert main(["generate", *options, "--generator", generator]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_a_name_that_no_disk_takes_is_refused_in_one_line(capsys, tmp_path):
    assert main(["generate", "--prompt", f"{'a' * 300}.npz", "--out", str(tmp_path / "p")]) == 2
    error = capsys.readouterr().err
    assert "File name too long" in error and error.count("\n") == 1
