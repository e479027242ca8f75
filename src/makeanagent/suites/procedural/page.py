"""The page on drawn tasks, written from the table that they are drawn from.

python -m makeanagent.suites.procedural.page > docs/procedural.md
"""

from dataclasses import fields

from makeanagent.suites.procedural.family import FAMILY, KINDS, FamilyConfig
from makeanagent.suites.procedural.hand import HandDynamics
from makeanagent.suites.procedural.programs import SLOTS
from makeanagent.suites.procedural.ranges import Chance, Choice, Entry
from makeanagent.suites.procedural.tasks import DEMONSTRATION_STEPS, NUMBERS_OF_A_SEED

_KIND_TEXTS = {
    "reached": "the hand at a place",
    "slides": "drawers, windows, buttons, plates: what slides along a line",
    "hinges": "doors, faucets, dials, levers: what turns about an axis",
    "pushed": "a loose object, pushed to a goal from behind or from within the open fingers",
    "grasped": "a loose object, grasped and carried to a goal in the air or on the table",
    "two": "two objects: one is stacked on the other, put into it, put over it, drawn out of it, or"
    " pushes it",
}
_SLOT_TEXTS = {
    "release": "the object is over its goal: open the fingers, rise",
    "clear": "the hand is too near to a wall: rise",
    "rise": "the hand is low and far from the contact: rise",
    "approach": "the hand is off the line of approach: to a waypoint above, in line or beside",
    "contact": "the hand is short of the contact: along that line, to it",
    "close": "the fingers are open: shut them",
    "leave": "the object is low and far from its goal: lift it; or step aside, before a wall",
    "carry": "the object is away from above its goal, or from where it is lined up: go there",
    "lower": "the object is too high to be lined up: lower it",
    "act": "nothing else: along the mechanism, to the goal, into the hole",
}


def write_page() -> str:
    """The whole of docs/procedural.md."""
    hand = HandDynamics()
    kinds = "\n".join(
        f"| `{name}` | {weight:g} | {_KIND_TEXTS[name]} |"
        for name, weight in zip(KINDS, FamilyConfig().weights, strict=True)
    )
    slots = "\n".join(f"| {name} | {_SLOT_TEXTS[name]} |" for name in SLOTS)
    switches = ", ".join(
        f"`{field.name}`" for field in fields(FamilyConfig) if isinstance(field.default, bool)
    )
    tables = "\n".join(
        f"### {heading}\n\n| What | Drawn from | Why |\n|---|---|---|\n"
        + "".join(map(_write_row, entries))
        for heading, entries in FAMILY.items()
    )
    return f"""# Drawn tasks

Written by `python -m makeanagent.suites.procedural.page`; do not edit.

`procedural/<number>` is a manipulation task that is drawn from its number alone: a scene, what
counts as success, and a program that solves it. Number n is the same task on every machine, drawn
by itself or among thousands, and layout k of it is the same too.

```bash
make-an-agent record --env procedural/17 --out demo.npz
make-an-agent generate --prompt demo.npz --num 100 --out policies
make-an-agent evaluate policies --env procedural/17
```

The bundled generators were trained on such tasks first, of numbers from 1,000,000,000 on, and then
on Meta-World's own.

```python
from makeanagent.suites.procedural import draw_tasks, program_targets, simulate

tasks, succeeds = draw_tasks(1000, seed=1)  # numbers from {NUMBERS_OF_A_SEED:,} on
episodes = simulate(tasks, layouts=range(4))
episodes.observations  # [1000, 4, 151, 39], of which layout 0 is the demonstration
episodes.labels  # what the programs do there, without noise
targets = program_targets(tasks)  # the programs as numbers, with masks
```

## The world
Observations are laid out as Meta-World's 39 numbers, and actions as its 4. The hand is drawn
towards a point that actions move by up to {hand.action_scale * 100:g} cm: with the point m and
the hand h, each step's displacement d becomes {hand.inertia:g} d + {hand.pull:g} (m - h).
`fit_hand(suite, task)` measures these constants in another simulator; `HandDynamics` holds them.

There are no forces. A hand that would enter a mechanism's contact moves it along its path as far
as that gives way, and is kept out of the rest. Fingers hold an object if they close on it with
their middle within 3 cm of its contact. It slips where they press less than its weight and the
hand's speed ask for, is lost when it has moved 3 cm between them, and falls when it is let go.
Walls, holes and poles keep objects out; a tip that is lined up with a hole goes in.

Success is read from where things are and from whether the hand holds them, never from the program.

## Kinds
| Kind | Weight | What is asked for |
|---|---|---|
{kinds}

`FamilyConfig` sets the weights, and switches parts off by name: {switches}.

A number's kind is drawn once; scene and program are drawn until the program solves layout 0
within {DEMONSTRATION_STEPS} steps.

## Programs
A program looks at one observation and remembers nothing. The first of its phases that is needed
acts: a proportional controller moves the hand towards a point that is fixed to the object, the
second object, the goal or the world.

| Phase | Needed as long as |
|---|---|
{slots}

## What is drawn, and why
The ranges come from what manipulation asks for: the workspace, the gripper, the size of things,
what a proportional controller does. Numbers are drawn evenly between the two ends.

{tables}"""


def _write_row(entry: Entry) -> str:
    if isinstance(entry, Chance):
        drawn = f"{entry.share:.0%} of the tasks"
    elif isinstance(entry, Choice):
        total = sum(entry.weights)
        drawn = ", ".join(
            f"{value if isinstance(value, str) else format(value, 'g')} ({weight / total:.0%})"
            for value, weight in zip(entry.values, entry.weights, strict=True)
        )
    elif entry.unit == "m":
        drawn = f"{entry.low * 100:g} to {entry.high * 100:g} cm"
    else:
        drawn = f"{entry.low:.3g} to {entry.high:.3g} {entry.unit}"
    return f"| {entry.name} | {drawn} | {entry.reason} |\n"


if __name__ == "__main__":
    print(write_page(), end="")
