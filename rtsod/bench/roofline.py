"""How fast this machine can be at most: its arithmetic and its memory, measured by short probes.

The roofline of Williams, Waterman and Patterson (2009): a network can be no faster than its arithmetic at the peak
rate, nor than its memory traffic at the peak bandwidth. A GPU's class is measured in the same way, not looked up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from rtsod.bench.op_count import Work
from rtsod.errors import EngineError

if TYPE_CHECKING:
    import torch  # a second to import

GTX_1080_TI_GFLOPS: Final = 11_300.0
"""Single precision, by NVIDIA's data sheet. Its half precision runs at 1/64 of that and nobody uses it."""
GTX_1080_TI_GB_S: Final = 484.0

_BYTES: Final = {"fp32": 4, "fp16": 2, "bf16": 2, "int8": 1}
_BATCH_SECONDS: Final = {"cpu": 0.01, "cuda": 0.05}
"""A probe repeats its work this long before it looks at the clock: long beside a kernel's launch, and on a processor
short enough to fall between other programs' turns now and then."""
_COPY_BYTES: Final = {"cpu": 2**29, "cuda": 2**30}
"""Larger than any cache that would flatter the memory, save the very largest."""
_CONVOLUTIONS: Final = {("cpu", 1): (64, 512), ("cpu", 3): (160, 64), ("cuda", 1): (128, 2048), ("cuda", 3): (320, 256)}
"""Side and channels of the pictures convolved, by device and kernel size."""
_FAST_BF16: Final = (8, 0)
"""Compute capability from which a GPU computes in bf16."""


@dataclass(frozen=True, slots=True)
class Roof:
    """What the probes gave on one device: the best of several short runs.

    On a GPU this follows PyTorch's and CUDA's documentation; it has been tried on a CPU only.
    """

    device: str
    """``cpu`` or ``cuda:N``."""
    name: str
    products: dict[str, float]
    """By precision: a matrix product, 10^9 operations per second, all of them done."""
    pointwise: dict[str, float]
    """By precision: a 1x1 convolution, which no algorithm does with fewer operations: all of them done, too."""
    convolutions: dict[str, float]
    """By precision: a 3x3 convolution, counted as if done directly: Winograd's way, which libraries may take, needs
    fewer operations and so may pass the processor's peak."""
    copy_gb_s: float
    """Bytes read and written, 10^9 per second."""
    others_cores: float | None = None
    """What other programs used during the quietest round of probes, see :mod:`rtsod.bench.interference`."""

    @property
    def gflops(self) -> dict[str, float]:
        """By precision: the fastest of the three, which no network should pass."""
        return {
            name: max(rate, self.pointwise.get(name, 0.0), self.convolutions.get(name, 0.0))
            for name, rate in self.products.items()
        }

    @property
    def of_1080_ti(self) -> float:
        """The device's convolutions in single precision in GTX 1080 Ti's.

        Of 1x1, which are the operations really done, as a data sheet counts them.
        """
        return self.pointwise["fp32"] / GTX_1080_TI_GFLOPS

    @property
    def half_of_1080_ti(self) -> float | None:
        """The same in fp16, beside that card's single precision: its half is 64 times slower. None if not probed."""
        return self.pointwise["fp16"] / GTX_1080_TI_GFLOPS if "fp16" in self.pointwise else None

    @property
    def bandwidth_of_1080_ti(self) -> float:
        """The device's memory in GTX 1080 Ti's."""
        return self.copy_gb_s / GTX_1080_TI_GB_S

    def best(self, other: Roof | None) -> Roof:
        """The better of two rounds of probes, each for each: what else the machine does can only slow a probe down."""
        if other is None:
            return self
        known = [cores for cores in (self.others_cores, other.others_cores) if cores is not None]
        return replace(
            self,
            products=_better(self.products, other.products),
            pointwise=_better(self.pointwise, other.pointwise),
            convolutions=_better(self.convolutions, other.convolutions),
            copy_gb_s=max(self.copy_gb_s, other.copy_gb_s),
            others_cores=min(known, default=None),
        )


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The least time one inference can take under a roof."""

    precision: str
    compute_ms: float
    memory_ms: float
    flops_per_byte: float

    @property
    def fps(self) -> float:
        """Inferences per second at best."""
        return 1e3 / max(self.compute_ms, self.memory_ms)


def ceiling(roof: Roof, work: Work, precision: str) -> Ceiling | None:
    """The ceiling of so much work in a precision; None where the roof was not probed in it."""
    if precision not in roof.gflops:
        return None
    traffic = work.traffic(_BYTES[precision])
    return Ceiling(
        precision=precision,
        compute_ms=round(work.flops / roof.gflops[precision] / 1e6, 4),
        memory_ms=round(traffic / roof.copy_gb_s / 1e6, 4),
        flops_per_byte=round(work.flops / traffic, 2),
    )


def device_to_probe(engine: str) -> str:
    """The device that PyTorch is to probe.

    Args:
        engine: what an engine says it runs on, :attr:`rtsod.frames.EngineInfo.device`.

    Raises:
        EngineError: PyTorch cannot reach it.
    """
    device = engine.partition(" ")[0].lower()
    if device in ("cpu", "none"):
        return "cpu"
    if device.startswith("cuda"):
        return device
    raise EngineError(f"{engine}: the probes are PyTorch's, which does not reach it")


def probe_roof(device: str, seconds: float) -> Roof:
    """Run the probes. For a fresh process, while nothing else runs.

    Args:
        device: ``cpu`` or ``cuda:N``.
        seconds: for each probe.

    Raises:
        EngineError: this PyTorch cannot use the device, or it has too little memory (2.5 GB on a GPU).
    """
    import torch

    if device != "cpu" and not torch.cuda.is_available():
        raise EngineError(f"the probes are PyTorch's, and this one ({torch.__version__}) cannot use {device}")
    # Single precision is to be just that: no engine of this program rounds it to TF32.
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
    except RuntimeError as error:  # out of memory, most likely
        raise EngineError(f"the roof of {device} cannot be probed: {str(error).partition(chr(10))[0]}") from error
    name = f"CPU, {torch.get_num_threads()} threads" if device == "cpu" else torch.cuda.get_device_name(device)
    return Roof(device, name, products, pointwise, convolutions, copy)


def _precisions(device: str) -> tuple[str, ...]:
    import torch

    if device == "cpu":
        # Elsewhere OpenVINO does not compute in it either, and a probe would take seconds.
        half = torch._C._has_mkldnn and torch.ops.mkldnn._is_mkldnn_fp16_supported()
        return ("fp32", "fp16", "bf16", "int8") if half else ("fp32", "bf16", "int8")
    bf16 = torch.cuda.get_device_capability(device) >= _FAST_BF16
    return ("fp32", "fp16", "bf16") if bf16 else ("fp32", "fp16")


def _better(one: dict[str, float], other: dict[str, float]) -> dict[str, float]:
    return {name: max(rate, other[name]) for name, rate in one.items()}


class _Probe:
    """Rates of one device, 10^9 per second, each the best of as many runs as fit into ``seconds``."""

    def __init__(self, device: str, seconds: float) -> None:
        self._device = device
        self._kind = device.partition(":")[0]
        self._seconds = seconds

    def product(self, precision: str) -> float:
        """Of square matrices."""
        import torch

        n = 1024 if self._kind == "cpu" else 8192
        if precision == "int8":
            whole = torch.randint(-128, 128, (n, n), dtype=torch.int8, device=self._device)
            return self._rate(lambda: torch._int_mm(whole, whole), 2 * n**3)
        matrix = torch.rand(n, n, device=self._device).to(_dtype(precision))
        return self._rate(lambda: matrix @ matrix, 2 * n**3)

    def convolution(self, precision: str, size: int) -> float:
        """3 x 3, as wide as a network's, or 1 x 1, so wide that arithmetic and not memory bounds it."""
        import torch

        side, channels = _CONVOLUTIONS[self._kind, size]

        def blob(count: int, height: int) -> torch.Tensor:
            values = torch.rand(count, channels, height, height, device=self._device)
            return values.to(_dtype(precision), memory_format=torch.channels_last)

        picture, kernel = blob(1, side), blob(channels, size)
        operations = 2 * size**2 * channels**2 * side**2
        return self._rate(lambda: torch.nn.functional.conv2d(picture, kernel, padding=size // 2), operations)

    def copy(self) -> float:
        """Of memory, counted when read and when written."""
        import torch

        source = torch.ones(_COPY_BYTES[self._kind], dtype=torch.uint8, device=self._device)
        target = torch.zeros_like(source)
        return self._rate(lambda: target.copy_(source), 2 * source.numel())

    def _rate(self, work: Callable[[], object], amount: int) -> float:
        self._run(work, 3)  # warms up, and lets cuDNN choose
        times = max(1, round(_BATCH_SECONDS[self._kind] / max(self._run(work, 1), 1e-6)))
        best, until = self._run(work, times), time.perf_counter() + self._seconds
        while time.perf_counter() < until:
            best = min(best, self._run(work, times))
        return round(amount * times / best / 1e9, 2)

    def _run(self, work: Callable[[], object], times: int) -> float:
        import torch

        started = time.perf_counter()
        for _ in range(times):
            work()
        if self._kind == "cuda":
            torch.cuda.synchronize(self._device)  # a launch returns before the work is done
        return time.perf_counter() - started


def _dtype(precision: str) -> torch.dtype:
    import torch

    return {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[precision]
