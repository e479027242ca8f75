"""From one demonstration of a task that nobody trained on to a policy: ways, rivals and curves.

Every method gets the same expert prompts and makes one policy of each; all are scored by first
samples on fresh layouts. Each cell (experiment, task, training seed) is one JSON file; a killed run
goes on with the cells that are missing, and a cell of another generator or of other settings is
made again.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any, Literal, NamedTuple

import numpy as np

from benchmarks import sealed
from benchmarks.experiments.unseen_methods import (
    CORE,
    CURVES,
    RIVALS,
    SELECTED,
    Groups,
    Makers,
    base_method,
)
from benchmarks.prompts import EXPERT_NOISE, record_expert_prompts
from makeanagent.artifacts import describe_provenance, hash_json, read_matching, write_json
from makeanagent.errors import InputError
from makeanagent.evaluation.protocols import ProtocolConfig, deal_layouts
from makeanagent.generator import MakeAnAgent
from makeanagent.methods.bank import PolicyBank, make_bank
from makeanagent.methods.method import MethodConfig, Sources
from makeanagent.methods.registry import find_method
from makeanagent.policies.batch import PolicyBatch
from makeanagent.rollouts.scores import score_policies
from makeanagent.suites import Suite
from makeanagent.training.data import load_training_data
from makeanagent.trajectories import Trajectory
from makeanagent.zoo.store import Zoo

Part = Literal["core", "rivals", "curves"]
Curve = Literal["demonstrations", "noise"]
Generators = Sequence[Callable[[], MakeAnAgent]]
"""For each training seed, what loads its generator."""
_PROMPT_BLOCK = 500
"""Prompts of each training seed, of which no other has any."""


@dataclass(frozen=True, kw_only=True)
class UnseenConfig:
    """Sizes of the experiment."""

    parts: tuple[Part, ...] = ("core", "rivals", "curves")
    num_prompts: int = 10
    "Expert prompts of each task and training seed, and policies."
    layouts_per_policy: int = 5
    "Scoring layouts that each policy plays; all fifty are dealt out in turn."
    num_chosen: int = 5
    "Policies chosen on the selection layouts; each plays all fifty scoring layouts."
    rival_seeds: int = 1
    "Training seeds whose generators have rivals."
    demonstrations: tuple[int, ...] = (1, 2, 5, 10)
    "Curve: demonstrations that prompt each policy together."
    noise: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6)
    "Curve: action noise of the expert in all prompts."
    held_out_runs: int = 2
    "The last runs of each task, which training held out: rivals are without them, too."
    num_tried: int = 100
    "Guided policies of each task that play the selection layouts."
    sealed: bool = False
    "Whether all but the curves is scored on sealed layouts."
    methods: MethodConfig = field(default_factory=MethodConfig)

    def __post_init__(self) -> None:
        """Check that training seeds do not share prompts."""
        limit = _PROMPT_BLOCK // max(self.demonstrations, default=1)
        if not 1 <= self.num_prompts <= limit:
            raise InputError(f"unseen: num_prompts {self.num_prompts}: must be 1 to {limit}")


class Cell(NamedTuple):
    """One method on one task with one training seed."""

    part: Part
    method: str
    task: str
    seed: int
    curve: Curve | None = None
    value: float | None = None
    "Where on the curve."
    sealed: bool = False
    "Scored on sealed layouts."

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        point = "" if self.curve is None else f"{self.curve}-{self.value:g}-"
        return f"{self.method}-{point}{'sealed-' if self.sealed else ''}{self.task}-{self.seed}"

    @property
    def protocol(self) -> ProtocolConfig:
        """Layouts of the held-out protocol, in a block for each training seed."""
        return ProtocolConfig(
            layout_seed=self.seed, score_on="sealed" if self.sealed else "scoring"
        )


def plan_cells(tasks: Sequence[str], generators: Generators, config: UnseenConfig) -> list[Cell]:
    """All cells of the experiment; those of one seed, part, task and point follow each other."""
    cells: list[Cell] = []
    sealed = config.sealed
    for seed, load in enumerate(generators):
        unseen = [task for task in tasks if task not in load().config.tasks]
        if "core" in config.parts:
            cells += [
                Cell("core", method, task, seed, sealed=sealed)
                for task in tasks
                for method in CORE
                if method != SELECTED or task in unseen
            ]
        if "rivals" in config.parts and seed < config.rival_seeds:
            cells += [
                Cell("rivals", method, task, seed, sealed=sealed)
                for task in tasks
                for method in RIVALS
            ]
        if "curves" in config.parts and seed == 0:
            points: list[tuple[Curve, float]] = [
                *(("demonstrations", count) for count in config.demonstrations),
                *(("noise", scale) for scale in config.noise),
            ]
            cells += [
                Cell("curves", method, task, seed, curve, value)
                for task in unseen
                for curve, value in points
                for method in CURVES
            ]
    return cells


def run_unseen(
    pool: Executor,
    suite: Suite,
    tasks: Sequence[str],
    generators: Generators,
    zoo: Zoo | None,
    folder: Path,
    config: UnseenConfig,
    on_cell: Callable[[str], Any] | None = None,
    log: Path = sealed.LOG,
) -> None:
    """Fill the cells that are missing in `folder`.

    Args:
        pool: worker processes.
        suite: the environments.
        tasks: full task names, seen and unseen.
        generators: for each training seed, what loads its generator.
        zoo: what all of them were trained on; read only where a rival is missing, and without
            rivals none is needed.
        folder: one JSON file a cell.
        config: sizes.
        on_cell: called with each cell's name when it is there.
        log: of the use of sealed layouts.

    Raises:
        InputError: a rival is missing, and there is no zoo.
    """
    report = on_cell or (lambda name: None)
    cells = plan_cells(tasks, generators, config)
    use = _log_sealed(folder, cells, generators, config, log)
    for seed, load in enumerate(generators):
        generator = load()
        missing = []
        for cell in (cell for cell in cells if cell.seed == seed):
            if read_cell(folder, cell, generator, config) is None:
                missing.append(cell)
            else:
                report(cell.name)
        prompts = _Prompts(pool, suite, generator, seed, config)
        bank, strangers = None, list[Trajectory]()
        if any(cell.method == "shuffled" for cell in missing):
            strangers = [prompts.record(task, 1)[0] for task in tasks]
        if any(cell.part == "rivals" for cell in missing):
            if zoo is None:
                raise InputError("unseen: rivals need the generator's --zoo; or name other --parts")
            bank = _load_bank(zoo, generator, config)
        sources = Sources(generator=generator, bank=bank, strangers=strangers, seed=seed)
        makers = Makers(sources, config.methods, config.num_tried)
        for cell in missing:
            # One that cannot be: too few policies to average, an expert that fails.
            try:
                groups = prompts.gather(cell)
                begin = perf_counter()
                policies = makers.make(cell.method, groups, seed)
                seconds = perf_counter() - begin
            except InputError as error:
                result: dict[str, Any] = {"success": None, "reason": str(error)}
            else:
                result = {
                    "num_policies": len(policies),
                    "seconds": seconds,
                    **_play(pool, suite, cell, policies, config),
                }
            result = cell._asdict() | _describe_origin(cell, generator, config) | result
            result |= {
                "generator_sha256": generator.fingerprint,
                "seen": cell.task in generator.config.tasks,
                "sealed": use if cell.sealed else None,
                "provenance": describe_provenance(),
            }
            write_json(folder / f"{cell.name}.json", result)
            report(cell.name)


def _log_sealed(
    folder: Path, cells: Sequence[Cell], generators: Generators, config: UnseenConfig, log: Path
) -> dict[str, Any] | None:
    """Log the use of sealed layouts, if a cell is still to be played there; the log's line."""
    loaded = [load() for load in generators]
    planned = [cell for cell in cells if cell.sealed]
    if all(read_cell(folder, cell, loaded[cell.seed], config) for cell in planned):
        return None
    where = sorted({cell.seed: cell.protocol.held_out_range for cell in planned}.items())
    return sealed.log_use(
        folder,
        experiment="unseen",
        generators={str(seed): loaded[seed].fingerprint for seed, _ in where},
        layouts=[(part.start, part.stop) for _, part in where],
        plan={cell.name: _describe_origin(cell, loaded[cell.seed], config) for cell in planned},
        log=log,
    )


def read_cell(
    folder: Path, cell: Cell, generator: MakeAnAgent, config: UnseenConfig
) -> dict[str, Any] | None:
    """What a cell holds, or None where it is missing, or of another generator or settings."""
    return read_matching(folder / f"{cell.name}.json", _describe_origin(cell, generator, config))


def _describe_origin(cell: Cell, generator: MakeAnAgent, config: UnseenConfig) -> dict[str, Any]:
    """What a cell's numbers depend on."""
    settings = asdict(config.methods)
    method = find_method(base_method(cell.method))
    return {
        "weights_sha256": _hash_weights(generator),
        "config_sha256": _hash_config(generator),
        "protocol": asdict(cell.protocol),
        "num_prompts": config.num_prompts,
        "expert_noise": [cell.value] if cell.curve == "noise" else list(EXPERT_NOISE),
        "held_out_runs": config.held_out_runs if method.needs_bank else None,
        "layouts_per_policy": config.layouts_per_policy,
        "num_chosen": config.num_chosen,
        "num_tried": config.num_tried if cell.method == SELECTED else None,
        "methods": {name: settings[name] for name in method.settings},
    }


def _hash_config(generator: MakeAnAgent) -> str:
    """What weights are read by, and not how they came about."""
    content = asdict(generator.config)
    del content["training"]
    return hash_json(content)


@lru_cache(maxsize=16)
def _hash_weights(generator: MakeAnAgent) -> str:
    """SHA-256 of the weights in use."""
    digest = sha256()
    for name, tensor in generator.state_dict().items():
        digest.update(name.encode() + tensor.cpu().numpy().tobytes())
    return digest.hexdigest()


class _Prompts:
    """A training seed's own expert prompts; a few tasks' are kept, since methods share them."""

    def __init__(
        self,
        pool: Executor,
        suite: Suite,
        generator: MakeAnAgent,
        seed: int,
        config: UnseenConfig,
    ) -> None:
        self._pool, self._suite, self._config = pool, suite, config
        self._window, self._offset = generator.config.window, _PROMPT_BLOCK * seed
        self.record = lru_cache(maxsize=4)(self._record)

    def _record(
        self, task: str, count: int, noise_scales: tuple[float, ...] = EXPERT_NOISE
    ) -> list[Trajectory]:
        return record_expert_prompts(
            self._pool,
            self._suite,
            task,
            count,
            self._window,
            noise_scales,
            offset=self._offset,
        )

    def gather(self, cell: Cell) -> Groups:
        """The demonstrations of each policy.

        Raises:
            InputError: the expert keeps failing.
        """
        count = self._config.num_prompts
        if cell.curve == "noise":
            assert cell.value is not None
            return [[prompt] for prompt in self.record(cell.task, count, (cell.value,))]
        rounds = int(cell.value or 1)
        prompts = self.record(cell.task, count * rounds)
        # Turned by one a round, since a group's noise scales must not be all alike.
        return [
            [prompts[count * turn + (number + turn) % count] for turn in range(rounds)]
            for number in range(count)
        ]


def _load_bank(zoo: Zoo, generator: MakeAnAgent, config: UnseenConfig) -> PolicyBank:
    """What the generator was trained on.

    Raises:
        InputError: the generator tells of another zoo.
    """
    trained_on = (generator.config.training or {}).get("shards", {})
    for name, found in trained_on.items():
        if name not in zoo.shard_names() or zoo.read_index(name)["sha256"] != found:
            raise InputError(f"{zoo.folder}: {name}: not as the generator was trained on it")
    data = load_training_data(
        zoo,
        generator.config.tasks,
        generator.config.window,
        held_out_runs=config.held_out_runs,
        num_states=1,
        keep_trajectories=generator.config.reads_whole,
    )
    return make_bank(data, generator)


def _play(
    pool: Executor,
    suite: Suite,
    cell: Cell,
    policies: PolicyBatch,
    config: UnseenConfig,
) -> dict[str, Any]:
    """Success on the held-out layouts, bool `[N, L]`; `selected` plays the selection layouts first.

    The layouts that are noted are those that were played.
    """
    protocol, actors = cell.protocol, list(policies)
    result: dict[str, Any] = {}
    where: np.ndarray
    if cell.method == SELECTED:
        asked = protocol.selection_range
        tried = score_policies(pool, suite, cell.task, actors, asked)
        success = tried.require_success()
        chosen = np.argsort(-success.mean(axis=1), kind="stable")[: config.num_chosen]
        actors = [actors[row] for row in chosen]
        where = np.tile(protocol.held_out_range, (len(chosen), 1))
        result |= {
            "selection_layouts": tried.layouts.tolist(),
            "selection_success": success.astype(int).tolist(),
            "chosen_policies": chosen.tolist(),
        }
    else:
        where = deal_layouts(protocol.held_out_range, len(actors), config.layouts_per_policy)
    scores = score_policies(pool, suite, cell.task, actors, where)
    return result | {
        "layouts": scores.layouts.tolist(),
        "success": scores.require_success().astype(int).tolist(),
    }
