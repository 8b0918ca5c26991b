"""Runs U²-Net in PyTorch, on a CPU or an NVIDIA GPU.

:mod:`rtsod.backends.torch.graph_from_weights` builds what runs here.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Final, TypeAlias

import numpy as np
import torch
from torch import nn

from rtsod.backends.torch.cuda_graph import CudaGraph
from rtsod.backends.torch.graph_from_weights import BuiltGraph, map_errors
from rtsod.errors import EngineError
from rtsod.frames import Alpha, EngineInfo, Image
from rtsod.imaging.network_input import shrink
from rtsod.model.saliency import FrameGraph, SaliencyGraph

Run: TypeAlias = Callable[[Image], torch.Tensor]

_MAX_UPLOAD_PIXELS: Final = 1280 * 720
"""A frame with more pixels is scaled before it is copied to the GPU. At 720p the copy costs as much as OpenCV's scaling
(0.2 ms), at 2160p three to four times as much: bilinear scaling need not read most pixels of a large frame."""


class TorchEngine:
    """See :class:`rtsod.interfaces.Engine`. On a GPU it takes frames of any size.

    Args:
        built: the graph, on its device.

    Raises:
        EngineError: the GPU failed or is out of memory.
    """

    def __init__(self, built: BuiltGraph) -> None:
        self._graph: SaliencyGraph | None = built.graph
        self._device, self._info = built.device, built.info
        self._device_name = built.info.device
        self._square = (built.info.input_size, built.info.input_size, 3)
        with self._map_errors():
            self._runs = {self._square: self._runner(built.graph, self._square)}

    @property
    def info(self) -> EngineInfo:
        return self._info

    def infer(self, image: Image) -> Alpha:
        if self._graph is None:
            raise EngineError("the PyTorch engine is closed")
        if image.shape[0] * image.shape[1] > _MAX_UPLOAD_PIXELS:
            image = shrink(image, self._info.input_size)
        with self._map_errors(), torch.inference_mode():
            if image.shape not in self._runs:
                self._runs = {self._square: self._runs[self._square]}  # frees the previous frame size's memory first
                whole = FrameGraph(self._graph, self._info.input_size).eval()
                self._runs[image.shape] = self._runner(whole, image.shape)
            saliency = self._runs[image.shape](image)[0, 0]
            return np.array(saliency.numpy(), np.float32)  # a copy: the next call may write into the same memory

    def close(self) -> None:
        self._graph = None
        self._runs = {}
        if self._device.type == "cuda":
            with suppress(RuntimeError):  # if the GPU is lost, so is its memory
                torch.cuda.empty_cache()

    def _runner(self, module: nn.Module, shape: tuple[int, ...]) -> Run:
        if self._device.type == "cuda":
            return CudaGraph(module, (1, *shape), self._device, exact=self._info.precision == "fp32")
        return lambda image: module(torch.tensor(image)[None])  # a copy: the image may be read-only

    def _map_errors(self) -> AbstractContextManager[None]:
        return map_errors(self._device, self._device_name)
