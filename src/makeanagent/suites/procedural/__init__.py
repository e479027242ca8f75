"""Drawn tasks: random manipulation programs in a kinematic world of many at once.

tasks, success = draw_tasks(1000, seed=1)
episodes = simulate(tasks, layouts=range(4))
"""

from makeanagent.suites.procedural.episodes import Disturbances, Episodes, simulate
from makeanagent.suites.procedural.family import KINDS, FamilyConfig
from makeanagent.suites.procedural.fit import fit_hand
from makeanagent.suites.procedural.hand import HandDynamics
from makeanagent.suites.procedural.suite import ProceduralSuite, ProceduralWorlds
from makeanagent.suites.procedural.targets import Targets, program_targets
from makeanagent.suites.procedural.tasks import Tasks, draw_tasks, find_tasks

__all__ = [
    "KINDS",
    "Disturbances",
    "Episodes",
    "FamilyConfig",
    "HandDynamics",
    "ProceduralSuite",
    "ProceduralWorlds",
    "Targets",
    "Tasks",
    "draw_tasks",
    "find_tasks",
    "fit_hand",
    "program_targets",
    "simulate",
]
