"""Builds what :class:`rtsod.backends.torch.engine.TorchEngine` runs: the graph with its weights, on its device."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, cast

import torch

from rtsod.backends.cuda.device import gpu_error
from rtsod.backends.torch.devices import require_cpu_or_cuda
from rtsod.config import EngineConfig, Precision
from rtsod.errors import EngineError, EngineUnavailable
from rtsod.frames import EngineInfo
from rtsod.model.checkpoints import load_graph
from rtsod.model.fp16 import fp16_from_fp32, widen
from rtsod.model.golden_input import golden_input
from rtsod.model.saliency import SaliencyGraph
from rtsod.model.weights import ReportBytes, Weights, fetch
from rtsod.system.machine import thread_limit

_DTYPES: Final = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_FAST_FP16_CAPABILITY: Final = (7, 0)
"""Compute capability from which fp16 is faster than fp32. On older GPUs, such as a GTX 1080 Ti, it runs at 1/64 of the
speed."""


@dataclass(frozen=True, slots=True)
class BuiltGraph:
    """A graph ready to run on its device."""

    graph: SaliencyGraph
    device: torch.device
    info: EngineInfo


def graph_from_weights(
    config: EngineConfig, weights: Weights, report: ReportBytes = lambda done, total: None
) -> BuiltGraph:
    """Build the graph for a configuration.

    Args:
        config: model, precision, device and input size. ``auto`` takes a GPU if there is one, and on it fp16 where
            that is fast; else fp32.
        weights: of the network.
        report: told how far a download of the weights is.

    Raises:
        EngineUnavailable: this machine does not offer the device or the precision.
        EngineError: the GPU failed or is out of memory.
        WeightsError: the weights cannot be downloaded or read.
    """
    device = _device(config.device)
    with map_errors(device, str(device)):
        device_name = _device_name(device)
        precision = _precision(config.precision, device)
    if device.type == "cpu" and (threads := thread_limit()) is not None:
        torch.set_num_threads(threads)  # PyTorch knows of affinity, but not of quotas
    graph = _in_precision(load_graph(fetch(weights, report), weights.description), precision, config.side)
    with map_errors(device, device_name):
        # Channels last: twice as fast on a CPU, and the layout that tensor cores read.
        graph = graph.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    info = EngineInfo(
        name="torch",
        model=weights.model,
        precision=precision,
        device=device_name,
        input_size=config.side,
        weights=weights.label,
        # It scales as the authors do, by stretching; on a CPU OpenCV scales frames faster.
        takes_frames=device.type == "cuda" and weights.description.fit == "stretch",
        fitting=weights.description.fitting,
        config=replace(config, engine="torch", precision=cast("Precision", precision), device=str(device)),
    )
    return BuiltGraph(graph, device, info)


@contextmanager
def map_errors(device: torch.device, device_name: str) -> Iterator[None]:
    """Raise PyTorch's errors, among them running out of memory and CUDA's own, as :class:`EngineError`."""
    try:
        yield
    except RuntimeError as error:
        if device.type == "cuda":
            raise gpu_error(device_name, f"PyTorch: {_first_line(error)}") from error
        raise EngineError(f"PyTorch failed on {device_name}: {_first_line(error)}") from error


def _in_precision(graph: SaliencyGraph, precision: str, size: int) -> SaliencyGraph:
    if precision != "fp16":
        return graph.around(graph.network.to(_DTYPES[precision]))
    example = graph.normalised(torch.from_numpy(golden_input(size))[None])
    return graph.around(widen(fp16_from_fp32(graph.network, example)))


def _device(requested: str) -> torch.device:
    if requested in ("auto", "cuda") or requested.startswith("cuda:"):
        if torch.cuda.is_available():
            return _cuda_device(requested)
        if requested != "auto":
            reason = (
                "it was built without CUDA: install a CUDA build of torch"
                if torch.version.cuda is None
                else f"it was built for CUDA {torch.version.cuda} and finds no usable driver or GPU: see nvidia-smi"
            )
            raise EngineUnavailable(f"--device {requested}: this PyTorch ({torch.__version__}) cannot; {reason}")
        return torch.device("cpu")
    require_cpu_or_cuda(requested)
    return torch.device("cpu")


def _cuda_device(requested: str) -> torch.device:
    try:
        device = torch.device("cuda" if requested == "auto" else requested)
    except RuntimeError as error:
        raise EngineUnavailable(f"--device {requested}: not a CUDA device; write cuda or cuda:0") from error
    index = device.index or 0
    if index >= torch.cuda.device_count():
        raise EngineUnavailable(f"--device {requested}: this machine has {torch.cuda.device_count()} CUDA device(s)")
    return torch.device("cuda", index)


def _precision(requested: str, device: torch.device) -> str:
    if requested == "int8":
        raise EngineUnavailable("--precision int8: PyTorch has no int8 convolutions: use --engine openvino or tensorrt")
    if device.type == "cuda":
        fast_fp16 = torch.cuda.get_device_capability(device) >= _FAST_FP16_CAPABILITY
        if requested == "auto":
            return "fp16" if fast_fp16 else "fp32"
        return requested
    if requested == "fp16":
        raise EngineUnavailable("--precision fp16: PyTorch computes it on GPUs only; on a CPU use fp32 or bf16")
    return "fp32" if requested == "auto" else requested


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        return f"{device} ({torch.cuda.get_device_name(device)}, compute capability {major}.{minor})"
    return f"CPU ({torch.backends.cpu.get_cpu_capability()}, {platform.machine()})"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
