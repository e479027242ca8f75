"""A zoo that takes a second: the example suite, with too few steps for good policies."""

from dataclasses import asdict
from pathlib import Path

from makeanagent.parallel import open_pool
from makeanagent.policies.spec import PolicySpec
from makeanagent.suites import find_suite
from makeanagent.zoo.build import build_zoo, find_space
from makeanagent.zoo.recipes.distillation_config import DistillationConfig
from makeanagent.zoo.store import Zoo

SUITE = str(Path(__file__).parents[1] / "examples" / "reacher_suite.py")
TASKS = ("Reacher-v5", "Reacher-mirrored")
TINY = DistillationConfig(
    num_runs=3,
    batch_size=32,
    num_demonstrations=12,
    round_steps=40,
    round_episodes=6,
    min_rounds=1,
    max_rounds=2,
    num_checkpoints=3,
    checkpoint_steps=10,
    num_score_layouts=2,
)


def spec_for(space):
    """The actor that `zoo build` makes for a space."""
    return PolicySpec(observation_dim=space.observation_dim, action_dim=space.action_dim)


def build(folder, *, tasks=TASKS[:1], config=TINY, workers=1, seed=0, **options):
    """Build a zoo, or go on with it."""
    suite = find_suite(SUITE)
    zoo = Zoo.create(
        folder, SUITE, spec_for(find_space(suite, tasks)), "distillation", config, seed
    )
    with open_pool(workers) as pool:
        build_zoo(zoo, suite, tasks, config, pool, seed=seed, **options)
    return zoo


def as_options(config=TINY):
    """The settings as options of the command line."""
    options = []
    for name, value in asdict(config).items():
        values = value if isinstance(value, tuple) else (value,)
        options += [f"--{name.replace('_', '-')}", *map(str, values)]
    return options


def bytes_of(zoo):
    """All arrays of a zoo and its scores, as bytes by the shard's name."""
    contents = {}
    for name in zoo.shard_names():
        shard = zoo.load_shard(name)
        episodes = [*shard.rollouts, *shard.demonstrations]
        arrays = [shard.parameters, shard.run, shard.step, shard.success]
        for episode in episodes:
            arrays += [episode.observations, episode.actions, episode.success]
        contents[name] = b"".join(array.tobytes() for array in arrays)
    return contents
