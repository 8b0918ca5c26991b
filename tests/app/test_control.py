"""The control page beside a run: there only where it was asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.architecture import ROOT

_WATCHED = """
import sys
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
