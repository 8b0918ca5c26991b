"""The preview: its sink everywhere, its window where Xvfb (and xdotool, for keys) is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rtsod.sinks import PreviewSink, display_available
from rtsod.sinks.preview import view, with_lines
from tests.support.sink_fixtures import composited, patches

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="displays are looked for on Linux only")


@pytest.fixture(autouse=True)
def _fresh_probe() -> Iterator[None]:
    display_available.cache_clear()
    yield
    display_available.cache_clear()


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed")
    reading, writing = os.pipe()
    arguments = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "800x600x24", "-nolisten", "tcp"]
    server = subprocess.Popen(arguments, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    with open(reading, encoding="ascii") as pipe:
        name = f":{pipe.readline().strip()}"
    monkeypatch.setenv("DISPLAY", name)
    yield name
    server.terminate()
    server.wait(10)


def test_the_newest_picture_is_taken_once() -> None:
    sink = PreviewSink()
    assert sink.take() is None
    for index in range(3):
        sink.write(composited(index))
    newest = sink.take()
    assert newest is not None
    assert newest.index == 2
    assert sink.take() is None
    sink.write(composited(3))
    sink.close()
    assert sink.take() is None
    sink.write(composited(4))
    assert sink.take() is None


def test_transparent_pictures_are_shown_over_a_checkerboard() -> None:
    opacity = np.zeros((64, 96), np.uint8)
    opacity[:, :48], opacity[:, 48:64] = 255, 51
    shown = view(composited(opacity=opacity)).astype(float)
    assert np.abs(shown[:, :48] - patches()[:, :48]).max() <= 1
    assert {int(value) for value in np.unique(shown[:, 64:])} == {102, 153}
    assert np.abs(shown[:16, 48:64] - (0.2 * patches()[:16, 48:64] + 0.8 * shown[16:32, 64:80])).max() <= 1
    opaque = composited()
    assert view(opaque) is opaque.image


def test_lines_are_drawn_on_a_copy() -> None:
    picture = composited(image=np.full((240, 320, 3), 90, np.uint8))
    assert with_lines(picture.image, ()) is picture.image
    drawn = with_lines(picture.image, ["30.0 fps", "12 ms"])
    assert (picture.image == 90).all()
    assert drawn[:40].max() > 200
    assert (drawn[120:] == 90).all()


@LINUX
def test_without_a_display_the_probe_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    found = display_available()
    assert not found.available
    assert "DISPLAY" in found.reason


@LINUX
def test_wayland_without_x_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    found = display_available()
    assert not found.available
    assert "Xwayland" in found.reason


@LINUX
def test_a_dead_display_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":4242")
    found = display_available()
    assert not found.available
    assert ":4242" in found.reason
    assert "\n" not in found.reason


@pytest.mark.parametrize("module", ["rtsod.sinks", "rtsod.composite.backgrounds", "rtsod.app.run"])
def test_opencv_is_loaded_before_pyav(module: str) -> None:
    """In the other order OpenCV's windows hang: see :mod:`rtsod.sinks`."""
    script = f"import sys, {module}; loaded = list(sys.modules); print(loaded.index('cv2') < loaded.index('av'))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert run.stdout.strip() == "True", run.stderr


# The window needs its own process: Qt keeps the first display that it sees.
_WINDOW = """
import subprocess, sys
import cv2
import numpy as np
from rtsod.sinks import PreviewSink, PreviewWindow
from tests.support.sink_fixtures import composited

sink = PreviewSink()
window = PreviewWindow(sink)
image = np.zeros((240, 320, 3), np.uint8)
image[:] = (200, 60, 30)
sink.write(composited(image=image))
window.pump(0.2, ["30.0 fps"])

def press(*keys):
    subprocess.run(["xdotool", "search", "--sync", "--name", "^rtsod$", "windowfocus"], check=True, timeout=20)
    subprocess.run(["xdotool", "key", *keys], check=True, timeout=20)

def answer():
    for _ in range(60):
        key = window.pump(0.02)
        if key is not None:
            return str(key)
    return "nothing"

for key in sys.argv[1:]:
    press(key)
    print(answer(), flush=True)
cv2.destroyAllWindows()  # has the same effect as the close button
print(answer())
window.close()
window.close()
print(window.pump(0))
"""


def _in_window(*keys: str) -> list[str]:
    if shutil.which("xdotool") is None:
        pytest.skip("xdotool is not installed")
    run = subprocess.run(
        [sys.executable, "-c", _WINDOW, *keys],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


@LINUX
def test_keys_of_a_real_window(display: str) -> None:
    found = display_available()
    assert found.available, found.reason
    assert _in_window("b", "m", "p", "s", "x", "q", "Escape") == [*"bmps", "nothing", *"qqqq"]
