"""Checkpoints: the whole state of a run, written so that whatever happens, an intact one remains.

A checkpoint is a folder ``step-00001000`` with ``state.pt`` and ``manifest.json``, which holds the SHA-256 of the
former. It is written under a hidden name, brought to the disk (``fsync``), and renamed; the one before is kept. So a
``kill -9``, a full disk or a power cut in mid-save costs the steps since the last checkpoint, not the run.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

import torch

from rtsod.errors import OutputError
from rtsod.model.weights import sha256_of
from rtsod.progress import Notify
from rtsod.system.files import output_error, read_text, unfinished_folder

KEPT: Final = 2
"""The newest checkpoint, and the one before it in case that one is damaged."""
FORMAT: Final = 1
"""Increased whenever the meaning of a checkpoint changes."""
_HIDDEN: Final = ".rtsod-"
_NAME: Final = re.compile(r"step-(\d{8,})")
_STATE: Final = "state.pt"
_MANIFEST: Final = "manifest.json"


class Checkpoints:
    """The checkpoints of one run. Only one process may write them.

    Args:
        folder: that holds them; created with the first one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, step: int, state: dict[str, Any]) -> Path:
        """Write a checkpoint and delete those before the last one.

        Args:
            step: the number of finished steps.
            state: tensors and plain values, in dictionaries, lists and tuples: what ``torch.load`` reads safely.

        Returns:
            The checkpoint's folder.

        Raises:
            OutputError: it cannot be written. The older ones are unchanged.
        """
        final = self._folder / f"step-{step:08d}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with unfinished_folder(self._folder, _HIDDEN) as folder:
                digest = _write_state(folder / _STATE, state)
                manifest = json.dumps({"format": FORMAT, "step": step, "sha256": digest}) + "\n"
                with (folder / _MANIFEST).open("xb") as file:
                    file.write(manifest.encode())
                    _to_disk(file)
                _folder_to_disk(folder)
                if final.exists():  # of a run that could not read it, or that was sent back
                    os.rename(final, folder / "older")
                os.rename(folder, final)
                shutil.rmtree(final / "older", ignore_errors=True)
            _folder_to_disk(self._folder)
        except OSError as error:
            raise output_error(final, error) from error
        for older in self._newest_first()[KEPT:]:
            shutil.rmtree(older, ignore_errors=True)
        return final

    def load(self, notify: Notify) -> tuple[Path, dict[str, Any]] | None:
        """The newest intact checkpoint and its state, with all tensors on the CPU; None if there is none at all.

        Args:
            notify: told which checkpoints are damaged.

        Raises:
            OutputError: there are checkpoints, but none is intact.
        """
        found = self._newest_first()
        for folder in found:
            try:
                return folder, _read_state(folder)
            except Exception as error:  # damaged bytes can make the unpickler raise anything
                notify(f"{folder}: is damaged and left out: {' '.join(str(error).split())[:120]}")
        if found:
            raise OutputError(f"{self._folder}: no checkpoint is intact: begin a new run, with --init last.safetensors")
        return None

    def tidy(self) -> None:
        """Delete what a killed run left half written."""
        for path in self._folder.glob(f"{_HIDDEN}*"):
            shutil.rmtree(path, ignore_errors=True)

    def _newest_first(self) -> list[Path]:
        found = [(int(match[1]), path) for path in self._folder.glob("*") if (match := _NAME.fullmatch(path.name))]
        return [path for _, path in sorted(found, reverse=True)]


class _Hashing:
    """A file for ``torch.save``, which would turn a full disk's ``OSError`` into one of its own that names no cause."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        if self.error is None:
            self.digest.update(data)
            try:
                self._file.write(data)
            except OSError as error:
                self.error = error
        return len(data)

    def flush(self) -> None:
        """Left to the end, which may raise."""


def _write_state(path: Path, state: dict[str, Any]) -> str:
    """Write a state and return its SHA-256.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("xb") as file:
        hashing = _Hashing(file)
        torch.save(state, hashing)  # type: ignore[arg-type]  # needs no more of a file than that
        if hashing.error is not None:
            raise hashing.error
        _to_disk(file)
    return hashing.digest.hexdigest()


def _read_state(folder: Path) -> dict[str, Any]:
    manifest = json.loads(read_text(folder / _MANIFEST))
    if manifest["format"] != FORMAT:
        raise ValueError(f"is of format {manifest['format']}, not {FORMAT}")
    if sha256_of(folder / _STATE) != manifest["sha256"]:
        raise ValueError("its SHA-256 differs")
    state: dict[str, Any] = torch.load(folder / _STATE, map_location="cpu", weights_only=True)
    return state


def _to_disk(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _folder_to_disk(folder: Path) -> None:
    """Bring a folder's entries to the disk, where the system can."""
    with suppress(OSError):  # not on Windows
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
