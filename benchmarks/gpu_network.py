"""How fast and how faithful the network is on this machine's GPU: ``python benchmarks/gpu_network.py --output FILE``.

For both models, batch 1, every time synchronised:

* parity with float32 on the CPU: mean absolute difference and IoU of the masks at 0.5;
* network: a replayed CUDA graph of normalisation, network and sigmoid, data already on the GPU;
* host to host: a 1280 x 720 BGR frame in host memory in, its alpha at 1280 x 720 in host memory out, both copies and
  both scalings included; and the engine's own step, S x S in and out;
* memory: what PyTorch reserved.

It needs torch, numpy and opencv. TensorRT is measured where it is installed and supports the card. Weights come from
``--lite-weights`` and ``--full-weights`` (state dicts for plain PyTorch), else from the package; where there are none,
random ones serve: times do not depend on them, parity is then of the random network, and the result says so.

Exit codes: 0 measured, 3 there is no GPU (nothing is written; ``--device cpu`` tries the procedure without one).
"""

from __future__ import annotations

import argparse
import copy
import json
import platform
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from rtsod.model.half import half_from_float, widen
from rtsod.model.known_picture import known_picture
from rtsod.model.saliency import FrameGraph, SaliencyGraph
from rtsod.model.u2net import TABLES, U2Net, fold_batch_norm

NO_GPU = 3
FRAME = (720, 1280)
Run = Callable[[torch.Tensor], torch.Tensor]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, metavar="FILE", help="JSON; default: standard output")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--models", nargs="+", choices=tuple(TABLES), default=["full", "lite"])
    parser.add_argument("--input-size", type=int, default=320)
    parser.add_argument("--repeats", type=int, default=500)
    parser.add_argument("--full-weights", type=Path)
    parser.add_argument("--lite-weights", type=Path)
    parser.add_argument("--images", type=Path, help="a folder of photographs for parity; default: the known picture")
    options = parser.parse_args(arguments)
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print(
            "gpu_network: there is no GPU that this PyTorch can use; --device cpu tries the procedure", file=sys.stderr
        )
        return NO_GPU
    result: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(device),
        "protocol": __doc__,
    }
    result["input_size"], result["frame"], result["repeats"] = options.input_size, list(FRAME), options.repeats
    pictures = _pictures(options.images, options.input_size)
    result["pictures"] = len(pictures)
    result["models"] = {
        model: measure(model, getattr(options, f"{model}_weights"), device, pictures, options.repeats)
        for model in options.models
    }
    text = json.dumps(result, indent=2) + "\n"
    if options.output is None:
        print(text, end="")
    else:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(text)
    return 0


def machine(device: torch.device) -> dict[str, Any]:
    """What it ran on."""
    told: dict[str, Any] = {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
    }
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        told["gpu"], told["gpu_memory"] = properties.name, properties.total_memory
        told["compute_capability"] = f"{properties.major}.{properties.minor}"
        driver = Path("/sys/module/nvidia/version")
        told["driver"] = driver.read_text().strip() if driver.exists() else None
    return told


def measure(
    model: str, weights: Path | None, device: torch.device, pictures: list[Any], repeats: int
) -> dict[str, Any]:
    """All figures of one model."""
    network, origin = load(model, weights)
    size = pictures[0].shape[0]
    exact = SaliencyGraph(network).eval()
    with torch.inference_mode():
        reference = [exact(torch.from_numpy(picture)[None])[0, 0].numpy() for picture in pictures]
        example = exact.normalised(torch.from_numpy(pictures[0])[None])
    told: dict[str, Any] = {"weights": origin}
    for precision in ("fp32", "fp16"):
        if device.type == "cpu" and precision == "fp16":
            continue
        typed = copy.deepcopy(network) if precision == "fp32" else widen(half_from_float(network, example))
        graph = SaliencyGraph(typed).eval().to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        told[f"torch {precision}"] = _measure_torch(graph, size, device, precision, pictures, reference, repeats)
    told["tensorrt"] = _measure_tensorrt(model, weights, size, pictures, reference, repeats, device)
    return told


def load(model: str, weights: Path | None) -> tuple[U2Net, str]:
    """The network in float32 with batch norm folded, and where its weights are from."""
    if weights is not None and weights.suffix in (".pth", ".pt"):
        network = U2Net(TABLES[model]).eval()
        state = torch.load(weights, map_location="cpu", weights_only=True)
        if not any(".bn_s1." in key for key in state):
            for brick in network.modules():
                if hasattr(brick, "bn_s1"):
                    brick.bn_s1 = torch.nn.Identity()
        network.load_state_dict(state)
        fold_batch_norm(network)
        return network.requires_grad_(False), weights.name
    try:
        from rtsod.config import EngineConfig
        from rtsod.errors import WeightsError
        from rtsod.model.checkpoints import load_network
        from rtsod.model.weights import resolve
    except ImportError as error:
        return _random(model), f"random: {error}"
    try:
        resolved = resolve(EngineConfig(model=model, weights=weights))  # type: ignore[arg-type]
        return load_network(resolved.file(), model), resolved.label  # type: ignore[arg-type]
    except WeightsError as error:
        if weights is not None:
            raise
        return _random(model), f"random: {error}"


def _random(model: str) -> U2Net:
    torch.manual_seed(0)
    network = U2Net(TABLES[model]).eval()
    fold_batch_norm(network)
    return network.requires_grad_(False)


def _measure_torch(
    graph: SaliencyGraph,
    size: int,
    device: torch.device,
    precision: str,
    pictures: list[Any],
    reference: list[Any],
    repeats: int,
) -> dict[str, Any]:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    step = recorded(graph, (1, size, size, 3), device, precision)
    whole = recorded(FrameGraph(graph, size).eval(), (1, *FRAME, 3), device, precision)
    frame = torch.from_numpy(cv2.resize(known_picture(size), FRAME[::-1]))[None]
    image = torch.from_numpy(pictures[0])[None]
    told: dict[str, Any] = {
        "parity": parity(
            [
                (step(torch.from_numpy(p)[None])[0, 0].numpy().copy(), r)
                for p, r in zip(pictures, reference, strict=True)
            ]
        ),
        "network_ms": network_times(graph, size, device, precision, repeats),
        "step_host_to_host_ms": times(lambda: step(image), repeats),
        "frame_host_to_host_ms": times(lambda: whole(frame), repeats),
    }
    if device.type == "cuda":
        told["memory_reserved_bytes"] = torch.cuda.max_memory_reserved(device)
    return told


def recorded(graph: torch.nn.Module, shape: tuple[int, ...], device: torch.device, precision: str) -> Run:
    """Host to host, as the engine runs it; on a CPU simply the module."""
    if device.type == "cuda":
        from rtsod.model.graph_replay import GraphReplay

        return GraphReplay(graph, shape, device, exact=precision == "fp32")

    def run(picture: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            out: torch.Tensor = graph(picture)
        return out

    return run


def network_times(
    graph: SaliencyGraph, size: int, device: torch.device, precision: str, repeats: int
) -> dict[str, float]:
    """Of a replay without any copy, by the host's clock around launch and synchronisation."""
    picture = torch.zeros(1, size, size, 3, dtype=torch.uint8, device=device)
    if device.type != "cuda":
        run = recorded(graph, picture.shape, device, precision)
        return times(lambda: run(picture), repeats)
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    recording = torch.cuda.CUDAGraph()
    switches = torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=precision != "fp32")
    with torch.inference_mode(), switches:
        with torch.cuda.stream(stream):
            for _ in range(3):
                graph(picture)
        stream.synchronize()
        with torch.cuda.graph(recording, stream=stream):
            graph(picture)

    def replay() -> None:
        with torch.cuda.stream(stream):
            recording.replay()
        stream.synchronize()

    return times(replay, repeats)


def _measure_tensorrt(
    model: str,
    weights: Path | None,
    size: int,
    pictures: list[Any],
    reference: list[Any],
    repeats: int,
    device: torch.device,
) -> dict[str, Any]:
    try:
        from rtsod.backends.tensorrt_engine import TensorRtEngine
        from rtsod.config import EngineConfig
        from rtsod.errors import RtsodError
        from rtsod.model.weights import resolve
    except ImportError as error:
        return {"left_out": str(error)}
    config = EngineConfig(model, "tensorrt", "fp16", str(device), size, weights)  # type: ignore[arg-type]
    try:
        engine = TensorRtEngine(config, resolve(config), lambda line: print(line, file=sys.stderr))
    except RtsodError as error:
        return {"left_out": str(error)}
    told: dict[str, Any] = {
        "device": engine.info.device,
        "parity": parity([(engine.infer(p), r) for p, r in zip(pictures, reference, strict=True)]),
        "step_host_to_host_ms": times(lambda: engine.infer(pictures[0]), repeats),
    }
    engine.close()
    return told


def times(work: Callable[[], object], repeats: int) -> dict[str, float]:
    """Milliseconds of a piece of work that waits for its own end."""
    for _ in range(max(3, repeats // 10)):
        work()
    taken = np.empty(repeats)
    for index in range(repeats):
        start = time.perf_counter()
        work()
        taken[index] = time.perf_counter() - start
    p50, p95, p99 = np.percentile(taken * 1000, (50, 95, 99))
    return {"p50": round(p50, 4), "p95": round(p95, 4), "p99": round(p99, 4), "mean": round(1000 * taken.mean(), 4)}


def parity(answers: list[tuple[Any, Any]]) -> dict[str, float]:
    """Computed maps against float32 ones."""
    both = sum(int(np.count_nonzero((got > 0.5) & (want > 0.5))) for got, want in answers)
    either = sum(int(np.count_nonzero((got > 0.5) | (want > 0.5))) for got, want in answers)
    error = float(np.mean([np.abs(got - want).mean() for got, want in answers]))
    return {"mean_error": error, "iou": both / either if either else 1.0}


def _pictures(folder: Path | None, size: int) -> list[Any]:
    if folder is None:
        return [known_picture(size)]
    found = [cv2.imread(str(path)) for path in sorted(folder.iterdir())]
    return [np.ascontiguousarray(cv2.resize(image, (size, size)), np.uint8) for image in found if image is not None]


if __name__ == "__main__":
    sys.exit(main())
