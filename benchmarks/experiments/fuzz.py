"""Damaged and mistaken files of every kind: read, or refused in one line, within seconds.

What a user gives is changed at random: a value in a JSON file, an array of a demonstration, a bit
or the end of any file. Reading it must work or raise `InputError` with one line, in ten seconds and
with a gigabyte more than before.
"""

import json
import resource
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pages.tables import describe, table
from benchmarks.results import Settings, read_optional, write_result
from makeanagent.artifacts import MANIFEST_NAME, hash_file
from makeanagent.cli.checks import require_at_least
from makeanagent.cli.progress import show_progress
from makeanagent.errors import InputError
from makeanagent.generator import MakeAnAgent
from makeanagent.policies.folder import load_policies, save_policies
from makeanagent.suites import find_suite
from makeanagent.trajectories.demonstrations import read_demonstrations, write_demonstrations
from makeanagent.trajectories.trajectory import Trajectory
from makeanagent.zoo.store import Zoo

SECONDS = 10
"""That reading may take."""
BYTES = 2**30
"""That it may take more than the process has."""
VALUES: tuple[Any, ...] = (
    *(None, "x", "", "../x", "nan", -1, 0, 1, 1.5, 2**20, 10**12, 2**70, 1e300),
    *(True, False, [], {}, [10**9], [[]], float("nan"), float("inf")),
)
"""What a value of a JSON file is replaced by."""
_ARRAYS: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
    lambda a: a[:-1],
    lambda a: a[:0],
    lambda a: a[None],
    lambda a: a.ravel(),
    lambda a: a * np.nan,
    lambda a: a * 1e30,
    lambda a: a.astype(np.float64) * 1e300,
    lambda a: a.astype("U9"),
    lambda a: a.astype(np.complex64),
    lambda a: np.array(0.0),
    lambda a: np.zeros((0, *a.shape[1:])),
    lambda a: -np.ones_like(a, float),
)
"""What an array of a demonstration is replaced by."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """Damaged and mistaken files of every kind, and what comes of reading them."""

    mutations: int = 10_000
    "How many, by turns of the kinds."
    zoo: Path | None = None
    "A zoo with a shard or more; without one, zoos are left out."
    seed: int = 0
    "Of the changes."
    note: str = ""
    "A sentence on this run, kept with its figures and shown with them."
    out: Path = Path("benchmarks/results/fuzz.json")
    "The figures' file."

    def run(self) -> None:
        """Change and read, and write the figures."""
        require_at_least("--mutations", self.mutations, 1)
        with tempfile.TemporaryDirectory() as folder:
            kinds = prepare(Path(folder), self.zoo)
            with show_progress("fuzz", self.mutations) as advance:
                result = fuzz(kinds, self.mutations, self.seed, lambda: advance(1, "fuzz"))
        settings = resolve_settings(self.mutations, self.seed, list(kinds))
        write_result(self.out, "fuzz", result, settings, self.note)


def resolve_settings(mutations: int, seed: int, kinds: list[str]) -> Settings:
    """What today's code makes of the options."""
    return {
        "options": {"mutations": mutations, "seed": seed, "kinds": kinds},
        "protocol": {"seconds": SECONDS, "bytes": BYTES, "values": [repr(v) for v in VALUES]},
    }


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of files, whole, and what reads it."""

    whole: Path
    "A file, or a folder."
    read: Callable[[Path], object]
    "Raises `InputError`, or not."
    mend: Callable[[Path], None] = lambda path: None
    "Brings hashes up to date, so that what is changed is read at all."


def prepare(folder: Path, zoo: Path | None) -> dict[str, Kind]:
    """A whole example of each kind."""
    root = Path(__file__).parents[2]
    prompts = root / "src" / "makeanagent" / "prompts"
    demonstration = folder / "demo.npz"
    shutil.copy(prompts / "door-open-v3.npz", demonstration)
    generator = MakeAnAgent.from_pretrained("metaworld-41")
    generator.save_pretrained(folder / "generator", for_training=False)
    policies = generator.generate(Trajectory.load(demonstration), 3)
    parameters = policies.parameters.numpy()
    save_policies(folder / "policies", parameters, policies.spec, {"seed": 0})
    kinds = {
        "demonstration": Kind(whole=demonstration, read=_read),
        **_convert(demonstration, folder),
        "policies": Kind(whole=folder / "policies", read=load_policies),
        "generator": Kind(
            whole=folder / "generator", read=MakeAnAgent.from_pretrained, mend=_mend_manifest
        ),
        "suite": Kind(whole=root / "examples" / "reacher_suite.py", read=_open_suite),
    }
    if zoo is not None:
        shutil.copytree(zoo, folder / "zoo")
        kinds["zoo"] = Kind(whole=folder / "zoo", read=_verify)
    return kinds


def _convert(demonstration: Path, folder: Path) -> dict[str, Kind]:
    """The same demonstration in every other format."""
    kinds = {}
    for form, name in (("minari", "minari"), ("lerobot", "lerobot"), ("robomimic", "demo.hdf5")):
        write_demonstrations([Trajectory.load(demonstration)], folder / name, form, fps=80)
        kinds[form] = Kind(whole=folder / name, read=_read)
    return kinds


def _read(path: Path) -> None:
    read_demonstrations(path, on_note=lambda note: None)


def _open_suite(path: Path) -> None:
    """Import a suite's file and ask what its tasks are; what its own code does then is its own."""
    # A module is imported once: each changed file needs a name of its own.
    own = path.with_stem(f"changed_suite_{hash_file(path)[:16]}")
    shutil.copy(path, own)
    try:
        suite = find_suite(str(own))
        for task in suite.tasks():
            suite.space(task)
    finally:
        own.unlink()
        sys.modules.pop(own.stem, None)


def _verify(folder: Path) -> None:
    faults = Zoo.open(folder).verify()
    if faults:
        raise InputError(max(faults, key=lambda fault: fault.count("\n")))


def _mend_manifest(folder: Path) -> None:
    path = folder / MANIFEST_NAME
    try:
        manifest = json.loads(path.read_text())
        manifest["config.json"] = hash_file(folder / "config.json")
        path.write_text(json.dumps(manifest))
    except (OSError, ValueError, TypeError):
        # It is the manifest that was changed.
        return


def fuzz(
    kinds: dict[str, Kind], count: int, seed: int, on_each: Callable[[], Any]
) -> dict[str, Any]:
    """What came of each kind's changes, and each fault.

    Args:
        kinds: by name.
        count: changes in all.
        seed: of the changes.
        on_each: called after each.

    Returns:
        Plain JSON values.
    """
    outcomes: dict[str, Counter[str]] = {name: Counter() for name in kinds}
    faults = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            name = list(kinds)[number % len(kinds)]
            kind, rng = kinds[name], np.random.default_rng((seed, number))
            copy = Path(folder) / kind.whole.name
            if kind.whole.is_dir():
                shutil.rmtree(copy, ignore_errors=True)
                shutil.copytree(kind.whole, copy)
            else:
                shutil.copy(kind.whole, copy)
            words = change(copy, rng)
            kind.mend(copy)
            outcome = attempt(kind.read, copy)
            outcomes[name][outcome] += 1
            if outcome not in ("read", "refused"):
                faults.append({"kind": name, "number": number, "change": words, "what": outcome})
            on_each()
    rows = [{"kind": name, **counts} for name, counts in outcomes.items()]
    return {"outcomes": rows, "faults": faults}


def attempt(read: Callable[[Path], object], path: Path) -> str:
    """`read`, `refused`, or what else came of it."""
    try:
        with _limits():
            read(path)
    except InputError as error:
        return "refused" if "\n" not in str(error) else "more than a line"
    except TimeoutError:
        return f"more than {SECONDS} s"
    except BaseException as error:  # Whatever it is, it is a fault.
        return type(error).__name__
    return "read"


@contextmanager
def _limits() -> Iterator[None]:
    """Ten seconds, and a gigabyte more than there is."""

    def stop(*_: object) -> None:
        raise TimeoutError

    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + BYTES, before[1]))
    handler = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, before)


def change(path: Path, rng: np.random.Generator) -> str:
    """Change one thing of a file, or of a file of a folder, and say what."""
    files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
    texts = [each for each in files if each.suffix == ".json"]
    if texts and rng.random() < 0.8:
        file = texts[rng.integers(len(texts))]
        return _change_json(file, rng)
    file = files[rng.integers(len(files))]
    if file.suffix == ".npz" and rng.random() < 0.8:
        return _change_arrays(file, rng)
    return _change_bytes(file, rng)


def _change_json(file: Path, rng: np.random.Generator) -> str:
    content = json.loads(file.read_text())
    places = list(list_places(content))
    *parents, last = places[rng.integers(len(places))]
    inner = content
    for key in parents:
        inner = inner[key]
    words = f"{file.name}: {'.'.join(map(str, (*parents, last)))}"
    if isinstance(inner, dict) and rng.random() < 0.2:
        del inner[last]
        words += " deleted"
    else:
        value = VALUES[rng.integers(len(VALUES))]
        inner[last] = value
        words += f" = {value!r}"
    file.write_text(json.dumps(content))
    return words


def list_places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401
    """Paths to the values within nested JSON; of lists, the first two."""
    items = value.items() if isinstance(value, dict) else enumerate(value[:2])
    for key, inner in items:
        yield (*place, key)
        if isinstance(inner, dict | list):
            yield from list_places(inner, (*place, key))


def _change_arrays(file: Path, rng: np.random.Generator) -> str:
    with np.load(file) as archive:
        arrays = {name: archive[name] for name in archive.files}
    name = list(arrays)[rng.integers(len(arrays))]
    number = int(rng.integers(len(_ARRAYS) + 1))
    if number == len(_ARRAYS) or arrays[name].dtype.kind not in "biuf":
        del arrays[name]
    else:
        with np.errstate(all="ignore"):
            arrays[name] = _ARRAYS[number](arrays[name])
    np.savez(file, **arrays)
    return f"{file.name}: {name}, change {number}"


def _change_bytes(file: Path, rng: np.random.Generator) -> str:
    content = bytearray(file.read_bytes())
    if rng.random() < 0.3:
        length = int(rng.integers(len(content)))
        file.write_bytes(content[:length])
        return f"{file.name}: cut to {length} bytes"
    # Headers are short, and what is in them matters most.
    reach = len(content) if rng.random() < 0.5 else min(len(content), 4096)
    place = int(rng.integers(reach))
    content[place] ^= 1 << int(rng.integers(8))
    file.write_bytes(content)
    return f"{file.name}: a bit at {place}"


def write_page() -> str:
    """The section; empty without figures."""
    result = read_optional("fuzz")
    if result is None:
        return ""
    rows = [
        [
            row["kind"],
            *(str(row.get(name, 0)) for name in ("read", "refused")),
            str(sum(n for key, n in row.items() if key not in ("kind", "read", "refused"))),
        ]
        for row in result["outcomes"]
    ]
    return f"""## Damaged and mistaken files

{result["settings"]["options"]["mutations"]:,} files, each with one thing changed at random: a value
of a JSON file, an array of a demonstration, a bit, or its end. *Refused*: in one line, by
`InputError`. *Anything else*: a traceback, more than {SECONDS} s, or more than a gigabyte. What is
read after a change is what the change left valid, such as a name or a number of a report.

{table(["kind", "read", "refused", "anything else"], rows)}

{describe(result, resolve_settings)}

"""
