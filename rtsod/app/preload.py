"""Imports large libraries while the source is opened: a camera takes up to a second, and so do they."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Final

from rtsod.backends import nvidia_driver
from rtsod.config import AppConfig

_log = logging.getLogger(__name__)

_JOIN_SECONDS: Final = 1.0
"""How long to wait for an import that a failed run does not need any more."""


@contextmanager
def preloading(config: AppConfig) -> Iterator[None]:
    """Import on a thread of its own what the run will need after its source: Numba with its kernels, and OpenVINO.

    Whoever needs a module imports it as ever, and waits if the thread is not done with it. What fails here fails there
    again, where the error is reported. Modules do not import each other in a circle, so two threads cannot block each
    other.
    """
    thread = threading.Thread(target=_import_all, args=(config,), name="rtsod-preload", daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(_JOIN_SECONDS)


def modules_needed(config: AppConfig) -> list[str]:
    """Modules that are worth preloading for a configuration."""
    modules = ["rtsod.refine.guided"] if config.picture.refine != "off" else []
    engine = config.engine
    if engine.engine == "openvino" or (engine.engine == "auto" and not nvidia_driver().available):
        modules.append("rtsod.backends.openvino.compiled_from_weights")
    return [*modules, "rtsod.motion.propagate"]


def _import_all(config: AppConfig) -> None:
    try:
        for module in modules_needed(config):
            import_module(module)
    except Exception as error:  # a missing or broken library: reported where it is needed
        _log.info("preloading: %s", error)
