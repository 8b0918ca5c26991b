"""Measures one variant of one model. Run each in its own process: an error on the GPU spoils what follows it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.gpu.figures import Times, kernels, memory_used, parity, times
from benchmarks.gpu.variants import VARIANTS, Variant
from rtsod.backends.torch.cuda_graph import CudaGraph
from rtsod.frames import Image
from rtsod.imaging.network_input import shrink
from rtsod.interfaces import Engine
from rtsod.model.golden_input import golden_input
from rtsod.model.saliency import FrameGraph, SaliencyGraph
from rtsod.model.u2net import TABLES, U2Net, fold_batch_norm

FRAME: Final = (720, 1280)
"""Height and width of the frame, in pixels."""
ENGINES: Final = ("engine-torch", "engine-tensorrt")
"""The program's own engines, measured besides the variants."""

Run = Callable[[Image], Any]


@dataclass(frozen=True, slots=True)
class Job:
    """One measurement."""

    model: str
    variant: str
    """A key of :data:`VARIANTS`, or one of :data:`ENGINES`."""
    weights: Path
    real: bool
    """False for random weights, whose maps are meaningless: only times are measured."""
    device: str
    size: int
    """S, pixels."""
    repeats: int
    """Timed runs of each kind."""
    images: Path | None
    """Folder of photographs for the parity check; None uses built-in pictures."""


class AlphaGraph(nn.Module):
    """From a frame to its alpha at the frame's size, as a compositor needs it."""

    def __init__(self, whole: FrameGraph) -> None:
        super().__init__()
        self.whole = whole

    def forward(self, frame: Tensor) -> Tensor:
        """(1, H, W, 3) uint8 BGR to (1, 1, H, W) float32 in [0, 1]."""
        return nn.functional.interpolate(self.whole(frame), frame.shape[1:3], mode="bilinear", align_corners=False)


def measure(job: Job) -> dict[str, Any]:
    """Measure a job. The figures are ready for JSON; ``left_out`` says why there are none."""
    if job.variant in ENGINES:
        return _measure_engine(job)
    variant, device = VARIANTS[job.variant], torch.device(job.device)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark_limit = variant.plans
    network = load(job.weights, job.model)
    exact = SaliencyGraph(network).eval()
    with torch.inference_mode():
        example = exact.normalised(torch.from_numpy(golden_input(job.size))[None])
    graph = SaliencyGraph(variant.build(network, example)).eval().to(device)
    graph = graph.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    whole = FrameGraph(graph, job.size).eval()
    square, frame = golden_input(job.size), _frame(job.size)

    began = time.perf_counter()
    step = host_to_host(graph, square.shape, device, variant)
    step(square)
    figures: dict[str, Any] = {"what": variant.what, "prepared_s": round(time.perf_counter() - began, 1)}
    figures["parity"] = _parity(job, exact, lambda picture: step(picture)[0, 0].numpy())
    figures["network_ms"] = times(_network_alone(graph, square.shape, device, variant), job.repeats)
    figures["step_host_to_host_ms"] = times(lambda: step(square), job.repeats)
    figures["frame_scaled_by_opencv_to_map_ms"] = times(lambda: step(shrink(frame, job.size)), job.repeats)
    figures["frame_to_map_ms"] = _times_of(whole, frame, device, variant, job.repeats)
    figures["frame_to_alpha_ms"] = _times_of(AlphaGraph(whole).eval(), frame, device, variant, job.repeats)
    if device.type == "cuda":
        figures["memory_reserved_bytes"] = torch.cuda.max_memory_reserved(device)
        figures["memory_of_device_bytes"] = memory_used(device)
        figures["kernels"] = kernels(lambda: step(square))
    return figures


def load(weights: Path, model: str) -> U2Net:
    """Load the network in float32, in evaluation mode, batch norm folded. State dicts need no library but PyTorch."""
    if weights.suffix not in (".pth", ".pt"):
        from rtsod.model.checkpoints import load_network

        return load_network(weights, model)  # type: ignore[arg-type]
    network = U2Net(TABLES[model]).eval()
    state = torch.load(weights, map_location="cpu", weights_only=True)
    if not any(".bn_s1." in key for key in state):
        for layer in network.modules():
            if hasattr(layer, "bn_s1"):
                layer.bn_s1 = nn.Identity()
    network.load_state_dict(state)
    fold_batch_norm(network)
    return network.requires_grad_(False)


def host_to_host(module: nn.Module, shape: tuple[int, ...], device: torch.device, variant: Variant) -> Run:
    """Run a module from host memory to host memory, as the engine does; on a CPU, simply call it."""
    compiled = _compiled(module, variant)
    if device.type == "cuda":
        return CudaGraph(compiled, (1, *shape), device, exact=variant.exact)

    def run(picture: Image) -> Tensor:
        with torch.inference_mode():
            out: Tensor = compiled(torch.tensor(picture)[None])
        return out

    return run


def _compiled(module: nn.Module, variant: Variant) -> nn.Module:
    if variant.mode is None:
        return module
    out: nn.Module = torch.compile(module, mode=variant.mode, fullgraph=True, dynamic=False)  # type: ignore[assignment]
    return out


def _network_alone(
    graph: nn.Module, shape: tuple[int, ...], device: torch.device, variant: Variant
) -> Callable[[], object]:
    """The network with its input already on the GPU. Blocks until it is done, so that the host can time it."""
    compiled = _compiled(graph, variant)
    picture = torch.zeros(1, *shape, dtype=torch.uint8, device=device)
    if device.type != "cuda":
        run = host_to_host(graph, shape, device, variant)
        return lambda: run(picture[0].numpy())
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    recording = torch.cuda.CUDAGraph()
    switches = torch.backends.cudnn.flags(
        enabled=True, benchmark=True, benchmark_limit=variant.plans, allow_tf32=not variant.exact
    )
    with torch.inference_mode(), switches:
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                compiled(picture)
        stream.synchronize()
        with torch.cuda.graph(recording, stream=stream):
            output = compiled(picture)

    def replay() -> object:
        with torch.cuda.stream(stream):
            recording.replay()
        stream.synchronize()
        return output

    return replay


def _times_of(module: nn.Module, frame: Image, device: torch.device, variant: Variant, repeats: int) -> Times:
    run = host_to_host(module, frame.shape, device, variant)
    return times(lambda: run(frame), repeats)


def _measure_engine(job: Job) -> dict[str, Any]:
    try:
        from rtsod.backends import open_engine
        from rtsod.config import EngineConfig
        from rtsod.errors import RtsodError
        from rtsod.model.weights import resolve
    except ImportError as error:
        return {"left_out": str(error)}
    name = job.variant.removeprefix("engine-")
    config = EngineConfig(job.model, name, "auto", job.device, job.size, job.weights)  # type: ignore[arg-type]
    began = time.perf_counter()
    try:
        engine: Engine = open_engine(config, resolve(config), lambda line: print(line, flush=True))
    except (RtsodError, ImportError) as error:
        return {"left_out": str(error)}
    figures: dict[str, Any] = {
        "what": f"--engine {name}, as the pipeline calls it",
        "device": engine.info.device,
        "precision": engine.info.precision,
        "takes_frames": engine.info.takes_frames,
        "prepared_s": round(time.perf_counter() - began, 1),
        "parity": _parity(job, SaliencyGraph(load(job.weights, job.model)).eval(), engine.infer),
    }
    square, frame = golden_input(job.size), _frame(job.size)
    figures["step_host_to_host_ms"] = times(lambda: engine.infer(square), job.repeats)
    figures["frame_scaled_by_opencv_to_map_ms"] = times(lambda: engine.infer(shrink(frame, job.size)), job.repeats)
    if engine.info.takes_frames:
        figures["frame_to_map_ms"] = times(lambda: engine.infer(frame), job.repeats)
    if torch.cuda.is_available():
        figures["memory_of_device_bytes"] = memory_used(torch.device(job.device))
    engine.close()
    return figures


def _parity(job: Job, exact: SaliencyGraph, infer: Callable[[Image], Any]) -> dict[str, float] | str:
    """Compare with float32 on the CPU, on all pictures."""
    if not job.real:
        return "random weights: times only"
    maps = []
    for picture in pictures(job.images, job.size):
        with torch.inference_mode():
            maps.append((np.array(infer(picture)), exact(torch.from_numpy(picture)[None])[0, 0].numpy()))
    return parity(maps)


def pictures(folder: Path | None, size: int) -> list[Image]:
    """Load the pictures of a folder; None gives the golden input and two frames of the drawn scene."""
    if folder is None:
        from rtsod.drawing.scene import DrawnScene

        scene = DrawnScene(640, 480)
        return [golden_input(size), *(shrink(scene.render(frame)[0], size) for frame in (0, 190))]
    found = [cv2.imread(str(path)) for path in sorted(folder.iterdir())]
    return [shrink(np.asarray(image, np.uint8), size) for image in found if image is not None]


def _frame(size: int) -> Image:
    return np.ascontiguousarray(cv2.resize(golden_input(size), FRAME[::-1]), np.uint8)
