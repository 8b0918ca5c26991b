"""Finds the exported graph in the user's cache folder, or exports it and stores it there.

A graph is a file with a JSON file beside it: the golden outputs for the self-check, and a SHA-256 of both.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Final

from rtsod.backends.onnxruntime.graph_from_weights import Export, ExportRequest, GraphPrecision, graph_from_weights
from rtsod.backends.shared_sizes import shared_sizes
from rtsod.export.version import GRAPH_VERSION
from rtsod.model.weights import ReportBytes, Weights, fetch
from rtsod.progress import Notify
from rtsod.system.cache_folder import CACHE_LOG, cache_folder, reason
from rtsod.system.file_lock import locked
from rtsod.system.files import json_from_text, read_text, replace_file
from rtsod.system.subprocess_call import call_in_subprocess

_log = logging.getLogger(CACHE_LOG)

_LOCK_TIMEOUT_SECONDS: Final = 120.0
"""An export takes up to 30 seconds. One that takes longer than this hangs, and nothing waits for it."""


@dataclass(frozen=True, slots=True)
class FoundGraph:
    """A graph that may have to be resized: see :mod:`rtsod.export.resized`."""

    source: Path | bytes
    """The ONNX file, or its content where it could not be stored."""
    exported_at: int
    """The input size of the graph in ``source``, in pixels."""
    golden_outputs: dict[int, str]
    """Float32 outputs for the golden input, for each size that the graph can run at."""


class GraphCache:
    """Exported graphs on disk. Those that cannot be stored there stay in memory.

    Args:
        root: the folder for graphs; None for the one in the user's cache, if there is a cache.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._root, self._fault = root, ""
        if root is None:
            try:
                self._root = cache_folder() / "onnxruntime"
            except OSError as error:
                self._fault = reason(error)
        self._unsaved: dict[str, FoundGraph] = {}
        """By the stem of the file they belong in."""

    def graph(
        self,
        weights: Weights,
        precision: GraphPrecision,
        size: int,
        notify: Notify = lambda line: None,
        report: ReportBytes = lambda done, total: None,
    ) -> FoundGraph:
        """The graph for a configuration. Reads the weights, and downloads them, only if it must export.

        One process exports at a time, in a subprocess that returns PyTorch's memory. If the folder cannot be written,
        every start exports again, with a warning.

        Args:
            weights: of the network.
            precision: of the graph.
            size: S, pixels.
            notify: told, in one line, that an export begins and how long it takes, or that it waits for another.
            report: told how far a download of the weights is.

        Raises:
            WeightsError: the weights cannot be downloaded or read.
            EngineUnavailable: PyTorch or onnxscript, which export in fp16, are not installed.
            EngineError: the export failed.
        """
        found = self._for_sizes(weights, precision, shared_sizes(size), notify, report)
        if size not in found.golden_outputs:  # a table whose upsamplings cannot be resized
            found = self._for_sizes(weights, precision, (size,), notify, report)
        return found

    def _for_sizes(
        self, weights: Weights, precision: GraphPrecision, sizes: tuple[int, ...], notify: Notify, report: ReportBytes
    ) -> FoundGraph:
        stem = f"{weights.model}-{sizes[0]}-{weights.sha256[:16]}-{precision}-v{GRAPH_VERSION}"
        found = self._unsaved.get(stem) or self._stored(stem, sizes[0], complain=False)
        if found is not None:
            return found
        request = ExportRequest(weights, precision, sizes)
        fetch(weights, report)
        with self._exclusive(stem, notify):
            found = self._stored(stem, sizes[0], complain=True)  # another process may have exported it meanwhile
            if found is not None:
                return found
            duration = "a few seconds" if precision == "fp32" else "10 to 30 seconds"
            notify(f"exporting the {weights.model} model for ONNX Runtime, once: {duration}")
            return self._store(stem, sizes[0], _export(request))

    def _stored(self, stem: str, exported_at: int, *, complain: bool) -> FoundGraph | None:
        if self._root is None:
            return None
        path = self._root / f"{stem}.onnx"
        try:
            record = json_from_text(read_text(path.with_suffix(".json")))
            outputs = {int(size): str(output) for size, output in record["golden_outputs"].items()}
            with path.open("rb") as file:
                graph = hashlib.file_digest(file, "sha256").digest()
            intact = _digest_of(graph, outputs) == record["sha256"]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            intact = False
        if not intact:
            if complain:
                _log.warning("%s: the exported graph is damaged or cannot be read: exporting again", path)
            return None
        return FoundGraph(path, exported_at, outputs)

    def _store(self, stem: str, exported_at: int, export: Export) -> FoundGraph:
        path, fault = None if self._root is None else self._root / f"{stem}.onnx", self._fault
        if path is not None:
            digest = _digest_of(hashlib.sha256(export.content).digest(), export.golden_outputs)
            record = json.dumps({"sha256": digest, "golden_outputs": export.golden_outputs}, indent=2) + "\n"
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                # In this order: an interruption in between leaves a graph that its record does not match.
                replace_file(path, export.content)
                replace_file(path.with_suffix(".json"), record.encode())
                return FoundGraph(path, exported_at, export.golden_outputs)
            except OSError as error:
                fault = reason(error)
        _log.warning("%s: cannot store the exported graph (%s): every start exports it again", path or stem, fault)
        self._unsaved[stem] = FoundGraph(export.content, exported_at, export.golden_outputs)
        return self._unsaved[stem]

    @contextmanager
    def _exclusive(self, stem: str, notify: Notify) -> Iterator[None]:
        """Keep other processes from exporting the same graph, where a lock can be taken. It only saves work."""
        if self._root is None:
            yield
            return
        waiting = partial(notify, "another process is exporting the model: waiting for it")
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            lock = locked(self._root / f".{stem}.lock", _LOCK_TIMEOUT_SECONDS, waiting)
        except OSError as error:  # TimeoutError among them
            _log.info("exporting without a lock: %s", error)
            yield
            return
        with lock:
            yield


@cache
def graph_cache() -> GraphCache:
    """The graph cache of this process, in the user's cache folder."""
    return GraphCache()


def _digest_of(graph: bytes, golden_outputs: Mapping[int, str]) -> str:
    """What tells that a graph and its golden outputs are those that were written together.

    Args:
        graph: SHA-256 of the graph.
        golden_outputs: by input size. Without them, or with others, a provider that is right would be blamed.
    """
    return hashlib.sha256(graph + json.dumps(sorted(golden_outputs.items())).encode()).hexdigest()


def _export(request: ExportRequest) -> Export:
    """Export in a subprocess, if one can be started."""
    try:
        return call_in_subprocess("exporting the network", graph_from_weights, request)
    except OSError as error:
        _log.info("exporting without a subprocess: %s", error)
        return graph_from_weights(request)
