"""What a module costs, counted while it runs on PyTorch's meta device, which computes no values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from rtsod.model.u2net import fold_batch_norm


@dataclass(frozen=True, slots=True)
class Count:
    """What one pass of a module costs, at batch size 1 and in float32."""

    flops: int
    """Floating-point operations as PyTorch counts them: two for each multiply-accumulate of a convolution. It counts no
    others: biases, batch norm, sums, pooling and upsampling are left out."""
    parameters: int
    """Trained values, batch norm included."""
    peak_bytes: int
    """Inference: the most bytes of activations that are alive at once while PyTorch runs the module operation by
    operation, batch norm folded, the input included. Engines that fuse operations need less."""
    kept_bytes: int
    """Training: bytes that autograd keeps of a forward pass for the backward pass, weights left out."""


def count(build: Callable[[], nn.Module], channels: int, size: int) -> Count:
    """Count a module.

    Args:
        build: makes the module, which takes (1, C, S, S) float32.
        channels: C.
        size: S.
    """
    with torch.device("meta"):
        module = build()
        x = torch.empty(1, channels, size, size)
    parameters = sum(parameter.numel() for parameter in module.parameters())
    kept = _kept_bytes(module.train(), x)
    fold_batch_norm(module.eval())
    with torch.inference_mode():
        counter = FlopCounterMode(display=False)
        with counter:
            module(x)
        live = _LiveActivations(x)
        with live:
            module(x)
    return Count(counter.get_total_flops(), parameters, live.peak_bytes, kept)


class _LiveActivations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up, after each operation, the float tensors that it and those before it made and that are still in use.

    Args:
        x: the input.
    """

    def __init__(self, x: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._alive: dict[StorageWeakRef, int] = {}
        self.peak_bytes = 0
        self._add(x)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            # Eager max pooling also returns indices, as integers, which nothing keeps.
            if isinstance(tensor, Tensor) and tensor.is_floating_point():
                self._add(tensor)
        self._alive = {ref: size for ref, size in self._alive.items() if not ref.expired()}  # type: ignore[no-untyped-call]
        self.peak_bytes = max(self.peak_bytes, sum(self._alive.values()))
        return out

    def _add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        self._alive[StorageWeakRef(storage)] = storage.nbytes()  # type: ignore[no-untyped-call]


def _kept_bytes(module: nn.Module, x: Tensor) -> int:
    weights = {id_ for value in (*module.parameters(), *module.buffers()) if (id_ := _storage_id(value))}
    kept: dict[int, tuple[int, Tensor]] = {}

    def pack(tensor: Tensor) -> Tensor:
        if _storage_id(tensor) not in weights:
            kept[_storage_id(tensor)] = (tensor.untyped_storage().nbytes(), tensor)  # held, so that no id comes twice
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        module(x)
    return sum(size for size, _ in kept.values())


def _storage_id(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
