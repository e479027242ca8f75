"""Parameter autoencoder: policies to latents of equal size, group of layers by group of layers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from makeanagent.errors import InputError
from makeanagent.policies.batch import PolicyBatch
from makeanagent.policies.initialization import layer_stream
from makeanagent.policies.spec import Layer, PolicySpec

Grouping = Literal["paper", "layers"]


@dataclass(frozen=True, kw_only=True)
class AutoencoderConfig:
    """Shape of the autoencoder (paper, section 3 and table 1)."""

    latent_dim: int = 128
    "Width of each group's latent; table 1 has 1,024."
    layer_norm: bool = False
    "Whether a LayerNorm that all groups share normalises latents, as in the paper's own model."
    input_noise: float = 1e-4
    "Standard deviation of the noise that is added to parameters (xi_D in equation 5)."
    latent_noise: float = 1e-3
    "Standard deviation of the noise that is added to latents of scale 1 (xi_E in equation 5)."
    grouping: Grouping = "paper"
    """Which layers are encoded together: 'paper' has each hidden layer, the heads with the last
    (table 1: two groups); 'layers' has the first, the hidden ones after it, and the heads, so that
    what lies between has the same shape for all widths of observations and actions."""


PAPER_AUTOENCODER = AutoencoderConfig(latent_dim=1024, layer_norm=True)


def group_layers(spec: PolicySpec, grouping: Grouping = "paper") -> tuple[tuple[Layer, ...], ...]:
    """Layers that are encoded together, in the order of the flat vector.

    For the paper's actor, 'paper' gives linear1 (5,120) and linear2 with mean and log-std (17,544),
    the two rows of table 1's output dim [2, 1024].
    """
    depth = len(spec.hidden)
    hidden, heads = spec.layers[:depth], spec.layers[depth:]
    if grouping == "paper":
        return (*((layer,) for layer in hidden[:-1]), (hidden[-1], *heads))
    return tuple(group for group in (hidden[:1], hidden[1:], heads) if group)


class ParameterAutoencoder(nn.Module):
    """One linear map each way for every group (table 1: encoder and decoder depth 1).

    Latents are divided by `scale`, so that their standard deviation over the zoo is 1 in all.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, spec: PolicySpec, config: AutoencoderConfig) -> None:
        super().__init__()
        self.spec = spec
        self.config = config
        self.layers = group_layers(spec, config.grouping)
        self.groups = tuple(slice(group[0].start, group[-1].bias.stop) for group in self.layers)
        widths = [group.stop - group.start for group in self.groups]
        dim = config.latent_dim
        self.encoders = nn.ModuleList([nn.Linear(width, dim, bias=False) for width in widths])
        self.decoders = nn.ModuleList([nn.Linear(dim, width, bias=False) for width in widths])
        self.norm = nn.LayerNorm(dim) if config.layer_norm else nn.Identity()
        self.register_buffer("mean", torch.zeros(spec.num_parameters))
        self.register_buffer("scale", torch.ones(()))

    @property
    def latent_shape(self) -> tuple[int, int]:
        """G groups by D dimensions."""
        return len(self.groups), self.config.latent_dim

    @torch.no_grad()
    def draw_maps(self, seed: int) -> None:
        """Draw the maps as `nn.Linear` does, but each group's from a random stream of its own.

        Groups of the same layers and shape begin alike, whatever the other groups' shapes are.
        """
        for layers, encoder, decoder in zip(self.layers, self.encoders, self.decoders, strict=True):
            names = ["autoencoder", *(layer.name for layer in layers)]
            stream = layer_stream(".".join(names), seed)
            for weight in (encoder.get_parameter("weight"), decoder.get_parameter("weight")):
                bound = weight.shape[1] ** -0.5
                weight.copy_(torch.empty(weight.shape).uniform_(-bound, bound, generator=stream))

    def encode(self, parameters: Tensor) -> Tensor:
        """Latents `[N, G, D]` of policies `[N, P]`.

        Raises:
            InputError: the policies are of another size, or there is no encoder.
        """
        if not hasattr(self, "encoders"):
            raise InputError(
                "autoencoder: this generator came without its encoder (training.safetensors), which"
                " only training and its rivals need; train one, or use one that has it"
            )
        if parameters.shape[-1] != self.spec.num_parameters:
            raise InputError(
                f"autoencoder: policies of {parameters.shape[-1]} parameters, expected"
                f" {self.spec.num_parameters}"
            )
        centred = parameters - self.mean
        latents = [
            self.norm(encoder(centred[:, group]))
            for encoder, group in zip(self.encoders, self.groups, strict=True)
        ]
        return torch.stack(latents, dim=1) / self.scale

    def decode(self, latents: Tensor) -> Tensor:
        """Policies `[N, P]` of latents `[N, G, D]`."""
        # Scale and mean within the products: passes over `[N, P]` are what guidance would wait for.
        scaled = latents * self.scale
        pieces = [
            nn.functional.linear(part, decoder.get_parameter("weight"), self.mean[group])
            for part, decoder, group in zip(
                scaled.unbind(dim=1), self.decoders, self.groups, strict=True
            )
        ]
        return torch.cat(pieces, dim=1)

    def forward(self, parameters: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Reconstruction with noise on both sides: D(E(x + xi_D) + xi_E) of equation 5."""

        def noise(like: Tensor, scale: float) -> Tensor:
            return scale * torch.randn(like.shape, generator=generator, device=like.device)

        latents = self.encode(parameters + noise(parameters, self.config.input_noise))
        return self.decode(latents + noise(latents, self.config.latent_noise))


def input_moments(parameters: Tensor, spec: PolicySpec, states: Tensor) -> dict[str, Tensor]:
    """Second moments of each layer's inputs, a constant 1 for the bias included.

    Args:
        parameters: `[N, P]`: policies.
        spec: their layers.
        states: `[N, B, O]`: states that each policy meets.

    Returns:
        Layer name to `[fan_in + 1, fan_in + 1]`, averaged over policies and states.
    """
    moments = {}

    def measure(layer: str, inputs: Tensor, outputs: Tensor) -> Tensor:
        ones = torch.ones((*inputs.shape[:-1], 1), device=inputs.device)
        rows = torch.cat([inputs, ones], dim=-1).flatten(0, 1)
        moments[layer] = rows.T @ rows / len(rows)
        return outputs

    PolicyBatch(parameters, spec).run(states, watch=measure)
    return moments


def output_sensitivities(parameters: Tensor, spec: PolicySpec, states: Tensor) -> dict[str, float]:
    """How far the action moves with a layer's output: root mean square of the gradient.

    Args:
        parameters: `[N, P]`: policies.
        spec: their layers.
        states: `[N, B, O]`: states that each policy meets.
    """
    outputs = {}

    def keep(layer: str, _: Tensor, output: Tensor) -> Tensor:
        outputs[layer] = output.requires_grad_()
        # What goes on is written to by the activation.
        return output.clone()

    with torch.enable_grad():
        PolicyBatch(parameters, spec).run(states, watch=keep)
        action = outputs["mean"].tanh() if spec.squash == "tanh" else outputs["mean"]
        # A random projection of the actions: its gradient's mean square is the Jacobian's.
        signs = torch.where(torch.rand_like(action) < 0.5, -1.0, 1.0)
        names = [name for name in outputs if name != "log_std"]
        gradients = torch.autograd.grad((action * signs).sum(), [outputs[name] for name in names])
    scales = {
        name: gradient.square().mean().sqrt().item()
        for name, gradient in zip(names, gradients, strict=True)
    }
    return scales | {name: scales["mean"] for name in outputs if name not in scales}


@torch.no_grad()
def fit_closed_form(
    autoencoder: ParameterAutoencoder,
    parameters: Tensor,
    moments: dict[str, Tensor],
    layer_weights: dict[str, float],
    ridge: float = 1e-4,
) -> None:
    """Set the maps to the linear optimum: a PCA in the metric of the layers' outputs.

    An error dW of a layer moves its output by dW x, whose mean square is tr(dW C dW^T) with C the
    second moment of x. Multiplying weights by C^(1/2) turns that into a plain sum of squares, in
    which the optimal linear autoencoder is a PCA.

    Differs from the paper: equation 5 measures plain weight error, and gradient descent finds the
    same subspace slowly.

    Args:
        autoencoder: gets the maps; must have no LayerNorm.
        parameters: `[N, P]`: policies to fit.
        moments: from `input_moments`.
        layer_weights: how much a layer's output error counts, by layer name.
        ridge: added to C, as a share of its mean diagonal.
    """
    spec = autoencoder.spec
    autoencoder.mean.copy_(parameters.mean(dim=0))
    centred = parameters - autoencoder.mean
    roots, inverses = {}, {}
    for layer in spec.layers:
        moment = moments[layer.name].double()
        moment = moment + ridge * moment.diagonal().mean() * torch.eye(len(moment)).to(moment)
        values, vectors = torch.linalg.eigh(moment)
        weight = layer_weights[layer.name]
        roots[layer.name] = (weight * (vectors * values.sqrt()) @ vectors.T).float()
        inverses[layer.name] = ((vectors / values.sqrt()) @ vectors.T / weight).float()

    dim = autoencoder.config.latent_dim
    latents = []
    for index, members in enumerate(autoencoder.layers):
        weighted = _apply(centred, members, roots)
        _, _, basis = torch.svd_lowrank(weighted, q=min(dim, *weighted.shape), niter=4)
        basis = nn.functional.pad(basis, (0, dim - basis.shape[1]))
        latents.append(weighted @ basis)
        # Both maps act on plain weights: the metric is folded into them.
        shifted = [layer._replace(start=layer.start - members[0].start) for layer in members]
        encoder = autoencoder.encoders[index].get_parameter("weight")
        encoder.copy_(_apply(basis.T, shifted, roots))
        decoder = autoencoder.decoders[index].get_parameter("weight")
        decoder.copy_(_apply(basis.T, shifted, inverses).T)
    autoencoder.scale.copy_(torch.stack(latents, dim=1).std())


def _apply(rows: Tensor, layers: Sequence[Layer], factors: dict[str, Tensor]) -> Tensor:
    """Multiply each layer's [W b] in `rows` `[N, ...]` by its symmetric factor; keep the order."""
    pieces = []
    for layer in layers:
        weight = rows[:, layer.weight].unflatten(1, (layer.fan_out, layer.fan_in))
        joined = torch.cat([weight, rows[:, layer.bias, None]], dim=2) @ factors[layer.name]
        pieces += [joined[:, :, :-1].flatten(1), joined[:, :, -1]]
    return torch.cat(pieces, dim=1)
