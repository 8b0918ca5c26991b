"""One variant of one model, measured. Each in a process of its own: an error on the GPU spoils all that follows."""

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
ENGINES: Final = ("engine-torch", "engine-tensorrt")
"""The program's own engines, beside the variants."""

Run = Callable[[Image], Any]


@dataclass(frozen=True, slots=True)
class Job:
    """What one process measures."""

    model: str
    variant: str
    """A key of :data:`VARIANTS`, or of :data:`ENGINES`."""
    weights: Path
    real: bool
    """False: random weights, which have no answer to compare with: only times are taken."""
    device: str
    size: int
    repeats: int
    images: Path | None


class AlphaGraph(nn.Module):
    """The map of a frame at the frame's size, as a compositor wants it."""

    def __init__(self, whole: FrameGraph) -> None:
        super().__init__()
        self.whole = whole

    def forward(self, frame: Tensor) -> Tensor:
        """(1, H, W, 3) uint8 BGR to (1, 1, H, W) float32 in [0, 1]."""
        return nn.functional.interpolate(self.whole(frame), frame.shape[1:3], mode="bilinear", align_corners=False)


def measure(job: Job) -> dict[str, Any]:
    """All figures of a job, ready for JSON; ``left_out`` where it cannot be had here."""
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
    step = recorded(graph, square.shape, device, variant)
    step(square)
    told: dict[str, Any] = {"what": variant.what, "prepared_s": round(time.perf_counter() - began, 1)}
    told["parity"] = _parity(job, exact, lambda picture: step(picture)[0, 0].numpy())
    told["network_ms"] = times(_replayed(graph, square.shape, device, variant), job.repeats)
    told["step_host_to_host_ms"] = times(lambda: step(square), job.repeats)
    told["frame_scaled_by_opencv_to_map_ms"] = times(lambda: step(shrink(frame, job.size)), job.repeats)
    told["frame_to_map_ms"] = _times_of(whole, frame, device, variant, job.repeats)
    told["frame_to_alpha_ms"] = _times_of(AlphaGraph(whole).eval(), frame, device, variant, job.repeats)
    if device.type == "cuda":
        told["memory_reserved_bytes"] = torch.cuda.max_memory_reserved(device)
        told["memory_of_device_bytes"] = memory_used(device)
        told["kernels"] = kernels(lambda: step(square))
    return told


def load(weights: Path, model: str) -> U2Net:
    """The network in float32, evaluating, batch norm folded. State dicts take nothing but PyTorch to read."""
    if weights.suffix not in (".pth", ".pt"):
        from rtsod.model.checkpoints import load_network

        return load_network(weights, model)  # type: ignore[arg-type]
    network = U2Net(TABLES[model]).eval()
    state = torch.load(weights, map_location="cpu", weights_only=True)
    if not any(".bn_s1." in key for key in state):
        for brick in network.modules():
            if hasattr(brick, "bn_s1"):
                brick.bn_s1 = nn.Identity()
    network.load_state_dict(state)
    fold_batch_norm(network)
    return network.requires_grad_(False)


def recorded(module: nn.Module, shape: tuple[int, ...], device: torch.device, variant: Variant) -> Run:
    """Host to host, as the engine runs it; on a CPU simply the module."""
    made = _made(module, variant)
    if device.type == "cuda":
        return CudaGraph(made, (1, *shape), device, exact=variant.exact)

    def run(picture: Image) -> Tensor:
        with torch.inference_mode():
            out: Tensor = made(torch.tensor(picture)[None])
        return out

    return run


def _made(module: nn.Module, variant: Variant) -> nn.Module:
    if variant.mode is None:
        return module
    made: nn.Module = torch.compile(module, mode=variant.mode, fullgraph=True, dynamic=False)  # type: ignore[assignment]
    return made


def _replayed(graph: nn.Module, shape: tuple[int, ...], device: torch.device, variant: Variant) -> Callable[[], object]:
    """The network alone, its picture on the GPU already; waited for, by the host's clock."""
    made = _made(graph, variant)
    picture = torch.zeros(1, *shape, dtype=torch.uint8, device=device)
    if device.type != "cuda":
        run = recorded(graph, shape, device, variant)
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
                made(picture)
        stream.synchronize()
        with torch.cuda.graph(recording, stream=stream):
            kept = made(picture)

    def replay() -> object:
        with torch.cuda.stream(stream):
            recording.replay()
        stream.synchronize()
        return kept

    return replay


def _times_of(module: nn.Module, frame: Image, device: torch.device, variant: Variant, repeats: int) -> Times:
    run = recorded(module, frame.shape, device, variant)
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
    told: dict[str, Any] = {
        "what": f"--engine {name}, as the pipeline calls it",
        "device": engine.info.device,
        "precision": engine.info.precision,
        "takes_frames": engine.info.takes_frames,
        "prepared_s": round(time.perf_counter() - began, 1),
        "parity": _parity(job, SaliencyGraph(load(job.weights, job.model)).eval(), engine.infer),
    }
    square, frame = golden_input(job.size), _frame(job.size)
    told["step_host_to_host_ms"] = times(lambda: engine.infer(square), job.repeats)
    told["frame_scaled_by_opencv_to_map_ms"] = times(lambda: engine.infer(shrink(frame, job.size)), job.repeats)
    if engine.info.takes_frames:
        told["frame_to_map_ms"] = times(lambda: engine.infer(frame), job.repeats)
    if torch.cuda.is_available():
        told["memory_of_device_bytes"] = memory_used(torch.device(job.device))
    engine.close()
    return told


def _parity(job: Job, exact: SaliencyGraph, infer: Callable[[Image], Any]) -> dict[str, float] | str:
    """Against float32 on the CPU, on all pictures."""
    if not job.real:
        return "random weights: times only"
    answers = []
    for picture in pictures(job.images, job.size):
        with torch.inference_mode():
            answers.append((np.array(infer(picture)), exact(torch.from_numpy(picture)[None])[0, 0].numpy()))
    return parity(answers)


def pictures(folder: Path | None, size: int) -> list[Image]:
    """Of a folder; else the known picture and the demo scene's person."""
    if folder is None:
        from rtsod.demo.scene import DemoScene

        scene = DemoScene(640, 480)
        return [golden_input(size), *(shrink(scene.render(moment)[0], size) for moment in (0, 190))]
    found = [cv2.imread(str(path)) for path in sorted(folder.iterdir())]
    return [shrink(np.asarray(image, np.uint8), size) for image in found if image is not None]


def _frame(size: int) -> Image:
    return np.ascontiguousarray(cv2.resize(golden_input(size), FRAME[::-1]), np.uint8)
