"""One step of training, and everything that a step changes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import torch
from torch import Tensor

from rtsod.errors import EngineError
from rtsod.model.u2net import U2Net
from rtsod.training.config import Recipe
from rtsod.training.ema import averaged
from rtsod.training.losses import Losses
from rtsod.training.samples import Sample

if TYPE_CHECKING:
    from rtsod.training.processes import Processes

MAX_SKIPPED: Final = 40
"""This many steps in a row whose fp16 gradient overflows mean that the loss scale is not to blame: each halves it, and
40 halvings take it from 65536 to less than a millionth."""


class Objective(Protocol):
    """What the network is to learn from a batch."""

    def __call__(self, outputs: Sequence[Tensor], batch: Sample) -> Losses:
        """The losses.

        Args:
            outputs: the network's logits, ``(B, 1, S, S)`` each: fused, side1 .. side6.
            batch: on the network's device.
        """


class NotFinite(EngineError):
    """A loss or a gradient is not finite. Nothing was learned from that step."""


@dataclass(frozen=True, slots=True)
class StepNumbers:
    """What a step tells about itself: means over passes and processes."""

    losses: dict[str, float]
    """``total``, and each head's."""
    gradient_norm: float
    """Euclidean, before clipping; infinite where an fp16 gradient overflowed and the step was skipped."""


class Trainer:
    """A network that learns, with all that has to be kept between two steps.

    Args:
        processes: of the run.
        network: to train, on the CPU; taken over.
        recipe: of the run.
        passes: per step.
        objective: what to learn.
    """

    def __init__(self, processes: Processes, network: U2Net, recipe: Recipe, passes: int, objective: Objective) -> None:
        self._processes = processes
        self._accelerator = processes.accelerator
        self._recipe = recipe
        self._passes = passes
        self._objective = objective
        # On a CPU, small networks train up to a third faster with channels last; on a GPU that was not measured.
        self._layout = torch.channels_last if processes.device.type == "cpu" else torch.contiguous_format
        self._network = network.to(processes.device).to(memory_format=self._layout)  # type: ignore[call-overload]
        self._average = None if recipe.ema is None else averaged(self._network, recipe.ema)
        optimiser = torch.optim.AdamW(
            _groups(self._network, recipe.weight_decay), lr=recipe.learning_rate, betas=recipe.betas, eps=recipe.eps
        )
        self._model, self._optimiser = processes.prepare(self._network, optimiser)
        self._skipped = 0

    @property
    def result(self) -> U2Net:
        """The network to validate and to save: the averaged one where there is one. Call ``eval`` before you use it."""
        return self._network if self._average is None else self._average.module  # type: ignore[return-value]

    def step(self, passes: Iterable[Sample], learning_rate: float) -> StepNumbers:
        """Learn from one batch.

        Args:
            passes: as many as ``passes``, each an equal part of this process's part of the batch, on the CPU.
            learning_rate: of this step.

        Raises:
            NotFinite: a loss or a gradient is not finite; the weights are as before.
        """
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate
        self._model.train()
        sums: Tensor | None = None
        heads: tuple[str, ...] = ()
        for part in passes:
            image, label = (each.to(self._processes.device, non_blocking=True) for each in part)
            batch = Sample(image.contiguous(memory_format=self._layout), label)
            with self._accelerator.accumulate(self._model):
                losses = self._objective(self._model(batch.image), batch)
                self._accelerator.backward(losses.total)
            heads = tuple(losses.heads)
            numbers = torch.stack([losses.total.detach(), *losses.heads.values()])
            sums = numbers if sums is None else sums + numbers
        assert sums is not None, "a step has at least one pass"
        clip = math.inf if self._recipe.clip is None else self._recipe.clip
        norm = self._accelerator.clip_grad_norm_(self._network.parameters(), clip)
        total, *each, norm = self._processes.mean(torch.cat([sums / self._passes, norm.view(1)])).tolist()
        self._check(total, norm)
        self._optimiser.step()
        self._optimiser.zero_grad()
        if not self._accelerator.optimizer_step_was_skipped:
            self._skipped = 0
            self._processes.average_batch_norm(self._network)
            if self._average is not None:
                self._average.update_parameters(self._network)
        return StepNumbers({"total": total, **dict(zip(heads, each, strict=True))}, norm)

    def _check(self, total: float, norm: float) -> None:
        if not math.isfinite(total):
            raise NotFinite("the loss is not finite")
        if not math.isfinite(norm):
            self._skipped += 1
            if self._accelerator.scaler is None or self._skipped >= MAX_SKIPPED:
                raise NotFinite("the gradient is not finite")

    def state(self) -> dict[str, Any]:
        """What :meth:`restore` needs, of tensors and plain values."""
        scaler = self._accelerator.scaler
        return {
            "network": self._network.state_dict(),
            "average": None if self._average is None else self._average.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "scaler": None if scaler is None else scaler.state_dict(),
            "skipped": self._skipped,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what :meth:`state` returned."""
        self._network.load_state_dict(state["network"])
        if self._average is not None:
            self._average.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        if self._accelerator.scaler is not None:
            self._accelerator.scaler.load_state_dict(state["scaler"])
        self._skipped = state["skipped"]


def _groups(network: U2Net, weight_decay: float) -> list[dict[str, Any]]:
    """Convolutions' weights decay; biases and batch norm's scales, which have one dimension, do not."""
    parameters = list(network.parameters())
    return [
        {"params": [each for each in parameters if each.ndim > 1], "weight_decay": weight_decay},
        {"params": [each for each in parameters if each.ndim == 1], "weight_decay": 0.0},
    ]
