"""Weights as float16, where that moves no action: for generators that are to be shipped.

Rounding each number to its nearest neighbour moves actions by a few thousandths. Rounding columns
one after the other, and letting those that are left make up for the error so far on the inputs that
a layer meets, keeps the error of its outputs many times smaller (GPTQ, Frantar et al. 2023, arXiv
2210.17323).
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from makeanagent.generator import MakeAnAgent
from makeanagent.models.diffusion import make_scheduler, sample_latents
from makeanagent.trajectories import Trajectory

_RIDGE = 1e-4
"""Added to the inputs' second moments, as a share of their mean diagonal."""


def round_matrix(weight: Tensor, moment: Tensor) -> Tensor:
    """The matrix with entries that float16 holds, and about the same products.

    Args:
        weight: W `[out, in]`.
        moment: `[in, in]`: second moments of the inputs x of W x.
    """
    moment = moment.double()
    moment = moment + _RIDGE * moment.diagonal().mean() * torch.eye(len(moment)).to(moment)
    # Columns of large inputs first, as many others can then make up for their errors.
    order = moment.diagonal().argsort(descending=True)
    factor = torch.linalg.cholesky(torch.linalg.inv(moment[order][:, order]), upper=True)
    left = weight.double()[:, order]
    for column in range(left.shape[1]):
        exact = left[:, column].clone()
        left[:, column] = exact.half()
        error = (exact - left[:, column]) / factor[column, column]
        left[:, column + 1 :] -= error[:, None] * factor[column, column + 1 :]
    return left[:, order.argsort()].to(weight)


@torch.no_grad()
def round_weights(
    generator: MakeAnAgent, prompts: Sequence[Trajectory], num_samples: int = 40, seed: int = 0
) -> None:
    """Round the decoder and the denoiser's inner matrices.

    These are nearly all of a generator's size. The denoiser's first and last layer stay as they
    are, since rounding either moved actions by as much as all the rest; so does the embedding, on
    whose conditions the denoiser was trained.

    Args:
        generator: is changed; `save_pretrained` then writes what float16 holds as float16.
        prompts: demonstrations of many tasks, whose latents the maps should serve.
        num_samples: latents of each prompt.
        seed: of these.
    """
    condition = generator.embed(prompts).repeat(num_samples, 1)
    autoencoder, denoiser = generator.autoencoder, generator.denoiser
    matrices = {
        name: module
        for name, module in denoiser.named_modules()
        if isinstance(module, nn.Linear) and name not in ("embed", "head")
    }
    moments: dict[str, Tensor] = {}

    def measure(name: str, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        (x,) = inputs
        moments[name] = moments.get(name, 0) + x.T @ x / len(x)

    hooks = [
        module.register_forward_pre_hook(partial(measure, name))
        for name, module in matrices.items()
    ]
    latents = sample_latents(
        denoiser,
        make_scheduler(generator.config.diffusion),
        condition,
        autoencoder.latent_shape,
        generator.config.diffusion.sample_steps,
        torch.Generator().manual_seed(seed),
    )
    for hook in hooks:
        hook.remove()
    for name, module in matrices.items():
        module.weight.copy_(round_matrix(module.weight, moments[name]))
    for part, decoder in zip(latents.unbind(dim=1), autoencoder.decoders, strict=True):
        weight = decoder.get_parameter("weight")
        weight.copy_(round_matrix(weight, part.T @ part / len(part)))
