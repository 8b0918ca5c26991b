"""Programs that read the virtual camera: a plain reader, and a call client in a browser."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import unquote

from tests.guest.processes import TIMEOUT_SECONDS, Program
from tests.guest.setting import OURS, ROOM


@dataclass(frozen=True)
class Seen:
    """What a reader received within a quarter of a second. Size and colours are those of the newest picture."""

    at: float
    frames: int
    size: str
    corner: tuple[int, ...]
    middle: tuple[int, ...]

    @property
    def is_slate(self) -> bool:
        return near(self.middle, ROOM)

    @property
    def is_picture(self) -> bool:
        return bool(self.middle) and not self.is_slate


class Reader(Program):
    """Another program that reads the virtual camera."""

    def __init__(self, device: Path = OURS) -> None:
        super().__init__("tests.guest.reader", str(device))

    @property
    def seen(self) -> list[Seen]:
        found = []
        for line in self.lines:
            if (parts := re.fullmatch(r"([\d.]+) (\d+) (\d+x\d+) \[(.*)\] \[(.*)\]", line)) is not None:
                corner, middle = (tuple(map(int, parts[group].split(", "))) for group in (4, 5))
                found.append(Seen(float(parts[1]), int(parts[2]), parts[3], corner, middle))
        return found

    def wait_for(
        self, ready: Callable[[Seen], bool], what: str, since: int = 0, timeout: float = TIMEOUT_SECONDS
    ) -> Seen:
        """Wait for an observation after the first ``since`` ones, and return it."""
        self.wait(lambda: any(ready(seen) for seen in self.seen[since:]), what, timeout)
        return next(seen for seen in self.seen[since:] if ready(seen))


def near(a: tuple[int, ...], b: tuple[int, ...], levels: int = 2) -> bool:
    return len(a) == len(b) and all(abs(x - y) <= levels for x, y in zip(a, b, strict=True))


@contextmanager
def call_client() -> Iterator[list[str]]:
    """Run headless Chromium with a page that opens the camera by name; yields the messages of that page."""
    messages: list[str] = []
    page = (Path(__file__).parent / "call.html").read_bytes()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/report?"):
                messages.append(unquote(self.path.removeprefix("/report?")))
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page if self.path == "/" else b"")

        def log_message(self, format: str, *args: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 8000), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    profile = Path("/tmp/guest-chromium/Default")
    profile.mkdir(parents=True)
    allowed = {"media_stream_camera": {"http://localhost:8000,*": {"setting": 1}}}
    (profile / "Preferences").write_text(json.dumps({"profile": {"content_settings": {"exceptions": allowed}}}))
    client = subprocess.Popen(
        ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--use-fake-ui-for-media-stream",
         "--disable-dev-shm-usage", "--no-first-run", f"--user-data-dir={profile.parent}", "http://localhost:8000/"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield messages
    finally:
        client.kill()
        server.shutdown()


def colours_in(line: str) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Parse the colours of a corner and of the middle, B G R, in a message of the page; None if there are none."""
    seen = re.fullmatch(r"rtsod.*: 320x180 \[(.*)\] \[(.*)\]", line)
    if seen is None:
        return None
    corner, middle = (tuple(map(int, seen[group].split(","))) for group in (1, 2))
    return corner, middle
