"""The control page beside a run: there only where it was asked for."""

from __future__ import annotations

import html
import os
import queue
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest

from rtsod.app.control import ControlPage, address_to_open, open_page
from rtsod.config import ControlConfig
from rtsod.control.preview import PreviewStream
from tests.support.architecture import ROOT
from tests.support.fake_controls import FakeControls

_WATCHED = """
import sys
from contextlib import ExitStack
seen = set()
sys.addaudithook(lambda event, arguments: seen.add(event) if event.startswith("socket.") else None)
from rtsod.cli import run
code = run.main(sys.argv[1:])
loaded = [name for name in ("starlette", "uvicorn", "h11", "rtsod.control.server") if name in sys.modules]
print(code, sorted(seen & {"socket.bind", "socket.connect"}), loaded)
"""


def test_without_control_no_socket_listens_and_no_server_is_imported(tmp_path: Path) -> None:
    command = ["--model=tiny", "--source=scene", "--size=320x240", "--max-frames=2", "--no-preview", "--stats=n.json"]
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED, *command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == "0 [] []\n", done.stderr


@pytest.mark.parametrize("terminal", [True, False])
def test_a_link_is_shown_to_a_person_and_kept_out_of_logs(
    terminal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("starlette", reason="the extra control is not installed")
    (tmp_path / "runtime").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("HOME", str(tmp_path))
    lines: list[str] = []
    opened: queue.Queue[tuple[str, str]] = queue.Queue()

    def browse(address: str) -> bool:
        opened.put((address, _read_as_a_browser(address)))
        return True

    config = ControlConfig("0", open_page=True)
    with ExitStack() as closing:
        page = ControlPage(config, closing)
        with page.served(FakeControls(), [PreviewStream()], "scene", lines.append, terminal=terminal, browse=browse):
            address, link = opened.get(timeout=10)
    assert "/#control=" in link
    assert sys.platform != "linux" or "control=" not in address
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runtime"], "what led to the page is deleted"
    assert (link in lines[0]) == terminal
    assert ("#control=" in lines[0]) == terminal


def _read_as_a_browser(address: str) -> str:
    """The link that an address is, or leads to."""
    if not address.startswith("file:"):
        return address
    path = Path(url2pathname(urlsplit(address).path))
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert not path.parent.name.startswith("."), "a browser in a snap could not read it"
    found = re.search('url=([^"]+)"', path.read_text())
    assert found is not None
    return html.unescape(found[1])


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the link itself is handed over")
def test_without_a_place_for_the_file_the_link_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    lines: list[str] = []
    with address_to_open("http://127.0.0.1:1/#control=0") as address:
        assert address is None
        open_page(address, lambda link: pytest.fail("opened"), lines.append)
    assert "open the link yourself" in lines[0]


def test_without_a_desktop_no_browser_takes_over_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    lines: list[str] = []
    open_page("http://127.0.0.1:1/", lambda link: pytest.fail("opened"), lines.append)
    assert len(lines) == 1
