"""Exported graphs on disk: used only if they are what was written, and not needed where nothing can be written."""

from __future__ import annotations

import base64
import json
import logging
from pathlib import Path

import pytest

from rtsod.backends.onnxruntime import cache as cache_module
from rtsod.backends.onnxruntime.cache import GraphCache
from rtsod.backends.onnxruntime.graph_from_weights import Export, ExportRequest
from rtsod.backends.onnxruntime.session_from_weights import engine_from_weights
from rtsod.model.weights import resolve
from tests.backends.onnxruntime.conftest import CONFIG, SIZES

WEIGHTS = resolve(CONFIG)


@pytest.fixture
def folder(cache: GraphCache, tmp_path: Path) -> Path:
    """A folder with one graph."""
    lines: list[str] = []
    engine_from_weights(CONFIG, WEIGHTS, cache, lines.append)
    assert lines == ["exporting the tiny model for ONNX Runtime, once: a few seconds"]
    return tmp_path / "graphs"


def _lines(folder: Path) -> list[str]:
    """What the next start says."""
    lines: list[str] = []
    engine_from_weights(CONFIG, WEIGHTS, GraphCache(folder), lines.append)
    return lines


def test_the_second_start_exports_nothing_and_needs_no_weights(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the weights were read")

    monkeypatch.setattr(cache_module, "fetch", refuse)
    assert _lines(folder) == []


@pytest.mark.parametrize(
    "damage", ["graph", "record", "no record", "not a record", "no outputs", "no output", "other outputs"]
)
def test_what_is_damaged_is_exported_again(folder: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    (graph,) = folder.glob("*.onnx")
    record = graph.with_suffix(".json")
    if damage == "graph":
        graph.write_bytes(graph.read_bytes()[:-1] + b"?")
    elif damage == "record":
        record.write_text(record.read_text()[:-9])
    elif damage == "no record":
        record.unlink()
    elif damage == "not a record":
        record.write_text(json.dumps(["x"]))
    else:  # the graph and its sum stay as they were
        known = json.loads(record.read_text())
        golden = known["golden_outputs"]
        known["golden_outputs"] = {
            "no outputs": {},
            "no output": {**golden, "64": "!!"},
            "other outputs": {**golden, "64": base64.b64encode(bytes(len(base64.b64decode(golden["64"])))).decode()},
        }[damage]
        record.write_text(json.dumps(known))
    with caplog.at_level(logging.WARNING):
        assert len(_lines(folder)) == 1
    assert caplog.text.count("the exported graph is damaged") == (damage != "no record"), "said once"
    assert _lines(folder) == []


def test_where_nothing_can_be_stored_the_graph_stays_in_memory(
    cache: GraphCache, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_bytes(b"")
    unwritable = GraphCache(tmp_path / "file")
    lines: list[str] = []
    for _ in range(2):
        engine_from_weights(CONFIG, WEIGHTS, unwritable, lines.append)
    assert len(lines) == 1
    assert "every start exports it again" in caplog.text


def test_a_user_without_a_cache(monkeypatch: pytest.MonkeyPatch, cache: GraphCache) -> None:
    def none() -> Path:
        raise FileNotFoundError(2, "no home folder")

    monkeypatch.setattr(cache_module, "cache_folder", none)
    engine_from_weights(CONFIG, WEIGHTS, GraphCache())


def test_a_table_that_cannot_be_resized_is_exported_for_each_size(
    exported: Export, tmp_path: Path, cache: GraphCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, ...]] = []

    def export(request: ExportRequest) -> Export:
        asked.append(request.sizes)
        first = request.sizes[0]
        return Export(exported.content, {first: exported.golden_outputs[first]})

    monkeypatch.setattr(cache_module, "_export", export)
    found = cache.graph(WEIGHTS, "fp32", 64)
    assert asked == [SIZES, (64,)]
    assert (found.exported_at, list(found.golden_outputs)) == (64, [64])
