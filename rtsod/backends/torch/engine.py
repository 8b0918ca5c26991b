"""U²-Net in PyTorch, on a CPU or an NVIDIA GPU: the graph itself, nothing converted."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, TypeAlias

import numpy as np
import torch
from torch import nn

from rtsod.backends.cuda.device import gpu_error
from rtsod.backends.torch.cuda_graph import CudaGraph
from rtsod.config import EngineConfig
from rtsod.errors import EngineError, EngineUnavailable
from rtsod.frames import Alpha, EngineInfo, Image
from rtsod.imaging.network_input import shrink
from rtsod.model.checkpoints import load_network
from rtsod.model.fp16 import fp16_from_fp32, widen
from rtsod.model.golden_input import golden_input
from rtsod.model.saliency import FrameGraph, SaliencyGraph
from rtsod.model.u2net import U2Net
from rtsod.model.weights import Weights

Run: TypeAlias = Callable[[Image], torch.Tensor]

_DTYPES: Final = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_FAST_HALF: Final = (7, 0)
"""Compute capability from which half precision is the fast path; before it, a GTX 1080 Ti, it runs at 1/64 speed."""

_LARGEST_SENT: Final = 1280 * 720
"""Pixels of a frame that goes to the GPU whole. Copying it costs as much as scaling it by OpenCV does at 720p (.2 ms),
and three to four times as much at 2160p: bilinear scaling need not touch most of a large frame."""


class TorchEngine:
    """See :class:`rtsod.interfaces.Engine`. On a GPU it takes frames of any size.

    Raises:
        EngineUnavailable: the device or the precision is not to be had here.
        EngineError: the GPU failed, or has no memory left.
        WeightsError: the weights cannot be had.
    """

    def __init__(self, config: EngineConfig, weights: Weights) -> None:
        self._device = _device(config.device)
        self._name = str(self._device)
        with self._told():
            self._name = _device_name(self._device)
            precision = _precision(config.precision, self._device)
        network = load_network(weights.file(), config.model)
        graph = SaliencyGraph(_in(network, precision, config.input_size)).eval()
        self._info = EngineInfo(
            name="torch",
            model=config.model,
            precision=precision,
            device=self._name,
            input_size=config.input_size,
            weights=weights.label,
            takes_frames=self._device.type == "cuda",  # on a CPU OpenCV scales them quicker
        )
        self._square = (config.input_size, config.input_size, 3)
        with self._told():
            # Channels last: twice as fast on a CPU, and what tensor cores read.
            graph = graph.to(self._device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            self._graph: SaliencyGraph | None = graph
            self._runs = {self._square: self._ready(graph, self._square)}

    @property
    def info(self) -> EngineInfo:
        return self._info

    def infer(self, image: Image) -> Alpha:
        if self._graph is None:
            raise EngineError("the PyTorch engine is closed")
        if image.shape[0] * image.shape[1] > _LARGEST_SENT:
            image = shrink(image, self._info.input_size)
        with self._told(), torch.inference_mode():
            if image.shape not in self._runs:
                self._runs = {self._square: self._runs[self._square]}  # frees the last size's memory first
                whole = FrameGraph(self._graph, self._info.input_size).eval()
                self._runs[image.shape] = self._ready(whole, image.shape)
            saliency = self._runs[image.shape](image)[0, 0]
            return np.array(saliency.numpy(), np.float32)  # a copy: the next call may write into the same memory

    def close(self) -> None:
        self._graph = None
        self._runs = {}
        if self._device.type == "cuda":
            with suppress(RuntimeError):  # the GPU is lost, and everything on it with it
                torch.cuda.empty_cache()

    def _ready(self, module: nn.Module, shape: tuple[int, ...]) -> Run:
        if self._device.type == "cuda":
            return CudaGraph(module, (1, *shape), self._device, exact=self._info.precision == "fp32")
        return lambda image: module(torch.tensor(image)[None])  # a copy: the picture may be read-only

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:  # running out of memory and CUDA's own errors are among them
            if self._device.type == "cuda":
                raise gpu_error(self._name, f"PyTorch: {_first_line(error)}") from error
            raise EngineError(f"PyTorch failed on {self._name}: {_first_line(error)}") from error


def _in(network: U2Net, precision: str, size: int) -> U2Net:
    """The float32 network in another precision."""
    if precision != "fp16":
        return network.to(_DTYPES[precision])
    example = SaliencyGraph(network).normalised(torch.from_numpy(golden_input(size))[None])
    return widen(fp16_from_fp32(network, example))


def _device(asked: str) -> torch.device:
    if asked in ("auto", "cuda") or asked.startswith("cuda:"):
        if torch.cuda.is_available():
            return _cuda_device(asked)
        if asked != "auto":
            reason = (
                "it was built without CUDA: install a CUDA build of torch"
                if torch.version.cuda is None
                else f"it was built for CUDA {torch.version.cuda} and finds no usable driver or GPU: see nvidia-smi"
            )
            raise EngineUnavailable(f"--device {asked}: this PyTorch ({torch.__version__}) cannot; {reason}")
        return torch.device("cpu")
    if asked == "cpu":
        return torch.device("cpu")
    raise EngineUnavailable(f"--device {asked}: PyTorch runs on cpu or cuda; an Intel GPU is --engine openvino")


def _cuda_device(asked: str) -> torch.device:
    try:
        device = torch.device("cuda" if asked == "auto" else asked)
    except RuntimeError as error:
        raise EngineUnavailable(f"--device {asked}: is no CUDA device; write cuda or cuda:0") from error
    index = device.index or 0
    if index >= torch.cuda.device_count():
        raise EngineUnavailable(f"--device {asked}: this machine has {torch.cuda.device_count()} CUDA device(s)")
    return torch.device("cuda", index)


def _precision(asked: str, device: torch.device) -> str:
    if asked == "int8":
        raise EngineUnavailable(
            "--precision int8: PyTorch has no 8-bit convolutions: use --engine openvino or tensorrt"
        )
    if device.type == "cuda":
        fast_half = torch.cuda.get_device_capability(device) >= _FAST_HALF
        if asked == "auto":
            return "fp16" if fast_half else "fp32"
        return asked
    if asked == "fp16":
        raise EngineUnavailable("--precision fp16: PyTorch computes it on GPUs only; on a CPU use fp32 or bf16")
    return "fp32" if asked == "auto" else asked


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        return f"{device} ({torch.cuda.get_device_name(device)}, compute capability {major}.{minor})"
    return f"CPU ({torch.backends.cpu.get_cpu_capability()}, {platform.machine()})"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
