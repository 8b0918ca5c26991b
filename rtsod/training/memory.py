"""How much memory a step needs, found out before the first one and without computing anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from rtsod.errors import EngineError
from rtsod.model.table import Block
from rtsod.model.u2net import U2Net
from rtsod.system.memory import free_memory

COPIES: Final = 5
"""Of the weights, in float32: themselves, their gradients, Adam's two moments, and their average."""
_OVERHEAD: Final = 1.5
"""Memory in use at the worst moment, over what the network keeps for its gradients: gradients on their way back, and
what convolutions work in."""


@dataclass(frozen=True, slots=True)
class Need:
    """Memory that training needs, in bytes."""

    fixed: int
    """Whatever the batch."""
    per_sample: int
    """For each sample of a pass."""

    def of(self, samples: int) -> int:
        """Bytes for passes of so many samples."""
        return self.fixed + samples * self.per_sample


@lru_cache
def memory_need(table: tuple[Block, ...], crop: int, bytes_per_value: int = 4) -> Need:
    """What training a network needs.

    The network runs on PyTorch's ``meta`` device, where tensors have a shape and no content, and what it keeps for its
    gradients is counted.

    Args:
        table: of the network.
        crop: side of its input, in pixels.
        bytes_per_value: of what is kept: 4, or 2 under autocast.
    """
    with torch.device("meta"):
        weights = sum(parameter.nbytes for parameter in U2Net(table).parameters())
    return Need(COPIES * weights, int(_kept(table, crop, 1) * bytes_per_value / 4 * _OVERHEAD))


def check_memory(need: Need, batch: int, passes: int, device: torch.device, processes: int = 1) -> None:
    """Refuse a batch that does not fit, and say what would.

    Args:
        need: of one process.
        batch: samples a step, over all processes and passes.
        passes: a step.
        device: to train on.
        processes: that share this machine's memory; on CUDA each has a card of its own.

    Raises:
        EngineError: the memory is short.
    """
    if device.type == "cuda":
        free: int | None = torch.cuda.mem_get_info(device)[0]
    else:
        free = free_memory()
        free = None if free is None else free // processes
    samples = batch // passes // processes
    if free is None or need.of(samples) <= free:
        return
    fitting = max(0, (free - need.fixed) // need.per_sample)
    short = f"a step of --batch {batch} needs about {_gb(need.of(samples))} and {_gb(free)} are free"
    mine = batch // processes
    more = next((n for n in range(passes, mine + 1) if mine % n == 0 and mine // n <= fitting), None)
    if more is None:
        raise EngineError(f"{short}: not even one sample fits: choose a smaller --model or --crop")
    raise EngineError(f"{short}: add --accumulate {more}, which keeps the batch, or --batch {fitting * processes}")


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f} GB"


def _kept(table: Sequence[Block], crop: int, batch: int) -> int:
    """Bytes that a pass keeps for its gradients, weights aside."""
    with torch.device("meta"):
        network = U2Net(table).train()
        images, labels = torch.zeros(batch, 3, crop, crop), torch.zeros(batch, 1, crop, crop)
    weights = {parameter.untyped_storage()._cdata for parameter in network.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage  # held, so that no later one gets its number
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        torch.stack([F.binary_cross_entropy_with_logits(head, labels) for head in network(images)]).sum()
    return sum(storage.nbytes() for number, storage in kept.items() if number not in weights)
