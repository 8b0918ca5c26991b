"""Composing a run: what is handed in stays the caller's, and what was opened is closed, also after a failure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import platformdirs
import pytest

from rtsod.app import assembly, edges
from rtsod.app.assembly import build_run
from rtsod.app.engines import pin_engine_config
from rtsod.config import AppConfig, EngineConfig, OutputConfig, PictureConfig, RunConfig, SourceConfig
from rtsod.errors import EngineUnavailable, UsageError, WeightsError
from rtsod.frames import EngineInfo
from rtsod.interfaces import Sink
from rtsod.mask_plan import MaskPlan, Rung
from rtsod.masking.engine_pool import EnginePool
from rtsod.sinks import LiveStreamSink
from tests.support.fakes import CollectingSink, FakeEngine, FakeSource
from tests.support.sink_fixtures import FakeDevice, FakeServer

PLAN = MaskPlan((Rung(64),), max_mask_age=30.0)
GREEN = PictureConfig(backgrounds=("#00FF00",), steady=False)


class Closable(CollectingSink):
    closed = False

    def close(self) -> None:
        self.closed = True


def test_edges_that_are_handed_in_are_used_and_left_open() -> None:
    source, sink, engine = FakeSource(5), Closable(), FakeEngine()
    with build_run(AppConfig(picture=GREEN), source=source, sinks=[sink], pool=EnginePool(engine), plan=PLAN) as run:
        run.pipeline.run(interval=0.001)
        assert run.metrics.snapshot()["composited"] == 5
        assert (run.plan, run.sync) == (PLAN, "locked")
    assert engine.calls == 5, "a given plan needs no timing"
    assert [picture.index for picture in sink.pictures] == list(range(5))
    assert not sink.closed


def _connection(url: str, width: int, height: int, fps: Fraction) -> FakeServer:
    return FakeServer(FakeDevice(None, width, height, fps))


@pytest.mark.parametrize("live", [True, False])
def test_only_live_pictures_become_too_old(live: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file's frame may last longer than a mask may be old."""
    limits: list[float] = []
    monkeypatch.setattr(LiveStreamSink, "limit_age", lambda self, seconds: limits.append(seconds))
    sink = LiveStreamSink("rtmp://localhost/x", width=64, height=48, fps=Fraction(30), connection=_connection)
    source, pool = FakeSource(1, live=live), EnginePool(FakeEngine())
    with build_run(AppConfig(picture=GREEN), source=source, sinks=[sink], pool=pool, plan=PLAN):
        assert limits == ([PLAN.max_mask_age] if live else [])
    sink.close()


def test_without_a_plan_the_network_is_timed() -> None:
    engine = FakeEngine()
    config = AppConfig(picture=GREEN, run=RunConfig(mask_interval=2, max_frames=3))
    with build_run(config, source=FakeSource(5), sinks=[], pool=EnginePool(engine)) as run:
        assert (run.plan.sync, run.plan.mask_interval, run.plan.rungs) == ("tracked", 2, (Rung(64),))
        run.pipeline.run(interval=0.001)
    assert engine.calls == 2 + 2
    assert run.metrics.snapshot()["captured"] == 3


def test_a_first_run_without_network_ends_before_anything_expensive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: tmp_path / name)
    monkeypatch.setattr("rtsod.app.engines.resolve_engine", lambda config: replace(config, engine="openvino"))

    def refuse(*_: object) -> Path:
        raise WeightsError("no network")

    monkeypatch.setattr("rtsod.app.engines.fetch", refuse)
    monkeypatch.setattr(assembly, "build_compositor", None)
    with pytest.raises(WeightsError, match="no network"):
        build_run(AppConfig(picture=GREEN), source=FakeSource(1), sinks=[])


def test_the_sinks_are_handed_out_before_the_network_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    sink, handed_out = Closable(live=True), list[Sequence[Sink]]()

    def refuse(*_: object, **__: object) -> EnginePool:
        assert [picture.is_slate for picture in sink.pictures] == [True], "viewers see a slate meanwhile"
        assert handed_out == [[sink]]
        raise EngineUnavailable("no GPU")

    monkeypatch.setattr(assembly, "open_engine_pool", refuse)
    with pytest.raises(EngineUnavailable, match="no GPU"):
        build_run(AppConfig(picture=GREEN), source=FakeSource(1), sinks=[sink], before_network=handed_out.append)


def test_a_failure_closes_what_was_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    source, sink = FakeSource(1), Closable()

    def refuse(*_: object, **__: object) -> EnginePool:
        raise EngineUnavailable("no GPU")

    monkeypatch.setattr(assembly, "open_source", lambda *_, **__: source)
    monkeypatch.setattr(edges, "open_sinks", lambda *_, **__: [sink])
    monkeypatch.setattr(assembly, "open_engine_pool", refuse)
    config = AppConfig(picture=GREEN, output=OutputConfig(preview=False, outputs=(Path("o.mkv"),)))
    with pytest.raises(EngineUnavailable):
        build_run(config)
    assert source.closed.is_set()
    assert sink.closed


def test_options_are_checked_before_the_network_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> EnginePool:
        raise AssertionError("too early")

    monkeypatch.setattr(assembly, "open_engine_pool", refuse)
    with pytest.raises(UsageError, match="add --mask-every N"):
        build_run(AppConfig(picture=GREEN, run=RunConfig(sync="tracked")), source=FakeSource(1), sinks=[])


def test_further_engines_are_opened_with_what_auto_decided() -> None:
    asked = EngineConfig("lite")
    decided = EngineConfig("lite", "openvino", "int8", "cpu")
    info = EngineInfo("openvino", "lite", "int8", "CPU", 320, "authors'", config=decided)
    assert pin_engine_config(asked, info) is decided
    assert pin_engine_config(asked, FakeEngine().info) is asked


def test_the_scene_is_opened_as_configured() -> None:
    config = AppConfig(source=SourceConfig("scene", 64, 48, 10), picture=GREEN)
    with build_run(config, sinks=[], pool=EnginePool(FakeEngine()), plan=PLAN) as run:
        info = run.source.info
    assert (info.width, info.height, info.fps) == (64, 48, Fraction(10))
