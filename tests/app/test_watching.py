"""A run with a small network: who watches it, and that everything that was opened for that is closed."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rtsod.app import engines, watching
from rtsod.app.assembly import build_run
from rtsod.app.console import SilentReporter
from rtsod.config import AppConfig, EngineConfig, PictureConfig
from rtsod.errors import EngineError
from rtsod.frames import Alpha, Image
from rtsod.mask_plan import MaskPlan, Rung
from rtsod.masking.doubt import DEFAULT_THRESHOLD
from rtsod.masking.engine_pool import EnginePool
from rtsod.masking.opening import Opening
from rtsod.metrics import Event, Metrics, Work
from rtsod.model.weights import published
from tests.support.fakes import CollectingSink, FakeEngine, FakeSource, right_half, shows_watermark
from tests.support.own_models import in_folder, save_model

SIZE = 64
ME = AppConfig(engine=EngineConfig("tiny"), picture=PictureConfig(backgrounds=("#00FF00",), steady=False))
PLAN = MaskPlan((Rung(SIZE),), max_mask_age=30.0)


class Closing(FakeEngine):
    """Says whether it was asked, and closed."""

    def __init__(self) -> None:
        super().__init__(size=SIZE)
        self.info = replace(self.info, inference_seconds=0.01)
        self.asked = threading.Event()
        self.closed = False

    def infer(self, image: Image) -> Alpha:
        self.asked.set()
        return super().infer(image)

    def close(self) -> None:
        self.closed = True


class Lines(SilentReporter):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def notify(self, line: str) -> None:
        self.lines.append(line)


class Run:
    """A run of ten frames, whose student sees everything as the subject from ``wrong_from`` on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, live: bool, wrong_from: int) -> None:
        self.fallback, self.teacher, self.reporter = Closing(), Closing(), Lines()
        self._shown = threading.Semaphore(1)
        self.metrics, self.sink = Metrics(), CollectingSink(before=lambda count: self._shown.release())
        self.opens: BaseException | None = None
        monkeypatch.setattr(watching, "open_engine_pool", self._open_fallback)
        monkeypatch.setattr(watching, "open_beside", lambda *_: self.teacher)
        monkeypatch.setattr(watching, "doubt_threshold", lambda config: DEFAULT_THRESHOLD)
        everything = np.ones((SIZE, SIZE), np.float32)
        self.student = FakeEngine(lambda call: everything if call >= wrong_from else right_half(SIZE))
        self.source = FakeSource(
            10, live=live, clock=time.perf_counter, before=self._before if live else lambda index: None
        )

    def _open_fallback(self, *_: Any, **__: Any) -> EnginePool:
        if self.opens is not None:
            raise self.opens
        return EnginePool(self.fallback)

    def _before(self, index: int) -> None:
        """Live: a frame comes once the one before was shown, and the third one once somebody has looked."""
        assert self._shown.acquire(timeout=10)
        assert index != 2 or self.teacher.asked.wait(10)

    def run(self, *, watched: bool = True) -> None:
        with build_run(
            ME, source=self.source, sinks=[self.sink], pool=EnginePool(self.student), plan=PLAN, metrics=self.metrics,
            reporter=self.reporter,
            watched=watched,
        ) as run:  # fmt: skip
            run.pipeline.run(interval=0.001)


def test_a_file_whose_student_knows_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, live=False, wrong_from=100)
    run.run()
    assert run.student.calls == 10
    assert run.fallback.closed
    assert run.metrics.snapshot()["work"] == {Work.MASKS: 10, Work.CHECKS: run.fallback.calls}
    assert run.reporter.lines == []


def test_a_file_whose_student_does_not_know_never_shows_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, live=False, wrong_from=0)
    run.run()
    numbers = run.metrics.snapshot()
    assert (numbers["composited"], numbers["events"]) == (10, {Event.NETWORK_DOUBTED: 1})
    assert not any(shows_watermark(picture.image) for picture in run.sink.pictures)
    assert [line for line in run.reporter.lines if "lite takes over" in line] == run.reporter.lines
    assert run.fallback.closed


def test_a_benchmark_measures_the_network_that_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, live=False, wrong_from=0)
    run.run(watched=False)
    assert run.student.calls == 10
    assert run.metrics.snapshot()["work"] == {Work.MASKS: 10}


def test_live_input_is_looked_at_beside_its_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "Opening", partial(Opening, in_place=True))  # so that the first frame is looked at
    run = Run(monkeypatch, live=True, wrong_from=100)
    run.run()
    assert run.metrics.snapshot()["work"] == {Work.MASKS: 10, Work.CHECKS: run.teacher.calls}
    assert run.teacher.closed
    assert run.fallback.calls == 0


def test_without_the_other_network_nobody_checks_a_file_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, live=False, wrong_from=100)
    run.opens = EngineError("no weights here")
    run.run()
    assert run.metrics.snapshot()["events"] == {Event.TEACHER_FAILED: 1}
    assert run.reporter.lines == [
        "masks: what none sees cannot be checked, so nobody checks its masks: no weights here"
    ]


@pytest.mark.parametrize(
    ("model", "weights", "watched"),
    [(None, None, False), ("full", None, False), ("lite", None, False), ("tiny", None, True), ("me", None, True)],
)
def test_small_networks_are_watched(model: str | None, weights: None, watched: bool) -> None:
    assert watching.is_watched(EngineConfig(model, weights=weights)) is watched


def test_a_card_says_when_its_model_is_doubted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_folder(tmp_path, monkeypatch)
    save_model("careful", doubt_iou=0.97)
    save_model("plain", doubt_iou=None)
    assert watching.doubt_threshold(EngineConfig("careful", input_size=64)) == 0.97
    assert watching.doubt_threshold(EngineConfig("plain", input_size=64)) == DEFAULT_THRESHOLD


def test_who_looks_leaves_the_processor_to_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, engine = list[EngineConfig](), Closing()

    def open_engine(config: EngineConfig, *_: Any) -> Closing:
        opened.append(config)
        return engine

    gave_way = list[None]()
    monkeypatch.setattr(engines, "open_engine", open_engine)
    monkeypatch.setattr(engines, "thread_count", lambda: 4)
    monkeypatch.setattr(engines, "give_way", lambda: gave_way.append(None))
    beside = engines.open_beside(EngineConfig("lite"), published("lite"), Metrics().event)
    assert ([config.threads for config in opened], len(gave_way)) == ([2], 1)
    beside.close()
    assert engine.closed
