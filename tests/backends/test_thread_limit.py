"""Every library that computes gets as many threads as a quota has time for."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import pytest
import torch

import rtsod.app.assembly
import rtsod.backends.onnxruntime.session_from_weights as onnxruntime_builder
import rtsod.backends.openvino.compiled_from_weights as openvino_builder
import rtsod.backends.torch.graph_from_weights as torch_builder
import rtsod.sinks.video_file
from rtsod.backends.onnxruntime.library import probe_onnxruntime
from rtsod.config import EngineConfig
from rtsod.errors import EngineError, WeightsError
from rtsod.model.weights import resolve
from tests.support.sink_fixtures import composited


def _options(monkeypatch: pytest.MonkeyPatch, device: str, limit: int | None) -> dict[str, str]:
    """The options that a network is compiled with."""
    seen: list[dict[str, str]] = []

    class Stored(Exception):
        pass

    def load(name: str, device: str, options: dict[str, str]) -> None:
        seen.append(options)
        raise Stored

    monkeypatch.setattr(openvino_builder, "thread_limit", lambda: limit)
    cache: Any = SimpleNamespace(forms=lambda *of: SimpleNamespace(load=load))
    config = EngineConfig(engine="openvino", precision="fp32", input_size=320)
    builder = openvino_builder._Builder(
        config, resolve(config), cache, device, "some", lambda line: None, lambda line: None, lambda done, total: None
    )
    with pytest.raises(Stored):
        builder._form(None, "fp32")
    return seen[0]


def test_openvino_gets_the_threads_of_a_quota_on_a_cpu_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _options(monkeypatch, "CPU", 3)["INFERENCE_NUM_THREADS"] == "3"
    assert "INFERENCE_NUM_THREADS" not in _options(monkeypatch, "GPU", 3)
    assert "INFERENCE_NUM_THREADS" not in _options(monkeypatch, "CPU", None), "it knows best which cores are fast"


@pytest.mark.parametrize(("limit", "expected"), [(3, [3]), (None, [])])
def test_pytorch_gets_the_threads_of_a_quota(
    limit: int | None, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_weights(*arguments: object) -> None:
        raise WeightsError("none")

    seen: list[int] = []
    monkeypatch.setattr(torch_builder, "thread_limit", lambda: limit)
    monkeypatch.setattr(torch_builder, "fetch", no_weights)
    monkeypatch.setattr(torch, "set_num_threads", seen.append)
    config = EngineConfig(engine="torch", device="cpu")
    with pytest.raises(WeightsError):
        torch_builder.graph_from_weights(config, resolve(config))
    assert seen == expected


@pytest.mark.parametrize(("asked", "expected"), [(None, 3), (1, 1)])
def test_onnx_runtime_gets_the_threads_that_can_compute(
    asked: int | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Always by number: left to itself it binds its threads to cores, and two engines share them."""
    probe = probe_onnxruntime()
    if not probe.available:
        pytest.skip(probe.reason)
    seen: list[int] = []

    def opened(graph: object, size: int, place: object, threads: int) -> None:
        seen.append(threads)
        raise RuntimeError("enough")

    monkeypatch.setattr(onnxruntime_builder, "thread_count", lambda: 3)
    monkeypatch.setattr(onnxruntime_builder, "_open", opened)
    config = EngineConfig(engine="onnxruntime", device="cpu", input_size=320, threads=asked)
    cache: Any = SimpleNamespace(graph=lambda *of: None)
    with pytest.raises(EngineError, match="enough"):
        onnxruntime_builder.engine_from_weights(config, resolve(config), cache)
    assert seen == [expected]


@pytest.mark.parametrize(("threads", "expected"), [(1, 1), (7, 1), (8, 2), (17, 4)])
def test_opencv_gets_a_quarter(threads: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    before = cv2.getNumThreads()
    monkeypatch.setattr(rtsod.app.assembly, "thread_count", lambda: threads)
    try:
        rtsod.app.assembly.leave_cores_to_the_network()
        assert cv2.getNumThreads() == expected
    finally:
        cv2.setNumThreads(before)


def test_the_encoder_gets_the_threads_of_a_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtsod.sinks.video_file, "thread_limit", lambda: 3)
    sink = rtsod.sinks.video_file.VideoFileSink(tmp_path / "video.mp4", fps=Fraction(30))
    sink.write(composited())
    assert sink._video is not None
    assert sink._video.codec_context.thread_count == 3
    sink.close()
