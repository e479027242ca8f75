"""Settings of the recipe `distillation`."""

from dataclasses import dataclass

from makeanagent.errors import InputError, check_counts, check_positive, check_shares

EPISODE_LAYOUTS = 500
"""Layouts of one population's expert episodes and stored rollouts."""
ROUND_LAYOUTS = 1_600
"""Layouts of one population's rounds of DAgger."""


@dataclass(frozen=True, kw_only=True)
class DistillationConfig:
    """How a population is distilled."""

    num_runs: int = 16
    "Number of actors that are trained side by side, each on its own data in its own order."
    batch_size: int = 256
    "States that each actor draws for one gradient step."
    learning_rate: float = 1e-3
    "Adam's learning rate until the population is good."
    final_learning_rate: float = 1e-4
    "Learning rate at the last checkpoint, reached by cosine decay over the checkpoints."
    num_demonstrations: int = 120
    "Number of expert episodes that are recorded for each task."
    noise_scales: tuple[float, ...] = (0.0, 0.1, 0.3, 0.6)
    """Standard deviations of the noise on the expert's actions, which reach from -1 to 1; its
    episodes take them in turn."""
    steps_after_success: int = 20
    "Environment steps that an expert episode goes on after its first success."
    round_steps: int = 300
    "Gradient steps before each round of DAgger."
    round_episodes: int = 48
    "Episodes that the actors play in a round; the teacher labels what they saw."
    round_horizon: int = 250
    """Environment steps after which such an episode ends; what goes wrong has gone wrong by
    then."""
    min_rounds: int = 4
    "Rounds of DAgger before the first checkpoint at least."
    max_rounds: int = 32
    "Rounds of DAgger before the first checkpoint at most."
    good_success: float = 0.99
    "Success rate in the last `min_rounds` rounds together from which a population is good."
    num_checkpoints: int = 30
    "Number of checkpoints that are kept of each actor once the population is good."
    checkpoint_steps: int = 50
    "Gradient steps between two checkpoints."
    elastic_pull: float = 3.0
    """Part of the way to their mean that actors are drawn in one gradient step, as a multiple of
    the learning rate."""
    run_share: float = 0.8
    "Part of the episodes that one actor is trained on; each draws its own."
    action_limit: float = 0.97
    "Largest size of an action that is learned, since tanh reaches 1 nowhere."
    loss_beta: float = 0.1
    "Action error from which on the loss grows linearly and no longer by its square."
    log_std: float = -2.0
    "Output to which the log-std head is drawn."
    num_score_layouts: int = 5
    "Number of random layouts on which each checkpoint is scored."
    init_seed: int = 7
    "Seed of the initial actor that all actors of all tasks share."

    def check(self) -> None:
        """Refuse what no population can be made with.

        Raises:
            InputError: a number is out of its range.
        """
        check_counts(self, _MAY_BE_ZERO)
        if not self.noise_scales or min(self.noise_scales) < 0:
            raise InputError(f"noise_scales {self.noise_scales}: needs numbers of at least 0")
        check_shares(self, ("run_share", "action_limit", "good_success"))
        check_positive(self, ("learning_rate", "final_learning_rate", "loss_beta"))
        if not self.elastic_pull >= 0:
            raise InputError(f"elastic_pull {self.elastic_pull}: must be at least 0")
        if self.num_demonstrations > EPISODE_LAYOUTS:
            raise InputError(
                f"num_demonstrations {self.num_demonstrations}: a population has"
                f" {EPISODE_LAYOUTS} layouts for them"
            )
        if self.max_rounds * self.round_episodes > ROUND_LAYOUTS:
            raise InputError(
                f"max_rounds {self.max_rounds} x round_episodes {self.round_episodes}:"
                f" a population has {ROUND_LAYOUTS} layouts for them"
            )


_MAY_BE_ZERO = ("steps_after_success", "init_seed")

PRESETS = {"fast": DistillationConfig()}
"""By the names that the command line gives them."""
