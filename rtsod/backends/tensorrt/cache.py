"""Engines kept on disk. Nothing leaves here that is not, to the byte, what was built for this very run."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import platformdirs

from rtsod.backends.tensorrt.manifest import Manifest
from rtsod.errors import OutputError
from rtsod.progress import Notify
from rtsod.system.file_lock import locked
from rtsod.system.files import read_bytes, read_text, replace_file

_LOCK_PATIENCE: Final = 1800.0
"""Seconds to wait for another process that builds the same engine; the slowest builds take some minutes."""


@dataclass(frozen=True, slots=True)
class CachedEngine:
    """An engine's bytes and what they are."""

    plan: bytes
    manifest: Manifest
    path: Path


class EngineCache:
    """A folder of engines with their manifests.

    Args:
        folder: made when something is first kept; by default :func:`engines_folder`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = engines_folder() if folder is None else folder

    def find(self, wanted: Manifest) -> CachedEngine | str:
        """The engine for a run, or in one line why there is none. Checked before anything could deserialise it."""
        path = self.folder / f"{wanted.stem}.engine"
        try:
            text = read_text(path.with_suffix(".json"))
        except (OSError, ValueError):
            return f"{path.name} has no readable manifest" if path.exists() else "none was built yet"
        try:
            manifest = Manifest.from_json(text)
        except ValueError:
            return f"the manifest of {path.name} is damaged, or of another version"
        reason = manifest.mismatch(wanted)
        if reason is not None:
            return f"{path.name} does not fit: {reason}"
        try:
            plan = read_bytes(path)
        except OSError:
            return f"{path.name} cannot be read"
        if hashlib.sha256(plan).hexdigest() != manifest.engine_sha256:
            return f"{path.name} is damaged: its sha256 is not the one in its manifest"
        return CachedEngine(plan, manifest, path)

    def keep(self, plan: bytes, manifest: Manifest) -> CachedEngine:
        """Write an engine and its manifest, each whole or not at all; the engine's sha256 is filled in.

        Raises:
            OutputError: the folder cannot be written.
        """
        manifest = replace(manifest, engine_sha256=hashlib.sha256(plan).hexdigest())
        path = self.folder / f"{manifest.stem}.engine"
        try:
            self._prepare()
            # In this order: whatever stops in between leaves an engine whose manifest does not match it.
            replace_file(path, plan, durable=True, mode=0o600)
            replace_file(path.with_suffix(".json"), manifest.to_json().encode(), durable=True, mode=0o600)
        except OSError as error:
            raise OutputError(f"{self.folder}: the engine cannot be kept there: {_fix(error)}") from error
        return CachedEngine(plan, manifest, path)

    @contextmanager
    def building(self, wanted: Manifest, notify: Notify = lambda line: None) -> Iterator[None]:
        """Only one process at a time is inside for one engine; the others wait, and then find it built.

        Args:
            wanted: the engine.
            notify: told in one line that there is another process to wait for.

        Raises:
            OutputError: the folder cannot be written, or the other process does not come to an end.
        """
        try:
            self._prepare()
            waiting = partial(notify, "another process is building this engine: waiting for it")
            lock = locked(self.folder / f"{wanted.stem}.lock", _LOCK_PATIENCE, waiting)
        except TimeoutError as error:
            raise OutputError(f"{wanted.stem}: another process has been building it for half an hour") from error
        except OSError as error:
            raise OutputError(f"{self.folder}: engines cannot be kept there: {_fix(error)}") from error
        with lock:
            yield

    def _prepare(self) -> None:
        if self.folder.exists() and not self.folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # engines are native code: nobody else writes here


def engines_folder() -> Path:
    """``engines/`` of the checkout this runs from; in the user's cache folder where rtsod is installed elsewhere."""
    checkout = Path(__file__).parents[3]
    if (checkout / "engines" / "README.md").is_file() and (checkout / "run_camera.py").is_file():
        return checkout / "engines"
    return platformdirs.user_cache_path("rtsod") / "engines"


def _fix(error: OSError) -> str:
    fix = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "see to it that it can be written"
    return f"{error.strerror or error}: {fix}"
