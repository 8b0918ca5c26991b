"""Learning beside a run, with a real process: what it learns takes over, is saved, and leaves nothing behind."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from rtsod.app.assembly import check_options
from rtsod.app.keep_learning import KeptLearning, OpenStudent
from rtsod.config import AppConfig, EngineConfig, RunConfig
from rtsod.drawing.scene import DrawnScene
from rtsod.errors import UsageError
from rtsod.frames import Frame, Mask, SourceInfo
from rtsod.interfaces import Masker
from rtsod.learning.kept_examples import Kind
from rtsod.learning.tutor import Job
from rtsod.masking.look import Look, Student
from rtsod.metrics import Event, Metrics, Work
from rtsod.model.card import read_card
from rtsod.model.own_models import OwnModel, only_learner
from rtsod.model.weights import Weights, sha256_of
from tests.support.networks import TINY
from tests.support.own_models import in_folder, save_model

SCENE = DrawnScene(160, 120)
PATIENCE_SECONDS = 240.0
"""The process runs only where nobody else wants the core: it needs seconds when idle, minutes beside other tests."""


class Counting(Metrics):
    """Says when an example was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = threading.Semaphore(0)

    def worked(self, work: Work) -> None:
        super().worked(work)
        if work is Work.EXAMPLES:
            self.sent.release()


class Call:
    """A run whose network knows nothing, and a teacher that knows the drawn scene."""

    def __init__(self, folder: Path, weights: Path | None = None) -> None:
        self.model: OwnModel = save_model("me", frames=7)
        card = read_card(self.model.card)
        assert card is not None
        self.offers = folder / "offers"
        self.offers.mkdir()
        self.metrics, self.said, self.opened = Counting(), list[str](), list[Weights]()
        self.closed: list[str] = []
        job = Job(
            replace(TINY, name="me"), weights or self.model.weights, card, 0.95, False, self.offers, min_learned=4,
            min_held_out=2,
        )  # fmt: skip
        self.failed = threading.Event()
        self.learning = KeptLearning(
            self.model, job, self._open, lambda: self.closed.append("first"), self.metrics, self._say
        )

    def _say(self, line: str) -> None:
        self.said.append(line)
        self.failed.set()

    def _open(self, weights: Weights) -> OpenStudent:
        self.opened.append(weights)
        return OpenStudent(Student(_no_masker, _no_mask), lambda: self.closed.append("better"))

    def look(self, second: int, *, agrees: bool) -> None:
        image, alpha = SCENE.render(second * 12)
        label = np.asarray(np.clip(cv2.resize(alpha, (80, 80)), 0, 1), np.float32)
        self.learning.heard(Look(Frame(image, second, float(second)), label, label, agrees))
        assert self.metrics.sent.acquire(timeout=PATIENCE_SECONDS)

    def successor(self) -> Student:
        patience = threading.Event()
        for _ in range(int(PATIENCE_SECONDS / 0.01)):
            if (student := self.learning.successor()) is not None:
                return student
            patience.wait(0.01)
        self.learning.close()
        raise AssertionError(self.said)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    in_folder(tmp_path, monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def _no_masker() -> Masker:
    raise AssertionError


def _no_mask(frame: Frame) -> Mask:
    raise AssertionError


def test_what_takes_over_is_not_saved_unless_something_known_was_seen(folder: Path) -> None:
    call = Call(folder)
    before = sha256_of(call.model.weights)
    for second in range(14):
        call.look(second, agrees=False)
    call.successor()
    taken = threading.Event()
    while not call.said:  # the process is told
        taken.wait(0.01)
    call.learning.close()
    call.learning.close()
    assert call.closed == ["first", "better"]
    assert "is not saved, because nothing that it knew before was seen" in call.said[-1]
    assert len(call.said) == 2
    assert call.metrics.snapshot()["events"] == {Event.NETWORK_IMPROVED: 1}
    assert sha256_of(call.model.weights) == before


def test_it_is_saved_with_its_card(folder: Path) -> None:
    call = Call(folder)
    offer_folder = call.offers / "0"
    for second in range(14):
        call.look(second, agrees=False)
    call.successor()
    taken = threading.Event()
    while not call.said:
        taken.wait(0.01)
    assert call.said[0].startswith("masks: me has learned what it did not know: IoU")
    assert call.closed == ["first"]
    offer = call.learning._adopted
    assert offer is not None
    assert not offer.keeps_known
    call.learning._adopted = replace(offer, keeps_known=True)
    call.learning.close()
    assert call.said[-1].startswith("learning: me is saved, with")
    card = read_card(call.model.card)
    assert card is not None
    assert card.weights_sha256 == sha256_of(call.model.weights) == sha256_of(offer_folder / "weights.safetensors")
    assert card.remarks[0].startswith("Kept learning:")
    assert card.frames > 7
    assert {path.suffix for path in call.offers.rglob("*.*")} <= {".safetensors", ".json"}, "no pictures"


def test_a_process_that_fails_is_one_line_and_nothing_is_changed(folder: Path) -> None:
    call = Call(folder, weights=folder / "missing.safetensors")
    before = sha256_of(call.model.weights)
    for second in range(12):
        call.look(second, agrees=False)
    assert call.failed.wait(PATIENCE_SECONDS)
    nothing = np.zeros((8, 8), np.float32)
    assert call.said[0].startswith("learning: me learns no more in this run, which goes on: ")
    look = Look(Frame(SCENE.render(0)[0], 0, 0.0), nothing, nothing, agrees=True)
    call.learning.heard(look)
    call.learning._looks.put((look, Kind.KNOWN))  # one that came while it failed ends the sending, too
    for thread in call.learning._threads:
        thread.join(60)
    call.learning.close()
    assert call.closed == ["first"]
    assert (len(call.said), call.metrics.snapshot()["events"]) == (1, {Event.LEARNING_FAILED: 1})
    assert sha256_of(call.model.weights) == before


@pytest.mark.parametrize("engine", [EngineConfig(), EngineConfig("lite"), EngineConfig("tiny"),
                                    EngineConfig(weights=Path("me.safetensors"))])  # fmt: skip
def test_it_needs_a_network_of_your_own(engine: EngineConfig) -> None:
    with pytest.raises(UsageError, match="not a network of your own: make one with rtsod learn"):
        AppConfig(engine=engine, run=RunConfig(keep_learning=True))


def test_it_needs_live_input() -> None:
    config = AppConfig(engine=EngineConfig("me"), run=RunConfig(keep_learning=True))
    info = SourceInfo("talk.mp4", 64, 48, None, live=False)
    with pytest.raises(UsageError, match=r"talk.mp4 is no live input.*rtsod learn --source"):
        check_options(config, info)
    check_options(config, replace(info, live=True))


def test_one_process_at_a_time_learns_a_name(folder: Path) -> None:
    busy = pytest.raises(UsageError, match="me: another rtsod learn, or a run with --keep-learning")
    with only_learner("me"), busy, only_learner("me"):
        pass
    with only_learner("me"):
        pass
