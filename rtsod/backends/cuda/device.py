"""The little of CUDA that running an engine takes: the protocol of one GPU, and how its errors are told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from numpy.typing import NDArray

from rtsod.errors import EngineError, EngineUnavailable

Address: TypeAlias = int
"""Of device memory."""

_DRIVER_FILE: Final = Path("/sys/module/nvidia/version")
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
    """The GPU really used."""

    index: int
    name: str
    capability: tuple[int, int]
    driver: str
    """Of the kernel module where that can be read, else the CUDA version it supports."""

    def __str__(self) -> str:
        return f"cuda:{self.index} ({self.name}, compute capability {self.capability[0]}.{self.capability[1]})"


class Cuda(Protocol):
    """One GPU, one stream, and the memory taken on it. Used from one thread at a time, within :meth:`current`.

    Every method raises :class:`EngineError` that names the GPU and what happened to it.
    """

    @property
    def library(self) -> str:
        """Which implementation: ``"cuda-python"`` or ``"pycuda"``."""
        ...

    @property
    def gpu(self) -> Gpu:
        """What it runs on."""
        ...

    @property
    def stream(self) -> int:
        """The handle that TensorRT takes."""
        ...

    def current(self) -> AbstractContextManager[None]:
        """Make the GPU this thread's for a while."""
        ...

    def pinned(self, shape: Sequence[int], dtype: Any) -> NDArray[Any]:
        """Page-locked host memory, until :meth:`close`."""
        ...

    def allocate(self, size: int) -> Address:
        """``size`` bytes of device memory, until :meth:`close`."""
        ...

    def upload(self, target: Address, source: NDArray[Any]) -> None:
        """Queue a copy from pinned memory."""
        ...

    def download(self, target: NDArray[Any], source: Address) -> None:
        """Queue a copy to pinned memory."""
        ...

    def recorded(self, work: Callable[[], None]) -> Callable[[], None]:
        """What queues ``work`` again: a CUDA graph of it where there are graphs, else ``work`` itself.

        ``work`` queues on :attr:`stream` alone, always the same, and has run at least once.
        """
        ...

    def synchronize(self) -> None:
        """Wait for all that was queued."""
        ...

    def close(self) -> None:
        """Give everything back. Idempotent; never raises, also where the GPU is lost."""
        ...


def require_index(index: int, count: int) -> None:
    """Refuse a GPU that is not there.

    Raises:
        EngineUnavailable: ``index`` is not below ``count``.
    """
    if index >= count:
        raise EngineUnavailable(f"--device cuda:{index}: this machine has {count} CUDA device(s)")


def driver_version(cuda_version: int) -> str:
    """What to tell drivers apart by.

    Args:
        cuda_version: as CUDA gives it, 13020 for 13.2.
    """
    try:
        return _DRIVER_FILE.read_text().strip()
    except OSError:
        return f"CUDA {cuda_version // 1000}.{cuda_version % 1000 // 10}"


def gpu_error(gpu: str, what: str) -> EngineError:
    """The error a user sees for something CUDA or TensorRT reported.

    Args:
        gpu: for people.
        what: the report, which is searched for the signs of the two usual misfortunes.
    """
    if any(sign in what for sign in _OUT_OF_MEMORY):
        return EngineError(
            f"{gpu} is out of memory: close other programs that use it, or take --lite or a smaller --input-size"
        )
    if any(sign in what for sign in _LOST):
        return EngineError(
            f"{gpu} is lost ({what}): start again; if that does not help, look at nvidia-smi and the system's log"
        )
    return EngineError(f"{gpu} failed: {what}")
