"""Plans on disk. The cache returns a plan only if it is, byte for byte, what was built for the same run."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from rtsod.backends.tensorrt.manifest import Manifest
from rtsod.errors import OutputError
from rtsod.progress import Notify
from rtsod.system.cache_folder import CODE_MODE, cache_folder
from rtsod.system.file_lock import locked
from rtsod.system.files import read_bytes, read_text, replace_file

_LOCK_TIMEOUT_SECONDS: Final = 1800.0
"""How long to wait for another process that builds the same plan. The slowest builds take a few minutes."""


@dataclass(frozen=True, slots=True)
class CachedPlan:
    """A verified plan, its manifest, and its file."""

    plan: bytes
    manifest: Manifest
    path: Path


class PlanCache:
    """A folder of plans, each with its manifest.

    Args:
        folder: created when the first plan is stored; None uses :func:`engines_folder`.

    Raises:
        OutputError: the user has no cache folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        try:
            self.folder = engines_folder() if folder is None else folder
        except OSError as error:
            raise OutputError(f"cannot store the engine: {error.strerror or error}") from error

    def find(self, wanted: Manifest) -> CachedPlan | str:
        """Return the plan for a run, or the reason in one line why none is usable.

        The hash is verified here because TensorRT executes what it deserializes.
        """
        path = self.folder / f"{wanted.stem}.engine"
        try:
            text = read_text(path.with_suffix(".json"))
        except (OSError, ValueError):
            return f"{path.name} has no readable manifest" if os.path.exists(path) else "none was built yet"
        try:
            manifest = Manifest.from_json(text)
        except ValueError:
            return f"the manifest of {path.name} is damaged or of another version"
        reason = manifest.mismatch(wanted)
        if reason is not None:
            return f"{path.name} does not fit: {reason}"
        try:
            plan = read_bytes(path)
        except OSError:
            return f"{path.name} cannot be read"
        if hashlib.sha256(plan).hexdigest() != manifest.engine_sha256:
            return f"{path.name} is damaged: its sha256 differs from its manifest's"
        return CachedPlan(plan, manifest, path)

    def unstored(self, plan: bytes, manifest: Manifest) -> CachedPlan:
        """The plan as it would be in the cache, with the manifest's ``engine_sha256`` filled in."""
        manifest = replace(manifest, engine_sha256=hashlib.sha256(plan).hexdigest())
        return CachedPlan(plan, manifest, self.folder / f"{manifest.stem}.engine")

    def store(self, plan: bytes, manifest: Manifest) -> CachedPlan:
        """Write a plan and its manifest, each atomically. Fills in the manifest's ``engine_sha256``.

        Raises:
            OutputError: the folder cannot be written.
        """
        cached = self.unstored(plan, manifest)
        manifest, path = cached.manifest, cached.path
        try:
            self._prepare()
            # In this order: an interruption in between leaves a plan that its manifest does not match.
            _replace(path, plan)
            _replace(path.with_suffix(".json"), manifest.to_json().encode())
        except OSError as error:
            raise OutputError(f"{self.folder}: cannot store the engine: {_fix(error)}") from error
        return cached

    @contextmanager
    def exclusive(
        self, wanted: Manifest, notify: Notify = lambda line: None, *, required: bool = True
    ) -> Iterator[None]:
        """Hold the lock for one plan while it is built. Other processes wait, and then find it in the cache.

        Args:
            wanted: the plan.
            notify: called with one line if another process holds the lock.
            required: False to go on without the lock where the folder cannot be written.

        Raises:
            OutputError: the other process does not finish in time; or the lock is required, and the folder cannot be
                written.
        """
        try:
            self._prepare()
            waiting = partial(notify, "another process is building this engine: waiting for it")
            lock: AbstractContextManager[object] = locked(
                self.folder / f"{wanted.stem}.lock", _LOCK_TIMEOUT_SECONDS, waiting
            )
        except TimeoutError as error:
            raise OutputError(f"{wanted.stem}: another process has been building it for half an hour") from error
        except OSError as error:
            if required:
                raise OutputError(f"{self.folder}: cannot store engines: {_fix(error)}") from error
            lock = nullcontext()
        with lock:
            yield

    def _prepare(self) -> None:
        if os.path.exists(self.folder) and not self.folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)


def engines_folder() -> Path:
    """``engines/`` in the checkout that this runs from; in the user's cache folder if rtsod is installed elsewhere."""
    checkout = Path(__file__).parents[3]
    if (checkout / "engines" / "README.md").is_file() and (checkout / "run_camera.py").is_file():
        return checkout / "engines"
    return cache_folder() / "engines"


def _fix(error: OSError) -> str:
    fix = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "make the folder writable"
    return f"{error.strerror or error}: {fix}"


def _replace(path: Path, content: bytes) -> None:
    if path.exists() and not path.is_file() and not path.is_dir():  # a pipe, where only the cache may write
        path.unlink()
    replace_file(path, content, durable=True, mode=CODE_MODE)
