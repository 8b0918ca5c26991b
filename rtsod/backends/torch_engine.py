"""U²-Net in PyTorch, on a CPU or an NVIDIA GPU: the graph itself, nothing converted."""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Final

import numpy as np
import torch

from rtsod.config import EngineConfig
from rtsod.cuda.memory import gpu_error
from rtsod.errors import EngineError, EngineUnavailable
from rtsod.model.checkpoints import load_network
from rtsod.model.graph_replay import GraphReplay
from rtsod.model.half import half_from_float, widen
from rtsod.model.known_picture import known_picture
from rtsod.model.saliency import SaliencyGraph
from rtsod.model.u2net import U2Net
from rtsod.model.weights import Weights
from rtsod.types import Alpha, EngineInfo, Image

_DTYPES: Final = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_FAST_HALF: Final = (7, 0)
"""Compute capability from which half precision is the fast path; before it, a GTX 1080 Ti, it runs at 1/64 speed."""


class TorchEngine:
    """See :class:`rtsod.types.Engine`.

    Raises:
        EngineUnavailable: the device or the precision is not to be had here.
        WeightsError: the weights cannot be had.
    """

    def __init__(self, config: EngineConfig, weights: Weights) -> None:
        self._device = _device(config.device)
        precision = _precision(config.precision, self._device)
        network = load_network(weights.file(), config.model)
        graph = SaliencyGraph(_in(network, precision, config.input_size)).eval()
        try:
            # Channels last: twice as fast on a CPU, and what tensor cores read.
            graph = graph.to(self._device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            shape = (1, config.input_size, config.input_size, 3)
            self._run: Callable[[torch.Tensor], torch.Tensor] = (
                GraphReplay(graph, shape, self._device, exact=precision == "fp32")
                if self._device.type == "cuda"
                else graph
            )
        except RuntimeError as error:
            raise self._failed(error) from error
        self._info = EngineInfo(
            name="torch",
            model=config.model,
            precision=precision,
            device=_device_name(self._device),
            input_size=config.input_size,
            weights=weights.label,
        )

    @property
    def info(self) -> EngineInfo:
        return self._info

    def infer(self, image: Image) -> Alpha:
        try:
            with torch.inference_mode():
                saliency = self._run(torch.tensor(image)[None])[0, 0]  # a copy: the picture may be read-only
        except RuntimeError as error:
            raise self._failed(error) from error
        return np.array(saliency.numpy(), np.float32)  # a copy: the next call may write into the same memory

    def close(self) -> None:
        """Nothing outlives the object: PyTorch frees the weights with their last reference."""

    def _failed(self, error: RuntimeError) -> EngineError:
        if self._device.type == "cuda":
            return gpu_error(str(self._device), f"PyTorch: {_first_line(error)}")
        return EngineError(f"PyTorch failed on {self._device}: {_first_line(error)}")


def _in(network: U2Net, precision: str, size: int) -> U2Net:
    """The float32 network in another precision."""
    if precision != "fp16":
        return network.to(_DTYPES[precision])
    example = SaliencyGraph(network).normalised(torch.from_numpy(known_picture(size))[None])
    return widen(half_from_float(network, example))


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
