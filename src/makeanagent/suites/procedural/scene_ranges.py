"""What the scenes of drawn tasks draw, from where, and why."""

import numpy as np

from makeanagent.suites.procedural.ranges import Chance, Choice, Entry, Range

PAIRS = ("stack", "insert", "ring", "draw out", "stick")
"""What the tasks with two objects ask for."""
STACK, INSERT, RING, DRAW_OUT, STICK = range(len(PAIRS))

PLACES: tuple[Entry, ...] = (
    Range(
        name="hand start",
        low=0,
        high=1,
        width=3,
        unit="of the middle of the workspace",
        reason="Arms are parked over the middle of the table, above most objects, before a task.",
    ),
    Range(
        name="place",
        low=0,
        high=1,
        width=3,
        unit="of where it fits",
        reason="A fixture may stand wherever contact, motion and layouts stay within reach.",
    ),
    Range(
        name="second place",
        low=0,
        high=1,
        width=3,
        unit="of where it fits",
        reason="The same for what a first object is brought to, and for what only stands about.",
    ),
    Range(
        name="spread",
        low=0.01,
        high=0.1,
        width=2,
        reason="Layouts move things by up to a hand's width along x and y, so that places must be"
        " read from the observation.",
    ),
    Range(
        name="rise of layouts",
        low=0,
        high=0.03,
        reason="What stands on the table keeps its height; what hangs on a wall may hang higher.",
    ),
    Range(
        name="goal bearing",
        low=-np.pi,
        high=np.pi,
        unit="rad",
        reason="On a table no direction to push or carry in is special.",
    ),
    Range(
        name="goal distance",
        low=0.12,
        high=0.3,
        reason="Further than layouts move things, so that the object must be moved; and near"
        " enough for an episode.",
    ),
    Range(
        name="goal height",
        low=0.05,
        high=0.28,
        reason="What is carried may be wanted anywhere between the table and the hand's start.",
    ),
    Choice(
        name="goal is",
        values=("in the air", "on the table"),
        weights=(0.5, 0.5),
        reason="Carried objects are held up or put down, equally often for want of a reason.",
    ),
    Chance(
        name="goal unseen",
        share=0.05,
        reason="Some simulators show no goal where the task is one motion of a mechanism.",
    ),
    Range(
        name="goal shown off its place",
        low=-0.04,
        high=0.04,
        width=3,
        reason="Simulators mark a mechanism's goal at its handle or beside it.",
    ),
    Chance(
        name="goal is off",
        share=0.4,
        reason="Most goals are shown where the thing is to be.",
    ),
    Chance(
        name="idle object",
        share=0.5,
        reason="Simulators may place an object even where only the hand is asked for.",
    ),
    Chance(
        name="bystander",
        share=0.2,
        reason="Observations show objects that have no part in the task.",
    ),
    Chance(
        name="wall",
        share=0.2,
        reason="An obstacle now and then forces another path than the nearest one.",
    ),
    Range(
        name="distance past a wall",
        low=0.24,
        high=0.3,
        reason="Room for the wall between object and goal, and for hand and object beside it.",
    ),
    Range(
        name="wall height",
        low=0.06,
        high=0.16,
        reason="High enough to stop a hand near the table, low enough to go over with an object.",
    ),
    Range(
        name="wall width",
        low=0.08,
        high=0.2,
        reason="Half of it: wider than layouts move things to the side.",
    ),
    Choice(
        name="orientation",
        values=("first of four", "last of four", "quarter turn", "none"),
        weights=(0.4, 0.2, 0.2, 0.2),
        reason="Simulators write quaternions in both orders, turned by how a model was drawn, or"
        " not at all; programs read none.",
    ),
    Range(
        name="tolerance",
        low=0.035,
        high=0.06,
        reason="Success within about the size of an object; action noise alone moves a hand by"
        " some millimetres.",
    ),
)
"""Where things are."""

MECHANISMS: tuple[Entry, ...] = (
    Choice(
        name="direction",
        values=("left", "right", "near", "far", "down", "up"),
        weights=(0.18, 0.18, 0.18, 0.18, 0.18, 0.1),
        reason="Mechanisms move along the table's axes or straight down; up is rarer, since"
        " weight already closes what opens upwards.",
    ),
    Chance(
        name="oblique",
        share=0.25,
        reason="Fixtures also stand at an angle to the table.",
    ),
    Range(
        name="obliqueness",
        low=-0.45,
        high=0.45,
        width=3,
        unit="of the direction",
        reason="Up to some 35 degrees, beyond which another axis is nearer.",
    ),
    Range(
        name="travel",
        low=0.05,
        high=0.2,
        reason="From a button's depth to the width of a window or drawer.",
    ),
    Range(
        name="radius",
        low=0.06,
        high=0.28,
        reason="From a dial or faucet to a door: the handle's distance from the axis.",
    ),
    Range(
        name="angle",
        low=0.4,
        high=1.3,
        unit="rad",
        reason="A quarter turn or less, as far as one push in one direction can take a handle.",
    ),
    Range(
        name="arm bearing",
        low=-np.pi,
        high=np.pi,
        unit="rad",
        reason="The axis may stand in any plane that holds the direction of motion.",
    ),
    Chance(
        name="upright axis",
        share=0.6,
        reason="Doors, faucets and dials turn about an upright axis more often than lids and"
        " levers turn about a level one.",
    ),
    Range(
        name="contact size",
        low=0.03,
        high=0.05,
        reason="Half a gripper's width and half a handle's, at which the two touch.",
    ),
    Range(
        name="handle off its place",
        low=-0.1,
        high=0.1,
        width=3,
        reason="Simulators report a handle's middle, a joint or a body's centre: up to half a"
        " drawer's or a panel's width from where a hand makes contact.",
    ),
    Chance(
        name="handle is off",
        share=0.5,
        width=3,
        reason="Along each axis half of the reported places are the place of contact itself.",
    ),
    Choice(
        name="yielding",
        values=(1.0, 0.7, 0.4),
        weights=(0.5, 0.3, 0.2),
        reason="Mechanisms give way at once or reluctantly: the share of a push that moves them.",
    ),
    Choice(
        name="spring",
        values=(0.0, 0.02, 0.1),
        weights=(0.7, 0.15, 0.15),
        reason="Most stay where they are left; buttons and levers come back.",
    ),
    Range(
        name="share of travel",
        low=0.6,
        high=0.95,
        unit="of the travel",
        reason="Success is asked for near the end of the travel, not at its last millimetre.",
    ),
    Chance(
        name="gripped",
        share=0.2,
        reason="Knobs and bars that stand off in no direction have to be held to be moved.",
    ),
)
"""What slides and turns."""

OBJECTS: tuple[Entry, ...] = (
    Range(
        name="resting height",
        low=0.01,
        high=0.03,
        reason="Half the height of objects that a gripper of 10 cm takes.",
    ),
    Range(
        name="object size",
        low=0.04,
        high=0.06,
        reason="Half a gripper's width and half an object's, at which a hand pushes it.",
    ),
    Range(
        name="grasp height",
        low=0.03,
        high=0.05,
        reason="Fingers reach 4 to 5 cm below the place that is reported of the hand.",
    ),
    Range(
        name="grasp off centre",
        low=-0.02,
        high=0.02,
        width=2,
        reason="Objects are held at a handle or a rim, within a finger's width of their centre.",
    ),
    Chance(
        name="grasp is off",
        share=0.4,
        reason="Most are held at their centre.",
    ),
    Range(
        name="grasp width",
        low=0.36,
        high=0.65,
        unit="of the open gripper",
        reason="From a thin rim to a block that leaves room on both sides.",
    ),
    Range(
        name="weight",
        low=0.05,
        high=0.35,
        unit="of the full effort",
        reason="The effort that just holds it: a third of the fingers' strength at most, since"
        " moving takes more.",
    ),
    Chance(
        name="let go",
        share=0.4,
        reason="Putting down ends when the object lies without the hand, or as soon as it is"
        " there.",
    ),
    Chance(
        name="caged",
        share=0.6,
        reason="The fingers around an object steer it better than a push from behind.",
    ),
    Choice(
        name="pair",
        values=PAIRS,
        weights=(0.22, 0.2, 0.2, 0.16, 0.22),
        reason="The ways in which one object meets another, about equally often.",
    ),
    Range(
        name="part beyond the grasp",
        low=0.05,
        high=0.12,
        reason="From the hand to the tip of a peg or stick, or to the middle of a ring with a"
        " handle: beyond the fingers.",
    ),
    Choice(
        name="tip points",
        values=("along the motion", "to one side", "to the other side"),
        weights=(0.6, 0.2, 0.2),
        reason="A stick pushes with its end, or with its side as a hook does.",
    ),
    Range(
        name="clearance",
        low=0.018,
        high=0.03,
        reason="Wider than action noise moves a hand, narrower than chance would find.",
    ),
    Range(
        name="depth",
        low=0.04,
        high=0.09,
        reason="Deep enough that a peg or ring does not touch it by accident.",
    ),
    Range(
        name="top height",
        low=0.03,
        high=0.12,
        reason="From a block to a shelf, over which a hand can lift what it holds.",
    ),
    Range(
        name="mouth height",
        low=0.08,
        high=0.2,
        reason="Holes and poles as high as a hand reaches with a peg.",
    ),
)
"""Loose objects and pairs of them."""
