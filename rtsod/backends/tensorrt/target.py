"""The GPU that a plan is built for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from rtsod.backends.cuda.device import Cuda
from rtsod.backends.tensorrt.library import Capability, TrtLibrary, capability_text, require_supported
from rtsod.errors import EngineUnavailable
from rtsod.system.extras import install_extra


@dataclass(frozen=True, slots=True)
class Target:
    """A GPU in this machine, or every GPU of a compute capability.

    For a plan built ahead of time only the compute capability is given.
    """

    capability: Capability
    gpu: str | None = None
    """The GPU's name; None builds ahead of time."""
    driver: str | None = None
    """The driver's version; None builds ahead of time."""
    current: Callable[[], AbstractContextManager[None]] = nullcontext
    """Makes the GPU the calling thread's current device."""

    @classmethod
    def of(cls, cuda: Cuda) -> Target:
        """The GPU that ``cuda`` has open."""
        return cls(cuda.gpu.capability, cuda.gpu.name, cuda.gpu.driver, cuda.current)

    @property
    def ahead_of_time(self) -> bool:
        """Whether the GPU need not be in this machine."""
        return self.gpu is None

    def __str__(self) -> str:
        return self.gpu or f"a GPU of compute capability {capability_text(self.capability)}"


def require_buildable(library: TrtLibrary, target: Target) -> None:
    """Check that ``library`` builds plans for this GPU.

    Raises:
        EngineUnavailable: it does not. The message lists the GPUs it does build for.
    """
    require_supported(target.gpu or "a GPU", target.capability)
    if (target.ahead_of_time or library.ahead_of_time) and target.capability not in library.ahead_of_time:
        raise cannot_build(library, target.capability)


def cannot_build(library: TrtLibrary, capability: Capability) -> EngineUnavailable:
    """The error for a compute capability that ``library`` does not build for."""
    supported = ", ".join(capability_text(each) for each in library.ahead_of_time)
    if not supported:
        return EngineUnavailable(
            f"{library.name} builds only for the GPU in this machine; for compute capability "
            f"{capability_text(capability)}, build on a machine that has one, or use tensorrt-rtx"
        )
    return EngineUnavailable(
        f"{library.name} does not build for compute capability {capability_text(capability)}, only for {supported}: "
        f"use tensorrt ({install_extra('tensorrt')}) on that machine, or run with --engine torch"
    )
