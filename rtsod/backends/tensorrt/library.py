"""TensorRT and TensorRT for RTX: two libraries with one interface. The only module that imports either."""

from __future__ import annotations

import importlib
import logging
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any, Final

from rtsod.errors import EngineUnavailable
from rtsod.frames import Availability
from rtsod.system.extras import install_extra

_log = logging.getLogger(__name__)

Capability = tuple[int, int]
"""A GPU's compute capability: major, minor."""

OLDEST_CAPABILITY: Final[Capability] = (7, 5)
"""Turing. TensorRT 10.0 dropped Pascal (GTX 1080 Ti), and 10.5 dropped Volta."""
_MODULES: Final = ("tensorrt", "tensorrt_rtx")


@dataclass(frozen=True, slots=True)
class TrtLibrary:
    """One of the two libraries, imported."""

    module: Any
    """``tensorrt`` or ``tensorrt_rtx``."""
    logger: Any
    """A ``module.ILogger`` that forwards to :mod:`logging` and remembers the last error."""

    @property
    def name(self) -> str:
        """``"tensorrt"`` or ``"tensorrt_rtx"``."""
        return str(self.module.__name__)

    @property
    def version(self) -> str:
        """The library's own version string, e.g. ``"11.4.0.106"``."""
        return str(self.module.__version__)

    @property
    def ahead_of_time(self) -> tuple[Capability, ...]:
        """Compute capabilities it builds for without such a GPU; empty if it needs the GPU."""
        members = getattr(self.module, "ComputeCapability", None)
        if members is None:
            return ()
        numbers = [name[2:] for name in members.__members__ if name.startswith("SM")]
        return tuple(sorted((int(number[:-1]), int(number[-1])) for number in numbers))

    def last_error(self, otherwise: str) -> str:
        """The library's last error message in one line, or ``otherwise`` if it logged none."""
        return str(self.logger.last_error or otherwise)


def probe_tensorrt() -> Availability:
    """Check whether one of the two is installed in a supported version. Imports nothing."""
    for name in _MODULES:
        if find_spec(name) is None:
            continue
        old = _too_old(name)
        return Availability("tensorrt", old is None, old or f"{name} is installed")
    return Availability("tensorrt", False, f"TensorRT is not installed: {_install()}")


def load_library(name: str | None = None) -> TrtLibrary:
    """Import the library called ``name``. Without a name: TensorRT or, if that is not installed, TensorRT for RTX.

    Raises:
        EngineUnavailable: it is not installed, is too old, or fails to load.
    """
    if name is None:
        probe = probe_tensorrt()
        if not probe.available:
            raise EngineUnavailable(probe.reason)
        name = next(module for module in _MODULES if find_spec(module) is not None)
    try:
        module = importlib.import_module(name)
    except (ImportError, OSError) as error:  # OSError: its shared libraries are missing
        raise EngineUnavailable(f"{name} does not load ({str(error).splitlines()[0]}): {_install()}") from error
    return TrtLibrary(module, _logger(module))


def capability_text(capability: Capability) -> str:
    """The usual notation, ``"8.6"``."""
    return f"{capability[0]}.{capability[1]}"


def require_supported(gpu: str, capability: Capability) -> None:
    """Check that current versions of TensorRT support the GPU.

    Raises:
        EngineUnavailable: the GPU is older than Turing.
    """
    if capability < OLDEST_CAPABILITY:
        precision = " --precision fp32" if capability < (7, 0) else ""
        raise EngineUnavailable(
            f"{gpu} (compute capability {capability_text(capability)}) is too old for TensorRT, which needs "
            f"{capability_text(OLDEST_CAPABILITY)}: run with --engine torch{precision}"
        )


def _install() -> str:
    return f"{install_extra('tensorrt-rtx')} (GeForce and RTX cards), or the extra tensorrt (data-centre cards, Jetson)"


def _too_old(name: str) -> str | None:
    if name != "tensorrt":
        return None
    try:
        major, minor = (int(part) for part in version(name).split(".")[:2])
    except (PackageNotFoundError, ValueError):  # a system package, as on a Jetson, has no metadata
        return None
    if (major, minor) >= (10, 12):
        return None
    return f"tensorrt {major}.{minor} is too old, 10.12 is required: {_install()}"


def _logger(module: Any) -> Any:
    levels = {
        module.ILogger.INTERNAL_ERROR: logging.ERROR,
        module.ILogger.ERROR: logging.ERROR,
        module.ILogger.WARNING: logging.WARNING,
    }

    class Logger(module.ILogger):  # type: ignore[misc]
        """Remembers the last error, for the exception that the failed call raises."""

        def __init__(self) -> None:
            module.ILogger.__init__(self)
            self.last_error: str | None = None

        def log(self, severity: Any, message: str) -> None:
            if levels.get(severity) == logging.ERROR:
                self.last_error = message.splitlines()[0] if message else None
            _log.debug("%s: %s", module.__name__, message)

    return Logger()
