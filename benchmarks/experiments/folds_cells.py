"""Every task left out once: what each arm makes of its demonstrations, cell by cell.

All arms get the same ten demonstrations of a task and play the same layouts with the first policy
of each, whatever the training seed, so that they are compared prompt by prompt. Each cell (arm,
task, and where it has a generator the fold's training seed) is one JSON file; a killed run goes on
with the cells that are missing, and a cell of another generator or of other settings is made again.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from benchmarks import sealed
from benchmarks.experiments.folds_arms import ArmMaker, Demonstrations
from benchmarks.hidden import HiddenGoals
from benchmarks.prompts import EXPERT_NOISE
from makeanagent.artifacts import describe_provenance, hash_json, read_matching, write_json
from makeanagent.errors import InputError
from makeanagent.evaluation.protocols import deal_layouts
from makeanagent.generator import MakeAnAgent
from makeanagent.methods.method import MethodConfig
from makeanagent.methods.registry import find_method
from makeanagent.parallel import open_pool
from makeanagent.policies.policy import Policy
from makeanagent.rollouts.scores import score_policies
from makeanagent.suites import Suite, layouts

Arm = Literal["shown", "hidden", "guided", "wrong", "nearest", "cloning_moved"]
ARMS: tuple[Arm, ...] = get_args(Arm)
CLONING: Arm = "cloning_moved"
"""The arm that has no generator: one cell a task serves all folds and training seeds."""
Folds = Mapping[str, Sequence[str]]
"""Full task names of each fold: a partition."""
Key = tuple[str, int]
"""Fold and training seed."""
Generators = Mapping[Key, Callable[[], MakeAnAgent]]
"""What loads the generator of each."""
_FIRST = 9_500
"""Where in their ranges this experiment's layouts begin, for prompts and for scores: the last block
of those that `unseen` gives out to its training seeds from the first on."""
_BLOCK = 500


@dataclass(frozen=True, kw_only=True)
class FoldsConfig:
    """Sizes of the experiment."""

    arms: tuple[Arm, ...] = ARMS
    "What is measured."
    num_prompts: int = 10
    "Expert demonstrations of each task, each of which prompts one policy."
    layouts_per_policy: int = 5
    "Layouts that each policy plays; no two policies share one."
    num_known: int = 10
    "Demonstrations of each training task, among which `nearest` looks."
    sealed: bool = False
    "Whether scores are of sealed layouts; otherwise they are of validation layouts."
    methods: MethodConfig = field(default_factory=MethodConfig)
    "Of these, guidance and cloning."

    def __post_init__(self) -> None:
        """Check that there are as many layouts.

        Raises:
            InputError: there are not, or a size is below 1.
        """
        for name in ("num_prompts", "layouts_per_policy", "num_known"):
            if getattr(self, name) < 1:
                raise InputError(f"folds: {name} {getattr(self, name)}: must be at least 1")
        if self.num_prompts * self.layouts_per_policy > _BLOCK:
            raise InputError(
                f"folds: num_prompts {self.num_prompts} with {self.layouts_per_policy} layouts"
                f" each: {_BLOCK} layouts are at hand"
            )

    @property
    def scored(self) -> range:
        """Layouts that scores are of."""
        whole = layouts.SEALED if self.sealed else layouts.VALIDATION
        return whole[_FIRST : _FIRST + self.num_prompts * self.layouts_per_policy]

    @property
    def dealt(self) -> np.ndarray:
        """Layouts of each prompt's policy, int `[N, L]`."""
        return deal_layouts(self.scored, self.num_prompts, self.layouts_per_policy)


class Cell(NamedTuple):
    """One arm on one left-out task."""

    arm: Arm
    task: str
    fold: str
    "That leaves the task out."
    seed: int | None
    "Training seed; None where no generator takes part."
    sealed: bool = False
    "Scored on sealed layouts."

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        trained = "" if self.seed is None else f"-{self.fold}-{self.seed}"
        return f"{self.arm}-{'sealed-' if self.sealed else ''}{self.task}{trained}"


def plan_cells(folds: Folds, keys: Sequence[Key], config: FoldsConfig) -> dict[Key, list[Cell]]:
    """All cells; those of one task follow each other, and each is under one key alone."""
    plan: dict[Key, list[Cell]] = {}
    planned = set[Cell]()
    for fold, seed in keys:
        plan[fold, seed] = [
            cell
            for task in folds[fold]
            for arm in config.arms
            if (cell := Cell(arm, task, fold, None if arm == CLONING else seed, config.sealed))
            not in planned
        ]
        planned.update(plan[fold, seed])
    return plan


def run_folds(
    pool: Executor,
    suite: Suite,
    folds: Folds,
    generators: Generators,
    folder: Path,
    config: FoldsConfig,
    on_cell: Callable[[str], Any] | None = None,
    log: Path = sealed.LOG,
) -> list[dict[str, Any]]:
    """Fill the cells that are missing in `folder`; all cells of the plan.

    Args:
        pool: worker processes; they play while the next policies are made.
        suite: the environments.
        folds: a partition of the tasks.
        generators: of the folds and training seeds that are measured.
        folder: one JSON file a cell.
        config: sizes.
        on_cell: called with each cell's name when it is there.
        log: of the use of sealed layouts.

    Raises:
        InputError: a generator was trained on a task that its fold leaves out.
    """
    report = on_cell or (lambda name: None)
    plan = plan_cells(folds, list(generators), config)
    origins: dict[Cell, dict[str, Any]] = {}
    fingerprints = {}
    for key, cells in plan.items():
        generator = generators[key]()
        require_left_out(generator, folds[key[0]], "-".join(map(str, key)))
        fingerprints["-".join(map(str, key))] = generator.fingerprint
        origins |= {cell: _describe_origin(cell, generator, folds, config) for cell in cells}
    found = {cell: read_matching(_path(folder, cell), origins[cell]) for cell in origins}
    use = None
    if config.sealed and not all(found.values()):
        use = sealed.log_use(
            folder,
            experiment="folds",
            generators=fingerprints,
            layouts=[(config.scored.start, config.scored.stop)],
            plan={cell.name: origin for cell, origin in origins.items()},
            log=log,
        )

    # Once for all cells: it is the same code that fills them.
    provenance = describe_provenance()

    def keep(cell: Cell, result: dict[str, Any]) -> None:
        content = cell._asdict() | origins[cell] | result
        content |= {"use": use, "provenance": provenance}
        write_json(_path(folder, cell), content)
        found[cell] = content
        report(cell.name)

    demonstrations = Demonstrations(pool, suite, config.num_prompts, config.num_known, _FIRST)
    for (fold, seed), cells in plan.items():
        missing = [cell for cell in cells if found[cell] is None]
        for cell in cells:
            if found[cell] is not None:
                report(cell.name)
        if not missing:
            continue
        others = [task for name in folds if name != fold for task in folds[name]]
        maker = ArmMaker(
            generators[fold, seed](), seed, folds[fold], others, demonstrations, config.methods
        )
        pending: dict[Future, tuple[Cell, dict[str, Any]]] = {}
        try:
            for cell in missing:
                # One that cannot be made: an expert that keeps failing.
                try:
                    policies, about = maker.make(cell.arm, cell.task)
                except InputError as error:
                    keep(cell, {"success": None, "reason": str(error)})
                    continue
                world = HiddenGoals(suite) if cell.arm == "hidden" else suite
                job = pool.submit(_play, world, cell.task, list(policies), config.dealt)
                pending[job] = cell, about
                for done in [job for job in pending if job.done()]:
                    cell, about = pending.pop(done)
                    keep(cell, about | done.result())
            for done in as_completed(list(pending)):
                cell, about = pending.pop(done)
                keep(cell, about | done.result())
        except BaseException:
            for job in pending:
                job.cancel()
            raise
    return [content for content in found.values() if content is not None]


def require_left_out(generator: MakeAnAgent, tasks: Sequence[str], name: str) -> None:
    """Refuse a generator that was trained on one of the tasks that its fold leaves out.

    Args:
        generator: its config names the tasks, perhaps of other suites and mirrored or turned.
        tasks: full names of the fold's tasks.
        name: the generator's, for the error.

    Raises:
        InputError: it was.
    """
    known = {task.rpartition("/")[2].partition(".")[0] for task in generator.config.tasks}
    if seen := [task for task in tasks if task in known]:
        raise InputError(
            f"folds: generator {name} was trained on {', '.join(seen)}, which its fold leaves out"
        )


def _path(folder: Path, cell: Cell) -> Path:
    return folder / f"{cell.name}.json"


def _describe_origin(
    cell: Cell, generator: MakeAnAgent, folds: Folds, config: FoldsConfig
) -> dict[str, Any]:
    """What a cell's numbers depend on."""
    origin: dict[str, Any] = {
        "generator_sha256": None,
        "layouts": config.dealt.tolist(),
        "num_prompts": config.num_prompts,
        "expert_noise": list(EXPERT_NOISE),
    }
    settings = asdict(config.methods)
    known = generator.config
    if cell.arm == CLONING:
        origin["methods"] = {name: settings[name] for name in find_method(CLONING).settings}
        assert known.space is not None
        origin["shape_sha256"] = hash_json([asdict(known.spec), asdict(known.space)])
        return origin
    content = asdict(known)
    # How its weights came about is nothing to what they do.
    content.pop("training", None)
    origin |= {"generator_sha256": generator.fingerprint, "config_sha256": hash_json(content)}
    if cell.arm == "guided":
        origin["methods"] = {"guidance": settings["guidance"]}
    if cell.arm in ("wrong", "nearest"):
        origin["fold_tasks"] = list(folds[cell.fold])
    if cell.arm == "nearest":
        origin["num_known"] = config.num_known
    return origin


def _play(suite: Suite, task: str, policies: list[Policy], where: np.ndarray) -> dict[str, Any]:
    """Success `[N, L]` of policies, each on layouts of its own `[N, L]`; runs in a worker."""
    with open_pool(1) as here:
        scores = score_policies(here, suite, task, policies, where)
    return {"success": scores.require_success().astype(int).tolist()}
