"""Policies for one arm, made of its demonstrations by a generator that learned on another arm.

Each cell (method, task, training seed) is one JSON file: as many policies as prompts, each made of
one expert demonstration on the arm that it is to move, and played on that arm. A killed run goes
on with the cells that are missing.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import torch

from benchmarks.prompts import EXPERT_NOISE, record_expert_prompts
from makeanagent.artifacts import describe_provenance, read_matching, write_json
from makeanagent.evaluation.protocols import ProtocolConfig, deal_layouts
from makeanagent.generator import MakeAnAgent
from makeanagent.methods.method import MethodConfig, PolicyGenerator, Sources
from makeanagent.methods.registry import find_method
from makeanagent.policies.batch import PolicyBatch
from makeanagent.rollouts.actors import Actor
from makeanagent.rollouts.scores import score_policies
from makeanagent.suites import Suite
from makeanagent.suites.robosuite.ids import (
    AMOUNTS,
    ARMS,
    END_EFFECTOR,
    JOINT,
    TASKS,
    TaskId,
    read_id,
)
from makeanagent.trajectories import Trajectory
from makeanagent.trajectories.behaviors import Behavior, group_prompts

Part = Literal["arms", "joints", "amounts"]
PARTS: tuple[Part, ...] = get_args(Part)
LEARNED_ON = "panda"
"Whose lessons there are."
MAIN_ARMS = (LEARNED_ON, "sawyer")
"The paper's, on which every method is measured."
ASKED = "sawyer"
"The paper's arm for tests."
COMPARED = ("lift", "door")
"""Tasks that are asked for. The nuts are learned too, but not well enough to be worth a table: in
trials their policies came to rest over the handle, or closed on nothing."""
LEARNED_AMOUNTS = {"lift": (6, 10, 14, 18, 22), "door": (7, 13, 19)}
"Asked for in training; the amounts between them are not."
NEW_AMOUNTS = {
    task: tuple(amount for amount in AMOUNTS[task][0] if amount not in known and amount < known[-1])
    for task, known in LEARNED_AMOUNTS.items()
}
"Between those of training."
UNCHANGED = "unchanged"
"""The policy that training on the other arm fitted to the very task, which no prompt changes."""
NEAREST = "nearest"
"The policy that was fitted to the training task whose demonstrations are nearest."
RETARGETED = "retargeted"
"""Prompt and policy of the joint form, by way of the end-effector form and the arm's kinematics."""
GENERATED = ("unguided", "guided", "shuffled")
CLONED = ("cloning_moved",)
"""The strongest that has the demonstration alone."""
_PROMPT_BLOCK = 500
"""Prompts of each training seed, of which no other has any."""


@dataclass(frozen=True, kw_only=True)
class TransferConfig:
    """Sizes of the experiment."""

    parts: tuple[Part, ...] = PARTS
    num_prompts: int = 25
    "Expert prompts of each task and training seed, and policies."
    layouts_per_policy: int = 2
    "Scoring layouts that each policy plays; all fifty are dealt out in turn."
    cloning_seeds: int = 1
    "Training seeds beside which there is cloning, which does not depend on the generator."
    methods: MethodConfig = field(default_factory=MethodConfig)


class Cell(NamedTuple):
    """One method on one task with one training seed."""

    part: Part
    method: str
    task: str
    seed: int

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return f"{self.method}-{self.task}-{self.seed}"

    @property
    def protocol(self) -> ProtocolConfig:
        """Layouts of the held-out protocol, in a block for each training seed."""
        return ProtocolConfig(layout_seed=self.seed)


def list_training_tasks() -> tuple[str, ...]:
    """What generators learn: the four tasks and some amounts, on one arm in randomised worlds."""
    wanted: list[tuple[str, int | None]] = [(task, None) for task in TASKS]
    wanted += [(task, amount) for task, known in LEARNED_AMOUNTS.items() for amount in known]
    return tuple(
        str(TaskId(task=task, arm=LEARNED_ON, amount=amount, randomized=True))
        for task, amount in wanted
    )


def find_learned(task: TaskId) -> str:
    """The name of the same task where it is learned."""
    return str(replace(task, arm=LEARNED_ON, form=END_EFFECTOR, randomized=True))


def plan_cells(seeds: int, config: TransferConfig) -> list[Cell]:
    """All cells; those of one seed and task follow each other."""
    cells: list[Cell] = []
    for seed in range(seeds):
        cloned = CLONED if seed < config.cloning_seeds else ()
        if "arms" in config.parts:
            for arm, name in product(ARMS, COMPARED):
                task = TaskId(task=name, arm=arm)
                if not task.has_expert:
                    continue
                all_ways = (*GENERATED, UNCHANGED, *cloned)
                methods = all_ways if arm in MAIN_ARMS else ("unguided", UNCHANGED)
                cells += [Cell("arms", method, str(task), seed) for method in methods]
        if "joints" in config.parts:
            cells += [
                Cell("joints", RETARGETED, str(TaskId(task=name, arm=arm, form=JOINT)), seed)
                for arm in MAIN_ARMS
                for name in COMPARED
            ]
        if "amounts" in config.parts:
            cells += [
                Cell("amounts", method, str(TaskId(task=name, arm=ASKED, amount=amount)), seed)
                for name, amounts in NEW_AMOUNTS.items()
                for amount in amounts
                for method in ("unguided", "shuffled", NEAREST)
            ]
    return cells


def run_transfer(
    pool: Executor,
    suite: Suite,
    generators: Sequence[Callable[[], MakeAnAgent]],
    folder: Path,
    config: TransferConfig,
    on_cell: Callable[[str], Any],
) -> list[dict[str, Any]]:
    """Fill the cells that are missing in `folder`, and return all.

    Args:
        pool: worker processes.
        suite: robosuite.
        generators: for each training seed, what loads its generator.
        folder: one JSON file a cell.
        config: sizes.
        on_cell: called with each cell's name when it is there.
    """
    found = []
    cells = plan_cells(len(generators), config)
    for seed, load in enumerate(generators):
        generator = load()
        prompts = _Prompts(pool, suite, generator, seed, config)
        for cell in (cell for cell in cells if cell.seed == seed):
            path = folder / f"{cell.name}.json"
            origin = _describe_origin(cell, generator, config)
            result = read_matching(path, origin)
            if result is None:
                sources = Sources(generator=generator, strangers=prompts.others(cell), seed=seed)
                shown = prompts.record(cell.task)
                if cell.method == RETARGETED:
                    actors = _retarget(generator, read_id(cell.task), shown, seed)
                else:
                    maker = _find_maker(cell, sources, config)
                    actors = list(maker.generate(shown, None, seed))
                result = {
                    **cell._asdict(),
                    **origin,
                    **_play(pool, suite, cell, actors, config),
                    "provenance": describe_provenance(),
                }
                write_json(path, result)
            found.append(result)
            on_cell(cell.name)
    return found


def _describe_origin(cell: Cell, generator: MakeAnAgent, config: TransferConfig) -> dict[str, Any]:
    """What a cell's numbers depend on."""
    return {
        "generator_sha256": generator.fingerprint,
        "protocol": asdict(cell.protocol),
        "num_prompts": config.num_prompts,
        "layouts_per_policy": config.layouts_per_policy,
        "methods": asdict(config.methods),
    }


class _Prompts:
    """A training seed's own expert prompts; a few tasks' are kept, since methods share them."""

    def __init__(
        self,
        pool: Executor,
        suite: Suite,
        generator: MakeAnAgent,
        seed: int,
        config: TransferConfig,
    ) -> None:
        self._config = config

        @lru_cache(maxsize=8)
        def record(task: str, count: int) -> list[Trajectory]:
            return record_expert_prompts(
                pool,
                suite,
                task,
                count,
                generator.config.window,
                EXPERT_NOISE,
                offset=_PROMPT_BLOCK * seed,
            )

        self._record = record

    def record(self, task: str) -> list[Trajectory]:
        """The prompts of a task."""
        return self._record(task, self._config.num_prompts)

    def others(self, cell: Cell) -> list[Trajectory]:
        """For `shuffled`: prompts of the arm's other tasks, or of the task's other amounts."""
        if cell.method != "shuffled":
            return []
        own = read_id(cell.task)
        if own.amount is None:
            tasks = [TaskId(task=name, arm=own.arm) for name in COMPARED]
        else:
            tasks = [replace(own, amount=amount) for amount in NEW_AMOUNTS[own.task]]
        each = self._config.num_prompts // 4 or 1
        return [
            prompt
            for task in tasks
            for prompt in self._record(str(task), self._config.num_prompts)[:each]
        ]


def _find_maker(cell: Cell, sources: Sources, config: TransferConfig) -> PolicyGenerator:
    generator = sources.generator
    if cell.method == UNCHANGED:
        learned = find_learned(read_id(cell.task))
        return _Practised(generator, generator.config.tasks.index(learned))
    if cell.method == NEAREST:
        return _Practised(generator)
    return find_method(cell.method).build(sources, config.methods)


class _Practised:
    """Policies that were fitted to training tasks, in place of generated ones.

    Args:
        generator: has practised them.
        task: number of the one whose policy is taken; by default, that of the nearest
            demonstration.
    """

    def __init__(self, generator: MakeAnAgent, task: int | None = None) -> None:
        self._generator, self._task = generator, task

    def generate(
        self,
        prompts: Trajectory | Sequence[Behavior],
        num_policies: int | None = None,
        seed: int = 0,
    ) -> PolicyBatch:
        """One for each prompt."""
        groups, rows = group_prompts(prompts, num_policies)
        generator, practice = self._generator, self._generator.practice
        assert practice is not None
        if self._task is None:
            numbers = practice.find_nearest(generator.embed_groups(groups)).numbers
        else:
            numbers = torch.full((len(groups),), self._task)
        latents = practice.latents[numbers][rows]
        with torch.no_grad():
            return PolicyBatch(generator.autoencoder.decode(latents), generator.config.spec)


def _retarget(
    generator: MakeAnAgent, task: TaskId, shown: Sequence[Trajectory], seed: int
) -> list[Actor]:
    """Actors of the joint form, one for each of its demonstrations."""
    from makeanagent.suites.robosuite.retargeting import JointActor, Retargeting

    retargeting = Retargeting(task)
    prompts = [retargeting.convert(each) for each in shown]
    return [JointActor(policy, task) for policy in generator.generate(prompts, seed=seed)]


def _play(
    pool: Executor, suite: Suite, cell: Cell, actors: list[Actor], config: TransferConfig
) -> dict[str, Any]:
    """Success on the held-out layouts, `[N, L]`."""
    where = deal_layouts(cell.protocol.held_out_range, len(actors), config.layouts_per_policy)
    scores = score_policies(pool, suite, cell.task, actors, where)
    return {
        "num_policies": len(actors),
        "layouts": scores.layouts.tolist(),
        "success": scores.require_success().astype(int).tolist(),
    }
