"""The picture for the page: encoded while somebody waits for it, the newest only, and never at the run's expense."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import cv2
import numpy as np
import pytest

from rtsod.control.preview import MAX_FPS, MAX_SIDE, PreviewStream
from rtsod.control.streams import StreamResponse
from rtsod.frames import Image
from tests.support.fakes import Ticks
from tests.support.sink_fixtures import composited


@pytest.fixture
def preview() -> Iterator[PreviewStream]:
    sink = PreviewStream()
    yield sink
    sink.close()


def _picture(level: int, width: int = 1280, height: int = 720) -> Image:
    return np.full((height, width, 3), level, np.uint8)


def _decoded(jpeg: bytes | None) -> Image:
    assert jpeg is not None
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(image, np.uint8)


def test_while_nobody_watches_no_thread_runs_and_no_picture_is_kept() -> None:
    preview, threads = PreviewStream(), threading.active_count()
    for _ in range(100):
        preview.write(composited())
    assert threading.active_count() == threads
    assert preview._picture is None


def test_a_raw_frame_is_refused_whether_or_not_somebody_watches() -> None:
    with pytest.raises(TypeError):
        PreviewStream().write(_picture(9))  # type: ignore[arg-type]


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (720, 1280), (3840, 2160), (96, 64), (4000, 2)])
def test_pictures_are_small(preview: PreviewStream, width: int, height: int) -> None:
    async def watch() -> Image:
        waiting = asyncio.ensure_future(preview.next_picture())
        await asyncio.sleep(0)
        preview.write(composited(image=_picture(90, width, height)))
        return _decoded(await asyncio.wait_for(waiting, 10))

    seen = asyncio.run(watch())
    assert max(seen.shape[:2]) == min(MAX_SIDE, max(width, height))
    assert np.abs(seen.astype(int) - 90).max() <= 3


def test_what_is_transparent_is_shown_over_black(preview: PreviewStream) -> None:
    async def watch() -> Image:
        waiting = asyncio.ensure_future(preview.next_picture())
        await asyncio.sleep(0)
        opacity = np.zeros((64, 96), np.uint8)
        opacity[:, 48:] = 255
        preview.write(composited(image=_picture(200, 96, 64), opacity=opacity))
        return _decoded(await asyncio.wait_for(waiting, 10))

    seen = asyncio.run(watch())
    assert seen[:, :32].max() < 20
    assert seen[:, 64:].min() > 180


def test_a_viewer_gets_the_newest_picture_and_at_most_the_agreed_rate() -> None:
    clock = Ticks()
    clock.now = 100.0

    async def watch() -> list[int]:
        preview, levels = PreviewStream(clock), []
        for second in range(3):
            for frame in range(60):
                clock.now = 100 + second + frame / 60
                waiting = asyncio.ensure_future(preview.next_picture())
                await asyncio.sleep(0)
                preview.write(composited(image=_picture(frame, 96, 64)))
                if preview._wanted:
                    waiting.cancel()
                else:
                    levels.append(int(_decoded(await asyncio.wait_for(waiting, 10))[0, 0, 0]))
        preview.close()
        return levels

    seen = asyncio.run(watch())
    assert len(seen) == 3 * MAX_FPS
    assert seen[:MAX_FPS] == pytest.approx(range(0, 60, 60 // MAX_FPS), abs=2)


def test_viewers_share_one_encoded_picture(preview: PreviewStream) -> None:
    async def watch() -> list[bytes | None]:
        waiting = [asyncio.ensure_future(preview.next_picture()) for _ in range(3)]
        await asyncio.sleep(0)
        preview.write(composited(image=_picture(50)))
        return await asyncio.wait_for(asyncio.gather(*waiting), 10)

    one, *others = asyncio.run(watch())
    assert one is not None
    assert all(other is one for other in others)


def test_closing_lets_viewers_go_and_more_do_not_wait(preview: PreviewStream) -> None:
    async def watch() -> None:
        waiting = asyncio.ensure_future(preview.next_picture())
        await asyncio.sleep(0)
        preview.close()
        preview.close()
        assert await asyncio.wait_for(waiting, 10) is None
        assert await preview.next_picture() is None
        preview.write(composited())

    asyncio.run(watch())


def test_a_viewer_that_takes_nothing_is_let_go_and_its_pictures_are_not_made(preview: PreviewStream) -> None:
    async def watch() -> int:
        made = 0

        async def parts() -> AsyncIterator[bytes]:
            nonlocal made
            async for part in preview.parts():
                made += 1
                yield part

        blocked = asyncio.Event()

        async def send(message: object) -> None:
            if made == 2:  # the first part is only a boundary
                blocked.set()
                await asyncio.Event().wait()

        async def receive() -> dict[str, str]:
            await asyncio.Event().wait()
            return {}

        response = StreamResponse(parts(), media_type="x/y", stalled=0.05)
        task = asyncio.ensure_future(response({"type": "http"}, receive, send))
        while not blocked.is_set():
            preview.write(composited(image=_picture(1)))
            await asyncio.sleep(0.001)
        preview.write(composited(image=_picture(2)))
        assert preview._picture is None, "nobody asked for it"
        await asyncio.wait_for(task, 10)
        assert preview.viewers == 0
        return made

    assert asyncio.run(watch()) == 2


def test_each_picture_is_a_whole_part(preview: PreviewStream) -> None:
    async def watch() -> bytes:
        parts = preview.parts()
        assert await anext(parts) == b"--rtsod-picture\r\n"
        waiting = asyncio.ensure_future(anext(parts))
        await asyncio.sleep(0)
        preview.write(composited(image=_picture(7)))
        part = await asyncio.wait_for(waiting, 10)
        await parts.aclose()  # type: ignore[attr-defined]
        assert preview.viewers == 0
        return part

    head, _, body = asyncio.run(watch()).partition(b"\r\n\r\n")
    assert body.endswith(b"\r\n--rtsod-picture\r\n")
    jpeg = body.removesuffix(b"\r\n--rtsod-picture\r\n")
    assert f"Content-Length: {len(jpeg)}".encode() in head
    assert _decoded(jpeg).shape == (360, 640, 3)


def test_events_come_at_once_when_something_changes(tmp_path: object) -> None:
    from rtsod.control.events import StateEvents
    from rtsod.live import Change
    from tests.support.fake_controls import FakeControls

    async def watch() -> list[bytes]:
        controls = FakeControls()
        events = StateEvents(controls, period=30)
        stream = events.messages()
        seen = [await anext(stream), await anext(stream)]  # the current state, and again when the watch begins
        controls.change(Change(background="beach"))
        seen.append(await asyncio.wait_for(anext(stream), 10))
        controls.pause()
        seen.append(await asyncio.wait_for(anext(stream), 10))
        events.close()
        assert [message async for message in stream] == []
        assert events.listeners == 0
        controls.resume()  # ends the thread that waits for a change
        return seen

    seen = asyncio.run(watch())
    assert b'"background": "beach"' in seen[2]
    assert b'"paused": true' in seen[3]
    assert all(message.startswith(b"event: state\n") and message.endswith(b"\n\n") for message in seen)
