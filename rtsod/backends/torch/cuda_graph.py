"""A PyTorch module recorded as one CUDA graph: 119 convolutions for the price of one launch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from rtsod.frames import Image

_WARM_UPS: Final = 3
"""Runs before recording: cuDNN tries its algorithms, and the allocator comes to rest."""


class CudaGraph:
    """Host to host: pinned buffers, both copies and all kernels in one recording that is replayed for each picture.

    Args:
        module: evaluating, on the device; one tensor in, one out.
        shape: of its uint8 input, the same each time, with a leading 1.
        device: a CUDA device.
        exact: float32 means float32; without it cuDNN rounds convolutions' inputs to TF32.

    Raises:
        RuntimeError: as PyTorch reports that there is no memory, or that the device failed.
    """

    def __init__(self, module: nn.Module, shape: Sequence[int], device: torch.device, *, exact: bool = False) -> None:
        self._host_in = torch.zeros(tuple(shape), dtype=torch.uint8).pin_memory()
        self._pixels = self._host_in[0].numpy()
        self._device_in = self._host_in.to(device)
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._graph = torch.cuda.CUDAGraph()
        limit = torch.backends.cudnn.benchmark_limit  # how many algorithms are tried: as the process has it
        switches = torch.backends.cudnn.flags(enabled=True, benchmark=True, benchmark_limit=limit, allow_tf32=not exact)
        with torch.inference_mode(), switches, torch.cuda.device(device):
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                for _ in range(_WARM_UPS):
                    out = module(self._device_in)
            self._host_out = torch.empty(out.shape, dtype=out.dtype).pin_memory()
            self._stream.synchronize()
            # By default other threads' work on the GPU, an engine's that is left behind, would break the recording.
            with torch.cuda.graph(self._graph, stream=self._stream, capture_error_mode="thread_local"):
                self._device_in.copy_(self._host_in, non_blocking=True)
                self._host_out.copy_(module(self._device_in), non_blocking=True)

    def __call__(self, picture: Image) -> Tensor:
        """The module's answer on the CPU, waited for; the next call writes into the same memory.

        Args:
            picture: of the shape given, without its leading 1.
        """
        np.copyto(self._pixels, picture)
        with torch.cuda.stream(self._stream):
            self._graph.replay()
        self._stream.synchronize()
        return self._host_out
