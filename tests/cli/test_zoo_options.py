"""Settings of `zoo build`: what is given counts, also where it says no other than a default."""

from dataclasses import fields, replace

import pytest
import tyro
from tests.tiny_zoo import TINY, as_options

from makeanagent.cli.zoo import Build, find_options
from makeanagent.errors import InputError
from makeanagent.rl.sac.config import FAST, PAPER, PRESETS, SACConfig
from makeanagent.zoo.recipes.distillation_config import DistillationConfig


def read_config(*options):
    return choose(*options)[0]


def choose(*options):
    return parse("--out", "zoo", *options)._choose_config()


def parse(*options):
    return tyro.cli(Build[find_options(["zoo", "build", *options])], args=options)


def read_sac(preset, *options):
    return read_config("--recipe", "sac", "--preset", preset, *options)


def as_option(name, value):
    """A setting of SAC as the command line takes it."""
    option = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{option}" if value else f"--no-{option}"]
    return [f"--{option}", *map(str, value if isinstance(value, tuple) else (value,))]


def test_what_is_not_given_is_the_presets():
    assert read_config() == DistillationConfig()
    assert read_config("--recipe", "sac") == FAST
    for name, config in PRESETS.items():
        assert read_sac(name) == config


def test_what_was_given_is_told_from_defaults():
    _, given = choose("--num-runs", "16")
    assert given == {"preset": "fast", "num_runs": 16}
    _, given = choose("--recipe", "sac", "--preset", "paper", "--init-seed", "5")
    assert given == {"preset": "paper", "init_seed": 5}


@pytest.mark.parametrize("name", [field.name for field in fields(SACConfig)])
def test_the_fast_presets_value_can_be_given_to_the_papers(name):
    fast, paper = getattr(FAST, name), getattr(PAPER, name)
    assert read_sac("paper", *as_option(name, fast)) == replace(PAPER, **{name: fast})
    assert read_sac("fast", *as_option(name, paper)) == replace(FAST, **{name: paper})
    if fast is None:
        assert all(getattr(each, name) is None for each in PRESETS.values()), "none is no value"


def test_several_settings_and_empty_ones():
    given = ["--noise-scales", "--num-demonstrations", "0", "--init-seed", "5"]
    assert read_sac("paper", *given) == replace(PAPER, noise_scales=(), init_seed=5)
    assert read_sac("fast", *given).noise_scales == ()
    assert read_config(*as_options()) == TINY
    assert read_config("--num-runs", "16") == DistillationConfig()


def read_help(capsys, *options):
    """What `--help` shows, a blank between two words."""
    with pytest.raises(SystemExit):
        parse(*options, "--help")
    return " ".join(capsys.readouterr().out.replace("│", " ").split())


def test_help_tells_what_a_setting_is_and_its_value_in_each_preset(capsys):
    words = read_help(capsys, "--recipe", "sac")
    assert (
        "--env-steps INT Environment steps that each agent makes at most. "
        "(fast: 80000, paper: 1000000, smoke: 1200)"
    ) in words
    assert "--discount FLOAT Factor by which a reward counts less" in words
    assert "--num-steps" not in words
    words = read_help(capsys)
    assert "Adam's learning rate until the population is good. (default: 0.001)" in words


@pytest.mark.parametrize("named", [["--recipe", "sac"], ["--recipe=sac"]])
def test_help_shows_the_options_of_the_recipe_that_is_named(capsys, named):
    ours, theirs = read_help(capsys), read_help(capsys, *named)
    for words in (ours, theirs):
        assert "`zoo build --recipe sac --help` shows SAC's." in words
    assert "--max-rounds" in ours and "--env-steps" not in ours
    assert "--env-steps" in theirs and "--max-rounds" not in theirs


def test_options_of_the_other_recipe_alone_are_refused_by_name():
    message = "^--env-steps: an option of --recipe sac, not of distillation$"
    for given in (["--env-steps", "5"], ["--env-steps=5"]):
        with pytest.raises(InputError, match=message):
            parse(*given)
    with pytest.raises(InputError, match="^--no-standardize: an option of --recipe sac, "):
        parse("--no-standardize")
    with pytest.raises(InputError, match="^--max_rounds: an option of --recipe distillation, not"):
        parse("--recipe", "sac", "--max_rounds", "3")
    # Of both, each has its own.
    assert read_config("--num-runs", "3").num_runs == 3
    assert read_sac("fast", "--num-runs", "3").num_runs == 3
