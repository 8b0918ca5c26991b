"""The exponential moving average of the weights (Polyak and Juditsky, 1992): what is validated and saved."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def averaged(network: nn.Module, decay: float) -> AveragedModel:
    """A copy of the network that ``update_parameters(network)`` moves towards it.

    Batch norm's running statistics are averaged like the weights: those of the newest weights would not fit the
    average's.

    Args:
        network: to follow.
        decay: what is kept of the average in a step, in (0, 1).
    """
    return AveragedModel(network, multi_avg_fn=_towards(decay), use_buffers=True)


def _towards(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    @torch.no_grad()
    def update(average: Sequence[Tensor], current: Sequence[Tensor], count: Tensor | int) -> None:
        if not average[0].is_floating_point():  # batch norm's counters
            for one, other in zip(average, current, strict=True):
                one.copy_(other)
            return
        torch._foreach_lerp_(list(average), list(current), 1 - decay_after(int(count), decay))

    return update


def decay_after(steps: int, decay: float) -> float:
    """The decay after some steps: smaller at first, so that the random weights of the start are soon forgotten.

    ``(1 + n) / (10 + n)`` until that exceeds ``decay``, as TensorFlow's ``ExponentialMovingAverage`` has it.
    """
    return min(decay, (1 + steps) / (10 + steps))
