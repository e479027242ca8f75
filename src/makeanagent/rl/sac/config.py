"""Settings of population SAC and its presets."""

from dataclasses import dataclass

from makeanagent.errors import InputError, check_counts, check_positive, check_shares


@dataclass(frozen=True, kw_only=True)
class SACConfig:
    """How agents are trained, and which of their checkpoints are kept."""

    num_runs: int = 4
    "Number of agents of each task, each of a training seed of its own."
    layout: int = 0
    "Number of the one layout that all agents of a task are trained on."
    env_steps: int = 80_000
    "Environment steps that each agent makes at most."
    horizon: int = 200
    "Environment steps after which an episode ends."
    round_steps: int = 200
    "Environment steps that each agent makes between two blocks of updates."
    start_steps: int = 400
    "Environment steps that each agent makes with uniformly random actions before the first update."
    updates_per_step: float = 0.5
    "Updates that each agent makes for one environment step."
    batch_size: int = 128
    "Transitions that each agent draws for one update."
    learning_rate: float = 1e-3
    "Adam's learning rate for actor, critics and temperature."
    discount: float = 0.99
    "Factor by which a reward counts less for each environment step that it lies ahead."
    return_steps: int = 10
    """Environment steps of reward in each target (n-step returns): with one, a success far away is
    felt only after as many steps of the target critics."""
    tau: float = 0.005
    "Part of the way to the critics that the target critics go in one step."
    target_period: int = 1
    "Updates between two steps of the target critics."
    actor_period: int = 2
    "Updates between two of the actor and the temperature, which TD3 calls its delayed actor."
    initial_temperature: float = 0.1
    "Weight of the entropy, beside the return, that training begins with."
    standardize: bool = True
    """Whether critics see standardised inputs, by the demonstrations or else the random steps:
    centimetres decide, and nobody keeps the critics. Actors see what the simulator gives."""
    num_demonstrations: int = 10
    "Number of expert episodes on the training layout that each agent of a task is given."
    demonstration_share: float = 0.5
    "Part of each batch that is drawn from the demonstrations."
    noise_scales: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3)
    """Standard deviations of the noise on the expert's actions, which reach from -1 to 1; its
    episodes take them in turn."""
    init_seed: int | None = None
    "Seed of an initial actor that all agents share; if there is none, each has its own."
    checkpoint_steps: int = 400
    "Environment steps of each agent between two tests, each of which may give a checkpoint."
    num_checkpoints: int = 400
    "Number of checkpoints of a task at which its agents are done."
    num_score_layouts: int = 5
    "Number of random layouts on which each checkpoint is scored."
    num_replay: int = 100
    "Episodes of each task's replay buffers that are stored at most, as prompts for benchmarks."
    replay_steps: int = 20_000
    "Environment steps of an agent from which on none of its episodes is stored."

    def check(self) -> None:
        """Refuse what no agent can be trained with.

        Raises:
            InputError: a number is out of its range.
        """
        check_counts(self, _MAY_BE_ZERO)
        # Imported here, as the command line reads these settings before it needs any suite.
        from makeanagent.suites.layouts import ZOO

        if self.layout >= len(ZOO):
            raise InputError(f"layout {self.layout}: zoos have layouts 0 to {len(ZOO) - 1}")
        if self.env_steps < self.checkpoint_steps:
            raise InputError(
                f"env_steps {self.env_steps}: must be at least checkpoint_steps"
                f" {self.checkpoint_steps}, or no agent is ever tested"
            )
        check_positive(self, ("updates_per_step", "learning_rate", "initial_temperature"))
        check_shares(self, ("discount", "tau"))
        if not 0 <= self.demonstration_share < 1:
            raise InputError(
                f"demonstration_share {self.demonstration_share}: must be at least 0 and below 1"
            )
        if self.num_demonstrations and not (self.noise_scales and min(self.noise_scales) >= 0):
            raise InputError(f"noise_scales {self.noise_scales}: needs numbers of at least 0")
        if self.checkpoint_steps % self.round_steps:
            raise InputError(
                f"checkpoint_steps {self.checkpoint_steps}: must be a multiple of round_steps"
                f" {self.round_steps}, as agents are tested between rounds"
            )


_MAY_BE_ZERO = ("layout", "init_seed", "num_demonstrations", "start_steps", "num_replay")

FAST = SACConfig()
"""Minutes a task on two cores, by expert demonstrations in the replay buffer."""

PAPER = SACConfig(
    num_runs=8,
    env_steps=1_000_000,
    horizon=500,
    round_steps=500,
    start_steps=5_000,
    updates_per_step=1.0,
    learning_rate=3e-4,
    return_steps=1,
    target_period=2,
    actor_period=1,
    initial_temperature=1.0,
    standardize=False,
    num_demonstrations=0,
    demonstration_share=0.0,
    checkpoint_steps=5_000,
    num_checkpoints=1_500,
    replay_steps=500_000,
)
"""The official hyper-parameters, and the paper's 8 runs and 1,500 checkpoints a task."""

SMOKE = SACConfig(
    num_runs=2,
    env_steps=1_200,
    start_steps=200,
    updates_per_step=0.1,
    num_checkpoints=4,
    checkpoint_steps=200,
    num_demonstrations=4,
    num_score_layouts=2,
    num_replay=4,
)
"""Seconds; for tests."""

PRESETS = {"fast": FAST, "paper": PAPER, "smoke": SMOKE}
"""By the names that the command line gives them."""
