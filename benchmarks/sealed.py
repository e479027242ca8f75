"""The log of the sealed layouts: who scored on them, and how often that had been done before.

A result that is looked at guides what is tried next, so that layouts which are scored on again and
again tell less and less of new ones. Sealed ones are for final tables; each run that plays there
adds a line to `sealed_layouts.jsonl`, which belongs to the repository.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from makeanagent.artifacts import as_json, describe_provenance, hash_json, read_json, write_json
from makeanagent.errors import InputError

LOG = Path(__file__).parent / "sealed_layouts.jsonl"
_NOTE = "sealed-{plan}.json"
"""In a run's folder: the line that it added, by which it knows itself when it goes on."""


def log_use(
    folder: Path,
    *,
    experiment: str,
    generators: Mapping[str, str | None],
    layouts: Sequence[tuple[int, int]],
    plan: object,
    log: Path = LOG,
) -> dict[str, Any]:
    """Note that a run is about to play sealed layouts, once, before it does.

    Args:
        folder: the run's; one that goes on with the same plan has been noted already.
        experiment: its name.
        generators: SHA-256 of each generator by training seed.
        layouts: first layout and end of each part that is played.
        plan: all that the run's scores depend on, as JSON values: with another plan it is another
            use.
        log: one JSON object a line.

    Returns:
        The line: `when`, `commit`, `experiment`, `generators_sha256`, `layouts`, `plan_sha256` and
        `uses_before`, the number of earlier lines that share a layout with this one.
    """
    about: dict[str, Any] = {
        "experiment": experiment,
        "generators_sha256": dict(generators),
        "layouts": layouts,
        "plan_sha256": hash_json(plan),
    }
    earlier = read_log(log)
    note = folder / _NOTE.format(plan=about["plan_sha256"][:12])
    noted = read_json(note) if note.is_file() else None
    if noted is not None and noted in earlier and noted | as_json(about) == noted:
        return noted
    provenance = describe_provenance()
    entry = as_json(
        {
            "when": provenance["created"],
            "commit": provenance["git_commit"],
            **about,
            "uses_before": sum(_meet(line["layouts"], layouts) for line in earlier),
        }
    )
    # First in the log: a run that is killed here has played nothing, and counts all the same.
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(entry) + "\n")
    write_json(note, entry)
    return entry


def read_log(log: Path = LOG) -> list[dict[str, Any]]:
    """All uses, the first one first.

    Raises:
        InputError: a line is damaged.
    """
    if not log.is_file():
        return []
    try:
        return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    except ValueError as error:
        raise InputError(f"{log}: a line is no JSON: {error}") from None


def _meet(some: Sequence[Sequence[int]], others: Sequence[Sequence[int]]) -> bool:
    return any(a < d and c < b for a, b in some for c, d in others)
