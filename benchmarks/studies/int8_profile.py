"""Where the time of an inference goes: per kind of layer, beside what the processor could do at best.

    python -m benchmarks.studies.int8_profile --model lite --peak 236 --json benchmarks/results/int8_profile_lite.json

The times are OpenVINO's own counters, the median of several inferences. Counting costs up to a tenth, so "ms" below is
measured without it. The peak, in 10^9 multiplications of bytes a second and core, is measured by a loop of the
processor's widest dot product on registers; take it from docs/int8.md or measure your own.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from typing import Any, Final

import numpy as np

from rtsod.backends.openvino.cache import model_cache
from rtsod.backends.openvino.core import openvino_core, ov
from rtsod.config import MODELS, EngineConfig
from rtsod.model.calibration import calibration_for
from rtsod.model.weights import resolve
from rtsod.system.files import file_to_write, write_json
from rtsod.system.provenance import command_line, describe

_SIZES: Final = (320, 192, 160, 128)
_THREADS: Final = (1, 2)
_INFERENCES: Final = 8


def main() -> int:
    """Measure, print the tables and save them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="lite", choices=MODELS)
    parser.add_argument("--peak", type=float, required=True, help="10^9 byte multiplications a second and core")
    parser.add_argument("--json", type=file_to_write, help="save the results to this file")
    options = parser.parse_args()
    profiles = [_profile(options.model, size, threads, options.peak) for size in _SIZES for threads in _THREADS]
    for profile in profiles:
        print("{size} px, {threads} threads: {ms} ms; the roof is {roof_ms} ms".format(**profile))
        for row in profile["layers"]:
            print("  {ms:8.2f} ms  {count:3d}  {share_of_roof!s:5}  {kind}".format(**row))
    if options.json is not None:
        command = command_line("benchmarks.studies.int8_profile")
        write_json(
            options.json, {"command": command, "machine": describe(), "peak": options.peak, "profiles": profiles}
        )
    return 0


def _profile(model: str, size: int, threads: int, peak: float) -> dict[str, Any]:
    config = EngineConfig(model, "openvino", "int8", "cpu", size)
    weights = resolve(config)
    converted = model_cache().model(config, weights, calibration_for(weights))
    options = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": "NO",
        "INFERENCE_NUM_THREADS": str(threads),
    }
    plain, counting = (
        openvino_core().compile_model(converted.model, "CPU", options | {"PERF_COUNT": count})
        for count in ("NO", "YES")
    )
    image = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), np.uint8)
    layers = _layers(counting, image, peak * threads)
    macs = sum(row.pop("macs") for row in layers)
    return {
        "size": size,
        "threads": threads,
        "ms": round(_milliseconds(plain, image), 2),
        "gmacs": round(macs / 1e9, 2),
        "roof_ms": round(macs / (peak * threads) / 1e6, 2),
        "layers": layers,
    }


def _milliseconds(compiled: ov.CompiledModel, image: np.ndarray) -> float:
    request, times = compiled.create_infer_request(), []
    for _ in range(_INFERENCES):
        started = time.perf_counter()
        request.infer([image])
        times.append(1e3 * (time.perf_counter() - started))
    return min(times)


def _layers(compiled: ov.CompiledModel, image: np.ndarray, peak: float) -> list[dict[str, Any]]:
    """One row per kind of layer, kernel, output type and, of convolutions, channels; the slowest first."""
    request = compiled.create_infer_request()
    request.infer([image])
    times = defaultdict(list)
    for _ in range(_INFERENCES):
        request.infer([image])
        for counter in request.get_profiling_info():
            times[counter.node_name].append(1e3 * counter.real_time.total_seconds())
    totals: dict[str, list[float]] = defaultdict(lambda: [0.0, 0, 0])
    for node in compiled.get_runtime_model().get_ops():
        info = {key: str(value.value) for key, value in node.get_rt_info().items()}
        macs, channels = 0, ""
        if info["layerType"] == "Convolution":
            kernel = list(node.input(1).get_shape())
            macs = int(np.prod(node.get_output_shape(0))) * int(np.prod(kernel[1:]))
            channels = f" {kernel[1]} to {kernel[0]}"
        kind = f"{info['layerType']} {info['primitiveType']} {info['outputPrecisions']}{channels}"
        total = totals[kind]
        total[0] += float(np.median(times.get(node.get_friendly_name(), [0.0])))
        total[1] += macs
        total[2] += 1
    return [
        {
            "kind": kind,
            "count": int(count),
            "ms": round(ms, 3),
            "macs": int(macs),
            "share_of_roof": round(macs / ms / 1e6 / peak, 3) if macs and ms else None,
        }
        for kind, (ms, macs, count) in sorted(totals.items(), key=lambda item: -item[1][0])
        if ms
    ]


if __name__ == "__main__":
    sys.exit(main())
