"""The desktop's camera portal in a test's PipeWire session, and browsers that read cameras through it."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import pytest

from tests.support.browser import chromium
from tests.support.pipewire_session import PATIENCE, Session, wait_until

BROWSERS: Final = ("chromium", "firefox")

_CALL: Final = Path(__file__).parents[1] / "guest" / "call.html"
_DESKTOP: Final = "org.freedesktop.portal.Desktop"
_DOCUMENTS: Final = "org.freedesktop.portal.Documents"
_PERMISSIONS: Final = "org.freedesktop.impl.portal.PermissionStore"
_CRASH: Final = b"RaceDetected()"
_PREFERENCES: Final = {
    "media.webrtc.camera.allow-pipewire": True,
    "media.navigator.permission.disabled": True,  # nobody is there to say yes
    "media.autoplay.default": 0,
    "toolkit.startup.max_resumed_crashes": -1,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
}


@contextmanager
def camera_portal(session: Session, folder: Path) -> Iterator[None]:
    """The real portal, in which the user has already allowed the camera. Skips a test where it is missing.

    Args:
        session: where the portal runs.
        folder: the session's own.
    """
    portal, documents = _helper("xdg-desktop-portal"), _helper("xdg-document-portal")
    backends = folder / "portals"
    backends.mkdir()
    # It offers the camera only where something could ask the user. Nothing does here, because the answer is known.
    (backends / "test.portal").write_text(
        "[portal]\nDBusName=org.freedesktop.impl.portal.desktop.test\n"
        "Interfaces=org.freedesktop.impl.portal.Access;\nUseIn=test\n"
    )
    (backends / "test-portals.conf").write_text("[preferred]\ndefault=test\n")
    _call(
        session, _PERMISSIONS, "/org/freedesktop/impl/portal/PermissionStore", f"{_PERMISSIONS}.SetPermission",
        "string:devices", "boolean:true", "string:camera", "string:", "array:string:yes",
    )  # fmt: skip
    environment = session.environment | {"XDG_DESKTOP_PORTAL_DIR": str(backends), "XDG_CURRENT_DESKTOP": "test"}
    programs = []
    try:
        # Version 1.20 does not run without the portal for documents, though cameras have nothing to do with it.
        for program, name in ((documents, _DOCUMENTS), (portal, _DESKTOP)):
            started = subprocess.Popen(
                [program], env=environment,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            programs.append(started)
            _wait_until_it_serves(session, started, name)
        if programs[-1].poll() is not None:
            pytest.skip("xdg-desktop-portal does not run here")
        yield
    finally:
        for running in reversed(programs):
            running.terminate()
            running.wait(PATIENCE)


@contextmanager
def call_in(browser: str, session: Session, folder: Path) -> Iterator[Call]:
    """A call client in a browser without a window. Skips a test where the browser is missing."""
    program = chromium() if browser == "chromium" else shutil.which("firefox-esr")
    if program is None:
        pytest.skip(f"{browser}: not installed")
    profile = folder / browser
    profile.mkdir()
    with Call() as call:
        if browser == "chromium":
            command = [
                program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--enable-features=WebRtcPipeWireCamera", "--use-fake-ui-for-media-stream", "--enable-logging=stderr",
                f"--user-data-dir={profile}", call.address,
            ]  # fmt: skip
        else:
            lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in _PREFERENCES.items())
            (profile / "user.js").write_text("".join(lines))
            command = [program, "--headless", "--no-remote", "--profile", str(profile), call.address]
        with _running(command, session.environment | {"MOZ_CRASHREPORTER_DISABLE": "1"}):
            yield call


@contextmanager
def _running(command: list[str], environment: dict[str, str]) -> Iterator[None]:
    """A browser that is started again when it can have no camera any more, as people do.

    Chromium and Firefox share the code that opens PipeWire's cameras. It fails at times at a check of its own
    (``video_capture_pipewire.cc``). Firefox ends with that. Chromium goes on, but may list no camera until it is
    started again. Nothing else is a reason to start it again: a camera that a browser does not see fails the test.
    """
    changing, over = threading.Lock(), False

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    running = start()

    def restart() -> None:
        nonlocal running
        while True:
            with running:
                assert running.stderr is not None
                for line in running.stderr:
                    if _CRASH in line:
                        running.terminate()
            with changing:
                if over:
                    return
                running = start()

    thread = threading.Thread(target=restart, daemon=True)
    thread.start()
    try:
        yield
    finally:
        with changing:
            over = True
            running.terminate()
        thread.join(PATIENCE)


class Call:
    """Serves the page of a call client, and keeps what that reports."""

    def __init__(self) -> None:
        self._messages: list[str] = []
        self._changed = threading.Condition()
        page, note = _CALL.read_bytes(), self._note

        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.startswith("/report?"):
                    note(unquote(self.path.removeprefix("/report?")))
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(page if self.path == "/" else b"")

            def log_message(self, format: str, *args: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self.address = f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> Call:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait_for(self, size: tuple[int, int], corner: tuple[int, ...], middle: tuple[int, ...]) -> None:
        """Wait until the page shows a picture of the camera: its size, and colours, B G R."""
        with self._changed:
            found = self._changed.wait_for(lambda: self._shows(size, (*corner, *middle)), PATIENCE)
            assert found, f"the page never shows it, but: {self._messages[-3:]}"

    def _shows(self, size: tuple[int, int], colours: tuple[int, ...]) -> bool:
        label, _, seen = self._messages[-1].partition(": ") if self._messages else ("", "", "")
        shape, _, levels = seen.partition(" ")
        if label != "rtsod" or shape != "{}x{}".format(*size):
            return False
        values = json.loads("[" + levels.replace("] [", ",").strip("[]") + "]")
        return all(abs(a - b) <= 3 for a, b in zip(values, colours, strict=True))

    def _note(self, message: str) -> None:
        with self._changed:
            self._messages.append(message)
            self._changed.notify_all()


def _helper(name: str) -> str:
    """A program that is not on PATH, because only D-Bus starts it."""
    found = shutil.which(name, path="/usr/libexec:/usr/lib")
    if found is None:
        pytest.skip(f"{name}: not installed")
    return found


def _wait_until_it_serves(session: Session, program: subprocess.Popen[bytes], name: str) -> None:
    """Wait until a program has a name on the bus, or has ended."""
    wait_until(lambda: program.poll() is not None or _has_owner(session, name), name)


def _has_owner(session: Session, name: str) -> bool:
    bus = "org.freedesktop.DBus"
    return "boolean true" in _call(session, bus, "/org/freedesktop/DBus", f"{bus}.NameHasOwner", f"string:{name}")


def _call(session: Session, destination: str, *arguments: str) -> str:
    command = ["dbus-send", "--session", "--print-reply", f"--dest={destination}", *arguments]
    done = subprocess.run(
        command, env=session.environment, capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    return done.stdout
