"""Settings as options that may be left out, so that what is given is told from a default."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import tyro

Config = TypeVar("Config")


def optional(presets: Mapping[str, Config]) -> Callable[[type[Config]], type[Config]]:
    """Let the fields of a config's subclass be None: what was not given.

    Their help is that of the config; behind it stands the value that each preset has. A field that
    may be None by itself is None in all presets, or `None` could not be given.

    Args:
        presets: by name; one alone is the default.
    """

    def decorate(options: type[Config]) -> type[Config]:
        hints = get_type_hints(options)
        for field in fields(options):  # type: ignore[arg-type]
            values = {name: _show(getattr(config, field.name)) for name, config in presets.items()}
            same = len(set(values.values())) == 1
            texts = [f"{name}: {value}" for name, value in values.items()]
            hint = f"(default: {[*values.values()][0]})" if same else f"({', '.join(texts)})"
            kind = hints[field.name]
            if type(None) not in get_args(kind):  # `None` is no value that one can give.
                kind = Annotated[kind | None, tyro.conf.DisallowNone]
            options.__annotations__[field.name] = Annotated[
                kind, tyro.conf.arg(help_behavior_hint=hint)
            ]
            setattr(options, field.name, None)
        return dataclass(frozen=True, kw_only=True)(options)

    return decorate


def read_given(options: Any) -> dict[str, Any]:  # noqa: ANN401
    """Those fields that were given, by name."""
    values = {field.name: getattr(options, field.name) for field in fields(options)}
    return {name: value for name, value in values.items() if value is not None}


def _show(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
