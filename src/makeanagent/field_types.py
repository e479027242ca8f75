"""Checks of values that come out of files: a dataclass does not look at the types of its fields."""

import math
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from makeanagent.errors import InputError

_LARGEST = 2**20
"""Of whole numbers, which are widths and counts."""
_LARGEST_SEED = 2**63 - 1
_MOST = 4096
"""Values of a field that holds several."""


def check_fields(part: Any, name: str = "") -> None:  # noqa: ANN401
    """Refuse a dataclass, or parts of it, whose values are not of the types that it declares.

    Args:
        part: an instance; fields of type `Any` and records are left alone.
        name: what errors call it.

    Raises:
        InputError: a value is of another type, not finite, or larger than any real one.
    """
    hints = get_type_hints(type(part))
    for each in fields(part):
        label = f"{name}: {each.name}" if name else each.name
        _check(getattr(part, each.name), hints[each.name], label, each.name.endswith("seed"))


def _check(value: Any, kind: Any, label: str, is_seed: bool) -> None:  # noqa: ANN401
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        kinds = [each for each in get_args(kind) if each is not NoneType]
        if value is None and len(kinds) < len(get_args(kind)):
            return
        # Of several forms, that which the value is of.
        kind = next(
            (each for each in kinds if isinstance(each, type) and isinstance(value, each)), kinds[0]
        )
        origin = get_origin(kind)
    if origin is Literal:
        _require(value in get_args(kind), label, value, f"one of {', '.join(get_args(kind))}")
    elif origin is tuple:
        _require(isinstance(value, tuple), label, value, "a list")
        _require(len(value) <= _MOST, label, f"{len(value)} values", f"at most {_MOST}")
        inner = get_args(kind)
        for number, item in enumerate(value):
            item_kind = inner[0] if len(inner) == 2 and inner[1] is Ellipsis else inner[number]
            _check(item, item_kind, f"{label} {number}", is_seed)
    elif kind is int:
        _require(type(value) is int, label, value, "a whole number")
        most = _LARGEST_SEED if is_seed else _LARGEST
        _require(abs(value) <= most, label, value, f"at most {most}")
    elif kind is float:
        is_number = type(value) in (int, float) and math.isfinite(value)
        _require(is_number, label, value, "a finite number")
    elif kind in (bool, str):
        words = "true or false" if kind is bool else "a text"
        _require(type(value) is kind, label, value, words)
    elif is_dataclass(kind) and isinstance(kind, type):
        _require(isinstance(value, kind), label, value, "a record")
        check_fields(value, label)


def _require(holds: bool, label: str, value: object, accepted: str) -> None:
    if not holds:
        text = repr(value)
        raise InputError(
            f"{label} {text if len(text) < 60 else text[:57] + '...'}: must be {accepted}"
        )
