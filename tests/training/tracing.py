"""Trains a stage on the made-up data, and notes what happens at each gradient step."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)


@dataclass
class Trace:
    """A stage's training, step by step."""

    model: nn.Module | None = None
    "What the recipe returned."
    log: list[dict[str, float]] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    "Learning rate of each step."
    weights: list[list[Tensor]] = field(default_factory=list)
    "Before the first step and after each one."
    gradients: list[Tensor] = field(default_factory=list)
    "Of the first step, of those weights that have any."
    optimizer: str = ""
    "Its class."
    settings: dict[str, Any] = field(default_factory=dict)
    "Of the optimizer."
    calls: list[tuple[tuple[Tensor, ...], Any]] = field(default_factory=list)
    "Inputs and output of each call of a network of the watched kind."

    def column(self, name: str) -> list[float]:
        """The logged values of one name."""
        return [row[name] for row in self.log if name in row]


@contextmanager
def watch(trace: Trace, kind: type[nn.Module] | None) -> Iterator[None]:
    """Fill `trace` with what any optimizer does, and with calls of networks of `kind`."""

    def copy_weights(optimizer: torch.optim.Optimizer) -> list[Tensor]:
        return [weight.detach().clone() for weight in optimizer.param_groups[0]["params"]]

    def before(optimizer: torch.optim.Optimizer, *_: object) -> None:
        if not trace.weights:
            trace.weights.append(copy_weights(optimizer))
            trace.gradients = [
                weight.grad.clone()
                for weight in optimizer.param_groups[0]["params"]
                if weight.grad is not None
            ]

    def after(optimizer: torch.optim.Optimizer, *_: object) -> None:
        group = optimizer.param_groups[0]
        trace.optimizer = type(optimizer).__name__
        trace.settings = {name: value for name, value in group.items() if name != "params"}
        trace.rates.append(group["lr"])
        trace.weights.append(copy_weights(optimizer))

    def called(module: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:  # noqa: ANN401
        if kind is not None and isinstance(module, kind):
            trace.calls.append((inputs, output))

    handles = [
        register_optimizer_step_pre_hook(before),
        register_optimizer_step_post_hook(after),
        register_module_forward_hook(called),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def train(
    recipe: Callable[..., nn.Module],
    *arguments: object,
    seed: int = 0,
    kind: type[nn.Module] | None = None,
    **options: object,
) -> Trace:
    """Run a recipe from its beginning to its end."""
    trace = Trace()

    def note(step: int, num_steps: int, values: dict[str, Tensor]) -> None:
        assert all(
            isinstance(value, Tensor) and not value.requires_grad for value in values.values()
        )
        trace.log.append({name: float(value) for name, value in values.items()})
        assert step == len(trace.log) <= num_steps

    with TemporaryDirectory() as folder, watch(trace, kind):
        trace.model = recipe(
            *arguments,
            seed=seed,
            device="cpu",
            state_path=Path(folder) / "state",
            checkpoint_seconds=1e9,
            log=note,
            **options,
        )
    return trace


def same(first: list[Tensor], second: list[Tensor]) -> bool:
    """Whether two lists of weights are equal to the last bit."""
    return all(map(torch.equal, first, second))


def weights_of(model: nn.Module) -> list[Tensor]:
    """A network's trained weights, without its buffers."""
    return [weight.detach() for weight in model.parameters()]
