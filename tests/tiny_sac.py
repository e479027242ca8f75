"""SAC agents that take a second: a suite without a simulator, and too few steps to learn much."""

from pathlib import Path

from makeanagent.parallel import one_thread, open_pool
from makeanagent.policies.spec import PolicySpec
from makeanagent.rl.sac.config import SACConfig
from makeanagent.rl.sac.training import train_population
from makeanagent.suites import find_suite
from makeanagent.trajectories.windows import PromptWindow
from makeanagent.zoo.build import build_zoo
from makeanagent.zoo.store import Zoo

SUITE = str(Path(__file__).parent / "rl" / "sac" / "easy_suite.py")
TASKS = ("drift-v1", "reach-v1")
SPEC = PolicySpec(observation_dim=4, action_dim=2, hidden=(16, 16))
WINDOW = PromptWindow(num_steps=12)
TINY = SACConfig(
    num_runs=2,
    env_steps=480,
    horizon=20,
    round_steps=40,
    start_steps=80,
    updates_per_step=0.5,
    batch_size=16,
    learning_rate=1e-2,
    return_steps=3,
    num_demonstrations=3,
    checkpoint_steps=80,
    num_checkpoints=5,
    num_score_layouts=2,
    num_replay=6,
    replay_steps=280,
)


def train(folder, *, tasks=TASKS[:1], config=TINY, workers=1, seed=0, **options):
    """Train a population, or go on with it."""
    with one_thread(), open_pool(workers) as pool:
        return train_population(
            pool, find_suite(SUITE), tasks, SPEC, config, WINDOW, folder, seed=seed, **options
        )


def build(folder, *, tasks=TASKS[:1], config=TINY, workers=1, seed=0, window=WINDOW, **options):
    """Build a zoo, or go on with it."""
    zoo = Zoo.create(folder, SUITE, SPEC, "sac", config, seed, window.num_steps)
    with open_pool(workers) as pool:
        build_zoo(zoo, find_suite(SUITE), tasks, config, pool, seed=seed, window=window, **options)
    return zoo
