"""Which engines a run opens."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rtsod.app import engines
from rtsod.app.console import SilentReporter
from rtsod.app.engines import NetworkAhead
from rtsod.backends.constant import ConstantEngine
from rtsod.config import EngineConfig
from rtsod.errors import EngineError
from rtsod.model.weights import Weights
from rtsod.progress import Notify


class Shared(ConstantEngine):
    """A network that several engines run."""

    seconds, refuses = 0, False

    def second(self) -> ConstantEngine:
        if self.refuses:
            raise EngineError("the engine is closed")
        self.seconds += 1
        return ConstantEngine(self.info.input_size)


@pytest.mark.parametrize(
    ("cores", "refuses", "shared"), [(1, False, True), (1, True, False), (2, False, False), (4, False, False)]
)
def test_one_core_opens_no_second_network_to_look_at_whole_frames(
    cores: int, refuses: bool, shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = list[tuple[int, int | None]]()
    first = Shared(320)

    def open_engine(config: EngineConfig, *_: Any) -> ConstantEngine:
        opened.append((config.side, config.threads))
        return first if len(opened) == 1 else ConstantEngine(config.side)

    monkeypatch.setattr(engines, "resolve_engine", lambda config, *_: replace(config, engine="openvino"))
    monkeypatch.setattr(engines, "open_engine", open_engine)
    monkeypatch.setattr(engines, "thread_count", lambda: cores)
    monkeypatch.setattr(first, "refuses", refuses)
    pool = engines.open_engine_pool(EngineConfig(), SilentReporter(), lambda event: None)
    assert pool.beside() is None, "it is opened by a thread of its own"
    assert pool._opener is not None
    pool._opener.join(10)
    beside = pool.beside()
    assert beside is not None
    assert beside.infer(np.zeros((320, 320, 3), np.uint8)).shape == (320, 320)
    pool.close()
    assert first.seconds == int(shared)
    assert opened == [(320, None)] if shared else [(320, None), (320, max(1, cores // 2))]


def test_weights_are_converted_while_something_else_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, done = threading.Event(), threading.Event()

    def convert(config: EngineConfig, weights: Weights, notify: Notify) -> None:
        begun.set()
        assert done.wait(10)
        raise EngineError("fails where the engine is opened, too")

    monkeypatch.setattr(engines, "convert_ahead", convert)
    monkeypatch.setattr(engines, "is_first_use", lambda weights: False)
    ahead = NetworkAhead(EngineConfig("lite", engine="openvino"), SilentReporter())
    assert begun.wait(10), "the caller goes on meanwhile"
    done.set()
    ahead.wait()


def test_weights_of_your_own_are_not_read_twice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(engines, "resolve", lambda config: pytest.fail("read the file"))
    NetworkAhead(EngineConfig(weights=tmp_path / "mine.pth"), SilentReporter()).wait()
