"""ONNX Runtime, imported without its telemetry and its log. The only module that imports it, or its plug-ins."""

from __future__ import annotations

import importlib
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from typing import Any, Final

from rtsod.errors import NOT_ENOUGH_MEMORY, EngineError, EngineUnavailable, is_shortage
from rtsod.frames import Availability
from rtsod.system.extras import install_extra

_log = logging.getLogger(__name__)

OLDEST_VERSION: Final = "1.24.4"
"""The first that tells which provider runs which node, and that takes WebGPU as a plug-in. As in pyproject.toml."""
_DISTRIBUTIONS: Final = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml")
"""Each of them installs the same module, with other providers."""
FATAL: Final = 4
"""Its log's level at which it writes nothing of what it also raises. It writes to stderr, past Python's logging; each
session has a level of its own."""
_POSITION: Final = re.compile(r"^\S+\.(?:cc|h):\d+ .*?\)(?:::<lambda\(.*?\)>)? ")
"""A place in its own sources, which its errors begin with."""


def probe_onnxruntime() -> Availability:
    """Check whether ONNX Runtime is installed. Does not import it."""
    if find_spec("onnxruntime") is None:
        return Availability("onnxruntime", False, f"onnxruntime is not installed: {install_extra('onnxruntime')}")
    return Availability("onnxruntime", True, "installed")


@cache
def load_library() -> Any:
    """Import ONNX Runtime. It sends nothing, and its log writes nothing.

    Official builds store an identifier of the machine in the user's cache and send events to their makers, unless the
    environment says otherwise before the import. Nothing about a run may leave the machine.

    Raises:
        EngineUnavailable: it is not installed, is too old, or fails to load.
    """
    if find_spec("onnxruntime") is None:
        raise EngineUnavailable(f"onnxruntime is not installed: {install_extra('onnxruntime')}")
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime
    except (ImportError, OSError) as error:  # OSError: its shared libraries are missing
        raise EngineUnavailable(
            f"onnxruntime does not load: {error_line(error)}: {install_extra('onnxruntime')}"
        ) from error
    # Two distributions in one folder, one of which was removed, leave a module without its classes.
    if not hasattr(getattr(onnxruntime, "InferenceSession", None), "get_provider_graph_assignment_info"):
        found = getattr(onnxruntime, "__version__", "without a version")
        raise EngineUnavailable(
            f"onnxruntime {found} is incomplete or older than {OLDEST_VERSION}: pip install --force-reinstall "
            f"'onnxruntime>={OLDEST_VERSION}'"
        )
    onnxruntime.disable_telemetry_events()  # builds for Windows' own telemetry do not read the variable
    onnxruntime.set_default_logger_severity(FATAL)
    return onnxruntime


def version_line() -> str:
    """The distribution that provides ONNX Runtime, and its version: ``onnxruntime-gpu 1.31.1``."""
    for name in _DISTRIBUTIONS:
        try:
            return f"{name} {distribution(name).version}"
        except PackageNotFoundError:
            continue
    return f"onnxruntime {load_library().__version__}"


def has_plugin(plugin: str) -> bool:
    """Whether a provider's package is installed. Imports nothing.

    Args:
        plugin: the package, as it is imported.
    """
    return find_spec(plugin) is not None


@cache
def plugin_devices(plugin: str, provider: str) -> tuple[Any, ...]:
    """Register a provider that comes as a package of its own, once, and return the devices it can run on.

    Args:
        plugin: the package, as it is imported; empty for a provider that the library brings along as a plug-in.
        provider: its name in ONNX Runtime.

    Returns:
        Its ``OrtEpDevice`` objects; none if the package is not installed or finds no device.

    Raises:
        EngineError: the plug-in does not load.
    """
    library = load_library()
    if plugin and not has_plugin(plugin):
        return ()
    path = _plugin_path(plugin, provider) if plugin else ""
    with mapped_errors(f"{provider} does not load"):
        if plugin:
            library.register_execution_provider_library(f"rtsod-{plugin}", path)
        return tuple(device for device in library.get_ep_devices() if device.ep_name == provider)


def _plugin_path(plugin: str, provider: str) -> str:
    try:
        return str(importlib.import_module(plugin).get_library_path())
    except (ImportError, AttributeError, OSError) as error:  # half of it was removed, which leaves an empty module
        package = plugin.replace("_", "-")
        raise EngineError(f"{provider} does not load: pip install --force-reinstall --no-deps {package}") from error


@contextmanager
def mapped_errors(what: str, remedy: str = "") -> Iterator[None]:
    """Turn what ONNX Runtime raises into an :class:`~rtsod.errors.EngineError` that begins with ``what``.

    Its own errors have no common base but ``Exception``.
    """
    try:
        yield
    except Exception as error:
        its_own = type(error).__module__.startswith("onnxruntime")
        if not its_own and not isinstance(error, (RuntimeError, ValueError, MemoryError, OSError)):
            raise
        raise EngineError(": ".join(filter(None, (what, error_line(error), remedy)))) from error


def error_line(error: Exception) -> str:
    """The reason in one of its errors, without error codes and places in its own sources."""
    if is_shortage(error):
        return NOT_ENOUGH_MEMORY
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    text = re.split(r"\[ONNXRuntimeError\] : \d+ : \w+ : ", lines[0])[-1]
    return _POSITION.sub("", text).rpartition(" was false. ")[2].rstrip(".")
