"""Words of messages."""


def count(number: int, thing: str, things: str | None = None) -> str:
    """A number of things, in the singular for one: `1 policy`, `20 policies`.

    Args:
        number: of them.
        thing: its name.
        things: the name of several, if not with an `s`.
    """
    return f"{number:,} {thing if number == 1 else things or f'{thing}s'}"
