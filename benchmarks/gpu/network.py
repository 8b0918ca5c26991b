"""How fast and how faithful the network is on this machine's GPU: ``python benchmarks/gpu/network.py``.

For both models, batch 1, every time waited for, each way to run it (``benchmarks/gpu/variants.py``, and the program's
own engines) in a process of its own:

* parity with float32 on the CPU, with the same weights: mean absolute difference, IoU of the masks at 0.5;
* network: a replayed CUDA graph of normalisation, network and sigmoid, its picture on the GPU already;
* host to host: a 1280 x 720 BGR frame in host memory to its map (S x S, what the program composites with) or to its
  alpha (1280 x 720) in host memory, both copies and all scaling included; the same with OpenCV scaling before; and the
  engine's step alone, S x S in and out;
* memory, and the kernels that take longest.

Weights are --full-weights and --lite-weights (state dicts for nothing but PyTorch, also in half precision), else the
authors'; where these cannot be had, random ones, for times only. The result says which, with their sha256. TensorRT is
measured where it is installed and supports the GPU; else the result says why not. It is written after each step, so
one that is cut off keeps what it has.

Exit codes: 0 measured, 2 wrong usage, 3 there is no GPU (nothing is written; ``--device cpu`` tries the procedure
without one).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import platform
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.gpu.measure import ENGINES, FRAME, Job, measure
from benchmarks.gpu.variants import VARIANTS
from rtsod.model.u2net import TABLES, U2Net

NO_GPU: Final = 3
RESULTS: Final = Path(__file__).parent / "results"
TARGETS_MS: Final = {"full": {"network": 1.0, "host to host": 1.5}, "lite": {"network": 0.7, "host to host": 1.2}}
"""On an H200, half precision with a CUDA graph: thirty times the paper's rates on a GTX 1080 Ti, and more."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    mask_interval = [*VARIANTS, *ENGINES]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: results/gpu_network_GPU.json beside this")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--models", nargs="+", choices=tuple(TABLES), default=["full", "lite"])
    parser.add_argument(
        "--variants",
        nargs="+",
        choices=mask_interval,
        default=mask_interval,
        metavar="V",
        help=", ".join(mask_interval),
    )
    parser.add_argument("--input-size", type=int, default=320)
    parser.add_argument("--repeats", type=int, default=500)
    parser.add_argument("--patience", type=float, default=300.0, help="seconds that one variant may take")
    parser.add_argument("--full-weights", type=Path)
    parser.add_argument("--lite-weights", type=Path)
    parser.add_argument("--images", type=Path, help="a folder of photographs for parity; default: pictures of its own")
    options = parser.parse_args(arguments)
    for path in (options.full_weights, options.lite_weights, options.images):
        if path is not None and not path.exists():
            parser.error(f"{path}: is not there")
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print(
            "gpu_network: there is no GPU that this PyTorch can use; --device cpu tries the procedure", file=sys.stderr
        )
        return NO_GPU
    told = machine(device)
    output = (
        options.output or RESULTS / f"gpu_network_{re.sub('[^a-z0-9]+', '_', str(told.get('gpu', 'cpu')).lower())}.json"
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    models: dict[str, Any] = {}
    result: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": ["python", "benchmarks/gpu/network.py", *(sys.argv[1:] if arguments is None else arguments)],
        "machine": told,
        "protocol": __doc__,
        "input_size": options.input_size,
        "frame": list(FRAME),
        "repeats": options.repeats,
        "targets_ms": TARGETS_MS,
        "models": models,
    }
    with tempfile.TemporaryDirectory() as folder:
        for model in options.models:
            weights, origin, real = weights_of(model, getattr(options, f"{model}_weights"), Path(folder))
            figures: dict[str, Any] = {}
            models[model] = {"weights": origin, **sha256_of(weights), "variants": figures}
            print(f"{model}: {origin}")
            for variant in options.variants:
                job = Job(
                    model, variant, weights, real, str(device), options.input_size, options.repeats, options.images
                )
                figures[variant] = measure_in_subprocess(job, options.patience)
                output.write_text(json.dumps(result, indent=2) + "\n")
                print(line(variant, figures[variant]), flush=True)
    print(output)
    return 0


def measure_in_subprocess(job: Job, patience: float) -> dict[str, Any]:
    """Measure in a fresh process; ``left_out`` says what ended it, if it brought nothing."""
    here, there = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("spawn").Process(target=_child, args=(job, there), daemon=True)
    began = time.perf_counter()
    child.start()
    there.close()
    try:
        told: dict[str, Any] = here.recv() if here.poll(patience) else {"left_out": f"took more than {patience:g} s"}
    except EOFError:
        child.join()
        told = {"left_out": f"the process ended with {child.exitcode}"}
    child.kill()
    child.join()
    return {**told, "took_s": round(time.perf_counter() - began, 1)}


def _child(job: Job, answer: Connection) -> None:
    try:
        answer.send(measure(job))
    except Exception as error:  # whatever a compiler or a GPU raises: the next variant has its own process
        text = str(error).strip().splitlines() or [""]
        answer.send({"left_out": f"{type(error).__name__}: {text[0][:300]}"})


def weights_of(model: str, given: Path | None, folder: Path) -> tuple[Path, str, bool]:
    """The file, what it is for people, and whether it is more than random numbers."""
    if given is not None:
        return given, given.name, True
    try:
        from rtsod.config import EngineConfig
        from rtsod.errors import WeightsError
        from rtsod.model.weights import resolve

        resolved = resolve(EngineConfig(model=model))  # type: ignore[arg-type]
        try:
            return resolved.file(), resolved.label, True
        except WeightsError as error:
            reason = str(error)
    except ImportError as error:
        reason = str(error)
    torch.manual_seed(0)
    path = folder / f"random-{model}.pth"
    torch.save(U2Net(TABLES[model]).state_dict(), path)
    return path, f"random, for times only ({reason})", False


def sha256_of(path: Path) -> dict[str, Any]:
    """What tells weights apart, and how many bytes they have: half precision shows."""
    content = path.read_bytes()
    return {"weights_sha256": hashlib.sha256(content).hexdigest(), "weights_bytes": len(content)}


def line(variant: str, told: dict[str, Any]) -> str:
    """The main figures, for people."""
    if "left_out" in told:
        return f"  {variant:22} left out: {told['left_out']}"
    parts = [
        f"{name} {told[key]['p50']:.3f}/{told[key]['p95']:.3f}/{told[key]['p99']:.3f}"
        for name, key in (("network", "network_ms"), ("frame to map", "frame_to_map_ms"),
                          ("scaled by OpenCV", "frame_scaled_by_opencv_to_map_ms"), ("to alpha", "frame_to_alpha_ms"))
        if key in told
    ]  # fmt: skip
    parity = told["parity"]
    parts.append(parity if isinstance(parity, str) else f"error {parity['mean_error']:.1e}, IoU {parity['iou']:.4f}")
    return f"  {variant:22} {', '.join(parts)} (p50/p95/p99 ms)"


def machine(device: torch.device) -> dict[str, Any]:
    """What it runs on."""
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


if __name__ == "__main__":
    sys.exit(main())
