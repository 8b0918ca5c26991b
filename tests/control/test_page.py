"""The page in a real browser: what is clicked arrives, and what the screen shows is what the outputs show."""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("starlette", reason="the extra control is not installed")

from rtsod.app.control import address_to_open
from rtsod.config import ControlConfig
from rtsod.control.client import Refused, RunClient
from rtsod.control.listening import listening
from rtsod.control.preview import PreviewStream
from rtsod.control.running import running_runs
from rtsod.control.server import control_server
from tests.support.architecture import ROOT
from tests.support.browser import Page, browser, chromium
from tests.support.fake_controls import COLOURS, HOSTILE, SLATE, SUBJECT, FakeControls, showing

pytestmark = pytest.mark.skipif(chromium() is None, reason="there is no Chromium here")
OPEN = "document.body.dataset.page === 'open' && document.querySelectorAll('.tile').length > 4"


@dataclass
class Shown:
    """A page that is signed in, and the run behind it."""

    page: Page
    controls: FakeControls
    link: str

    def colours(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """What the picture shows now, on the screen: left of its middle above, and lower right; BGR."""
        image = self.page.screenshot("#picture")
        height, width = image.shape[:2]
        return tuple(
            tuple(int(level) for level in np.median(image[rows, columns], (0, 1)))
            for rows, columns in (
                (slice(height // 8, height // 4), slice(width // 3, width // 2)),
                (slice(height * 6 // 10, height * 8 // 10), slice(width * 8 // 10, width * 9 // 10)),
            )
        )  # type: ignore[return-value]

    def wait_for(self, background: tuple[int, ...], subject: tuple[int, ...]) -> None:
        """Wait until the screen shows these colours."""
        for _ in range(200):
            if all(
                abs(seen - wanted) <= 6
                for colour, expected in zip(self.colours(), (background, subject), strict=True)
                for seen, wanted in zip(colour, expected, strict=True)
            ):
                return
        pytest.fail(f"the page shows {self.colours()}, not {background}, {subject}; it says {self.said()}")

    def said(self) -> str:
        return str(
            self.page.run("document.getElementById('said').innerText + document.getElementById('alert').innerText")
        )


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.fixture(params=[True], ids=[""])
def shown(
    request: pytest.FixtureRequest, program: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shown]:
    (tmp_path / "runtime").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    controls, preview = FakeControls(may_reveal=request.param), PreviewStream()
    with (
        listening(ControlConfig("0")) as listener,
        control_server(listener, controls, preview, "scene", may_reveal=request.param) as link,
        showing(controls, preview),
    ):
        program.size(1280, 900)
        program.open(link)
        program.wait(OPEN)
        yield Shown(program, controls, link)
        errors, program.errors = program.errors, []
        program.open("about:blank")
    assert errors == []


locked = pytest.mark.parametrize("shown", [False], indirect=True)


def test_the_page_changes_what_the_outputs_show(shown: Shown, tmp_path: Path) -> None:
    page, controls = shown.page, shown.controls
    shown.wait_for(COLOURS["blur"], SUBJECT["scene"])

    page.click("button[value=beach]")
    shown.wait_for(COLOURS["beach"], SUBJECT["scene"])
    page.wait("document.querySelector('button[value=beach]').ariaPressed === 'true'")

    page.click("#slate")
    shown.wait_for(SLATE, SLATE)
    assert page.run("document.getElementById('status').innerText") == "Slate"
    page.press("p")
    shown.wait_for(COLOURS["beach"], SUBJECT["scene"])

    picture = tmp_path / "my holiday <b>.png"
    cv2.imwrite(str(picture), np.full((90, 160, 3), (90, 200, 20), np.uint8))
    page.choose_file("#upload", picture)
    shown.wait_for((90, 200, 20), SUBJECT["scene"])
    page.wait("[...document.querySelectorAll('.tile span')].some(e => e.textContent === 'my holiday <b>')")

    page.click("#profile-name")
    page.type("desk")
    page.press("Enter")
    page.wait("document.querySelector('#profiles button[value=desk]')")
    page.click("button[value=office]")
    shown.wait_for(COLOURS["office"], SUBJECT["scene"])
    page.click("#profiles button[value=desk]")
    shown.wait_for((90, 200, 20), SUBJECT["scene"])

    page.run("document.getElementById('cameras').value = '2'; markCamera()")
    page.click("#use-camera")
    shown.wait_for((90, 200, 20), SUBJECT["2"])
    assert page.run("document.querySelector('#cameras option[value=\"2\"]').textContent") == HOSTILE
    assert page.run("document.title") == "rtsod", "the camera's name ran as a script"
    assert controls.settings.source == "2"


def test_everything_can_be_done_with_the_keyboard(shown: Shown) -> None:
    page, controls = shown.page, shown.controls
    page.press("b")
    page.wait("state.settings.background.startsWith('#')")
    page.press("m")
    page.wait("state.settings.mirror")
    page.run("document.getElementById('mirror').focus()")
    page.press(" ")
    page.wait("!state.settings.mirror")
    page.run("document.getElementById('slate').focus()")
    page.press("Enter")
    page.wait("state.paused")
    assert controls.paused
    page.click("#keys")
    page.press("p")
    page.run("new Promise(done => setTimeout(done, 50))")
    assert controls.paused, "shortcuts are off"


def test_each_control_has_a_name_and_a_role_for_screen_readers(shown: Shown) -> None:
    nodes = shown.page.send("Accessibility.getFullAXTree")["nodes"]
    names = {(node["role"]["value"], node["name"]["value"]) for node in nodes if not node["ignored"] and "name" in node}
    expected = {
        ("button", "Slate"), ("switch", "Mirror"), ("switch", "Stay with one subject"), ("slider", "Blur"),
        ("combobox", "Edges"), ("combobox", "Camera"), ("button", "beach"), ("image", "What the outputs show now"),
        ("textbox", "Name of a new profile"), ("main", ""), ("group", "Background"),
    }  # fmt: skip
    assert {(role, name.lower().strip()) for role, name in expected} <= {
        (role, name.lower().strip()) for role, name in names
    }
    interactive = {"button", "switch", "slider", "combobox", "textbox", "ColorWell", "checkbox"}
    assert not [role for role, name in names if role in interactive and not name.strip()]


def test_nothing_is_cut_off_and_the_red_slate_button_is_always_visible(shown: Shown) -> None:
    page = shown.page
    for width, dark in itertools.product((320, 360, 768, 1280), (False, True)):
        page.size(width, 640, dark=dark)
        assert page.run("document.documentElement.scrollWidth") == width
        for place in ("0", "document.body.scrollHeight"):
            page.run(f"scrollTo(0, {place})")
            left, top, right, bottom = page.run(
                "(() => { const b = document.getElementById('slate').getBoundingClientRect();"
                " return [b.left, b.top, b.right, b.bottom]; })()"
            )
            assert 0 <= left < right <= width
            assert 0 <= top < bottom <= 640
        screen = page.screenshot()
        blue, green, red = screen[int(top) + 6, int(left) + 30]
        assert red > 150 > 100 > max(blue, green), "it is red"
        assert (screen[90, 2].mean() < 60) == dark


@locked
def test_what_is_locked_says_so_and_stays_shut(shown: Shown) -> None:
    page = shown.page
    page.wait("document.querySelector('button[value=none]').disabled && document.getElementById('cameras').disabled")
    assert "--control-may-reveal" in page.run("document.getElementById('reveal-note').innerText")
    page.run("change({background: 'none'})")
    page.wait("document.getElementById('alert').innerText.includes('--control-may-reveal')")
    assert shown.controls.settings.background == "blur"


def test_a_refusal_is_said_and_the_page_shows_what_still_runs(shown: Shown) -> None:
    page = shown.page
    page.run("ask('POST', '/api/v1/source', {id: 'broken'}).catch(() => {})")
    page.run("document.getElementById('cameras').value = 'broken'; markCamera()")
    page.click("#use-camera")
    page.wait("document.getElementById('alert').innerText.includes('cannot be opened')")
    assert "hunter2" not in shown.said()
    assert page.run("state.settings.source") == "scene"


def test_a_used_link_signs_nobody_in_and_a_page_without_a_session_shows_nothing(shown: Shown) -> None:
    page = shown.page
    page.run("localStorage.clear()")
    page.send("Network.clearBrowserCookies")
    page.open("about:blank")
    page.open(shown.link)
    page.wait("document.body.dataset.page === 'closed'")
    assert "link" in page.run("document.getElementById('closed-title').innerText")
    assert not page.run("document.getElementById('picture').src")
    assert page.run("location.hash") == "", "the code does not stay in the address"


def test_the_file_that_open_gives_to_a_browser_leads_to_the_page_and_signs_in(
    shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (run,), page = running_runs(), shown.page
    page.run("localStorage.clear()")
    page.send("Network.clearBrowserCookies")
    page.open("about:blank")
    with address_to_open(RunClient(run).post("/api/v1/link", {"role": "control"})["link"]) as address:
        assert address is not None
        page.open(address)
        end = time.monotonic() + 20
        while page.run("document.body && document.body.dataset.page") != "open":  # one promise would end with the file
            assert time.monotonic() < end
    assert page.run("location.origin") == run.address


def test_a_link_for_viewing_shows_the_picture_alone(shown: Shown) -> None:
    (run,), page = running_runs(), shown.page
    link = RunClient(run).post("/api/v1/link", {"role": "view"})["link"]
    page.open("about:blank")
    page.open(link)
    page.wait("document.body.dataset.page === 'open' && document.getElementById('picture').naturalWidth")
    shown.wait_for(COLOURS["blur"], SUBJECT["scene"])
    assert page.run("document.getElementById('slate').getBoundingClientRect().height") == 0
    page.press("p")
    page.run("toggleSlate()")
    page.wait("document.getElementById('alert').innerText.includes('changes nothing')")
    assert not shown.controls.paused


def test_a_hidden_page_is_sent_nothing(shown: Shown) -> None:
    page = shown.page
    page.run(
        "Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    page.wait("events === null && !document.getElementById('picture').getAttribute('src')")
    page.run("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    page.wait("events !== null")
    shown.wait_for(COLOURS["blur"], SUBJECT["scene"])


@contextmanager
def _program(*options: str) -> Iterator[RunClient]:
    """The program itself, with a small network and the drawn scene."""
    command = [sys.executable, "-m", "rtsod", "run", "--model=tiny", "--source=scene", "--size=320x180", "--no-preview"]
    process = subprocess.Popen([*command, *options], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        lines = []
        for line in process.stderr:  # until it serves
            lines.append(line)
            if line.startswith("control: "):
                break
        assert "control: http://127.0.0.1:" in lines[-1], lines
        assert "#" not in lines[-1], "no way in goes into a log"
        run = next(run for run in running_runs() if run.pid == process.pid)
        yield RunClient(run)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_the_program_itself_changes_and_ends_with_viewers_attached(
    program: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runtime").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    picture = tmp_path / "green room.png"
    cv2.imwrite(str(picture), np.full((90, 160, 3), (20, 190, 40), np.uint8))
    with _program("--bg=#2040C0", "--control=0") as run, ExitStack() as opened:
        page = program
        page.size(1280, 900)
        page.open(run.post("/api/v1/link", {"role": "control"})["link"])
        page.wait(OPEN)
        shown = Shown(page, FakeControls(), "")
        page.click("#slate")
        shown.wait_for((192, 64, 32), (192, 64, 32))
        page.choose_file("#upload", picture)
        shown.wait_for((20, 190, 40), (20, 190, 40))
        assert [path.parent.name for path in (tmp_path / "data").rglob("*.png")] == ["backgrounds"]
        for wrong in ("/etc/passwd", str(picture), "../beach.jpg", "none", "blur"):  # files, and more of the room
            with pytest.raises(Refused):
                run.change(background=wrong)
        for wrong in ("/dev/video0", "rtsp://127.0.0.1/x", "demo"):
            with pytest.raises(Refused, match="no such camera"):
                run.post("/api/v1/source", {"id": wrong})
        state = run.get("/api/v1/state")
        assert str(tmp_path) not in json.dumps(state)
        page.wait(
            f"document.querySelector('button[value=\"{state['settings']['background']}\"]').ariaPressed === 'true'"
        )
        for path in ("preview.mjpg", "preview.mjpg", "events"):  # three that never read
            host, port = run.run.address.removeprefix("http://").split(":")
            viewer = opened.enter_context(socket.create_connection((host, int(port)), 10))
            headers = f"Host: {host}:{port}\r\nAuthorization: Bearer {run.run.token}"
            viewer.sendall(f"GET /api/v1/{path} HTTP/1.1\r\n{headers}\r\n\r\n".encode())
            assert viewer.recv(1) == b"H"
        run.post("/api/v1/quit")
    page.wait("document.body.dataset.page === 'closed'")
    page.errors.clear()
    page.open("about:blank")
