"""Which of a zoo's policies are for training, for validation and for a test."""

import hashlib
from collections.abc import Iterable

SPLITS = ("train", "validation", "test")
_HELD_OUT_SHARE = 5
"""One name in so many is for the test, and as many for validation."""


def split_names(names: Iterable[str]) -> dict[str, str]:
    """The split of each name: the same for everyone who splits the same names.

    Two names or more leave one for the test, three or more one for validation as well; one alone is
    for training.

    Args:
        names: of runs or tasks; whatever has one name is of one split.
    """
    # By their hashes, as names in order may mean something: seeds, or tasks of one kind.
    ordered = sorted(set(names), key=lambda name: hashlib.sha256(name.encode()).digest())
    held_out = max(1, len(ordered) // _HELD_OUT_SHARE)
    num_test = held_out if len(ordered) >= 2 else 0
    num_validation = held_out if len(ordered) >= 3 else 0
    parts = ["test"] * num_test + ["validation"] * num_validation
    parts += ["train"] * (len(ordered) - len(parts))
    return dict(zip(ordered, parts, strict=True))
