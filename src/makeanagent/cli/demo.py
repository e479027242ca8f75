"""`make-an-agent demo`: one demonstration, policies, rollouts on new layouts, a report."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from makeanagent.errors import InputError

if TYPE_CHECKING:
    from makeanagent.generator import MakeAnAgent
    from makeanagent.policies.batch import PolicyBatch
    from makeanagent.rollouts.film import Film
    from makeanagent.suites import Suite
    from makeanagent.trajectories import Trajectory

_PROMPTS = Path(__file__).parents[1] / "prompts"
"""Demonstrations that ship with the package, one a Meta-World task, made by `record`."""
_DEFAULT_ENV = "metaworld/door-open-v3"
_HELD_OUT_PER_POLICY = 10
_SHOWN_LAYOUTS = 10
"""New layouts on which the pictures show the policy ranked first."""


@dataclass(frozen=True, kw_only=True)
class Demo:
    """From one demonstration to policies, played on new layouts, with a report to look at."""

    env: str | None = None
    "Task; by default the one that --prompt names, or metaworld/door-open-v3."
    prompt: Path | None = None
    "Your own demonstration, an .npz file; by default the bundled one of the task."
    num: int = 20
    "Policies."
    generator: str = "metaworld"
    "Bundled generator, folder, or Hugging Face hub id."
    out: Path = Path("demo")
    "Folder for the report and the policies; files of an earlier demo are replaced, no others."
    seed: int = 0
    "Of the diffusion's noise."
    workers: int | None = None
    "Processes; by default one for each processor."

    def run(self) -> None:
        """Generate, play, write the report, and print what came of it."""
        from makeanagent.cli.checks import require_at_least, require_widths
        from makeanagent.cli.progress import console, show_progress

        require_at_least("--num", self.num, 1)
        require_at_least("--seed", self.seed, 0)
        seconds: dict[str, float] = {}

        with _timed(seconds, "load"), console.status("loading the generator"):
            from makeanagent.artifacts import describe_provenance, write_json
            from makeanagent.evaluation.protocols import (
                ProtocolConfig,
                count_rollouts,
                evaluate_policies,
            )
            from makeanagent.evaluation.report import Report, write_report
            from makeanagent.evaluation.tables import print_evaluation, print_policies
            from makeanagent.generator import MakeAnAgent
            from makeanagent.models.guidance import GuidanceConfig
            from makeanagent.parallel import open_pool
            from makeanagent.rollouts.recordings import record_actors
            from makeanagent.suites import find_task

            demonstration, env_id = self._find_demonstration()
            suite, task = find_task(env_id)
            env_id = f"{suite.name}/{task}"
            generator = MakeAnAgent.from_pretrained(self.generator)
            spec = generator.config.spec
            require_widths(f"--generator {self.generator}", spec, suite, task)
            # The first call also loads libraries, which is no part of generating.
            generator.generate(demonstration, 1, guidance=GuidanceConfig())

        with _timed(seconds, "generate"):
            policies = generator.generate(demonstration, self.num, self.seed, GuidanceConfig())
        facts = self._describe(demonstration, generator, task)
        self._save(demonstration, policies, generator)
        parameters = policies.parameters.numpy()

        config = ProtocolConfig(layouts_per_policy=_HELD_OUT_PER_POLICY)
        first_layout, *other_layouts = config.held_out_range[: 1 + _SHOWN_LAYOUTS]
        total = count_rollouts(config, self.num, self.num) + self.num + len(other_layouts)
        with (
            _timed(seconds, "rollouts"),
            open_pool(self.workers) as pool,
            show_progress(f"{task}: rollouts", total) as advance,
        ):
            result = evaluate_policies(
                pool, suite, task, parameters, spec, config, on_progress=advance
            )
            best = result["held_out"]["chosen_policies"][0]
            rows = [*range(self.num), *[best] * len(other_layouts)]
            where = [*[first_layout] * self.num, *other_layouts]
            actors = [policies[row] for row in rows]
            episodes = record_actors(pool, suite, task, actors, where, advance)
        content = result | {"facts": facts, "provenance": describe_provenance()}
        write_json(self.out / "evaluation.json", content)
        same_layout, chosen = episodes[: self.num], episodes[self.num :]

        with _timed(seconds, "film"), console.status("filming an episode"):
            film, film_text = _film(suite, task, other_layouts[0], chosen[0], best)
        with _timed(seconds, "report"), console.status("drawing the report"):
            report = Report(
                title=f"{env_id}: {self.num} policies from one demonstration",
                suite=suite,
                task=task,
                facts=facts,
                demonstration=demonstration,
                result=result,
                same_layout=same_layout,
                chosen=chosen,
                film=film,
                film_text=film_text,
                seconds=dict(seconds),
                command=self._command(env_id),
            )
            write_report(self.out / "report.html", report)

        print_policies(result)
        print_evaluation(result)
        for name, text in facts.items():
            print(f"{name + ':':15}{text}")
        parts = ", ".join(f"{name} {value:.2f} s" for name, value in seconds.items())
        print(f"time:          {sum(seconds.values()):.0f} s: {parts}")
        if film is None:
            print(film_text)
        print(f"report:        {self.out / 'report.html'}")

    def _find_demonstration(self) -> "tuple[Trajectory, str]":
        """The demonstration and the id of the task to play.

        Raises:
            InputError: there is none, or it names no task.
        """
        from makeanagent.suites import find_task
        from makeanagent.trajectories import Trajectory

        if self.prompt is not None:
            demonstration = Trajectory.load(self.prompt)
            env_id = self.env or demonstration.env_id
            if env_id is None:
                raise InputError(f"{self.prompt}: names no task ('env_id'); give --env")
            return demonstration, env_id
        suite, task = find_task(self.env or _DEFAULT_ENV)
        path = _PROMPTS / f"{task}.npz"
        if suite.name != "metaworld" or not path.is_file():
            raise InputError(
                f"{suite.name}/{task}: no demonstration is bundled; make one by `make-an-agent"
                f" record --env {suite.name}/{task} --out demo.npz` and give --prompt demo.npz"
            )
        return Trajectory.load(path), f"{suite.name}/{task}"

    def _describe(
        self, demonstration: "Trajectory", generator: "MakeAnAgent", task: str
    ) -> dict[str, str]:
        """Where everything came from, for people."""
        first, tasks = demonstration.first_success, generator.config.tasks
        outcome = (
            f"success at step {first}"
            if first
            else "no success: its last states stand in for the outcome"
        )
        return {
            "demonstration": f"{self.prompt or 'bundled'}, of {demonstration.env_id or 'no task'},"
            f" by {demonstration.source or 'someone'}, {len(demonstration)} steps, {outcome}",
            "generator": f"{self.generator}, SHA-256 {str(generator.fingerprint)[:16]}, trained on"
            f" {len(tasks)} tasks, {'this one among them' if task in tasks else 'not on this one'}",
            "policies": f"{self.num} of {generator.config.spec.num_parameters:,} parameters,"
            f" seed {self.seed}, in {self.out / 'policies'}",
        }

    def _command(self, env_id: str) -> str:
        """What makes the same policies and rollouts again."""
        words = ["make-an-agent", "demo", "--env", env_id]
        words += ["--prompt", str(self.prompt)] if self.prompt else []
        words += ["--num", str(self.num), "--generator", self.generator, "--seed", str(self.seed)]
        return shlex.join(words)

    def _save(
        self, demonstration: "Trajectory", policies: "PolicyBatch", generator: "MakeAnAgent"
    ) -> None:
        """Write the demonstration and the policies, in place of an earlier demo's."""
        from makeanagent.policies.folder import INDEX_NAME, TENSORS_NAME, save_policies

        demonstration.save(self.out / "demonstration.npz")
        folder = self.out / "policies"
        for name in (INDEX_NAME, TENSORS_NAME):
            (folder / name).unlink(missing_ok=True)
        save_policies(
            folder,
            policies.parameters.numpy(),
            policies.spec,
            {
                "prompt": str(self.prompt or "bundled"),
                "prompt_of_policy": [0] * len(policies),
                "env_ids": [demonstration.env_id],
                "generator": self.generator,
                "generator_sha256": generator.fingerprint,
                "seed": self.seed,
            },
        )


def _film(
    suite: "Suite", task: str, layout: int, episode: "Trajectory", policy: int
) -> "tuple[Film | None, str]":
    """Frames of an episode and what they show, or None and what they would need."""
    from makeanagent.rollouts.film import film_episode

    try:
        film = film_episode(suite, task, layout, episode.actions)
    except InputError as error:
        return None, str(error)
    first = episode.first_success
    outcome = f"success at step {first}" if first else f"no success in {len(episode)} steps"
    return film, f"Policy {policy}, ranked first on other layouts, on a new one: {outcome}."


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    begin = perf_counter()
    yield
    seconds[name] = perf_counter() - begin
