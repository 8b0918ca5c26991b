"""Compiled networks on disk, so that the second start neither converts nor compiles.

OpenVINO has a cache of its own (``CACHE_DIR``). It executes a damaged file, and stores half a file when the disk is
full. Here, a form is used only if it is, byte for byte, what was written.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from rtsod.backends.openvino.core import ov, processor
from rtsod.system.cache_folder import CACHE_LOG, read_checked, reason, write_checked

_log = logging.getLogger(CACHE_LOG)

SUFFIX: Final = ".compiled"
_LENGTH_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class CompiledForm:
    """What an engine needs of a network."""

    compiled: ov.CompiledModel
    golden_output: str
    """Float32 output for the golden input: see :mod:`rtsod.backends.self_check`."""


@dataclass(frozen=True, slots=True)
class FormCache:
    """The compiled forms of one converted network."""

    core: ov.Core
    folder: Path
    """Of the conversion; it need not exist."""

    def load(self, name: str, device: str, options: dict[str, str]) -> CompiledForm | None:
        """The form that an earlier start stored under a name; None if there is none, or it is damaged."""
        path = self._path(name, device, options)
        try:
            content = read_checked(path)
            end = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "big")
            golden_output = str(content[_LENGTH_BYTES:end], "utf-8")
            blob = ov.Tensor(np.frombuffer(content, np.uint8, offset=end))  # bytes would be copied once more
            return CompiledForm(self.core.import_model(blob, device, options), golden_output)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RuntimeError, MemoryError) as error:
            _log.info("compiling the network again: %s: %s", path, reason(error))
            return None

    def store(self, form: CompiledForm, name: str, device: str, options: dict[str, str]) -> None:
        """Store a form, if the device can export it and the folder can be written."""
        golden_output = form.golden_output.encode()
        try:
            blob = form.compiled.export_model().getvalue()
            content = len(golden_output).to_bytes(_LENGTH_BYTES, "big") + golden_output + blob
            write_checked(self._path(name, device, options), content)
        except (OSError, RuntimeError, MemoryError) as error:
            _log.info("every start compiles the network again: %s", reason(error))

    def _path(self, name: str, device: str, options: dict[str, str]) -> Path:
        machine = processor(self.core, device), sorted(options.items())
        key = hashlib.sha256(repr(machine).encode()).hexdigest()
        return self.folder / f"{name}-{device.lower()}-{key[:16]}{SUFFIX}"
