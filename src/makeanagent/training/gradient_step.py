"""One gradient step of a reader's training, which CUDA replays as a graph.

The networks are small: launched one by one, some thousand kernels take far longer than they run.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from makeanagent.training.lessons import Batch
from makeanagent.training.reading_loss import Networks, ReadingTraining, measure_actions

_WARM_UPS = 3
"""Steps of a shape of batches before its graph is captured: libraries and the optimizer begin."""
_YOUNG = 9
"""So many steps old, the averaged weights keep half of what they would in the end, or less."""


@contextmanager
def _fast_products() -> Iterator[None]:
    """Matrix products of float32 by TF32, which keeps a fifth of a millimetre of a position."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


class Errors(NamedTuple):
    """What a step found; the next step may overwrite it."""

    actions: Tensor
    "`[B]`: action error of each prompt's policy."
    program: Tensor
    "`[]`: error of the drawn programs' numbers."


class GradientStep:
    """Takes gradient steps by AdamW, and averages the weights.

    Args:
        networks: on the device; they learn.
        averaged: a copy of them, which becomes their average.
        tell: from a condition to the programs' numbers; it learns too.
        config: sizes and rates.
    """

    def __init__(
        self, networks: Networks, averaged: Networks, tell: nn.Linear, config: ReadingTraining
    ) -> None:
        self._networks, self._tell, self._config = networks, tell, config
        self._on_cuda = tell.weight.is_cuda
        self._learned = [*networks.parameters(), *tell.parameters()]
        self._weights: list[Tensor] = [*networks.parameters()]
        self._means: list[Tensor] = [*averaged.parameters()]
        rate = torch.tensor(config.learning_rate, device=tell.weight.device)
        self.optimizer = torch.optim.AdamW(
            self._learned,
            # A graph reads its rate from a tensor; without one, numbers are faster.
            lr=rate if self._on_cuda else config.learning_rate,
            weight_decay=config.weight_decay,
            betas=(0.9, 0.98),
            fused=self._on_cuda or None,
            capturable=self._on_cuda,
        )
        self._graphs: dict[torch.Size, tuple[torch.cuda.CUDAGraph, Batch, Errors]] = {}
        self._warm_ups: dict[torch.Size, int] = {}

    def __call__(self, batch: Batch, step: int, rate: float) -> Errors:
        """Learn from a batch.

        Args:
            batch: on the device.
            step: how many steps were taken before.
            rate: the learning rate.
        """
        for group in self.optimizer.param_groups:
            if self._on_cuda:
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
        if self._on_cuda:
            with _fast_products():
                errors = self._replay(batch)
        else:
            errors = self._learn(batch)
        share = max(1 - self._config.ema_decay, _YOUNG / (_YOUNG + 1 + step))
        with torch.no_grad():
            torch._foreach_lerp_(self._means, self._weights, share)
        return errors

    def _learn(self, batch: Batch) -> Errors:
        config = self._config
        condition, latents = self._networks.predict(batch.knots)
        means = self._networks.basis.act(latents, batch.states)
        errors = measure_actions(means, batch.labels, config)
        told = self._tell(condition)[:, : batch.targets.shape[1]] - batch.targets
        program = (told.square() * batch.masks).sum() / batch.masks.sum().clamp(min=1)
        loss = (
            errors.mean()
            + config.program_weight * program
            + config.latent_weight * latents.square().mean()
        )
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._learned, 1.0)
        self.optimizer.step()
        return Errors(errors.detach(), program.detach())

    def _replay(self, batch: Batch) -> Errors:
        """`_learn` as a graph of the batch's shapes, captured once they have come a few times."""
        shape = batch.knots.observations.shape
        if shape not in self._graphs:
            count = self._warm_ups[shape] = self._warm_ups.get(shape, 0) + 1
            if count <= _WARM_UPS:
                return self._warm_up(batch)
            self._graphs[shape] = self._capture(batch)
        graph, inputs, errors = self._graphs[shape]
        for mine, given in zip(inputs.tensors(), batch.tensors(), strict=True):
            mine.copy_(given)
        graph.replay()
        return errors

    def _warm_up(self, batch: Batch) -> Errors:
        # On a stream of its own, as what a graph captures must not have run on the default one.
        side, current = torch.cuda.Stream(), torch.cuda.current_stream()
        side.wait_stream(current)
        with torch.cuda.stream(side):
            errors = self._learn(batch)
        current.wait_stream(side)
        return errors

    def _capture(self, batch: Batch) -> tuple[torch.cuda.CUDAGraph, Batch, Errors]:
        inputs, graph = batch.clone(), torch.cuda.CUDAGraph()
        self.optimizer.zero_grad()
        with torch.cuda.graph(graph):
            errors = self._learn(inputs)
        return graph, inputs, errors
