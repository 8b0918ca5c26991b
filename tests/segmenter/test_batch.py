"""Many pictures: their order, what is read when, errors in their places, and the end."""

from __future__ import annotations

import io
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageSequence

import rtsod
from rtsod.backends.constant import ConstantEngine
from rtsod.errors import EngineError, MaskError, SourceError
from rtsod.segmenter.batch import AHEAD, WORKERS, Batch

WAIT_SECONDS = 30.0
T = TypeVar("T")
R = TypeVar("R")


class Counted:
    """Numbers from 0, that tell how many were taken."""

    def __init__(self, end: int | None = None) -> None:
        self.taken = 0
        self._numbers = iter(count() if end is None else range(end))

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        number = next(self._numbers)
        self.taken += 1
        return number


def _batch(compute: Callable[[T], R], pictures: Iterable[T]) -> Batch[T, R]:
    return Batch(pictures, take=lambda picture: picture, compute=compute)


def _pictures(number: int) -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(3)
    return [rng.integers(0, 256, (40 + 7 * i, 90 - 5 * i, 3), np.uint8) for i in range(number)]


def _brightness(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(image[:, :, 1] / 255, np.float32)


@pytest.mark.parametrize("options", [{}, {"stream": True}, {"refine": "fast"}], ids=str)
def test_results_are_those_of_one_call_after_another(options: dict[str, Any]) -> None:
    pictures = _pictures(7)
    with rtsod.Segmenter(ConstantEngine(64, answer=_brightness)) as segmenter:
        batch = list(segmenter.batch(pictures, **options))
        alone = [segmenter(picture, **options) for picture in pictures]
    assert [alpha.shape for alpha in batch] == [picture.shape[:2] for picture in pictures]
    assert all((one == other).all() for one, other in zip(batch, alone, strict=True))
    assert not (batch[0][:40, :60] == batch[1][:40, :60]).all(), "the pictures have different results"


def test_one_array_with_new_content_each_time_is_as_many_pictures() -> None:
    contents = [np.full((40, 60, 3), 20 * index, np.uint8) for index in range(8)]
    buffer = np.zeros((40, 60, 3), np.uint8)

    def read() -> Iterator[NDArray[np.uint8]]:
        for content in contents:
            buffer[:] = content
            yield buffer

    with rtsod.Segmenter(ConstantEngine(64, answer=_brightness)) as segmenter:
        batch = list(segmenter.batch(read(), stream=True))
        assert all((alpha == segmenter(one, stream=True)).all() for alpha, one in zip(batch, contents, strict=True))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_frames_of_one_image_that_is_wound_on_are_as_many_pictures(kind: str) -> None:
    colours = ["red", "lime", "blue", "#008000", "white", "black", "#404040"]
    first, *rest = (PillowImage.new("RGB", (60, 40), colour) for colour in colours)
    file = io.BytesIO()
    first.save(file, kind, save_all=True, append_images=rest)
    with rtsod.Segmenter(ConstantEngine(64, answer=_brightness)) as segmenter:
        with PillowImage.open(file) as animation:
            batch = list(segmenter.batch(ImageSequence.Iterator(animation), stream=True))
        with PillowImage.open(file) as animation:
            alone = [segmenter(frame, stream=True) for frame in ImageSequence.Iterator(animation)]
    assert len(batch) == len(colours)
    assert all((one == other).all() for one, other in zip(batch, alone, strict=True))
    assert [round(float(alpha.mean()), 1) for alpha in batch] == [0, 1, 0, 0.5, 1, 0, 0.3]


def test_an_image_that_was_only_opened_may_come_again(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), _pictures(1)[0])
    with rtsod.Segmenter(ConstantEngine(64, answer=_brightness)) as segmenter, PillowImage.open(path) as opened:
        alphas = list(segmenter.batch([opened] * 5))
        assert all((alpha == segmenter(path)).all() for alpha in alphas)
    assert len(alphas) == 5


def test_what_becomes_of_an_image_after_it_was_taken_does_not_matter() -> None:
    image = PillowImage.new("RGB", (60, 40), "white")

    def pictures() -> Iterator[PillowImage.Image]:
        yield image
        image.paste("black", (0, 0, 60, 40))
        yield image
        image.close()
        yield image

    with rtsod.Segmenter(ConstantEngine(64, answer=_brightness)) as segmenter:
        alphas = segmenter.batch(pictures(), stream=True)
        assert [float(next(alphas).mean()), float(next(alphas).mean())] == [1, 0]
        with pytest.raises(SourceError, match="it is closed"):
            next(alphas)


@pytest.mark.parametrize(
    "images", ["photo.jpg", b"photo.jpg", Path("photo.jpg"), None, 3, PillowImage.new("L", (4, 4)), _pictures(1)[0]],
    ids=lambda image: type(image).__name__,
)  # fmt: skip
def test_what_is_not_many_pictures_is_refused_at_once(images: Any) -> None:
    segmenter = rtsod.Segmenter(ConstantEngine(64))
    with pytest.raises(TypeError, match=f"many pictures, .* not of one {type(images).__name__}"):
        segmenter.batch(images)


def test_many_pictures_in_one_array_are_many() -> None:
    with rtsod.Segmenter(ConstantEngine(64)) as segmenter:
        assert len(list(segmenter.batch(np.zeros((3, 8, 9, 3), np.uint8)))) == 3


@pytest.mark.parametrize("refine", ["bogus", "BEST", None, True])
def test_an_unknown_refinement_is_refused_at_once(refine: Any) -> None:
    with pytest.raises(ValueError, match="refine must be one of auto, off, fast, best, not "):
        rtsod.Segmenter(ConstantEngine(64)).batch([], refine=refine)


def test_a_second_thread_is_refused_while_one_takes_a_picture() -> None:
    began, release = threading.Event(), threading.Event()

    def pictures() -> Iterator[int]:
        began.set()
        assert release.wait(WAIT_SECONDS)
        yield 7

    batch, first = _batch(str, pictures()), list[str]()
    thread = threading.Thread(target=lambda: first.append(next(batch)))
    thread.start()
    assert began.wait(WAIT_SECONDS)
    for use in (batch.__next__, batch.close):
        with pytest.raises(RuntimeError, match="one thread at a time"):
            use()
    release.set()
    thread.join(WAIT_SECONDS)
    assert first == ["7"], "the first one is not disturbed"
    assert list(batch) == []


def test_no_pictures_no_results_and_no_threads() -> None:
    before = threading.active_count()
    assert list(_batch(str, list[int]())) == []
    unused = _batch(str, [1])
    unused.close()
    assert list(unused) == []
    assert threading.active_count() == before


def test_nothing_is_taken_before_it_is_asked_for_nor_further_ahead_than_promised() -> None:
    assert AHEAD == 2, "as the docstring and docs/library.md say"
    pictures = Counted()
    with _batch(lambda number: number, pictures) as batch:
        assert pictures.taken == 0
        for number in range(20):
            assert next(batch) == number
            assert pictures.taken == number + 1 + AHEAD


def test_memory_does_not_grow_with_the_number_of_pictures() -> None:
    class Thing: ...

    alive = weakref.WeakSet[Thing]()

    def made() -> Iterator[Thing]:
        for _ in range(100):
            thing = Thing()
            alive.add(thing)
            yield thing
            del thing

    def result(thing: Thing) -> Thing:
        other = Thing()
        alive.add(other)
        return other

    most = 0
    for _ in _batch(result, made()):
        most = max(most, len(alive))
    # Pictures and results of those ahead and of the one that is handed out, and what a thread is about to let go of.
    assert most <= 2 * (AHEAD + 1) + WORKERS


def test_the_next_picture_is_worked_on_while_one_is() -> None:
    second = threading.Event()

    def compute(number: int) -> int:
        if number == 1:
            second.set()
        assert second.wait(WAIT_SECONDS), "the second picture waited for the first"
        return number

    assert list(_batch(compute, [0, 1, 2])) == [0, 1, 2]


def test_the_network_is_at_one_picture_at_a_time() -> None:
    inside, most, lock = 0, 0, threading.Lock()

    def answer(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        alpha = _brightness(np.asarray(cv2.blur(image, (9, 9)), np.uint8))
        with lock:
            inside -= 1
        return alpha

    with rtsod.Segmenter(ConstantEngine(64, answer=answer)) as segmenter:
        assert len(list(segmenter.batch(_pictures(6) * 5))) == 30
    assert most == 1


def test_a_picture_without_a_result_raises_its_error_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    good, black = np.full((30, 40, 3), 200, np.uint8), np.zeros((30, 40, 3), np.uint8)

    def answer(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.full((64, 64), 0.7 if image.any() else np.nan, np.float32)

    images: list[Any] = [good, tmp_path / "broken.png", good, good[:, :, 0], black, good]
    with rtsod.Segmenter(ConstantEngine(64, answer=answer)) as segmenter:
        alphas = segmenter.batch(images)
        assert next(alphas).shape == (30, 40)
        with pytest.raises(SourceError, match=r"broken\.png"):
            next(alphas)
        assert next(alphas).shape == (30, 40)
        with pytest.raises(ValueError, match="BGR"):
            next(alphas)
        with pytest.raises(MaskError):
            next(alphas)
        assert next(alphas).shape == (30, 40)
        with pytest.raises(StopIteration):
            next(alphas)

        with segmenter.batch(images) as alphas, pytest.raises(SourceError):
            list(alphas)  # as a loop, it ends at the first error


def test_an_error_of_the_pictures_comes_in_its_place_and_ends_the_batch() -> None:
    def pictures() -> Iterator[int]:
        yield 0
        yield 1
        raise OSError("the disk is gone")

    batch = _batch(lambda number: number, pictures())
    assert [next(batch), next(batch)] == [0, 1]
    with pytest.raises(OSError, match="the disk is gone"):
        next(batch)
    assert list(batch) == []


@pytest.mark.parametrize("error", [EngineError("the network is gone"), KeyboardInterrupt()], ids=repr)
def test_what_is_no_fault_of_a_picture_ends_the_batch(error: BaseException) -> None:
    def compute(number: int) -> int:
        if number == 2:
            raise error
        return number

    pictures = Counted()
    batch = _batch(compute, pictures)
    assert [next(batch), next(batch)] == [0, 1]
    with pytest.raises(type(error)):
        next(batch)
    taken = pictures.taken
    assert list(batch) == []
    assert pictures.taken == taken, "nothing more is taken"


def test_a_segmenter_that_is_closed_ends_its_batch() -> None:
    segmenter = rtsod.Segmenter(ConstantEngine(64))
    endless: Iterable[NDArray[np.uint8]] = (np.zeros((8, 8, 3), np.uint8) for _ in count())
    alphas = segmenter.batch(endless)
    next(alphas)
    segmenter.close()

    def drain() -> int:
        return sum(1 for _ in alphas)

    with pytest.raises(EngineError, match="closed"):
        drain()
    assert list(alphas) == []


def _ends_by_close(batch: Batch[int, int]) -> None:
    batch.close()
    batch.close()
    assert list(batch) == []


def _ends_by_leaving(batch: Batch[int, int]) -> None:
    with batch:
        pass
    assert list(batch) == []


def _ends_by_forgetting(batch: Batch[int, int]) -> None:
    """The caller forgets it, too."""


@pytest.mark.parametrize("end", [_ends_by_close, _ends_by_leaving, _ends_by_forgetting])
def test_a_batch_that_is_left_early_ends_its_threads(end: Callable[[Batch[int, int]], None]) -> None:
    before = set(threading.enumerate())
    pictures = Counted()
    batch = _batch(lambda number: number, pictures)
    assert next(batch) == 0
    assert set(threading.enumerate()) > before
    end(batch)
    del batch
    assert set(threading.enumerate()) == before
    assert pictures.taken == 1 + AHEAD


def test_close_waits_for_the_picture_that_is_being_computed() -> None:
    began, release, order = threading.Event(), threading.Event(), list[str]()

    def compute(number: int) -> int:
        if number == 1:
            began.set()
            assert release.wait(WAIT_SECONDS)
            order.append("computed")
        return number

    def close() -> None:
        batch.close()
        order.append("closed")

    batch = _batch(compute, Counted())
    next(batch)
    assert began.wait(WAIT_SECONDS)
    closer = threading.Thread(target=close)
    closer.start()
    release.set()
    closer.join(WAIT_SECONDS)
    assert order == ["computed", "closed"]


def test_pictures_are_taken_in_the_thread_that_asks() -> None:
    takers = set[threading.Thread]()

    def pictures() -> Iterator[int]:
        for number in range(5):
            takers.add(threading.current_thread())
            yield number

    workers = set(_batch(lambda number: threading.current_thread(), pictures()))
    assert takers == {threading.current_thread()}
    assert workers.isdisjoint(takers)


def test_two_batches_of_one_segmenter_do_not_mix() -> None:
    one, other = _pictures(5), _pictures(9)[4:]
    with rtsod.Segmenter(ConstantEngine(64, answer=_brightness)) as segmenter:
        alpha = partial(segmenter, refine="off")
        pairs = list(zip(segmenter.batch(one), segmenter.batch(other), strict=True))
        for index, (first, second) in enumerate(pairs):
            assert (first == alpha(one[index])).all()
            assert (second == alpha(other[index])).all()
