"""One Segmenter, several threads: equal results, and an end that is defined."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import rtsod
from rtsod.errors import EngineError
from rtsod.frames import Alpha, EngineInfo, Image
from tests.support.still_fixtures import encoded, quarters

WAIT_SECONDS = 30.0


class Turnstile:
    """A lock that tells when somebody comes to it."""

    def __init__(self) -> None:
        self.came = threading.Semaphore(0)
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self.came.release()
        self._lock.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._lock.release()

    def wait_for(self, number: int) -> None:
        for _ in range(number):
            assert self.came.acquire(timeout=WAIT_SECONDS)


class SlowEngine:
    """Stays in its inference until it is released."""

    def __init__(self) -> None:
        self.info = EngineInfo("slow", "none", "fp32", "none", 64, "none")
        self.began, self.release = threading.Event(), threading.Event()
        self.inside = self.closed = False
        self.calls = 0

    def infer(self, image: Image) -> Alpha:
        assert not self.closed
        self.calls += 1
        self.inside = True
        self.began.set()
        assert self.release.wait(WAIT_SECONDS)
        self.inside = False
        return np.full((64, 64), 0.7, np.float32)

    def close(self) -> None:
        assert not self.inside, "closed in the middle of an inference"
        self.closed = True


def test_results_of_many_threads_are_those_of_one(published_weights: dict[str, Path], tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    requests = list[tuple[Any, dict[str, Any]]]()
    for index in range(24):
        photo = np.asarray(cv2.resize(rng.integers(0, 256, (4, 5, 3), np.uint8), (160 + 9 * index, 120)), np.uint8)
        path = tmp_path / f"{index}.png"
        path.write_bytes(encoded("PNG", photo, orientation=1 + index % 8))
        options = {"stream": index % 3 == 0, "refine": ("off", "fast", "best")[index % 3]}
        requests.append((path if index % 2 else photo, options))
    gate = threading.Barrier(6)

    def first(request: tuple[Any, dict[str, Any]]) -> NDArray[np.float32]:
        gate.wait(WAIT_SECONDS)
        return segmenter(request[0], **request[1])

    with rtsod.Segmenter.open(model="lite", input_size=160) as segmenter:
        with ThreadPoolExecutor(6) as pool:
            together = list(pool.map(first, requests))  # six at a time, which begin at once
        for request, alpha in zip(requests, together, strict=True):
            alone = segmenter(request[0], **request[1])
            assert alone.shape == alpha.shape
            assert (alone == alpha).all()


def test_closing_waits_for_the_inference_and_refuses_those_that_wait_for_their_turn() -> None:
    engine, turn = SlowEngine(), Turnstile()
    segmenter = rtsod.Segmenter(engine)
    segmenter._turn = turn  # type: ignore[assignment]
    image = np.zeros((8, 8, 3), np.uint8)
    with ThreadPoolExecutor(4) as pool:
        running = pool.submit(segmenter, image)
        assert engine.began.wait(WAIT_SECONDS)
        waiting = pool.submit(segmenter, image)
        turn.wait_for(2)
        closing = [pool.submit(segmenter.close) for _ in range(2)]
        turn.wait_for(2)
        assert not engine.closed
        assert not any([running.done(), waiting.done(), *(future.done() for future in closing)])
        engine.release.set()
        assert running.result(WAIT_SECONDS).shape == (8, 8), "its inference had begun"
        with pytest.raises(EngineError, match="closed"):
            waiting.result(WAIT_SECONDS)
        for future in closing:
            future.result(WAIT_SECONDS)
    assert engine.closed
    assert engine.calls == 1
    with pytest.raises(EngineError, match="closed"):
        segmenter(image)


def test_an_inference_that_fails_gives_its_turn_back() -> None:
    class Failing(SlowEngine):
        def infer(self, image: Image) -> Alpha:
            self.calls += 1
            if self.calls == 1:
                raise EngineError("it failed")
            return np.full((64, 64), 0.7, np.float32)

    with rtsod.Segmenter(Failing()) as segmenter:
        with pytest.raises(EngineError, match="it failed"):
            segmenter(quarters())
        assert segmenter(quarters()).shape == (64, 96)
