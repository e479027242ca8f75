"""Practised tasks: which demonstrations are recognised, and what their latents become."""

import pytest
import torch
from tests.tiny_reader import build, make_demonstration

from makeanagent.models.guidance import GuidanceConfig
from makeanagent.models.practice import Practice, PracticeConfig

NUM_TASKS, NUM_DEMONSTRATIONS, WIDTH = 3, 6, 8
SHAPE = (1, 5)


def make_conditions(seed=0, noise=0.03, num_tasks=NUM_TASKS, num_demonstrations=NUM_DEMONSTRATIONS):
    """Those of each task lie close together; the tasks are the same for every seed."""
    centres = torch.randn(num_tasks, 1, WIDTH, generator=torch.Generator().manual_seed(7))
    source = torch.Generator().manual_seed(seed)
    shape = (num_tasks, num_demonstrations, WIDTH)
    return centres + noise * torch.randn(shape, generator=source)


def make_practice(conditions):
    num_tasks, num_demonstrations, _ = conditions.shape
    config = PracticeConfig(num_tasks=num_tasks, num_demonstrations=num_demonstrations)
    practice = Practice(WIDTH, SHAPE, config)
    practice.fit(conditions, torch.arange(num_tasks * 5.0).view(num_tasks, *SHAPE))
    return practice


@pytest.fixture
def practice():
    return make_practice(make_conditions())


def test_demonstrations_of_practised_tasks_are_recognised(practice):
    others = make_conditions(seed=1, noise=0.02)
    assert practice.recognise(others[:, 0]).tolist() == [0, 1, 2]
    assert practice.recognise(others[[2, 0], 3]).tolist() == [2, 0]


def test_others_are_not(practice):
    strangers = make_conditions().mean(dim=(0, 1)) + torch.randn(20, WIDTH)
    assert practice.recognise(strangers).eq(-1).all()
    # Nor is one between two tasks.
    between = make_conditions()[:2].mean(dim=(0, 1))
    assert practice.recognise(between[None]).tolist() == [-1]


def test_a_demonstration_may_be_as_far_off_as_those_of_training_from_each_other(practice):
    """In every direction by its own scale, since wide numbers would drown the others."""
    wide = torch.tensor([1000.0, *[1.0] * (WIDTH - 1)])
    again = make_practice(make_conditions() * wide)
    torch.testing.assert_close(again.radius, practice.radius)
    others = make_conditions(seed=1, noise=0.02)[:, 0]
    assert again.recognise(others * wide).tolist() == [0, 1, 2]
    assert again.recognise(others).tolist() == [-1, -1, -1]


def test_one_demonstration_alone_recognises_nothing_but_itself():
    conditions = make_conditions(num_demonstrations=1)
    practice = make_practice(conditions)
    assert practice.radius == 0
    assert practice.recognise(conditions[:, 0] + 1e-3).tolist() == [-1, -1, -1]


def test_latents_of_practised_tasks_take_the_place_of_those_that_were_read(practice):
    read = torch.randn(2, *SHAPE)
    known = make_conditions()[1, 2]
    conditions = torch.stack([known, known + 100])
    after = read + practice.correct(conditions, read)
    torch.testing.assert_close(after[0], practice.latents[1])
    assert after[1].equal(read[1])


def test_it_comes_back_from_its_tensors(practice):
    again = Practice.of(practice.state_dict())
    assert again.config == practice.config
    others = make_conditions(seed=1, noise=0.02)
    assert again.recognise(others[:, 0]).equal(practice.recognise(others[:, 0]))


@pytest.fixture(scope="module")
def generator():
    """One that has practised two tasks, of five demonstrations each that are nearly alike."""
    known = [[make_demonstration(seed=seed, steps=20 + n) for n in range(5)] for seed in (0, 1)]
    config = PracticeConfig(num_tasks=2, num_demonstrations=5)
    generator = build(practice=config, tasks=("push-v1", "pull-v1"))
    conditions = torch.stack([generator.embed(each) for each in known])
    latents = torch.randn(2, *generator.autoencoder.latent_shape)
    generator.practice.fit(conditions, latents)
    return generator


def decode(generator, number):
    return generator.autoencoder.decode(generator.practice.latents[number][None])


def test_a_generator_gives_practised_policies_where_it_recognises_and_reads_elsewhere(generator):
    known, stranger = make_demonstration(seed=1, steps=22), make_demonstration(seed=5)
    assert generator.recognise([known, stranger]) == ["pull-v1", None]
    found = generator.generate([known, stranger]).parameters
    torch.testing.assert_close(found[0], decode(generator, 1)[0])
    read = build().generate([known, stranger]).parameters
    torch.testing.assert_close(found[1], read[1])
    assert not torch.allclose(found[0], read[0])


def test_its_further_policies_differ_as_those_that_are_read_do(generator):
    known = make_demonstration(seed=1, steps=22)
    policies = generator.generate(known, 3).parameters
    torch.testing.assert_close(policies[0], decode(generator, 1)[0])
    assert not torch.allclose(policies[1], policies[0])
    assert not torch.allclose(policies[1], policies[2])


def test_guidance_begins_with_practised_policies(generator):
    known = make_demonstration(seed=1, steps=22)
    # So little that nothing is accepted, and the one start stays as it is.
    guidance = GuidanceConfig(num_steps=1, num_starts=1, explore_steps=1)
    found = generator.generate(known, guidance=guidance).parameters
    torch.testing.assert_close(found[0], decode(generator, 1)[0])


def test_it_is_saved_and_loaded_with_the_generator(generator, tmp_path):
    generator.save_pretrained(tmp_path / "whole")
    generator.save_pretrained(tmp_path / "half", half=True)
    for name, tolerance in (("whole", 0.0), ("half", 0.02)):
        again = type(generator).from_pretrained(tmp_path / name)
        known = make_demonstration(seed=0, steps=22)
        assert again.recognise([known]) == ["push-v1"]
        torch.testing.assert_close(
            again.generate(known).parameters,
            generator.generate(known).parameters,
            atol=tolerance,
            rtol=tolerance,
        )


def test_a_generator_without_practice_recognises_nothing():
    assert build().recognise([make_demonstration()]) == [None]
