"""Notes on what a verb reads, for the console."""

from collections.abc import Sequence

_MOST = 3
"""Alike notes that are shown."""


def print_note(note: str) -> None:
    """Print a line that a user should see."""
    print(f"note: {note}")


def print_notes(notes: Sequence[str]) -> None:
    """Print the first of several notes that are alike, and how many more there are."""
    for note in notes[:_MOST]:
        print_note(note)
    if len(notes) > _MOST:
        print_note(f"and {len(notes) - _MOST} more such")
