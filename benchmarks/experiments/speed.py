"""Speed, as ratios within one run.

Generation against the paper's architecture, batched against looped policies, rollouts against the
simulator's ceiling, and start-up.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.pages.tables import describe, table
from benchmarks.prompts import record_expert_prompts
from benchmarks.results import Settings, read_optional, write_result
from makeanagent.generator import MakeAnAgent
from makeanagent.generator_config import GeneratorConfig
from makeanagent.models.guidance import GuidanceConfig
from makeanagent.parallel import count_cpus, open_pool
from makeanagent.policies.batch import PolicyBatch
from makeanagent.policies.network import PolicyNetwork
from makeanagent.rollouts.scores import score_policies
from makeanagent.suites import Suite, find_task, layouts
from makeanagent.training.presets import PAPER
from makeanagent.trajectories import Trajectory

_NUM_POLICIES = 100
_NUM_GUIDED = 32
_WARM_UPS = 2
_GUIDANCE = GuidanceConfig()
"""None of the policies is left as generated."""
_ONE_CORE = {
    "physics alone": "physics_steps_per_second_per_core",
    "environment": "environment_steps_per_second_per_core",
    "policy and environment": "policy_and_environment_steps_per_second_per_core",
}
"""Rates of one core by the page's words."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """Generation, batched acting, rollouts and start-up, as ratios within one run."""

    generator: str = "metaworld"
    "Bundled generator, folder, or Hugging Face hub id."
    env: str = "metaworld/window-close-v3"
    "Task to roll out on."
    repeats: int = 5
    "How often each thing is timed."
    note: str = ""
    "A sentence on this run, kept with its figures and shown with them."
    out: Path = Path("benchmarks/results/speed.json")
    "The figures' file."

    def run(self) -> None:
        """Measure, and write the figures."""
        suite, task = find_task(self.env)
        generator = MakeAnAgent.from_pretrained(self.generator)
        result = run_speed(suite, task, generator, self.repeats)
        print(json.dumps(result, indent=2))
        settings = resolve_settings(
            generator=self.generator, env=f"{suite.name}/{task}", repeats=self.repeats
        )
        write_result(self.out, "speed", result, settings, self.note)


def resolve_settings(*, generator: str, env: str, repeats: int) -> Settings:
    """What today's code times: guidance, and the paper's networks."""
    return {
        "options": {"generator": generator, "env": env, "repeats": repeats},
        "guidance": asdict(_GUIDANCE),
        "paper_architecture": {
            "autoencoder": asdict(PAPER.autoencoder.model),
            "behavior": asdict(PAPER.behavior.model),
            "denoiser": asdict(PAPER.diffusion.model),
            "diffusion": asdict(PAPER.diffusion.diffusion),
        },
    }


def run_speed(suite: Suite, task: str, generator: MakeAnAgent, repeats: int) -> dict[str, Any]:
    """Measure everything; medians over `repeats`.

    Args:
        suite: the environments.
        task: the task to roll out on.
        generator: the one to time.
        repeats: how often each thing is timed, by turns with what it is compared with.
    """
    with open_pool() as pool:
        prompts = record_expert_prompts(
            pool, suite, task, _NUM_POLICIES, generator.config.window, (0.1,)
        )
        policies = generator.generate(prompts)
        rollouts = _time_rollouts(pool, suite, task, policies)
    return {
        "num_cpus": count_cpus(),
        "torch_threads": torch.get_num_threads(),
        "repeats": repeats,
        "generation": _time_generation(generator, prompts, repeats),
        "guidance": _time_guidance(generator, prompts[:_NUM_GUIDED], repeats),
        "batch": _time_batch(policies, repeats),
        "rollouts": rollouts | _time_simulator(suite, task, policies, repeats),
        "start_up": _time_start_up(repeats),
    }


def _median_seconds(function: Callable[[], Any], repeats: int) -> float:
    for _ in range(_WARM_UPS):
        function()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def _time_generation(
    generator: MakeAnAgent, prompts: list[Trajectory], repeats: int
) -> dict[str, Any]:
    """100 policies from 100 prompts, by this generator and by the paper's architecture.

    The paper's networks have their full sizes and random weights, which cost the same time.
    """
    paper = MakeAnAgent(
        GeneratorConfig(
            spec=generator.config.spec,
            window=generator.config.window,
            autoencoder=PAPER.autoencoder.model,
            behavior=PAPER.behavior.model,
            denoiser=PAPER.diffusion.model,
            diffusion=PAPER.diffusion.diffusion,
        )
    )
    # By turns, so that a busy moment of the machine meets both.
    pairs = [
        (
            _median_seconds(lambda: generator.generate(prompts), 1),
            _median_seconds(lambda: paper.generate(prompts), 1),
        )
        for _ in range(repeats)
    ]
    ours = statistics.median(pair[0] for pair in pairs)
    theirs = statistics.median(pair[1] for pair in pairs)
    return {
        "num_policies": len(prompts),
        "seconds": ours,
        "paper_architecture_seconds": theirs,
        "times_faster": statistics.median(pair[1] / pair[0] for pair in pairs),
        "parameters": generator.num_parameters,
        "paper_architecture_parameters": paper.num_parameters,
    }


def _time_guidance(
    generator: MakeAnAgent, prompts: list[Trajectory], repeats: int
) -> dict[str, Any]:
    """Guided policies, one from each prompt."""
    seconds = _median_seconds(lambda: generator.generate(prompts, guidance=_GUIDANCE), repeats)
    return {
        "num_policies": len(prompts),
        "milliseconds_per_policy": 1e3 * seconds / len(prompts),
    }


@torch.no_grad()
def _time_batch(policies: PolicyBatch, repeats: int) -> dict[str, Any]:
    """One step of 100 policies, each on its own observation: one batch, or a loop over modules."""
    spec = policies.spec
    observations = torch.randn(len(policies), 1, spec.observation_dim)
    modules = [
        PolicyNetwork.from_vector(vector.numpy(), spec).eval() for vector in policies.parameters
    ]

    def loop() -> None:
        for module, observation in zip(modules, observations, strict=True):
            module.act(observation)

    pairs = [
        (_median_seconds(lambda: policies.act(observations), 20), _median_seconds(loop, 5))
        for _ in range(repeats)
    ]
    return {
        "num_policies": len(policies),
        "batch_seconds": statistics.median(pair[0] for pair in pairs),
        "loop_seconds": statistics.median(pair[1] for pair in pairs),
        "times_faster": statistics.median(pair[1] / pair[0] for pair in pairs),
    }


def _time_rollouts(pool: Any, suite: Suite, task: str, policies: PolicyBatch) -> dict[str, Any]:  # noqa: ANN401
    """Evaluation's throughput over all processors, once its workers are warm."""
    where = layouts.SCORING[:10]
    score_policies(pool, suite, task, policies, where)
    begin = time.perf_counter()
    scores = score_policies(pool, suite, task, policies, where)
    seconds = time.perf_counter() - begin
    return {
        "task": task,
        "rollouts": int(scores.layouts.size),
        "rollouts_per_second": scores.layouts.size / seconds,
        "steps_per_second": float(scores.num_steps.sum() / seconds),
    }


def _time_simulator(suite: Suite, task: str, policies: PolicyBatch, repeats: int) -> dict[str, Any]:
    """One core's environment steps a second: physics alone, our step, and the policy with it."""
    environment = suite.make(task)
    policy = policies[0]
    steps = 200

    def play(act: Callable[[np.ndarray], np.ndarray]) -> None:
        observation = environment.reset(layouts.SCORING[0])
        for _ in range(steps):
            observation = environment.step(act(observation)).observation

    still = np.zeros(policies.spec.action_dim)
    rates = {
        "environment_steps_per_second_per_core": steps
        / _median_seconds(lambda: play(lambda _: still), repeats),
        "policy_and_environment_steps_per_second_per_core": steps
        / _median_seconds(lambda: play(policy), repeats),
    }
    physics = getattr(environment, "step_physics", None)
    if physics is not None:
        environment.reset(layouts.SCORING[0])

        def simulate() -> None:
            for _ in range(steps):
                physics()

        rates["physics_steps_per_second_per_core"] = steps / _median_seconds(simulate, repeats)
    return rates


def _time_start_up(repeats: int) -> dict[str, float]:
    """Wall time of a fresh interpreter that imports the package, and that prints the help."""
    commands = {
        "import_seconds": [sys.executable, "-c", "import makeanagent"],
        "help_seconds": [sys.executable, "-m", "makeanagent.cli", "--help"],
    }
    return {
        name: _median_seconds(
            lambda command=command: subprocess.run(command, capture_output=True, check=True),  # type: ignore[misc]
            repeats,
        )
        for name, command in commands.items()
    }


def write_page() -> str:
    """The section; empty without figures."""
    result = read_optional("speed")
    if result is None:
        return ""
    generation, batch, rollouts = result["generation"], result["batch"], result["rollouts"]
    start_up, guidance = result["start_up"], result["guidance"]
    # Not every suite tells physics from the rest of a step.
    one_core = {
        what: f"{rollouts[name]:.0f}" for what, name in _ONE_CORE.items() if name in rollouts
    }
    rows = [
        [
            f"{generation['num_policies']} policies from as many prompts, loaded generator",
            f"{generation['seconds']:.3f} s",
        ],
        [
            "the same by the paper's architecture, same run",
            f"{generation['paper_architecture_seconds']:.2f} s"
            f" ({generation['times_faster']:.0f} times slower)",
        ],
        [
            f"guidance, {guidance['num_policies']} policies at once",
            f"{guidance['milliseconds_per_policy']:.0f} ms a policy",
        ],
        [
            f"one step of {batch['num_policies']} policies, PolicyBatch against looped modules",
            f"{batch['batch_seconds'] * 1e3:.2f} ms against"
            f" {batch['loop_seconds'] * 1e3:.1f} ms ({batch['times_faster']:.0f} times)",
        ],
        [
            f"evaluation, all cores ({rollouts['task']})",
            f"{rollouts['rollouts_per_second']:.0f} rollouts/s,"
            f" {rollouts['steps_per_second']:.0f} steps/s",
        ],
        [
            f"one core: {', '.join(one_core)}",
            f"{', '.join(one_core.values())} steps/s",
        ],
        [
            "`import makeanagent`, `make-an-agent --help`",
            f"{start_up['import_seconds']:.2f} s, {start_up['help_seconds']:.2f} s",
        ],
    ]
    return f"""## Speed

{table(["what", "figure"], rows)}

Medians over {result["repeats"]} repeats, by turns. {describe(result, resolve_settings)}

"""
