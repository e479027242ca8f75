"""Beginning a training from another generator's weights."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from makeanagent.errors import InputError
from makeanagent.generator import MakeAnAgent
from makeanagent.models.autoencoder import ParameterAutoencoder
from makeanagent.models.behavior import BehaviorEmbedding
from makeanagent.training.reading_loss import Networks


@dataclass(frozen=True, kw_only=True, eq=False)
class Start:
    """A generator whose weights a training begins with, as far as they fit.

    Familiarity is not taken over: it belongs to the training of its own generator.
    """

    name: str
    "As it was asked for: a bundled generator's name, a folder, or a hub id."
    sha256: str
    "Of its weights' file."
    generator: MakeAnAgent

    def to_dict(self) -> dict[str, str]:
        """What a run's settings say of it."""
        return {"name": self.name, "sha256": self.sha256}


def load_start(name: str | Path) -> Start:
    """Read the generator to begin from.

    Raises:
        InputError: there is none, or a file is missing or altered.
    """
    generator = MakeAnAgent.from_pretrained(name)
    assert generator.fingerprint is not None
    return Start(name=str(name), sha256=generator.fingerprint, generator=generator)


@torch.no_grad()
def take_over(target: nn.Module, source: nn.Module) -> None:
    """Give `target` those of `source`'s tensors that fit; the others stay as they are."""
    found, own = _name_tensors(source), _name_tensors(target)
    afresh = set(find_misfits(target, source))
    for name in own.keys() - afresh:
        own[name].copy_(found[name])


def find_misfits(target: nn.Module, source: nn.Module) -> list[str]:
    """Tensors of `target` that `source` has not, or has in another shape, by name."""
    found, own = _name_tensors(source), _name_tensors(target)
    shapes = {name: tensor.shape for name, tensor in found.items()}
    misfits = [name for name, tensor in own.items() if shapes.get(name) != tensor.shape]
    if isinstance(target, ParameterAutoencoder):
        # A group's maps and its mean go together, and the latents' scale with any of them: a
        # generator may have come without its encoder.
        groups = [
            {f"encoders.{index}.weight", f"decoders.{index}.weight", f"mean.{index}"}
            for index in range(len(target.groups))
        ]
        apart = [group for group in groups if not group.isdisjoint(misfits)]
        misfits += sorted(set().union(*apart) - set(misfits))
        if len(apart) == len(groups) and "scale" not in misfits:
            misfits.append("scale")
    return misfits


def take_over_reader(networks: Networks, start: Start) -> None:
    """Give networks that read all weights of the start.

    Raises:
        InputError: its networks have other shapes.
    """
    pairs = (
        (networks.reader, start.generator.embedding),
        (networks.basis, start.generator.autoencoder),
        (networks.denoiser, start.generator.denoiser),
    )
    for network, other in pairs:
        if find_misfits(network, other) or find_misfits(other, network):
            raise InputError(
                f"{start.name}: its networks are not of a reader of this preset for this suite"
            )
        network.load_state_dict(other.state_dict())


def keeps_latents(target: ParameterAutoencoder, source: nn.Module) -> bool:
    """Whether `target` begins with latents of `source`, of a group of layers at least.

    Of these the denoiser of `source` knows something, and of no others; between robots, the middle
    layers' group is what keeps them.
    """
    misfits = find_misfits(target, source)
    return any(f"decoders.{index}.weight" not in misfits for index in range(len(target.groups)))


def _name_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Views of a network's tensors by name; of an autoencoder's mean, the span of each group."""
    tensors = dict(module.state_dict())
    if isinstance(module, ParameterAutoencoder):
        mean = tensors.pop("mean")
        tensors |= {f"mean.{index}": mean[group] for index, group in enumerate(module.groups)}
    return tensors


def describe_start(
    start: Start,
    autoencoder: ParameterAutoencoder,
    embedding: BehaviorEmbedding,
    denoiser: nn.Module,
) -> list[str]:
    """What the start gives each network and what begins afresh, one line a network.

    Args:
        start: the generator to begin from.
        autoencoder: of the training; values do not matter, here and of the others.
        embedding: of the training.
        denoiser: of the training.
    """
    lines = []
    networks = {"autoencoder": autoencoder, "embedding": embedding, "denoiser": denoiser}
    for name, network in networks.items():
        source = getattr(start.generator, name)
        own, misfits = _name_tensors(network), find_misfits(network, source)
        if network is autoencoder and not hasattr(source, "encoders"):
            lines.append(f"{name}: begins afresh, as {start.name} came without its encoder")
        elif network is denoiser and not keeps_latents(autoencoder, start.generator.autoencoder):
            lines.append(f"{name}: begins afresh, as it knows no latents but {start.name}'s own")
        elif not misfits:
            lines.append(f"{name}: begins with all weights of {start.name}")
        elif len(misfits) == len(own):
            lines.append(f"{name}: begins afresh, as no weights of {start.name} fit")
        else:
            lines.append(
                f"{name}: begins with weights of {start.name}; afresh, as they do not fit:"
                f" {', '.join(misfits)}"
            )
    return lines
