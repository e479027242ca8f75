"""Success predictor: how likely a candidate is to succeed, told without playing it."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from makeanagent.errors import InputError
from makeanagent.policies.batch import PolicyBatch
from makeanagent.policies.spec import PolicySpec


@dataclass(frozen=True, kw_only=True)
class PredictorConfig:
    """Shape of the success predictor."""

    num_probes: int = 32
    "K: states on which a policy's actions are its fingerprint."
    hidden_dim: int = 64
    "Width of the two hidden layers."
    context_dim: int = 8
    "Width of what is kept of the prompt: some forty tasks must not be learned by heart."
    dropout: float = 0.5
    "In training, share of the hidden units and of the prompt's numbers that are left out."


class SuccessPredictor(nn.Module):
    """Logits of success from a policy's fingerprint, its prompt, and evidence about it.

    A fingerprint is a policy's actions on learned probe states (Harb et al. 2020, arXiv 2002.11833;
    Faccio et al. 2022, arXiv 2207.01566). A policy is compared with the other candidates of its
    prompt: its distance from their consensus joins the evidence, and all of it enters twice, as the
    prompt's mean and as the departure from it (Mundlak 1978), since what ranks the candidates of a
    prompt need not rank prompts.

    The logit is a logistic regression on these scalars, which is what carries over to new tasks,
    plus a small MLP that begins at 0. It reads the prompt, the consensus and the means alone, and
    says how likely its candidates are to succeed: which actions are the better ones does not carry
    over from task to task, and where it saw the candidates' departures it ranked them worse.

    Args:
        spec: the policies' layers.
        condition_dim: C, width of the behaviour embedding.
        evidence_dim: F, number of scalars, such as logarithms of demonstration errors.
        config: of the networks.
    """

    probe_mean: Tensor
    probe_std: Tensor
    fingerprint_scale: Tensor
    evidence_mean: Tensor
    evidence_std: Tensor
    temperature: Tensor
    bias: Tensor

    def __init__(
        self,
        spec: PolicySpec,
        condition_dim: int,
        evidence_dim: int,
        config: PredictorConfig | None = None,
    ) -> None:
        super().__init__()
        config = config or PredictorConfig()
        self.spec, self.config = spec, config
        fingerprint_dim = config.num_probes * spec.action_dim
        # The evidence and the distance from the consensus.
        scalar_dim = evidence_dim + 1
        hidden = config.hidden_dim
        self.probes = nn.Parameter(torch.zeros(config.num_probes, spec.observation_dim))
        self.regression = nn.Linear(2 * scalar_dim, 1)
        self.context = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(condition_dim + fingerprint_dim, config.context_dim),
        )
        self.network = nn.Sequential(
            nn.Linear(scalar_dim + config.context_dim, hidden),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Dropout(config.dropout),
        )
        self.head = nn.Linear(hidden, 1, bias=False)
        for weight in (self.regression.weight, self.regression.bias, self.head.weight):
            nn.init.zeros_(weight)
        for name, width in (("probe", spec.observation_dim), ("evidence", evidence_dim)):
            self.register_buffer(f"{name}_mean", torch.zeros(width))
            self.register_buffer(f"{name}_std", torch.ones(width))
        self.register_buffer("fingerprint_scale", torch.ones(fingerprint_dim))
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("bias", torch.zeros(()))

    @torch.no_grad()
    def place_probes(self, states: Tensor, generator: torch.Generator) -> None:
        """Put the probes on K of the training states `[S, O]`, drawn at random.

        Raises:
            InputError: there are fewer than K states.
        """
        num_probes = self.config.num_probes
        if len(states) < num_probes:
            raise InputError(f"predictor: {len(states)} states for {num_probes} probes")
        self.probe_mean.copy_(states.mean(dim=0))
        # What never moves stays where it is, since a probe moves in units of this.
        self.probe_std.copy_(states.std(dim=0).clamp(min=1e-6))
        picked = torch.randperm(len(states), generator=generator)[:num_probes].to(states.device)
        self.probes.copy_((states[picked] - self.probe_mean) / self.probe_std)

    @torch.no_grad()
    def fit_normalizers(self, fingerprints: Tensor, evidence: Tensor, group: Tensor) -> None:
        """Take scales from training candidates.

        Args:
            fingerprints: `[N, K A]`.
            evidence: `[N, F]`.
            group: int `[N]`: the prompt of each.
        """
        departure, _ = _split(fingerprints, _number(group))
        self.fingerprint_scale.copy_(departure.square().mean(dim=0).sqrt().clamp(min=1e-3))
        self.evidence_mean.copy_(evidence.mean(dim=0))
        self.evidence_std.copy_(evidence.std(dim=0).clamp(min=1e-6))

    def fingerprint(self, policies: Tensor) -> Tensor:
        """Actions of policies `[N, P]` on the probes, `[N, K A]`, differentiable in the probes."""
        states = self.probes * self.probe_std + self.probe_mean
        return PolicyBatch(policies.to(states.dtype), self.spec).act_all(states).flatten(1)

    def score(
        self, fingerprints: Tensor, condition: Tensor, evidence: Tensor, group: Tensor | None = None
    ) -> Tensor:
        """Uncalibrated logits `[N]` from fingerprints `[N, K A]`; else as `forward`."""
        if group is None:
            group = torch.zeros(len(evidence), dtype=torch.long, device=evidence.device)
        group = _number(group)
        departure, consensus = _split(fingerprints, group)
        departure = departure / self.fingerprint_scale
        distance = departure.square().mean(dim=1, keepdim=True)
        evidence = (evidence - self.evidence_mean) / self.evidence_std
        # As a logarithm, so that one candidate far astray does not outweigh the others.
        scalars = torch.cat([evidence, torch.log1p(distance)], dim=1)
        within, between = _split(scalars, group)
        context = self.context(torch.cat([condition, consensus], dim=1))
        hidden = self.network(torch.cat([between, context], dim=1))
        linear = self.regression(torch.cat([within, between], dim=1))
        return (linear + self.head(hidden))[:, 0]

    def forward(
        self, policies: Tensor, condition: Tensor, evidence: Tensor, group: Tensor | None = None
    ) -> Tensor:
        """Uncalibrated logits `[N]`.

        Args:
            policies: `[N, P]`.
            condition: `[N, C]`: behaviour embedding of each one's prompt.
            evidence: `[N, F]`.
            group: int `[N]`: the prompt of each, whose candidates are compared and hence belong
                into one call; by default all are of one prompt.
        """
        return self.score(self.fingerprint(policies), condition, evidence, group)

    @torch.no_grad()
    def predict(
        self, policies: Tensor, condition: Tensor, evidence: Tensor, group: Tensor | None = None
    ) -> Tensor:
        """Calibrated probabilities of success `[N]`; arguments are those of `forward`.

        Temperature scaling (Guo et al. 2017) with a bias: sigmoid(logit / temperature + bias).
        """
        logits = self(policies, condition, evidence, group)
        return torch.sigmoid(logits / self.temperature + self.bias)


def _number(group: Tensor) -> Tensor:
    """Any group ids as 0, 1, ..."""
    return torch.unique(group, return_inverse=True)[1]


def _split(x: Tensor, group: Tensor) -> tuple[Tensor, Tensor]:
    """Departure of each row of `[N, D]` from its group's mean, and that mean, `[N, D]` each."""
    count = torch.bincount(group)
    mean = x.new_zeros((len(count), x.shape[1])).index_add(0, group, x) / count[:, None]
    return x - mean[group], mean[group]
