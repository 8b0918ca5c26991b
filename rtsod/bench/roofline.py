"""Measures this machine's peak arithmetic and memory rates with short probes, and what they allow a network.

The roofline model of Williams, Waterman and Patterson ("Roofline: an insightful visual performance model for multicore
architectures", 2009): a network runs no faster than its arithmetic at the peak rate, and no faster than its memory
traffic at the peak bandwidth. A GPU is measured the same way, not looked up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from rtsod.bench.op_count import OpCount
from rtsod.errors import EngineError, EngineUnavailable
from rtsod.system.extras import install_extra

if TYPE_CHECKING:
    import torch  # takes about a second to import

GTX_1080_TI_GFLOPS: Final = 11_300.0
"""Peak in fp32, 10^9 operations per second, from NVIDIA's data sheet. Its fp16 runs at 1/64 of that and is not used."""
GTX_1080_TI_GB_S: Final = 484.0
"""Peak memory bandwidth, 10^9 bytes per second, from NVIDIA's data sheet."""

_BYTES_PER_VALUE: Final = {"fp32": 4, "fp16": 2, "bf16": 2, "int8": 1}
_BATCH_SECONDS: Final = {"cpu": 0.01, "cuda": 0.05}
"""How long a probe repeats its work between two looks at the clock, by device kind: long compared with a kernel
launch, and on a CPU short enough to fit between other programs' time slices now and then."""
_COPY_BYTES: Final = {"cpu": 2**29, "cuda": 2**30}
"""Size of the block that is copied, by device kind: larger than all but the very largest caches."""
_CONVOLUTIONS: Final = {("cpu", 1): (64, 512), ("cpu", 3): (160, 64), ("cuda", 1): (128, 2048), ("cuda", 3): (320, 256)}
"""Side in pixels and number of channels of the convolved tensors, by device kind and kernel size."""
_FAST_BF16_CAPABILITY: Final = (8, 0)
"""First compute capability whose GPUs compute in bf16."""


@dataclass(frozen=True, slots=True)
class Roofline:
    """Peak rates of one device: the best of several short runs of each probe.

    The GPU probes follow PyTorch's and CUDA's documentation; they have been run on a CPU only.
    """

    device: str
    """``cpu`` or ``cuda:N``."""
    name: str
    """The device's name for people."""
    products: dict[str, float]
    """Matrix product by precision, in 10^9 operations per second. All of them are executed."""
    pointwise: dict[str, float]
    """1x1 convolution by precision, in 10^9 operations per second. No algorithm needs fewer, so all are executed."""
    convolutions: dict[str, float]
    """3x3 convolution by precision, in 10^9 operations per second of direct convolution. Libraries may use Winograd's
    algorithm, which needs fewer operations, so this can exceed the processor's peak."""
    copy_gb_s: float
    """Bytes read and written by a large copy, in 10^9 per second."""
    others_cores: float | None = None
    """Cores other programs used during the quietest round of probes, see :mod:`rtsod.system.interference`."""

    @property
    def gflops(self) -> dict[str, float]:
        """The fastest of the three arithmetic probes by precision, which no network should exceed."""
        return {
            name: max(rate, self.pointwise.get(name, 0.0), self.convolutions.get(name, 0.0))
            for name, rate in self.products.items()
        }

    @property
    def relative_to_1080_ti(self) -> float:
        """The fp32 rate divided by a GTX 1080 Ti's.

        Taken from the 1x1 convolution, whose operations are all executed, as a data sheet counts them.
        """
        return self.pointwise["fp32"] / GTX_1080_TI_GFLOPS

    @property
    def fp16_relative_to_1080_ti(self) -> float | None:
        """The fp16 rate divided by a GTX 1080 Ti's fp32 rate, since its fp16 is 64 times slower. None if not probed."""
        return self.pointwise["fp16"] / GTX_1080_TI_GFLOPS if "fp16" in self.pointwise else None

    @property
    def bandwidth_relative_to_1080_ti(self) -> float:
        """The memory bandwidth divided by a GTX 1080 Ti's."""
        return self.copy_gb_s / GTX_1080_TI_GB_S

    def best_of(self, other: Roofline | None) -> Roofline:
        """Combine two rounds of probes, taking the better value of each: interference can only slow a probe down."""
        if other is None:
            return self
        known = [cores for cores in (self.others_cores, other.others_cores) if cores is not None]
        return replace(
            self,
            products=_maximum(self.products, other.products),
            pointwise=_maximum(self.pointwise, other.pointwise),
            convolutions=_maximum(self.convolutions, other.convolutions),
            copy_gb_s=max(self.copy_gb_s, other.copy_gb_s),
            others_cores=min(known, default=None),
        )


@dataclass(frozen=True, slots=True)
class Bound:
    """The least time one inference can take according to the roofline model."""

    precision: str
    compute_ms: float
    """Milliseconds for its arithmetic at the peak rate."""
    memory_ms: float
    """Milliseconds for its memory traffic at the peak bandwidth."""
    flops_per_byte: float
    """Arithmetic intensity."""

    @property
    def fps(self) -> float:
        """Most inferences per second."""
        return 1e3 / max(self.compute_ms, self.memory_ms)


def roofline_bound(roofline: Roofline, count: OpCount, precision: str) -> Bound | None:
    """The least time an inference can take in a precision; None if the roofline was not measured in it."""
    if precision not in roofline.gflops:
        return None
    traffic = count.traffic_bytes(_BYTES_PER_VALUE[precision])
    return Bound(
        precision=precision,
        compute_ms=round(count.flops / roofline.gflops[precision] / 1e6, 4),
        memory_ms=round(traffic / roofline.copy_gb_s / 1e6, 4),
        flops_per_byte=round(count.flops / traffic, 2),
    )


def device_to_probe(engine: str) -> str:
    """The PyTorch device that runs the probes.

    Args:
        engine: an engine's device, :attr:`rtsod.frames.EngineInfo.device`.

    Raises:
        EngineError: PyTorch cannot use that device.
    """
    device = engine.partition(" ")[0].lower()
    if device in ("cpu", "none"):
        return "cpu"
    if device.startswith("cuda"):
        return device
    raise EngineError(f"{engine}: the probes run in PyTorch, which does not reach this device")


def measure_roofline(device: str, seconds: float) -> Roofline:
    """Run the probes. Call it in a new process, while nothing else runs.

    Args:
        device: ``cpu`` or ``cuda:N``.
        seconds: duration of each probe.

    Raises:
        EngineError: this PyTorch cannot use the device, or its memory is too small (a GPU needs 2.5 GB).
    """
    try:
        import torch
    except ImportError as error:
        raise EngineUnavailable(
            f"the probes run in PyTorch, which is not installed: {install_extra('torch')}"
        ) from error

    if device != "cpu" and not torch.cuda.is_available():
        raise EngineError(f"the probes run in PyTorch, and this build ({torch.__version__}) cannot use {device}")
    # No engine of this program rounds fp32 to TF32, so the probes must not either.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    probe = _Probe(device, seconds)
    precisions = _precisions(device)
    try:
        with torch.inference_mode():
            products = {name: probe.product(name) for name in precisions}
            floats = [name for name in precisions if name != "int8"]
            pointwise = {name: probe.convolution(name, 1) for name in floats}
            convolutions = {name: probe.convolution(name, 3) for name in floats}
            copy = probe.copy()
    except RuntimeError as error:  # most likely out of memory
        reason = str(error).partition("\n")[0]
        raise EngineError(f"the roofline of {device} cannot be measured: {reason}") from error
    name = f"CPU, {torch.get_num_threads()} threads" if device == "cpu" else torch.cuda.get_device_name(device)
    return Roofline(device, name, products, pointwise, convolutions, copy)


def _precisions(device: str) -> tuple[str, ...]:
    import torch

    if device == "cpu":
        # Without native support OpenVINO does not compute in fp16 either, and a single probe would take seconds.
        half = torch._C._has_mkldnn and torch.ops.mkldnn._is_mkldnn_fp16_supported()
        return ("fp32", "fp16", "bf16", "int8") if half else ("fp32", "bf16", "int8")
    bf16 = torch.cuda.get_device_capability(device) >= _FAST_BF16_CAPABILITY
    return ("fp32", "fp16", "bf16") if bf16 else ("fp32", "fp16")


def _maximum(one: dict[str, float], other: dict[str, float]) -> dict[str, float]:
    return {name: max(rate, other[name]) for name, rate in one.items()}


class _Probe:
    """Measures rates of one device, in 10^9 per second. Each is the best of the runs that fit into ``seconds``."""

    def __init__(self, device: str, seconds: float) -> None:
        self._device = device
        self._kind = device.partition(":")[0]
        self._seconds = seconds

    def product(self, precision: str) -> float:
        """Product of two square matrices."""
        import torch

        n = 1024 if self._kind == "cpu" else 8192
        if precision == "int8":
            integers = torch.randint(-128, 128, (n, n), dtype=torch.int8, device=self._device)
            return self._rate(lambda: torch._int_mm(integers, integers), 2 * n**3)
        matrix = torch.rand(n, n, device=self._device).to(_dtype(precision))
        return self._rate(lambda: matrix @ matrix, 2 * n**3)

    def convolution(self, precision: str, size: int) -> float:
        """3x3 convolution, as wide as in a network, or 1x1, wide enough to be bound by arithmetic, not by memory."""
        import torch

        side, channels = _CONVOLUTIONS[self._kind, size]

        def random_tensor(count: int, height: int) -> torch.Tensor:
            values = torch.rand(count, channels, height, height, device=self._device)
            return values.to(_dtype(precision), memory_format=torch.channels_last)

        image, kernel = random_tensor(1, side), random_tensor(channels, size)
        operations = 2 * size**2 * channels**2 * side**2
        return self._rate(lambda: torch.nn.functional.conv2d(image, kernel, padding=size // 2), operations)

    def copy(self) -> float:
        """Memory copy; bytes count once when read and once when written."""
        import torch

        source = torch.ones(_COPY_BYTES[self._kind], dtype=torch.uint8, device=self._device)
        target = torch.zeros_like(source)
        return self._rate(lambda: target.copy_(source), 2 * source.numel())

    def _rate(self, work: Callable[[], object], amount: int) -> float:
        self._time(work, 3)  # warms up, and lets cuDNN choose its algorithm
        repetitions = max(1, round(_BATCH_SECONDS[self._kind] / max(self._time(work, 1), 1e-6)))
        best, until = self._time(work, repetitions), time.perf_counter() + self._seconds
        while time.perf_counter() < until:
            best = min(best, self._time(work, repetitions))
        return round(amount * repetitions / best / 1e9, 2)

    def _time(self, work: Callable[[], object], repetitions: int) -> float:
        import torch

        started = time.perf_counter()
        for _ in range(repetitions):
            work()
        if self._kind == "cuda":
            torch.cuda.synchronize(self._device)  # a launch returns before its work is done
        return time.perf_counter() - started


def _dtype(precision: str) -> torch.dtype:
    import torch

    return {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[precision]
