"""From one demonstration to policies that were played on new layouts, and a report of it.

A recipe for whoever shows the system at work: the command line, a script, a web page.
"""

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

from makeanagent.artifacts import describe_provenance, write_json
from makeanagent.errors import InputError, check_counts
from makeanagent.evaluation.protocols import (
    ProtocolConfig,
    count_rollouts,
    evaluate_policies,
    rate_success,
    require_widths,
)
from makeanagent.evaluation.report import Report, write_report
from makeanagent.generator import MakeAnAgent
from makeanagent.methods.method import MethodConfig, PolicyGenerator, Sources
from makeanagent.methods.registry import find_method
from makeanagent.parallel import one_thread, open_pool
from makeanagent.policies.batch import PolicyBatch
from makeanagent.policies.folder import INDEX_NAME, TENSORS_NAME, save_policies
from makeanagent.policies.policy import Policy
from makeanagent.rollouts.episodes import tells_success
from makeanagent.rollouts.recordings import record_actors
from makeanagent.rollouts.scenes import Scene, Take, film_scenes, find_layout
from makeanagent.rollouts.scores import score_policies
from makeanagent.suites import Suite, find_task
from makeanagent.trajectories.success import TERMINATION
from makeanagent.trajectories.trajectory import Trajectory
from makeanagent.trajectories.units import bring_to_units

PROMPTS = Path(__file__).parent / "prompts"
"""Demonstrations that ship with the package, one a task, made by `record`."""
_PROMPTED = ("metaworld", "robosuite")
"""Suites of whose tasks there are some."""
_DEFAULT_ENV = "metaworld/door-open-v3"
_HELD_OUT_PER_POLICY = 10
_FILMED_POLICIES = 2
"""Policies that stand side by side, the first ones: none of them chosen."""
_SHOWN_LAYOUTS = 10
"""New layouts on which the pictures show the policy ranked first."""

_MARKER = "demo.json"
"""Beside a demo's files: what it replaces is its own."""
_NAMES = ("demonstration.npz", "evaluation.json", "policies", "report.html")

_RIVAL = "cloning_moved"
"""The strongest method that has the demonstration alone."""

Stage = Literal["load", "generate", "rollouts", "film", "report"]
OnProgress = Callable[[Stage, int, int], Any]
"""Called with a stage, how many of its units are done, and how many it has: 0 of them at first."""


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """What to show, and where to write it."""

    env: str | None = None
    "Task; by default the one that `prompt` names, or metaworld/door-open-v3."
    prompt: Path | None = None
    "The demonstration, an .npz file; by default the bundled one of the task."
    num_policies: int = 20
    generator: str = "metaworld"
    "Bundled generator, folder, or Hugging Face hub id."
    out: Path = Path("demo")
    "Folder for the report and the policies; files of an earlier demo are replaced, no others."
    seed: int = 0
    "Of the diffusion's noise."
    num_workers: int | None = None
    "Processes; by default one for each processor."

    def __post_init__(self) -> None:
        """Refuse counts that are too small.

        Raises:
            InputError: one is.
        """
        check_counts(self, may_be_zero=("seed",))


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    """What came of a demo."""

    report: Path
    "The page; policies, demonstration and `evaluation.json` lie beside it."
    policies: PolicyBatch
    evaluation: dict[str, Any]
    "What `evaluate_policies` returned."
    facts: dict[str, str]
    "Where everything came from, by name."
    rival: dict[str, Any]
    "What behaviour cloning of the same demonstration achieved."
    scenes: list[Scene]
    "Moving pictures of the demonstration, of policies and of the rival."
    film_text: str
    "What the pictures show, or what they would need."
    seconds: dict[str, float]
    "How long each stage took."


def run_demo(config: DemoConfig, on_progress: OnProgress | None = None) -> DemoResult:
    """Generate policies from a demonstration, play them on new layouts, and write the report.

    Raises:
        InputError: there is no such demonstration, generator or task, they do not fit each other,
            or the folder cannot be written to.
    """
    seconds: dict[str, float] = {}
    protocol = ProtocolConfig(layouts_per_policy=_HELD_OUT_PER_POLICY)

    @contextmanager
    def stage(name: Stage, total: int = 1) -> Iterator[Callable[[int], None]]:
        """Time a stage and tell of it; gives what counts the units that are done."""
        done, begin = 0, perf_counter()

        def advance(count: int) -> None:
            nonlocal done
            done += count
            if on_progress is not None:
                on_progress(name, done, total)

        advance(0)
        yield advance
        if total == 1:
            advance(1)
        seconds[name] = perf_counter() - begin

    with stage("load"):
        _require_own(config.out)
        demonstration, suite, task = find_demonstration(config)
        generator = MakeAnAgent.from_pretrained(config.generator)
        demonstration, units = bring_to_units(demonstration, generator.config.space)
        require_widths(f"generator {config.generator}", generator.config.spec, suite, task)
        require_success_signal(suite, task, protocol.held_out_range[0])
        # The first call also loads libraries, which is no part of generating.
        generator.generate(demonstration, 1)

    with stage("generate"):
        policies = generator.generate(demonstration, config.num_policies, config.seed)
    facts = _describe(config, demonstration, generator, task)
    if units is not None:
        facts["units"] = units
    _save(config, demonstration, policies, generator)

    num = config.num_policies
    first_layout, *other_layouts = protocol.held_out_range[: 1 + _SHOWN_LAYOUTS]
    held_out = protocol.held_out_range
    total = count_rollouts(protocol, num, num) + len(held_out) + num + len(other_layouts) + 1
    method = find_method(_RIVAL)
    rival = method.build(Sources(generator=generator), MethodConfig())
    with stage("rollouts", total) as advance, open_pool(config.num_workers) as pool:
        training = pool.submit(_train_rival, rival, demonstration, config.seed)
        evaluation = evaluate_policies(pool, suite, task, policies, protocol, on_progress=advance)
        cloned, rival_seconds = training.result()
        played = score_policies(pool, suite, task, [cloned], held_out, advance).require_success()
        rival_found = {
            "label": method.label,
            **rate_success(played),
            "seconds": rival_seconds,
        }
        best = evaluation["held_out"]["chosen_policies"][0]
        rows = [*range(num), *[best] * len(other_layouts)]
        where = [*[first_layout] * num, *other_layouts, first_layout]
        actors = [*(policies[row] for row in rows), cloned]
        *episodes, by_cloned = record_actors(pool, suite, task, actors, where, advance)
    same_layout, chosen = episodes[:num], episodes[num:]
    content = evaluation | {
        "cloning": rival_found,
        "facts": facts,
        "provenance": describe_provenance(),
    }
    write_json(config.out / "evaluation.json", content)

    with stage("film"):
        takes = [
            Take(title=f"Generated policy {row}", layout=first_layout, episode=same_layout[row])
            for row in range(min(num, _FILMED_POLICIES))
        ]
        takes.append(
            Take(title="Cloned from the demonstration", layout=first_layout, episode=by_cloned)
        )
        scenes, film_text = _film(suite, task, demonstration, takes)
    with stage("report"):
        env_id = f"{suite.name}/{task}"
        report = Report(
            title=f"{env_id}: {num} policies from one demonstration",
            suite=suite,
            task=task,
            facts=facts,
            demonstration=demonstration,
            result=evaluation,
            same_layout=same_layout,
            chosen=chosen,
            rival=rival_found,
            scenes=scenes,
            film=scenes[-len(takes)].film if scenes else None,
            film_text=film_text,
            seconds=dict(seconds),
            command=_write_command(config, env_id),
        )
        write_report(config.out / "report.html", report)
    return DemoResult(
        report=config.out / "report.html",
        policies=policies,
        evaluation=evaluation,
        facts=facts,
        rival=rival_found,
        scenes=scenes,
        film_text=film_text,
        seconds=seconds,
    )


def find_demonstration(config: DemoConfig) -> tuple[Trajectory, Suite, str]:
    """The demonstration, and the suite and the full name of the task to play.

    Raises:
        InputError: there is none, or it names no task.
    """
    if config.prompt is not None:
        demonstration = Trajectory.load(config.prompt)
        env_id = config.env or demonstration.env_id
        if env_id is None:
            raise InputError(f"{config.prompt}: names no task ('env_id'); give --env")
        return demonstration, *find_task(env_id)
    suite, task = find_task(config.env or _DEFAULT_ENV)
    path = PROMPTS / f"{task}.npz"
    if suite.name not in _PROMPTED or not path.is_file():
        raise InputError(
            f"{suite.name}/{task}: no demonstration is bundled; make one by `make-an-agent"
            f" record --env {suite.name}/{task} --out demo.npz` and give --prompt demo.npz"
        )
    return Trajectory.load(path), suite, task


def require_success_signal(suite: Suite, task: str, layout: int) -> None:
    """Refuse a task that does not say whether it stands solved.

    Raises:
        InputError: it does not.
    """
    with closing(suite.make(task)) as environment:
        if not tells_success(environment, suite.space(task).action_dim, layout):
            raise InputError(
                f"{suite.name}/{task}: has no success signal, which the report is about;"
                " `make-an-agent evaluate` shows returns"
            )


def _train_rival(
    method: PolicyGenerator, demonstration: Trajectory, seed: int
) -> tuple[Policy, float]:
    """A rival's policy of a demonstration, and the seconds that it took."""
    begin = perf_counter()
    with one_thread():
        (policy,) = method.generate(demonstration, 1, seed)
    return policy, perf_counter() - begin


def _require_own(folder: Path) -> None:
    """Refuse a folder that holds files of a demo's names which no demo has written.

    Raises:
        InputError: it does.
    """
    if (folder / _MARKER).is_file():
        return
    if taken := sorted(name for name in _NAMES if (folder / name).exists()):
        raise InputError(
            f"{folder / taken[0]}: not of an earlier demo, which leaves {_MARKER} beside it;"
            " give another --out"
        )


def _describe(
    config: DemoConfig, demonstration: Trajectory, generator: MakeAnAgent, task: str
) -> dict[str, str]:
    """Where everything came from, for people."""
    tasks, outcome = generator.config.tasks, describe_outcome(demonstration, generator)
    return {
        "demonstration": f"{config.prompt or 'bundled'}, of {demonstration.env_id or 'no task'},"
        f" by {demonstration.source or 'someone'}, {len(demonstration)} steps, {outcome}",
        "generator": f"{config.generator}, SHA-256 {str(generator.fingerprint)[:16]}, trained on"
        f" {len(tasks)} tasks, {'this one among them' if task in tasks else 'not on this one'}",
        "policies": f"{config.num_policies} of {generator.config.spec.num_parameters:,} parameters,"
        f" seed {config.seed}, in {config.out / 'policies'}",
    }


def describe_outcome(demonstration: Trajectory, generator: MakeAnAgent) -> str:
    """Whether a demonstration shows success, and what is read of it if not, for people."""
    first = demonstration.first_success
    if not first:
        return f"no success: {generator.config.words_without_success}"
    is_end = (demonstration.source or "").endswith(TERMINATION)
    return f"success at step {first}" + (", which is the episode's termination" if is_end else "")


def _save(
    config: DemoConfig, demonstration: Trajectory, policies: PolicyBatch, generator: MakeAnAgent
) -> None:
    """Write the demonstration and the policies, in place of an earlier demo's."""
    write_json(config.out / _MARKER, {"schema_version": 1, "files": list(_NAMES)})
    demonstration.save(config.out / "demonstration.npz")
    folder = config.out / "policies"
    for name in (INDEX_NAME, TENSORS_NAME):
        (folder / name).unlink(missing_ok=True)
    save_policies(
        folder,
        policies.parameters.numpy(),
        policies.spec,
        describe_policies(policies, demonstration, generator)
        | {
            "prompt": str(config.prompt or "bundled"),
            "generator": config.generator,
            "seed": config.seed,
        },
    )


def describe_policies(
    policies: PolicyBatch, demonstration: Trajectory, generator: MakeAnAgent
) -> dict[str, Any]:
    """What `policies.json` says of policies that one demonstration prompted."""
    return {
        "prompt_of_policy": [0] * len(policies),
        "env_ids": [demonstration.env_id],
        "action_bounds": generator.config.action_bounds,
        "generator_sha256": generator.fingerprint,
    }


def _film(
    suite: Suite, task: str, demonstration: Trajectory, takes: list[Take]
) -> tuple[list[Scene], str]:
    """As `film_beside`, with what the pictures show in words."""
    scenes, missing = film_beside(suite, task, demonstration, takes)
    if not scenes:
        return [], missing
    text = (
        f"{takes[0].title}, the first that was generated, on a new layout: {takes[0].outcome}. The"
        " moving pictures above are of this layout"
    )
    return scenes, text + (f". {missing}" if missing else ", and of the demonstration on its own.")


def film_beside(
    suite: Suite, task: str, demonstration: Trajectory, takes: Sequence[Take]
) -> tuple[list[Scene], str]:
    """Moving pictures of a demonstration, where its layout is known, and of the takes.

    Returns:
        The scenes, none where no picture can be drawn; and which are missing for what, or nothing.
    """
    missing = ""
    shown = find_layout(suite, task, demonstration)
    if shown is None:
        missing = "The demonstration tells no layout on which it could be played again."
    else:
        takes = [Take(title="The demonstration", layout=shown, episode=demonstration), *takes]
    try:
        return film_scenes(suite, task, takes), missing
    except InputError as error:
        return [], str(error)


def _write_command(config: DemoConfig, env_id: str) -> str:
    """What makes the same policies and rollouts again."""
    words = ["make-an-agent", "demo", "--env", env_id]
    words += ["--prompt", str(config.prompt)] if config.prompt else []
    words += ["--num", str(config.num_policies), "--generator", config.generator]
    words += ["--seed", str(config.seed)]
    return shlex.join(words)
