"""Layouts of populations lie where they may."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from makeanagent.suites import layouts
from makeanagent.zoo.population_layouts import episode_layouts, round_layouts
from makeanagent.zoo.recipes.distillation_config import DistillationConfig


@given(seed=st.integers(0, 10**6), other=st.integers(0, 10**6))
def test_all_windows_are_training_layouts_and_rounds_never_meet_episodes(seed, other):
    for window in (episode_layouts(seed), round_layouts(seed)):
        assert set(window) <= set(layouts.ZOO)
    assert not set(round_layouts(seed)) & set(episode_layouts(other))
    config = DistillationConfig()
    assert len(episode_layouts(seed)) >= config.num_demonstrations
    assert len(round_layouts(seed)) >= config.max_rounds * config.round_episodes


@pytest.mark.parametrize(("window", "num_seeds"), [(episode_layouts, 10), (round_layouts, 3)])
def test_populations_of_the_first_seeds_share_no_layout(window, num_seeds):
    for one, other in combinations(range(num_seeds), 2):
        assert not set(window(one)) & set(window(other))


def test_layouts_of_the_first_population_stay_as_they_are():
    assert episode_layouts(0) == range(0, 500)
    assert round_layouts(0) == range(5_000, 6_600)
