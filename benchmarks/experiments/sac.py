"""Population SAC against Stable-Baselines3's: the same returns, and the updates of one core.

Both solve Pendulum-v1 from one initial state with equal networks, rates, batches and numbers of
steps and updates. Speed is then measured at the sizes of the paper's agents, in turns within one
run.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import gymnasium
import numpy as np

from benchmarks.pages.tables import describe, table
from benchmarks.results import Settings, read_optional, write_result
from makeanagent.cli.checks import require_at_least
from makeanagent.cli.progress import show_progress
from makeanagent.errors import InputError
from makeanagent.parallel import one_thread, open_pool
from makeanagent.policies.spec import PolicySpec
from makeanagent.rl.sac.config import PAPER, SACConfig
from makeanagent.rl.sac.population import SACPopulation
from makeanagent.rl.sac.replay_buffer import ReplayBuffer
from makeanagent.rl.sac.training import train_population
from makeanagent.suites.gymnasium import GymnasiumSuite, GymnasiumTask
from makeanagent.suites.layouts import ZOO
from makeanagent.trajectories.windows import PromptWindow

_ENV_ID = "Pendulum-v1"
_LAST_EPISODES = 5
"""Episodes over which the final return is taken."""


@dataclass(frozen=True, kw_only=True)
class SACBenchmarkConfig:
    """Sizes of the comparison."""

    num_seeds: int = 4
    num_steps: int = 8_000
    "Environment steps, and updates, of each agent."
    num_agents: tuple[int, ...] = (1, 4, 16)
    "Sizes of population whose speed is measured."
    num_updates: int = 100
    "Updates of a population in one measurement; Stable-Baselines3's agent makes four times these."
    repeats: int = 5


@dataclass(frozen=True, kw_only=True)
class Command:
    """Population SAC against Stable-Baselines3's: returns on a small task, and speed."""

    seeds: int = 4
    "Agents trained together, and as many of Stable-Baselines3 one by one."
    num_steps: int = 8_000
    "Environment steps, and updates, of each agent."
    note: str = ""
    "A sentence on this run, kept with its figures and shown with them."
    out: Path = Path("benchmarks/results/sac.json")
    "The figures' file."

    def run(self) -> None:
        """Train, time, and write the figures."""
        require_at_least("--seeds", self.seeds, 2)
        require_at_least("--num-steps", self.num_steps, 2_000)
        config = SACBenchmarkConfig(num_seeds=self.seeds, num_steps=self.num_steps)
        with show_progress("sac: population", self.seeds + 2) as advance:
            result = run_sac(config, lambda text: advance(1, f"sac: {text}"))
        settings = resolve_settings(num_seeds=self.seeds, num_steps=self.num_steps)
        write_result(self.out, "sac", result, settings, self.note)


def resolve_settings(*, num_seeds: int, num_steps: int) -> Settings:
    """What the comparison is made with by today's code."""
    config = SACBenchmarkConfig(num_seeds=num_seeds, num_steps=num_steps)
    return {
        "options": {"num_seeds": num_seeds, "num_steps": num_steps},
        "sizes": asdict(config),
        "sac": asdict(_configure(config)),
    }


def _configure(config: SACBenchmarkConfig) -> SACConfig:
    return replace(
        PAPER,
        num_runs=config.num_seeds,
        env_steps=config.num_steps,
        horizon=200,
        round_steps=200,
        checkpoint_steps=200,
        start_steps=1_000,
        learning_rate=1e-3,
        target_period=1,
        # Tests and checkpoints are not what is compared.
        num_checkpoints=config.num_steps,
    )


def _is_upright(observation: np.ndarray, info: dict[str, Any]) -> bool:
    return bool(observation[0] > 0.99)


def run_sac(
    config: SACBenchmarkConfig, on_progress: Callable[[str], Any] | None = None
) -> dict[str, Any]:
    """Train both, time both, and return the figures.

    Raises:
        InputError: Stable-Baselines3 is not installed.
    """
    report = on_progress or (lambda text: None)
    try:
        import stable_baselines3
    except ImportError:
        raise InputError("sac: needs Stable-Baselines3: pip install 'makeanagent[sb3]'") from None
    sac = _configure(config)
    with one_thread():
        ours = _train_ours(sac)
        report("population trained")
        theirs = []
        for seed in range(config.num_seeds):
            theirs.append(_train_theirs(sac, seed))
            report(f"Stable-Baselines3: seed {seed} trained")
        speed = _measure_speed(config)
        report("timed")
    difference = float(np.mean(ours) - np.mean(theirs))
    error = float(np.sqrt((np.var(ours, ddof=1) + np.var(theirs, ddof=1)) / config.num_seeds))
    return {
        "env_id": _ENV_ID,
        "returns": {
            "population": ours,
            "stable_baselines3": theirs,
            "difference": difference,
            "standard_error": error,
        },
        "updates_per_second": speed,
        "stable_baselines3": stable_baselines3.__version__,
    }


def _train_ours(sac: SACConfig) -> list[float]:
    """Mean return of each agent's last episodes while it explores."""
    suite = GymnasiumSuite((GymnasiumTask(env_id=_ENV_ID, success=_is_upright),))
    space = suite.space(_ENV_ID)
    spec = PolicySpec(
        observation_dim=space.observation_dim,
        action_dim=space.action_dim,
        activations=("relu", "relu"),
    )
    with TemporaryDirectory() as folder, open_pool(1) as pool:
        record, _ = train_population(
            pool, suite, [_ENV_ID], spec, sac, PromptWindow(), Path(folder) / "run"
        )
    returns = np.array(record.curve)[-_LAST_EPISODES:, 0]
    return [float(value) for value in returns.mean(axis=0)]


class _FixedStart(gymnasium.Wrapper):
    """Every episode begins as the population's: from the one training layout."""

    def reset(self, **_: Any) -> tuple[Any, dict[str, Any]]:  # noqa: ANN401
        return self.env.reset(seed=ZOO[0])


def _train_theirs(sac: SACConfig, seed: int) -> float:
    from stable_baselines3 import SAC

    model = SAC(
        "MlpPolicy",
        _FixedStart(gymnasium.make(_ENV_ID)),
        learning_rate=sac.learning_rate,
        buffer_size=sac.env_steps,
        learning_starts=sac.start_steps,
        batch_size=sac.batch_size,
        tau=sac.tau,
        gamma=sac.discount,
        train_freq=sac.round_steps,
        gradient_steps=sac.round_steps,
        policy_kwargs={"net_arch": [128, 128]},
        seed=seed,
        device="cpu",
    )
    model.learn(sac.env_steps)
    episodes = [episode["r"] for episode in model.ep_info_buffer or ()]
    return float(np.mean(episodes[-_LAST_EPISODES:]))


def _measure_speed(config: SACBenchmarkConfig) -> dict[str, Any]:
    """Agent-updates per second on one core at the paper's sizes, medians of alternate turns."""
    # Stable-Baselines3 has one activation for all layers: ReLU, its default, for both.
    spec = PolicySpec(observation_dim=39, action_dim=4, activations=("relu", "relu"))
    ours = {count: _prepare_ours(spec, count) for count in config.num_agents}
    theirs = _prepare_theirs(spec)
    seconds: dict[str, list[float]] = {"stable_baselines3": []}
    for repeat in range(config.repeats + 1):
        for count, update in ours.items():
            taken = _time(update, config.num_updates) / count
            seconds.setdefault(f"population of {count}", []).append(taken)
        seconds["stable_baselines3"].append(_time(theirs, 4 * config.num_updates))
        if repeat == 0:  # The first turn warms up.
            seconds = {name: [] for name in seconds}
    rates = {name: 1 / median(values) for name, values in seconds.items()}
    base = np.array(seconds["stable_baselines3"])
    return {
        "rates": rates,
        "ratio_to_stable_baselines3": {
            name: float(median(base / np.array(values))) for name, values in seconds.items()
        },
        "observation_dim": spec.observation_dim,
        "action_dim": spec.action_dim,
        "batch_size": PAPER.batch_size,
        "hidden": list(spec.hidden),
    }


def _time(update: Callable[[int], Any], count: int) -> float:
    """Seconds for each of `count` updates."""
    begin = time.perf_counter()
    update(count)
    return (time.perf_counter() - begin) / count


def _prepare_ours(spec: PolicySpec, count: int) -> Callable[[int], Any]:
    width = 2 * spec.observation_dim + spec.action_dim + 2
    rows = np.random.default_rng(0).standard_normal((count, 5_000, width), np.float32)
    buffer = ReplayBuffer(spec, 5_000, np.zeros((count, 0, width)))
    buffer.add(rows)
    # With the same rhythm as Stable-Baselines3's: actor and targets move at every update.
    population = SACPopulation(spec, replace(PAPER, target_period=1), range(count))

    def update(num_updates: int) -> None:
        for _ in range(num_updates):
            population.update(buffer.sample(PAPER.batch_size, 0.0, population.generator))

    return update


def _prepare_theirs(spec: PolicySpec) -> Callable[[int], Any]:
    from gymnasium.spaces import Box
    from stable_baselines3 import SAC
    from stable_baselines3.common.logger import configure

    class Idle(gymnasium.Env):
        """Spaces of the paper's agents; never played."""

        observation_space = Box(-1, 1, (spec.observation_dim,), np.float32)
        action_space = Box(-1, 1, (spec.action_dim,), np.float32)

    model = SAC(
        "MlpPolicy",
        Idle(),
        learning_rate=PAPER.learning_rate,
        buffer_size=5_000,
        batch_size=PAPER.batch_size,
        policy_kwargs={"net_arch": list(spec.hidden)},
        device="cpu",
    )
    model.set_logger(configure(None, []))
    rng = np.random.default_rng(0)
    assert model.replay_buffer is not None
    for _ in range(5_000):
        state = rng.standard_normal((2, 1, spec.observation_dim), np.float32)
        action = rng.uniform(-1, 1, (1, spec.action_dim)).astype(np.float32)
        model.replay_buffer.add(
            state[0], state[1], action, rng.standard_normal(1), np.zeros(1), [{}]
        )
    return lambda count: model.train(count, PAPER.batch_size)


def write_page() -> str:
    """The section; empty without figures."""
    result = read_optional("sac")
    if result is None:
        return ""
    returns, speed = result["returns"], result["updates_per_second"]
    rows = [
        [name.replace("_", "-").replace("stable-b", "Stable-B"), f"{rate:.0f}",
         f"{speed['ratio_to_stable_baselines3'][name]:.2f}"]
        for name, rate in speed["rates"].items()
    ]  # fmt: skip
    ours, theirs = returns["population"], returns["stable_baselines3"]
    return f"""## Population SAC against Stable-Baselines3

{result["env_id"]} from one initial state, {result["settings"]["sizes"]["num_steps"]:,} steps and
equal settings: mean return of the last episodes {np.mean(ours):.0f} of {len(ours)} agents trained
together, {np.mean(theirs):.0f} of {len(theirs)} of Stable-Baselines3 {result["stable_baselines3"]};
difference {returns["difference"]:.0f}, standard error {returns["standard_error"]:.0f}.
Agent-updates a second on one core, at the sizes of the paper's agents (batch
{speed["batch_size"]}), medians by turns:

{table(["", "agent-updates/s", "ratio"], rows)}

{describe(result, resolve_settings)}

"""
