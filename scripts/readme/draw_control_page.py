"""Take the pictures of the control page, of the running program in a real browser.

python -m scripts.readme.draw_control_page [FOLDER]    # default: docs/images

It runs the demo clip in front of a beach, and needs Chromium.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import cv2

from rtsod.control.client import RunClient
from rtsod.control.running import running_runs
from tests.support.browser import Page, browser

ROOT: Final = Path(__file__).parents[2]
COMMAND: Final = (
    "run_camera.py", "--source", "demo", "--lite", "--bg", "beach", "--bg", "blur", "--no-preview",
    "--control", "0", "--control-may-reveal",
)  # fmt: skip
START_SECONDS: Final = 60.0
"""How long the network may take to open, the first time."""
SETTLED: Final = "state.numbers.composited > 90 && document.getElementById('picture').naturalWidth > 0"
OPEN: Final = (
    "document.querySelectorAll('.tile img').length"
    " && [...document.querySelectorAll('.tile img')].every(image => image.complete)"
)


@contextmanager
def running(folder: Path) -> Iterator[RunClient]:
    """Run the program, with a runtime folder of its own."""
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    process = subprocess.Popen([sys.executable, *COMMAND], cwd=ROOT)
    try:
        ends = time.monotonic() + START_SECONDS
        while not (runs := running_runs()):
            if process.poll() is not None or time.monotonic() > ends:
                raise SystemExit("the program does not start")
            time.sleep(0.1)
        client = RunClient(runs[0])
        yield client
        client.post("/api/v1/quit")
        process.wait()
    finally:
        process.kill()


def draw(page: Page, link: str, folder: Path) -> None:
    """Take all pictures."""
    page.size(1280, 800, scale=1.5)
    page.open(link)
    page.wait(OPEN)
    page.wait(SETTLED)
    for name, width, height, dark, scale in (
        ("control-light", 1280, 800, False, 1.5),
        ("control-dark", 1280, 800, True, 1.5),
        ("control-360", 360, 780, True, 2.0),
    ):
        page.size(width, height, dark=dark, scale=scale)
        page.run("scrollTo(0, 0); new Promise(done => setTimeout(done, 400))")
        path = folder / f"{name}.jpg"
        cv2.imwrite(str(path), page.screenshot(), [cv2.IMWRITE_JPEG_QUALITY, 86])
        print(f"{path}: {path.stat().st_size // 1000} kB")


def main() -> None:
    """Take them, to where the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "docs" / "images")
    folder = parser.parse_args().folder
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place,
        running(Path(place)) as client,
        browser(Path(place)) as page,
    ):
        draw(page, client.post("/api/v1/link", {"role": "control"})["link"], folder)


if __name__ == "__main__":
    main()
