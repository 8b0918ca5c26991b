"""A PyTorch module recorded as one CUDA graph: 119 convolutions for the cost of one launch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from rtsod.frames import Image

_WARM_UP_RUNS: Final = 3
"""Runs before recording, in which cuDNN selects its algorithms and the allocator reaches its final size."""


class CudaGraph:
    """Runs a module from host memory to host memory.

    The buffers are pinned. The upload, all kernels and the download are one recording, replayed for each image.

    Args:
        module: in evaluation mode, on the device; one tensor in, one out.
        shape: of its uint8 input, the same for every call, with a leading 1.
        device: a CUDA device.
        exact: compute float32 in float32. Otherwise cuDNN rounds the inputs of convolutions to TF32.

    Raises:
        RuntimeError: the device failed or is out of memory.
    """

    def __init__(self, module: nn.Module, shape: Sequence[int], device: torch.device, *, exact: bool = False) -> None:
        self._host_in = torch.zeros(tuple(shape), dtype=torch.uint8).pin_memory()
        self._pixels = self._host_in[0].numpy()
        self._device_in = self._host_in.to(device)
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._graph = torch.cuda.CUDAGraph()
        limit = torch.backends.cudnn.benchmark_limit  # flags() would reset it: keep the process's value
        flags = torch.backends.cudnn.flags(enabled=True, benchmark=True, benchmark_limit=limit, allow_tf32=not exact)
        with torch.inference_mode(), flags, torch.cuda.device(device):
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                for _ in range(_WARM_UP_RUNS):
                    out = module(self._device_in)
            self._host_out = torch.empty(out.shape, dtype=out.dtype).pin_memory()
            self._stream.synchronize()
            # The default mode would let GPU work of other threads, such as an abandoned engine's, break the recording.
            with torch.cuda.graph(self._graph, stream=self._stream, capture_error_mode="thread_local"):
                self._device_in.copy_(self._host_in, non_blocking=True)
                self._host_out.copy_(module(self._device_in), non_blocking=True)

    def __call__(self, image: Image) -> Tensor:
        """Run the module and wait for its output.

        Args:
            image: uint8, of the recorded shape without its leading 1.

        Returns:
            The output, on the CPU. The next call overwrites it.
        """
        np.copyto(self._pixels, image)
        with torch.cuda.stream(self._stream):
            self._graph.replay()
        self._stream.synchronize()
        return self._host_out
