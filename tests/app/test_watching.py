"""A run with a small network: who watches it, and that everything that was opened for that is closed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rtsod.app import engines, watching
from rtsod.app.assembly import build_run
from rtsod.app.console import SilentReporter
from rtsod.app.keep_learning import OpenStudent
from rtsod.config import AppConfig, EngineConfig, PictureConfig, RunConfig
from rtsod.errors import EngineError
from rtsod.frames import Alpha, Image
from rtsod.interfaces import Engine
from rtsod.mask_plan import MaskPlan, Rung
from rtsod.masking.doubt import DEFAULT_THRESHOLD
from rtsod.masking.engine_pool import EnginePool
from rtsod.masking.look import Look, Student
from rtsod.masking.opening import Opening
from rtsod.masking.refresh import InPlaceRefresher
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

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, live: bool, wrong_from: int, frames: int = 10) -> None:
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
            frames, live=live, clock=time.perf_counter, before=self._before if live else lambda index: None
        )

    def _open_fallback(self, *_: Any, **__: Any) -> EnginePool:
        if self.opens is not None:
            raise self.opens
        return EnginePool(self.fallback)

    def _before(self, index: int) -> None:
        """Live: a frame comes once the one before was shown, and the third one once somebody has looked."""
        assert self._shown.acquire(timeout=10)
        assert index != 2 or self.teacher.asked.wait(10)

    def run(
        self, config: AppConfig = ME, *, watched: bool = True, open_fallback: watching.OpenPool | None = None
    ) -> None:
        with build_run(
            config, source=self.source, sinks=[self.sink], pool=EnginePool(self.student), plan=PLAN,
            metrics=self.metrics, reporter=self.reporter, watched=watched, open_fallback=open_fallback,
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


def test_a_network_that_is_lent_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    run, lent = Run(monkeypatch, live=False, wrong_from=0), Closing()
    run.run(open_fallback=lambda config: EnginePool(lent))
    assert lent.calls >= 10
    assert not lent.closed
    assert run.fallback.calls == 0


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


class PromptLooks(InPlaceRefresher):
    """Looks at live input that end before the next frame, and take no time."""

    def __init__(self, engine: Callable[[], Engine], metrics: Metrics) -> None:
        super().__init__(engine, metrics, clock=lambda: 0.0)

    @property
    def in_place(self) -> bool:
        return False


class Learning:
    """Offers another student once the first is known to be out of its depth."""

    def __init__(self, open_offer: Callable[[Any], OpenStudent], metrics: Metrics) -> None:
        self._open_offer, self._metrics, self._has_offered = open_offer, metrics, False
        self.heard_of: list[Look] = []

    def heard(self, look: Look) -> None:
        self.heard_of.append(look)

    def successor(self) -> Student | None:
        if self._has_offered or Event.NETWORK_DOUBTED not in self._metrics.snapshot()["events"]:
            return None
        self._has_offered = True
        return self._open_offer(None).student


@pytest.mark.parametrize(
    ("learns", "successor_knows"), [(False, False), (True, False), (True, True)], ids=["alone", "in vain", "learns"]
)
def test_from_the_moment_it_is_doubted_a_call_shows_nothing_of_the_room(
    monkeypatch: pytest.MonkeyPatch, learns: bool, successor_knows: bool
) -> None:
    """With ``--keep-learning`` and without it; a better student comes back by looks alone, a worse one never."""
    run = Run(monkeypatch, live=True, wrong_from=0, frames=20)
    successor = FakeEngine(lambda call: right_half(SIZE) if successor_knows else np.ones((SIZE, SIZE), np.float32))
    learning: list[Learning] = []
    doubted_at: list[int] = []
    count = run.metrics.event

    def counted(event: Event) -> None:
        count(event)
        if event is Event.NETWORK_DOUBTED:
            doubted_at.append(len(run.sink.pictures))

    def opened(*of: Any, weights: object = "lite's", **more: Any) -> EnginePool:
        return run._open_fallback() if weights == "lite's" else EnginePool(successor)

    def learner(*of: Any) -> Learning:
        learning.append(Learning(of[4], run.metrics))
        return learning[0]

    monkeypatch.setattr(run.metrics, "event", counted)
    monkeypatch.setattr(watching, "open_engine_pool", opened)
    monkeypatch.setattr(watching, "open_keep_learning", learner)
    monkeypatch.setattr(watching, "Opening", partial(Opening, in_place=True))
    monkeypatch.setattr(watching, "BackgroundRefresher", PromptLooks)
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.0)
    run.run(replace(ME, engine=EngineConfig("me"), run=RunConfig(keep_learning=learns)))
    assert len(doubted_at) == 1
    assert any(shows_watermark(picture.image) for picture in run.sink.pictures[: doubted_at[0]]), "it was wrong"
    after = run.sink.pictures[doubted_at[0] :]
    assert len(after) > 10
    assert not any(shows_watermark(picture.image) for picture in after)
    assert (run.metrics.snapshot()["events"].get(Event.NETWORK_TRUSTED, 0) == 1) is successor_knows
    assert bool(successor.calls) is learns
    assert bool(learning and learning[0].heard_of) is learns
