from itertools import combinations

from makeanagent.suites import layouts
from makeanagent.suites.metaworld import LAYOUTS_PER_SEED

RANGES = {name: value for name, value in vars(layouts).items() if isinstance(value, range)}


def test_no_two_purposes_share_a_layout():
    purposes = {"ZOO", "ZOO_SCORES", "PROMPTS", "VALIDATION", "SELECTION", "SCORING", "SEALED"}
    assert purposes <= set(RANGES)
    for (name, one), (other_name, other) in combinations(RANGES.items(), 2):
        assert not set(one) & set(other), f"{name} meets {other_name}"


def test_no_two_purposes_share_a_seed_of_metaworld():
    for name, one in RANGES.items():
        assert one.start % LAYOUTS_PER_SEED == 0, name
        assert one.stop % LAYOUTS_PER_SEED == 0, name


def test_every_purpose_has_enough_layouts():
    for name, one in RANGES.items():
        assert len(one) >= 1_000, name
        assert one.step == 1, name
