"""What a reader's training learns: three networks, by the action error on other layouts."""

from dataclasses import dataclass, field

from torch import Tensor, nn

from makeanagent.models.basis import BasisConfig, PolicyBasis
from makeanagent.models.denoisers import DenoiserConfig, TrunkDenoiser
from makeanagent.models.reader import DemonstrationReader, Knots, ReaderConfig
from makeanagent.policies.spec import PolicySpec
from makeanagent.trajectories.space import Space


@dataclass(frozen=True, kw_only=True)
class ReadingTraining:
    """How reader, basis and denoiser are trained (not in the paper)."""

    reader: ReaderConfig = field(default_factory=ReaderConfig)
    "Shape of the behaviour embedding."
    basis: BasisConfig = field(default_factory=BasisConfig)
    "Shape of the parameter autoencoder."
    denoiser: DenoiserConfig = field(
        default_factory=lambda: DenoiserConfig(kind="trunk", widths=(512, 512))
    )
    "Shape of the denoiser."
    gradient_steps: int = 8_500
    "How many gradient steps are taken."
    batch_size: int = 64
    "Prompts of a batch."
    num_states: int = 64
    "States of other layouts that each prompt's policy is asked about."
    demonstrations: tuple[int, ...] = (1, 1, 1, 1, 2)
    "Demonstrations that prompt together, by turns of the batches."
    learning_rate: float = 1e-3
    "Highest learning rate of AdamW, after the warm-up."
    final_learning_rate: float = 2e-5
    "Learning rate at the end of the cosine decay."
    warmup_steps: int = 200
    "Gradient steps in which the learning rate rises from 0."
    weight_decay: float = 0.01
    "Weight decay of AdamW."
    ema_decay: float = 0.998
    "Share of the averaged weights, which are used in the end, that a gradient step keeps."
    action_limit: float = 0.97
    "Largest size of an action that is learned, since tanh reaches 1 nowhere."
    loss_beta: float = 0.1
    "Action error from which on the loss grows linearly and no longer by its square."
    leak: float = 0.01
    "Slope that the loss keeps where tanh has none."
    program_weight: float = 0.1
    "Weight of regressing the drawn program's numbers from the embedding."
    latent_weight: float = 1e-4
    "Weight of the mean square of the latents."


class Networks(nn.Module):
    """The three networks of a generator that reads."""

    def __init__(self, spec: PolicySpec, space: Space, config: ReadingTraining) -> None:
        super().__init__()
        self.reader = DemonstrationReader(space, config.reader)
        self.basis = PolicyBasis(spec, space, config.basis)
        self.denoiser = TrunkDenoiser(
            self.basis.latent_shape, config.reader.condition_dim, config.denoiser
        )

    def predict(self, knots: Knots) -> tuple[Tensor, Tensor]:
        """Conditions `[B, C]`, and the one-step form's latents `[B, 1, Z]`."""
        condition = self.reader(knots)
        return condition, self.denoiser.predict(condition)


def measure_actions(means: Tensor, labels: Tensor, config: ReadingTraining) -> Tensor:
    """Action error of each policy, `[B]`, by its means before the squash and labels `[B, S, A]`."""
    limit = config.action_limit
    error = nn.functional.smooth_l1_loss(
        means.tanh() + config.leak * means,
        labels.clamp(-limit, limit),
        beta=config.loss_beta,
        reduction="none",
    )
    return error.mean(dim=(1, 2))
