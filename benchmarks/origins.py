"""What figures were measured of: options that no setting of today's code follows from."""

from benchmarks.results import Settings
from makeanagent.artifacts import hash_json
from makeanagent.zoo.store import Zoo


def hash_zoo(zoo: Zoo) -> str:
    """SHA-256 over those of its shards."""
    return hash_json({name: zoo.read_index(name)["sha256"] for name in zoo.shard_names()})


def keep_known(**origin: object) -> Settings:
    """Those that a result tells; older ones do without some, which alone is no change."""
    return {name: value for name, value in origin.items() if value is not None}
