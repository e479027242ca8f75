"""The rules that keep the package readable, held over the syntax tree of every module."""

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "makeanagent"
BENCHMARKS = ROOT / "benchmarks"
MODULES = sorted([*PACKAGE.rglob("*.py"), *BENCHMARKS.rglob("*.py")])

# What each room (a folder or file in src/makeanagent) may import of the others, from the bottom up.
# A new room needs a line here; `zoo.store` would stand for that one module.
BASE = ("errors", "field_types", "read_options", "artifacts", "parallel", "devices", "remote")
DATA = ("policies", "trajectories", "suites")
PARTS = ("models", "generator_config", "hub", "generator", "rollouts", "evaluation", "rl", "zoo")
RECIPES = ("methods", "training")
MAY_IMPORT = {
    "errors": (),
    "field_types": ("errors",),
    "read_options": (),
    "artifacts": ("errors",),
    "parallel": ("errors",),
    "devices": ("errors",),
    "remote": ("errors", "artifacts"),
    "policies": BASE,
    "trajectories": BASE,
    "suites": ("policies.sb3", "trajectories", *BASE),
    "models": ("policies", "trajectories", *BASE),
    "rollouts": (*DATA, *BASE),
    "generator_config": ("models", "policies", "trajectories", *BASE),
    "hub": ("generator_config", *BASE),
    "generator_parts": ("generator_config", "models", *BASE),
    "generator": (
        "generator_config",
        "generator_parts",
        "hub",
        "models",
        "policies",
        "trajectories",
        *BASE,
    ),
    "evaluation": ("rollouts", *DATA, *BASE),
    "rl": ("rollouts", *DATA, *BASE),
    "zoo": ("rl", "rollouts", *DATA, *BASE),
    "methods": ("models", "generator", "zoo", "rollouts", *DATA, *BASE),
    "training": ("methods", *PARTS, *DATA, *BASE),
    "__init__": (*RECIPES, *PARTS, *DATA, *BASE),
    "demo": ("methods", *PARTS, *DATA, *BASE),
    "web": ("demo", *PARTS, *DATA, *BASE),
    "cli": ("__init__", "demo", "web", *RECIPES, *PARTS, *DATA, *BASE),
    "__main__": ("cli",),
    "benchmarks": ("cli", "__init__", *RECIPES, *PARTS, *DATA, *BASE),
}

# Third parties that only some files may import, at module level or within a function.
OWNERS = {
    "metaworld": "suites/metaworld*.py",
    "mujoco": "suites/*.py",
    "robosuite": "suites/robosuite/*.py",
}
SIMULATORS = {"metaworld", "mujoco", "robosuite", "gymnasium"}

# Too slow to import before a command needs them.
HEAVY = {
    "torch", "diffusers", "metaworld", "matplotlib", "minari", "h5py", "pyarrow", "robosuite",
    "numba", "starlette", "uvicorn",
}  # fmt: skip

# They run code that a file names.
UNPICKLERS = {"pickle", "cloudpickle", "dill", "joblib", "shelve"}
# What looks like unpickling and is none: the file, the one use, and why it is there.
NO_UNPICKLING = {
    # Checks that a suite can be dumped to worker processes; loads nothing.
    ("suites/registry.py", "pickle.dumps"),
    # Reads the tensors of Stable-Baselines3's files with weights_only=True, which runs no code.
    ("suites/sb3_experts.py", "torch.load"),
}

MAX_LINES = 400


class Import(NamedTuple):
    """One imported module or object, such as `makeanagent.policies.spec.PolicySpec`."""

    path: Path
    line: int
    name: str
    at_start: bool
    "Runs when the module is imported: not within a function, nor for the type checker alone."

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line} imports {self.name}"

    @property
    def top(self) -> str:
        return self.name.partition(".")[0]


def room_of(path: Path) -> str:
    if path.is_relative_to(BENCHMARKS):
        return "benchmarks"
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def name_of(path: Path) -> str:
    """The file's name within the package, or within the repository."""
    return path.relative_to(PACKAGE if path.is_relative_to(PACKAGE) else ROOT).as_posix()


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def walk(node: ast.AST, at_start: bool = True) -> Iterator[tuple[ast.AST, bool]]:
    """All nodes below `node`, each with whether it runs when the module is imported."""
    for child in ast.iter_child_nodes(node):
        later = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or (
            isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        )
        yield child, at_start
        yield from walk(child, at_start and not later)


@cache
def imports_of(path: Path) -> list[Import]:
    imports = []
    for node, at_start in walk(parse(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import; write it in full"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        imports += [Import(path, node.lineno, name, at_start) for name in names]
    return imports


ALL_IMPORTS = [found for path in MODULES for found in imports_of(path)]


def may_import(found: Import) -> bool:
    """Whether the table allows an import of the package's own."""
    source = room_of(found.path)
    target = found.name.removeprefix("makeanagent").removeprefix(".")
    room = target.partition(".")[0]
    # `from makeanagent import MakeAnAgent` asks the package itself.
    room = room if room in MAY_IMPORT else "__init__"
    return source == room or any(
        room == allowed or f"{target}.".startswith(f"{allowed}.") for allowed in MAY_IMPORT[source]
    )


def show(violations: list) -> str:
    return "\n".join(map(str, violations))


def test_every_room_is_in_the_table():
    assert sorted({room_of(path) for path in MODULES} - MAY_IMPORT.keys()) == []


def test_the_table_has_no_cycle():
    rooms = {room: {name.partition(".")[0] for name in MAY_IMPORT[room]} for room in MAY_IMPORT}
    TopologicalSorter(rooms).prepare()


def test_imports_point_one_way():
    own = [found for found in ALL_IMPORTS if found.top == "makeanagent"]
    assert own, "no import was found: the test reads the wrong folder"
    violations = [found for found in own if not may_import(found)]
    assert not violations, show(violations)


def test_simulators_stay_in_their_files():
    violations = [
        found
        for found in ALL_IMPORTS
        if found.top in OWNERS and not fnmatch(name_of(found.path), OWNERS[found.top])
    ]
    assert not violations, show(violations)


def test_models_know_no_simulator():
    violations = [
        found
        for found in ALL_IMPORTS
        if room_of(found.path) == "models" and found.top in SIMULATORS
    ]
    assert not violations, show(violations)


def test_the_package_and_its_commands_start_light():
    violations = [
        found
        for found in ALL_IMPORTS
        if room_of(found.path) in ("__init__", "__main__", "cli")
        and found.at_start
        and found.top in HEAVY
    ]
    assert not violations, show(violations)


def find_unpickling(path: Path) -> Iterator[tuple[int, str]]:
    """Lines of a file that might run code of another file, and what they use."""
    module = parse(path)
    for found in imports_of(path):
        # `import pickle` alone does nothing; what is used of it is found below.
        if found.top in UNPICKLERS and found.name != found.top or found.name == "torch.load":
            yield found.line, found.name
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute):
            used = ast.unparse(node)
            if used.partition(".")[0] in UNPICKLERS or used == "torch.load":
                yield node.lineno, used
        elif isinstance(node, ast.keyword):
            values = {"allow_pickle": False, "weights_only": True}
            value = node.value.value if isinstance(node.value, ast.Constant) else None
            if node.arg in values and value is not values[node.arg]:
                yield node.value.lineno, ast.unparse(node)


def test_nothing_is_unpickled():
    violations, excused = [], set()
    for path in MODULES:
        for line, used in find_unpickling(path):
            use = (name_of(path), used)
            if use in NO_UNPICKLING:
                excused.add(use)
            else:
                violations.append(f"{path.relative_to(ROOT)}:{line} {used}")
    assert not violations, show(violations)
    assert excused == NO_UNPICKLING, "an exception that is not used"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("import pickle", []),
        ("import pickle\npickle.load(stream)", ["pickle.load"]),
        ("import pickle\npickle.dumps(suite)", ["pickle.dumps"]),
        ("from pickle import load", ["pickle.load"]),
        ("import torch\ntorch.load(stream)", ["torch.load"]),
        ("torch.load(stream, weights_only=False)", ["torch.load", "weights_only=False"]),
        ("from torch import load", ["torch.load"]),
        ("numpy.load(stream, allow_pickle=True)", ["allow_pickle=True"]),
        ("numpy.load(stream, allow_pickle=False)", []),
    ],
)
def test_what_counts_as_unpickling(line, found, monkeypatch):
    monkeypatch.setitem(globals(), "parse", lambda path: ast.parse(line))
    monkeypatch.setitem(globals(), "imports_of", imports_of.__wrapped__)
    assert sorted(used for _, used in find_unpickling(PACKAGE / "file.py")) == found


def test_files_stay_short():
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    violations = [
        f"{path.relative_to(ROOT)}: {length} lines; the most is {MAX_LINES}"
        for path, length in lengths.items()
        if length > MAX_LINES
    ]
    assert not violations, show(violations)


@pytest.mark.parametrize(
    ("file", "line", "allowed"),
    [
        ("cli/demo.py", "from makeanagent.training.diffusion import train", True),
        ("cli/demo.py", "from makeanagent import MakeAnAgent", True),
        ("zoo/sac.py", "from makeanagent.rollouts.scores import score_policies", True),
        ("zoo/sac.py", "from makeanagent.rollouts import scores", True),
        ("zoo/sac.py", "from makeanagent.evaluation.metrics import summarize", False),
        ("zoo/sac.py", "from makeanagent.evaluation import metrics", False),
        ("zoo/sac.py", "from makeanagent import MakeAnAgent", False),
        ("zoo/sac.py", "def f():\n    from makeanagent import cli", False),
        ("models/denoiser.py", "import makeanagent.suites", False),
        ("models/denoiser.py", "from makeanagent.zoo.store import Zoo", False),
        ("policies/batch.py", "from makeanagent.trajectories import Trajectory", False),
        ("errors.py", "import makeanagent.artifacts", False),
    ],
)
def test_the_rule_itself(file, line, allowed, monkeypatch):
    module = ast.parse(line)
    monkeypatch.setitem(globals(), "parse", lambda path: module)
    (found,) = imports_of.__wrapped__(PACKAGE / file)
    assert may_import(found) is allowed
    assert found.at_start is not line.startswith("def")


def test_no_file_names_a_path_of_one_machine():
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    machine_path = re.compile(rb"(?<![\w.~}/-])/(?:work|root|home/\w+|Users/\w+)/")
    violations = []
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        # Paths in .gitignore begin at the repository's root.
        if path.name == ".gitignore" or not path.is_file():
            continue
        content = path.read_bytes()
        if b"\0" in content[:8192]:
            continue
        violations += [
            f"{name}:{number}: {match.group().decode()}"
            for number, line in enumerate(content.splitlines(), start=1)
            if (match := machine_path.search(line))
        ]
    assert not violations, show(violations)
