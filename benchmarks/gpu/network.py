"""Measures speed, accuracy and memory of the network on this machine's GPU: ``python -m benchmarks.gpu.network``.

Run it in the root of the checkout. Without options it measures everything and writes
``benchmarks/results/gpu_network_NAME_OF_THE_GPU.json``. The batch size is 1, and every time includes waiting for the
result. Each way to run each model (``benchmarks/gpu/variants.py``, and the program's own engines) is measured in a
process of its own:

* parity: compared with float32 on the CPU, with the same weights: mean absolute difference, IoU of the masks at 0.5;
* network: replay of a CUDA graph of normalisation, network and sigmoid, with the input already on the GPU;
* host to host: from a 1280 x 720 BGR frame in host memory to its map (S x S, which the program composites with) or its
  alpha (1280 x 720) in host memory, with both copies and all scaling; the same with scaling by OpenCV on the CPU; and
  the engine's step alone, S x S in and out;
* memory, and the kernels that take longest.

Give weights with --full-weights and --lite-weights (state dicts need no library but PyTorch, and may be in half
precision); without them the authors' weights are used. If these cannot be fetched, the weights are random, and only
times are measured. The result names the weights and their sha256. TensorRT is measured if it is installed and supports
the GPU; if not, the result says why. The file is written after each variant: an interrupted run keeps what it measured.

Exit codes: 0 measured, 2 wrong usage, 3 no GPU (nothing is written; try the procedure with ``--device cpu``).
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

from benchmarks.gpu.measure import ENGINES, FRAME, Job, measure
from benchmarks.gpu.variants import VARIANTS
from rtsod.model.u2net import TABLES, U2Net

NO_GPU: Final = 3
"""Exit code."""
RESULTS: Final = Path(__file__).parents[1] / "results"
"""Where results go by default: ``benchmarks/results/``."""
TARGETS_MS: Final = {"full": {"network": 1.0, "host to host": 1.5}, "lite": {"network": 0.7, "host to host": 1.2}}
"""Targets for an H200, in half precision with a CUDA graph: over thirty times the paper's rates on a GTX 1080 Ti."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    names = [*VARIANTS, *ENGINES]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: benchmarks/results/gpu_network_NAME.json")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--models", nargs="+", choices=tuple(TABLES), default=["full", "lite"])
    parser.add_argument(
        "--variants",
        nargs="+",
        choices=names,
        default=names,
        metavar="V",
        help=", ".join(names),
    )
    parser.add_argument("--input-size", type=int, default=320)
    parser.add_argument("--repeats", type=int, default=500)
    parser.add_argument(
        "--timeout", "--patience", type=float, default=300.0, help="seconds that one variant may take (default: 300)"
    )
    parser.add_argument("--full-weights", type=Path)
    parser.add_argument("--lite-weights", type=Path)
    parser.add_argument(
        "--images", type=Path, help="folder of photographs for the parity check; default: built-in pictures"
    )
    options = parser.parse_args(arguments)
    for path in (options.full_weights, options.lite_weights, options.images):
        if path is not None and not path.exists():
            parser.error(f"{path}: no such file or folder")
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print(
            "benchmarks.gpu.network: no GPU that this PyTorch can use; try the procedure with --device cpu",
            file=sys.stderr,
        )
        return NO_GPU
    described = machine(device)
    output = (
        options.output
        or RESULTS / f"gpu_network_{re.sub('[^a-z0-9]+', '_', str(described.get('gpu', 'cpu')).lower())}.json"
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    models: dict[str, Any] = {}
    result: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": ["python", "-m", "benchmarks.gpu.network", *(sys.argv[1:] if arguments is None else arguments)],
        "machine": described,
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
                figures[variant] = measure_in_subprocess(job, options.timeout)
                output.write_text(json.dumps(result, indent=2) + "\n")
                print(line(variant, figures[variant]), flush=True)
    print(output)
    return 0


def measure_in_subprocess(job: Job, timeout: float) -> dict[str, Any]:
    """Measure in a new process. If that brings no figures, ``left_out`` says why.

    Args:
        job: what to measure.
        timeout: seconds after which the process is killed.
    """
    here, there = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("spawn").Process(target=_child, args=(job, there), daemon=True)
    began = time.perf_counter()
    child.start()
    there.close()
    try:
        figures: dict[str, Any] = here.recv() if here.poll(timeout) else {"left_out": f"took more than {timeout:g} s"}
    except EOFError:
        child.join()
        figures = {"left_out": f"the process ended with {child.exitcode}"}
    child.kill()
    child.join()
    return {**figures, "took_s": round(time.perf_counter() - began, 1)}


def _child(job: Job, connection: Connection) -> None:
    try:
        connection.send(measure(job))
    except Exception as error:  # compilers and GPUs raise anything; the next variant runs in another process
        text = str(error).strip().splitlines() or [""]
        connection.send({"left_out": f"{type(error).__name__}: {text[0][:300]}"})


def weights_of(model: str, given: Path | None, folder: Path) -> tuple[Path, str, bool]:
    """Find the weights of a model.

    Returns:
        Their file, a label, and whether they are real: False for random numbers.
    """
    if given is not None:
        return given, given.name, True
    try:
        from rtsod.errors import WeightsError
        from rtsod.model.weights import fetch, published

        authors = published(model)  # type: ignore[arg-type]
        try:
            return fetch(authors), authors.label, True
        except WeightsError as error:
            reason = str(error)
    except ImportError as error:
        reason = str(error)
    torch.manual_seed(0)
    path = folder / f"random-{model}.pth"
    torch.save(U2Net(TABLES[model]).state_dict(), path)
    return path, f"random, for times only ({reason})", False


def sha256_of(path: Path) -> dict[str, Any]:
    """Hash and size of the weights. The size shows whether they are stored in half precision."""
    content = path.read_bytes()
    return {"weights_sha256": hashlib.sha256(content).hexdigest(), "weights_bytes": len(content)}


def line(variant: str, figures: dict[str, Any]) -> str:
    """The main figures in one line."""
    if "left_out" in figures:
        return f"  {variant:22} not measured: {figures['left_out']}"
    parts = [
        f"{name} {figures[key]['p50']:.3f}/{figures[key]['p95']:.3f}/{figures[key]['p99']:.3f}"
        for name, key in (("network", "network_ms"), ("frame to map", "frame_to_map_ms"),
                          ("scaled by OpenCV", "frame_scaled_by_opencv_to_map_ms"), ("to alpha", "frame_to_alpha_ms"))
        if key in figures
    ]  # fmt: skip
    parity = figures["parity"]
    parts.append(parity if isinstance(parity, str) else f"error {parity['mean_error']:.1e}, IoU {parity['iou']:.4f}")
    return f"  {variant:22} {', '.join(parts)} (p50/p95/p99 ms)"


def machine(device: torch.device) -> dict[str, Any]:
    """Describe the machine: versions, and the GPU."""
    described: dict[str, Any] = {
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
        described["gpu"], described["gpu_memory"] = properties.name, properties.total_memory
        described["compute_capability"] = f"{properties.major}.{properties.minor}"
        driver = Path("/sys/module/nvidia/version")
        described["driver"] = driver.read_text().strip() if driver.exists() else None
    return described


if __name__ == "__main__":
    sys.exit(main())
