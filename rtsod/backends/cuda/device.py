"""The :class:`Cuda` protocol for one GPU, and the errors that users see when a GPU fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from numpy.typing import NDArray

from rtsod.errors import EngineError, EngineUnavailable

Address: TypeAlias = int
"""An address in device memory."""

_DRIVER_VERSION_FILE: Final = Path("/sys/module/nvidia/version")
_OUT_OF_MEMORY: Final = ("cudaErrorMemoryAllocation", "CUDA_ERROR_OUT_OF_MEMORY", "out of memory", "_ALLOC_FAILED")
_LOST: Final = (
    "cudaErrorDevicesUnavailable", "cudaErrorNoDevice", "cudaErrorECCUncorrectable", "cudaErrorIllegalAddress",
    "cudaErrorLaunchTimeout", "cudaErrorLaunchFailure", "cudaErrorUnknown", "CUDA_ERROR_UNKNOWN",
    "cudaErrorContained", "CUDA_ERROR_LAUNCH_FAILED", "CUDA_ERROR_ILLEGAL_ADDRESS", "GPU is lost", "launch failure",
    "illegal memory access", "unspecified launch failure", "CUDA_ERROR_NO_DEVICE", "ECC error",
    "no CUDA-capable device", "busy or unavailable", "unknown error", "cudaErrorMisalignedAddress",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU in this machine."""

    index: int
    """CUDA's device index."""
    name: str
    capability: tuple[int, int]
    """Compute capability: major, minor."""
    driver: str
    """Version of the kernel module if it can be read, else the newest CUDA version that the driver supports."""

    def __str__(self) -> str:
        return f"cuda:{self.index} ({self.name}, compute capability {self.capability[0]}.{self.capability[1]})"


class Cuda(Protocol):
    """One GPU, one stream, and the memory allocated there.

    Use it from one thread at a time, and inside :meth:`current`. Every method but :meth:`close` raises
    :class:`EngineError` if CUDA reports an error; the message names the GPU.
    """

    @property
    def library(self) -> str:
        """The library behind it: ``"cuda-python"`` or ``"pycuda"``."""
        ...

    @property
    def gpu(self) -> Gpu:
        """The GPU it runs on."""
        ...

    @property
    def stream(self) -> int:
        """The stream's handle, as TensorRT takes it."""
        ...

    def current(self) -> AbstractContextManager[None]:
        """Make this GPU the calling thread's current device inside a ``with`` block."""
        ...

    def pinned(self, shape: Sequence[int], dtype: Any) -> NDArray[Any]:
        """Allocate page-locked host memory. Valid until :meth:`close`."""
        ...

    def allocate(self, size: int) -> Address:
        """Allocate ``size`` bytes of device memory. Valid until :meth:`close`."""
        ...

    def upload(self, target: Address, source: NDArray[Any]) -> None:
        """Queue a copy from pinned memory to the device."""
        ...

    def download(self, target: NDArray[Any], source: Address) -> None:
        """Queue a copy from the device to pinned memory."""
        ...

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """Capture what ``work`` queues in a CUDA graph, and return the function that launches it.

        Libraries without graphs return ``work`` itself. Capturing executes nothing.

        Args:
            work: queues the same operations each time, on :attr:`stream` only. Run it once before: a capture must not
                allocate memory.
        """
        ...

    def synchronize(self) -> None:
        """Block until everything queued is done."""
        ...

    def close(self) -> None:
        """Free all memory and the stream. Idempotent. Never raises, not even on a lost GPU."""
        ...


def require_index(index: int, count: int) -> None:
    """Check that device ``index`` exists.

    Raises:
        EngineUnavailable: there are only ``count`` devices.
    """
    if index >= count:
        raise EngineUnavailable(f"--device cuda:{index}: this machine has {count} CUDA device(s)")


def driver_version(cuda_version: int) -> str:
    """The driver's version, which compiled engines depend on.

    Args:
        cuda_version: the newest CUDA version the driver supports, encoded as CUDA does: 13020 for 13.2.
    """
    try:
        return _DRIVER_VERSION_FILE.read_text().strip()
    except OSError:
        return f"CUDA {cuda_version // 1000}.{cuda_version % 1000 // 10}"


def gpu_error(gpu: str, report: str) -> EngineError:
    """Turn a report of CUDA, TensorRT or PyTorch into an error that tells the user what to do.

    Args:
        gpu: the GPU's name, for the message.
        report: the library's message or status. Searched for signs that memory ran out or that the GPU is lost.
    """
    if any(sign in report for sign in _OUT_OF_MEMORY):
        return EngineError(
            f"{gpu} is out of memory: close other programs that use it, or choose --lite or a smaller --input-size"
        )
    if any(sign in report for sign in _LOST):
        return EngineError(
            f"{gpu} is lost ({report}): restart the program; if it happens again, check nvidia-smi and the system log"
        )
    return EngineError(f"{gpu} failed: {report}")
