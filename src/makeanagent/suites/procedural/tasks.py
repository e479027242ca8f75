"""Tasks by number: drawn, tried by their own programs, and kept if these succeed."""

from dataclasses import dataclass

import numpy as np

from makeanagent.errors import InputError
from makeanagent.suites.procedural.arrays import Rows
from makeanagent.suites.procedural.family import ENTRIES, KINDS, FamilyConfig
from makeanagent.suites.procedural.hand import HandDynamics
from makeanagent.suites.procedural.program_drawing import draw_programs
from makeanagent.suites.procedural.programs import Program, act
from makeanagent.suites.procedural.ranges import Sheet, choose, count_numbers
from makeanagent.suites.procedural.scene_drawing import draw_scenes
from makeanagent.suites.procedural.scenes import NUM_LAYOUT_NUMBERS, Layout, Scene, lay_out
from makeanagent.suites.procedural.world import World

DEMONSTRATION_STEPS = 150
"""Steps within which a task's own program has to solve it."""
NUMBERS_OF_A_SEED = 10**9
"""Task numbers that belong to one seed of `draw_tasks`."""
_EARLIEST_SUCCESS = 8
"""Steps: what is solved sooner asks for nothing."""
_MOST_ATTEMPTS = 300
_TASK, _KEEP, _LAYOUT, _EPISODE = range(4)
"""What a number's random streams are for."""


@dataclass(frozen=True, kw_only=True)
class Tasks(Rows):
    """N drawn tasks."""

    numbers: np.ndarray
    "Their names, int `[N]`."
    attempts: np.ndarray
    "How many draws of each number were dropped before this one, int `[N]`."
    kinds: np.ndarray
    "Indices into `KINDS`, int `[N]`."
    scene: Scene
    program: Program


def draw_tasks(
    count: int,
    seed: int = 0,
    family: FamilyConfig | None = None,
    *,
    failures: float = 0,
    hand: HandDynamics | None = None,
) -> tuple[Tasks, np.ndarray]:
    """Draw tasks whose demonstrations succeed: those from number `seed * 10**9` on.

    Args:
        count: how many.
        seed: that of the suite's first thousand tasks is 0.
        family: what is drawn.
        failures: share of the tasks that are kept whether their demonstrations succeed or not.
        hand: how the hand answers actions.

    Returns:
        The tasks, and whether the demonstration of each succeeds, bool `[count]`.
    """
    numbers = seed * NUMBERS_OF_A_SEED + np.arange(count)
    return find_tasks(numbers, family, failures=failures, hand=hand)


def find_tasks(
    numbers: np.ndarray,
    family: FamilyConfig | None = None,
    *,
    failures: float = 0,
    hand: HandDynamics | None = None,
) -> tuple[Tasks, np.ndarray]:
    """As `draw_tasks`, for these numbers `[N]`: each gives the same task in any company.

    Raises:
        InputError: programs of a kind never succeed with this hand.
    """
    numbers = np.asarray(numbers, np.int64)
    family, hand = family or FamilyConfig(), hand or HandDynamics()
    tolerated = np.array([_make_stream(n, _KEEP).random() for n in numbers]) < failures
    kinds = find_kinds(numbers, family)
    parts, rows, outcomes = [], [], []
    left = np.arange(len(numbers))
    for attempt in range(_MOST_ATTEMPTS):
        if not len(left):
            break
        drawn = _draw(numbers[left], attempt, kinds[left], family)
        succeeds = demonstrate(drawn, hand)
        kept = succeeds | tolerated[left]
        parts.append(drawn.take(kept))
        rows.append(left[kept])
        outcomes.append(succeeds[kept])
        left = left[~kept]
    else:
        raise InputError(
            f"procedural/{numbers[left[0]]}: no program of kind {KINDS[kinds[left[0]]]} succeeds"
            f" in {_MOST_ATTEMPTS} draws with this hand"
        )
    order = np.argsort(np.concatenate(rows)) if rows else left
    return Tasks.join(parts).take(order), np.concatenate(outcomes)[order]


def find_kinds(numbers: np.ndarray, family: FamilyConfig | None = None) -> np.ndarray:
    """The kinds of tasks, indices into `KINDS`, `[N]`; quick, since nothing else is drawn."""
    first = np.array([_make_stream(number, _TASK, 0).random() for number in numbers])
    return choose(np.array((family or FamilyConfig()).weights), first)


def _make_stream(number: int, *purpose: int) -> np.random.Generator:
    return np.random.Generator(
        np.random.PCG64(np.random.SeedSequence((int(number), *map(int, purpose))))
    )


def _draw(numbers: np.ndarray, attempt: int, kinds: np.ndarray, family: FamilyConfig) -> Tasks:
    """One draw of each number, good or bad."""
    count = count_numbers(ENTRIES)
    # The first number is the kind's, which does not change from attempt to attempt.
    drawn = [_make_stream(number, _TASK, attempt).random(1 + count)[1:] for number in numbers]
    sheet = Sheet(ENTRIES, np.array(drawn).reshape(-1, count))
    scene = draw_scenes(sheet, kinds, family)
    return Tasks(
        numbers=numbers,
        attempts=np.full(len(numbers), attempt),
        kinds=kinds,
        scene=scene,
        program=draw_programs(sheet, kinds, scene, family),
    )


def find_layouts(tasks: Tasks, layouts: np.ndarray) -> Layout:
    """Where things are in layout `layouts[n]` of task n, both of N."""
    drawn = [
        _make_stream(number, _LAYOUT, attempt, layout).random(NUM_LAYOUT_NUMBERS)
        for number, attempt, layout in zip(tasks.numbers, tasks.attempts, layouts, strict=True)
    ]
    return lay_out(tasks.scene, np.array(drawn).reshape(-1, NUM_LAYOUT_NUMBERS))


def make_episode_stream(tasks: Tasks, row: int, layout: int, seed: int) -> np.random.Generator:
    """The random stream of an episode of the task in a row."""
    return _make_stream(tasks.numbers[row], _EPISODE, tasks.attempts[row], layout, seed)


def demonstrate(tasks: Tasks, hand: HandDynamics, layout: int = 0) -> np.ndarray:
    """Whether the tasks' programs, without noise, solve them on a layout, bool `[N]`."""
    world = World(tasks.scene, hand)
    observations = world.reset(find_layouts(tasks, np.full(len(tasks), layout)))
    first = np.zeros(len(tasks), int)
    for step in range(1, DEMONSTRATION_STEPS + 1):
        observations, success = world.step(act(tasks.program, observations))
        first = np.where((first == 0) & success, step, first)
        if first.all():
            break
    return first >= _EARLIEST_SUCCESS
