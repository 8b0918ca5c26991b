"""How fast this machine can be at most: its arithmetic and its memory, measured by short probes.

The roofline of Williams, Waterman and Patterson (2009): a network can be no faster than its arithmetic at the peak
rate, nor than its memory traffic at the peak bandwidth. A GPU's class is measured in the same way, not looked up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from rtsod.bench.work import Work

GTX_1080_TI_GFLOPS: Final = 11_300.0
"""Single precision, by NVIDIA's data sheet. Its half precision runs at 1/64 of that and nobody uses it."""
GTX_1080_TI_GB_S: Final = 484.0

_BYTES: Final = {"fp32": 4, "tf32": 4, "fp16": 2, "bf16": 2, "int8": 1}
_BATCH_SECONDS: Final = {"cpu": 0.01, "cuda": 0.05}
"""A probe repeats its work this long before it looks at the clock: long beside a kernel's launch, and on a processor
short enough to fall between other programs' turns now and then."""
_COPY_BYTES: Final = {"cpu": 2**29, "cuda": 2**30}
"""Larger than any cache that would flatter the memory, save the very largest."""


@dataclass(frozen=True, slots=True)
class Roof:
    """What the probes gave on one device: the best of several short runs."""

    device: str
    """``cpu`` or ``cuda``."""
    name: str
    gflops: dict[str, float]
    """By precision: the faster of a matrix product and a 3x3 convolution, 10^9 operations per second."""
    copy_gb_s: float
    """Bytes read and written, 10^9 per second."""

    @property
    def of_1080_ti(self) -> float:
        """The device's single precision in GTX 1080 Ti's."""
        return self.gflops["fp32"] / GTX_1080_TI_GFLOPS

    @property
    def bandwidth_of_1080_ti(self) -> float:
        """The device's memory in GTX 1080 Ti's."""
        return self.copy_gb_s / GTX_1080_TI_GB_S

    def best(self, other: Roof | None) -> Roof:
        """The better of two rounds of probes, each for each: what else the machine does can only slow a probe down."""
        if other is None:
            return self
        gflops = {name: max(rate, other.gflops[name]) for name, rate in self.gflops.items()}
        return replace(self, gflops=gflops, copy_gb_s=max(self.copy_gb_s, other.copy_gb_s))


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The least time one inference can take under a roof."""

    precision: str
    """Of the probe it is taken from: ``tf32`` where PyTorch computes single precision in it."""
    compute_ms: float
    memory_ms: float

    @property
    def fps(self) -> float:
        """Inferences per second at best."""
        return 1e3 / max(self.compute_ms, self.memory_ms)


def ceiling(roof: Roof, work: Work, precision: str) -> Ceiling | None:
    """The ceiling of so much work in a precision; None where the roof was not probed in it."""
    probe = "tf32" if precision == "fp32" and "tf32" in roof.gflops else precision
    if probe not in roof.gflops:
        return None
    return Ceiling(
        precision=probe,
        compute_ms=round(work.flops / roof.gflops[probe] / 1e6, 4),
        memory_ms=round(work.traffic(_BYTES[probe]) / roof.copy_gb_s / 1e6, 4),
    )


def probe_roof(device: str, seconds: float) -> Roof:
    """Run the probes. For a fresh process, while nothing else runs.

    Args:
        device: ``cpu`` or ``cuda``. The CUDA part gives what it finds on the first GPU.
        seconds: for each probe.
    """
    import torch

    with torch.inference_mode():
        gflops = {name: round(_gflops(device, name, seconds), 1) for name in _precisions(device)}
        copy = round(_copy_gb_s(device, seconds), 2)
    name = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    return Roof(device, name, gflops, copy)


def _precisions(device: str) -> tuple[str, ...]:
    import torch

    if device == "cpu":
        return ("fp32", "bf16", "int8")
    # A GPU engine in fp32 computes as PyTorch is set, and that is TF32 on cards that have it.
    tf32 = torch.backends.cudnn.allow_tf32 and torch.cuda.get_device_capability() >= (8, 0)
    return ("fp32", "tf32", "fp16") if tf32 else ("fp32", "fp16")


def _gflops(device: str, precision: str, seconds: float) -> float:
    import torch

    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    n, side, channels = (1024, 160, 64) if device == "cpu" else (8192, 320, 256)
    if precision == "int8":
        whole = torch.randint(-128, 128, (n, n), dtype=torch.int8)
        return _rate(lambda: torch._int_mm(whole, whole), device, seconds, 2 * n**3)
    kind = {"fp16": torch.float16, "bf16": torch.bfloat16}.get(precision, torch.float32)
    matrix = torch.rand(n, n, device=device).to(kind)
    picture = torch.rand(1, channels, side, side, device=device).to(kind, memory_format=torch.channels_last)
    kernel = torch.rand(channels, channels, 3, 3, device=device).to(kind, memory_format=torch.channels_last)
    return max(
        _rate(lambda: matrix @ matrix, device, seconds, 2 * n**3),
        _rate(
            lambda: torch.nn.functional.conv2d(picture, kernel, padding=1),
            device,
            seconds,
            2 * 9 * channels**2 * side**2,
        ),
    )


def _copy_gb_s(device: str, seconds: float) -> float:
    import torch

    source = torch.ones(_COPY_BYTES[device], dtype=torch.uint8, device=device)
    target = torch.zeros_like(source)
    return _rate(lambda: target.copy_(source), device, seconds, 2 * source.numel())


def _rate(work: Callable[[], object], device: str, seconds: float, amount: int) -> float:
    """10^9 per second, at the best of as many runs as fit."""
    import torch

    def run(times: int) -> float:
        started = time.perf_counter()
        for _ in range(times):
            work()
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - started

    run(3)  # warms up, and lets cuDNN choose
    times = max(1, round(_BATCH_SECONDS[device] / max(run(1), 1e-6)))
    best, until = run(times), time.perf_counter() + seconds
    while time.perf_counter() < until:
        best = min(best, run(times))
    return amount * times / best / 1e9
