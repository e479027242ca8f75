"""Options that several verbs take, checked before anything costs time."""

from pathlib import Path

from makeanagent.errors import InputError


def require_at_least(option: str, value: float, minimum: float) -> None:
    """Refuse a number below `minimum`, and NaN and infinity.

    Raises:
        InputError: it is one of these.
    """
    if not minimum <= value < float("inf"):
        raise InputError(f"{option} {value}: must be {minimum} or more")


def require_picture(option: str, path: Path) -> None:
    """Refuse a picture of another kind than those that are drawn.

    Raises:
        InputError: it ends in neither `.png` nor `.svg`.
    """
    if path.suffix not in (".png", ".svg"):
        raise InputError(f"{option} {path}: must end in .png or .svg")


def require_absent(option: str, path: Path) -> None:
    """Refuse to write over a file, or to where none can be written.

    Raises:
        InputError: something is there, or nothing can be.
    """
    from makeanagent.artifacts import describe_error

    if path.exists():
        raise InputError(f"{option} {path}: exists; give another name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(exist_ok=False)
        path.unlink()
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"{option} {path}: {path.parent} is no folder") from None
    except OSError as error:
        raise InputError(f"{option} {path}: cannot be written: {describe_error(error)}") from None
