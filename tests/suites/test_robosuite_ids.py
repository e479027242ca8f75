"""Robosuite's tasks by name: what there is, what is refused, and forms that do not mix."""

import dataclasses

import numpy as np
import pytest
from tests.tiny_reader import SPEC, build

from makeanagent.cli import main
from makeanagent.errors import InputError
from makeanagent.policies.spec import PolicySpec
from makeanagent.suites import find_suite, find_task
from makeanagent.suites.forms import require_form
from makeanagent.suites.robosuite import builder
from makeanagent.suites.robosuite.ids import JOINT, TaskId, list_ids, read_id
from makeanagent.suites.robosuite.randomization import RandomizationConfig, draw_variation
from makeanagent.trajectories import Trajectory
from makeanagent.zoo.build import find_space

SUITE = find_suite("robosuite")


def test_every_id_is_read_as_it_is_written():
    names = list_ids()
    assert len({*names}) == len(names) == (4 + 10 + 5) * 5 * 2 * 2
    assert [str(read_id(name)) for name in names] == list(names)
    found = read_id("nut-square-ur5e-joint-randomized")
    assert found == TaskId(task="nut-square", arm="ur5e", form=JOINT, randomized=True)


def test_an_amount_is_part_of_the_id():
    assert read_id("lift-12cm-sawyer") == TaskId(task="lift", arm="sawyer", amount=12)
    assert read_id("door-7deg-panda-joint").amount == 7


@pytest.mark.parametrize(
    "name",
    [
        "lift",
        "lift-baxter",
        "stack-panda",
        "lift-panda-randomized-joint",
        "lift-13cm-panda",
        "lift-012cm-panda",
        "lift-12deg-panda",
        "nut-round-12cm-panda",
    ],
)
def test_another_task_or_arm_is_refused(name):
    with pytest.raises(InputError, match=f"robosuite/{name}: no such task.*arms panda, sawyer"):
        find_task(f"robosuite/{name}")


def test_the_network_of_both_forms_is_the_papers():
    for name in ("lift-panda", "door-sawyer-joint"):
        space = SUITE.space(name)
        spec = PolicySpec(observation_dim=space.observation_dim, action_dim=space.action_dim)
        assert spec.num_parameters == 23_952


def test_arms_share_the_end_effector_form_and_no_other():
    assert SUITE.space("lift-panda") == SUITE.space("door-sawyer-randomized")
    spaces = [SUITE.space(f"lift-{arm}") for arm in ("panda", "panda-joint", "sawyer-joint")]
    assert len({space.form for space in spaces}) == 3


def test_without_the_extra_one_line_says_how_to_install_it(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(builder, "find_spec", lambda name: None)
    out = tmp_path / "demo.npz"
    assert main(["record", "--env", "robosuite/lift-panda", "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert error == (
        "make-an-agent: error: robosuite: not installed: pip install 'makeanagent[robosuite]'\n"
    )
    assert not out.exists()


def test_a_zoo_of_two_forms_is_refused():
    tasks = ("lift-panda-joint", "lift-sawyer-joint")
    with pytest.raises(InputError, match="form joints of the sawyer, but joints of the panda"):
        find_space(SUITE, tasks, need_experts=False)


def demonstrate(env_id, observation_dim=SPEC.observation_dim, action_dim=SPEC.action_dim):
    return Trajectory(
        observations=np.zeros((81, observation_dim)),
        actions=np.zeros((80, action_dim)),
        success=np.arange(80) > 60,
        env_id=env_id,
    )


def test_a_demonstration_of_another_form_is_refused():
    panda = SUITE.space("lift-panda-joint")
    require_form(demonstrate("robosuite/door-panda-joint"), "robosuite", panda)
    require_form(demonstrate("robosuite/door-panda-joint"), "my_suite.py", panda)
    require_form(demonstrate(None), "robosuite", panda)
    for name in ("lift-panda", "lift-sawyer-joint"):
        with pytest.raises(InputError, match=f"of robosuite/{name}, whose form is"):
            require_form(demonstrate(f"robosuite/{name}"), "robosuite", panda)


def test_generate_refuses_it_in_one_line(tmp_path, capsys):
    generator = build()
    space = dataclasses.replace(generator.config.space, form="joints of the panda")
    build(space, suite="robosuite").save_pretrained(tmp_path / "generator")
    demonstrate("robosuite/lift-sawyer-joint").save(tmp_path / "demo.npz")
    command = ["generate", "--prompt", str(tmp_path / "demo.npz"), "--num", "2"]
    command += ["--generator", str(tmp_path / "generator"), "--out", str(tmp_path / "policies")]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert "whose form is 'joints of the sawyer'" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "policies").exists()


def test_variations_are_of_their_layout():
    config = RandomizationConfig()
    first, again, other = (draw_variation(config, layout, 7) for layout in (3, 3, 4))
    np.testing.assert_array_equal(first.joints, again.joints)
    assert first.gain == again.gain != other.gain
    drawn = [draw_variation(config, layout, 7) for layout in range(200)]
    for name, low, high in (
        ("open_share", 0.7, 1.0),
        ("closed_share", 0.0, 0.25),
        ("gain", 0.7, 1.3),
    ):
        values = np.array([getattr(each, name) for each in drawn])
        assert low <= values.min() < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < values.max() <= high
    assert 0.4 < max(abs(each.joints[0]) for each in drawn) <= 0.45
