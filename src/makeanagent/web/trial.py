"""What the page shows of a demonstration, and of the policies that it prompts."""

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from makeanagent.demo import (
    describe_outcome,
    describe_policies,
    film_beside,
    require_success_signal,
)
from makeanagent.errors import InputError, check_counts
from makeanagent.evaluation.figures import PathPanel, draw_paths
from makeanagent.evaluation.protocols import ProtocolConfig, rate_success, require_widths
from makeanagent.evaluation.report import encode_scene, to_svg
from makeanagent.field_types import check_fields
from makeanagent.generator import MakeAnAgent
from makeanagent.models.guidance import GuidanceConfig
from makeanagent.parallel import open_pool
from makeanagent.policies.batch import PolicyBatch
from makeanagent.rollouts.recordings import record_actors
from makeanagent.rollouts.scenes import Take
from makeanagent.rollouts.scores import Request, score_requests
from makeanagent.suites import Suite
from makeanagent.trajectories.trajectory import Trajectory

MAX_POLICIES = 20
LAYOUTS = 10
"""New layouts that each policy plays, the same for all."""
_DRAWING = threading.Lock()
"""Matplotlib's settings are those of the whole process, and visitors come by threads."""
_FILMED_POLICIES = 2
"""The first ones: none of them chosen."""

Emit = Callable[[dict[str, Any]], Any]
"""Takes what the page is to show next; raises `Stopped` where nobody waits for it any more."""


class Stopped(Exception):  # noqa: N818
    """Nobody waits for a result any more."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What is to be generated, and where it is to play."""

    task: str
    "One of the suite's."
    num_policies: int = 8
    seed: int = 0
    guidance: bool = False

    def __post_init__(self) -> None:
        """Refuse what the page's own controls would not give.

        Raises:
            InputError: a value is of another type or out of range.
        """
        check_fields(self)
        check_counts(self, may_be_zero=("seed",))
        if self.num_policies > MAX_POLICIES:
            raise InputError(f"num_policies {self.num_policies}: must be at most {MAX_POLICIES}")


def describe_demonstration(
    demonstration: Trajectory, generator: MakeAnAgent, suite: Suite, task: str | None
) -> dict[str, Any]:
    """What was read, and how like training it is, as JSON values.

    Args:
        demonstration: with actions in [-1, 1].
        generator: which one is to read it.
        suite: of the generator.
        task: of the suite, for a demonstration that names none.

    Raises:
        InputError: it is of other widths than the generator's environments, or too short.
    """
    spec = generator.config.spec
    demonstration.require_widths(spec.observation_dim, spec.action_dim)
    (practised,) = generator.recognise([demonstration])
    judgements = generator.judge_familiarity([demonstration])
    judgement = judgements[0] if judgements else None
    tasks = {f"{suite.name}/{each}": each for each in suite.tasks()}
    known = tasks.get(demonstration.env_id or "") or tasks.get(f"{suite.name}/{task}")
    return {
        "label": demonstration.label,
        "env_id": demonstration.env_id,
        "task": known,
        "words": demonstration.task,
        "source": demonstration.source,
        "steps": len(demonstration),
        "widths": [spec.observation_dim, spec.action_dim],
        "succeeds": bool(demonstration.success.any()),
        "outcome": describe_outcome(demonstration, generator),
        "practised": practised,
        "familiarity": None if judgement is None else round(judgement.score, 2),
        "warnings": [] if judgement is None else [str(each) for each in judgement.findings],
        "hidden": [] if judgement is None else [each.subject for each in judgement.notes],
        "paths": known and _draw(suite, known, [_show_demonstration(demonstration)]),
    }


@dataclass(frozen=True, kw_only=True)
class Played:
    """Policies, and what they did."""

    policies: PolicyBatch
    about: dict[str, Any]
    "What `policies.json` is to say of them."
    takes: list[Take]
    "Episodes of the first ones on one new layout."


def play_trial(
    trial: Trial,
    demonstration: Trajectory,
    generator: MakeAnAgent,
    suite: Suite,
    emit: Emit,
    num_workers: int | None = None,
) -> Played:
    """Generate, and play on new layouts.

    Args:
        trial: what to do.
        demonstration: with actions in [-1, 1].
        generator: which one.
        suite: of the generator.
        emit: gets each `stage` with how much of it is `done` of a `total`, and then the records
            `success` and `paths`.
        num_workers: processes that play; by default one for each processor.

    Raises:
        InputError: the task is none of the suite's, does not fit the generator, or has no success
            signal.
    """
    task = trial.task
    if task not in suite.tasks():
        raise InputError(f"task {task[:80]}: none of {suite.name}'s")
    require_widths("generator", generator.config.spec, suite, task)
    layouts = ProtocolConfig(held_out_layouts=LAYOUTS, layouts_per_policy=LAYOUTS).held_out_range
    require_success_signal(suite, task, layouts[0])
    emit({"stage": "generate"})
    guidance = GuidanceConfig() if trial.guidance else None
    policies = generator.generate(demonstration, trial.num_policies, trial.seed, guidance)

    done, total = 0, trial.num_policies * (LAYOUTS + 1)

    def advance(count: int) -> None:
        nonlocal done
        done += count
        emit({"stage": "play", "done": done, "total": total})

    advance(0)
    with open_pool(num_workers) as pool:
        # A job for each policy, that the bar moves.
        requests = [Request([policy], layouts) for policy in policies]
        scores = score_requests(pool, suite, task, requests, advance)
        where = [layouts[0]] * len(policies)
        episodes = record_actors(pool, suite, task, list(policies), where, advance)
    success = np.concatenate([each.require_success() for each in scores])
    rate = rate_success(success)
    emit(
        {
            "success": {
                "solved": success.sum(axis=1).tolist(),
                "layouts": len(layouts),
                **rate,
            }
        }
    )
    solved = sum(bool(episode.success.any()) for episode in episodes)
    title = f"Policies on one new layout: {solved} of {len(episodes)} succeed"
    shown = PathPanel(title=title, trajectories=episodes)
    emit({"paths": _draw(suite, task, [_show_demonstration(demonstration), shown])})
    takes = [
        Take(title=f"Generated policy {row}", layout=layouts[0], episode=episode)
        for row, episode in enumerate(episodes[:_FILMED_POLICIES])
    ]
    about = describe_policies(policies, demonstration, generator) | {
        "prompt": demonstration.label,
        "seed": trial.seed,
        "guidance": asdict(guidance) if guidance else None,
        "success": success.mean(axis=1).tolist(),
    }
    return Played(policies=policies, about=about, takes=takes)


def film_trial(
    suite: Suite, task: str, demonstration: Trajectory, takes: list[Take]
) -> dict[str, Any]:
    """Moving pictures of the demonstration and of policies, and which are missing for what."""
    scenes, missing = film_beside(suite, task, demonstration, takes)
    return {"scenes": [encode_scene(scene) for scene in scenes], "missing": missing}


def _show_demonstration(demonstration: Trajectory) -> PathPanel:
    return PathPanel(title="The demonstration", trajectories=[demonstration], is_demonstration=True)


def _draw(suite: Suite, task: str, panels: list[PathPanel]) -> str | None:
    """Paths as an SVG element, or None where the suite has none to draw."""
    with _DRAWING:
        figure = draw_paths(suite, task, panels)
        if figure is None:
            return None
        return to_svg(figure, "; ".join(panel.title for panel in panels))
