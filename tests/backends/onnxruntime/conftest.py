"""One small exported graph for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtsod.backends.onnxruntime.cache import GraphCache
from rtsod.backends.onnxruntime.graph_from_weights import Export, ExportRequest, graph_from_weights
from rtsod.backends.onnxruntime.library import probe_onnxruntime
from rtsod.config import EngineConfig
from rtsod.model.weights import resolve

CONFIG = EngineConfig(model="tiny", engine="onnxruntime", device="cpu", input_size=64)
SIZES = (128, 96, 64)


@pytest.fixture(scope="session")
def exported() -> Export:
    """The network that ships with the program, which needs no download."""
    probe = probe_onnxruntime()
    if not probe.available:
        pytest.skip(probe.reason)
    return graph_from_weights(ExportRequest(resolve(CONFIG), "fp32", SIZES))


@pytest.fixture
def cache(exported: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GraphCache:
    """An empty cache whose exports take no time."""
    monkeypatch.setattr("rtsod.backends.onnxruntime.cache._export", lambda request: exported)
    monkeypatch.setattr("rtsod.backends.onnxruntime.cache.shared_sizes", lambda size: SIZES)
    return GraphCache(tmp_path / "graphs")
