"""Settings of population SAC and its presets."""

from dataclasses import dataclass, fields, replace

from makeanagent.errors import InputError, check_counts, check_positive, check_shares
from makeanagent.suites.layouts import ZOO


@dataclass(frozen=True, kw_only=True)
class SACConfig:
    """How agents are trained, and which of their checkpoints are kept."""

    num_runs: int = 4
    "Agents of each task: its training seeds."
    layout: int = 0
    "The one layout that all agents of a task are trained on."
    num_steps: int = 80_000
    "Environment steps of each agent at most."
    horizon: int = 200
    "Steps of an episode."
    round_steps: int = 200
    "Environment steps of each agent between two blocks of updates."
    start_steps: int = 400
    "Steps with uniformly random actions before the first update."
    updates_per_step: float = 0.5
    "Updates for each environment step."
    batch_size: int = 128
    "Transitions for each agent and update."
    learning_rate: float = 1e-3
    "Of actor, critics and temperature."
    discount: float = 0.99
    return_steps: int = 10
    """Steps of reward in each target (n-step returns): with n = 1 a success far away is felt only
    after as many steps of the target critics."""
    tau: float = 0.005
    "Rate of the target critics."
    target_period: int = 1
    "Updates between two steps of the target critics."
    actor_period: int = 2
    "Updates between two of the actor and the temperature: the delayed actor of TD3."
    initial_temperature: float = 0.1
    standardize: bool = True
    """Whether critics see standardised inputs, by the demonstrations or else the random steps;
    centimetres decide, and nobody keeps the critics. Actors see what the simulator gives."""
    num_demonstrations: int = 10
    "Expert episodes on the training layout, given to each agent of a task."
    demonstration_share: float = 0.5
    "Share of each batch that is drawn from them."
    noise_scales: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3)
    "Action noise of the expert episodes, by turns."
    init_seed: int | None = None
    "Of an initial actor that all agents share; each has its own if there is none."
    checkpoint_steps: int = 400
    "Environment steps between two tests, and so between two checkpoints."
    num_checkpoints: int = 400
    "Checkpoints of each task, at which its agents are done."
    num_score_layouts: int = 5
    "Random layouts on which each checkpoint is scored."
    num_replay: int = 100
    "Episodes of each task's replay buffers that are stored, as prompts for benchmarks."
    replay_steps: int = 20_000
    "They come from an agent's steps before this one."

    def check(self) -> None:
        """Refuse what no agent can be trained with.

        Raises:
            InputError: a number is out of its range.
        """
        check_counts(self, _MAY_BE_ZERO)
        if self.layout >= len(ZOO):
            raise InputError(f"layout {self.layout}: zoos have layouts 0 to {len(ZOO) - 1}")
        if self.num_steps < self.checkpoint_steps:
            raise InputError(
                f"num_steps {self.num_steps}: must be at least checkpoint_steps"
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
    num_steps=1_000_000,
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
    num_steps=1_200,
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


def adapt(preset: str, given: SACConfig) -> SACConfig:
    """A preset with those fields of `given` that differ from the defaults."""
    changes = {
        field.name: getattr(given, field.name)
        for field in fields(given)
        if getattr(given, field.name) != field.default
    }
    return replace(PRESETS[preset], **changes)
