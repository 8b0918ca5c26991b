"""Signals to a run with worker processes, as a terminal, ``timeout`` or a scheduler sends them; and dying workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rtsod.errors import ExitCode
from tests.support.architecture import ROOT
from tests.support.training import TINY_TABLE, write_pairs

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no groups of processes to signal")

_AT_STEP_4 = """
import multiprocessing, os, signal, sys
from rtsod.app.train_console import TrainConsole
from rtsod.cli.train import main

what, *options = sys.argv[1:]
show = TrainConsole.progress

def progress(self, share, text):
    show(self, share, text)
    if not text.startswith("step 4,"):
        return
    assert len(multiprocessing.active_children()) == 1
    exec(what)

TrainConsole.progress = progress
if __name__ == "__main__":
    sys.exit(main(options))
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of the run that :func:`_in_which` makes."""
    write_pairs(tmp_path / "data")
    (tmp_path / "thin.toml").write_text(TINY_TABLE)
    (tmp_path / "main.py").write_text(_AT_STEP_4)
    return tmp_path / "run"


def _in_which(run: Path, what: str) -> tuple[int, list[str], list[str]]:
    """Train in a session of its own, execute something in it after step 4, and wait until its last process is gone.

    Returns:
        The exit code, the lines on stderr without those of progress, and the checkpoints' names.
    """
    beside = run.parent
    command = [
        sys.executable, str(beside / "main.py"), what, str(beside / "data"), "--model", str(beside / "thin.toml"),
        "--preset", "paper", "--size", "64", "--crop", "64", "--batch", "2", "--steps", "3000",
        "--val-every", "3", "--workers", "1", "--device", "cpu", "--out", str(run),
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    # Workers and the resource tracker hold stderr as well: its end comes when all have ended.
    ended = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # the tests may run under nohup
    )  # fmt: skip
    said = [line for line in ended.stderr.splitlines() if " %: step " not in line]
    return ended.returncode, said, sorted(path.name for path in run.glob("checkpoints/*"))


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("os.killpg(0, signal.SIGTERM); os.kill(os.getpid(), signal.SIGTERM)", ExitCode.TERMINATED),  # as timeout does
        ("os.killpg(0, signal.SIGHUP)", ExitCode.HUNG_UP),
    ],
    ids=["SIGTERM", "SIGHUP"],
)
def test_a_signal_to_the_group_saves_the_step(run: Path, what: str, code: ExitCode) -> None:
    ended, said, checkpoints = _in_which(run, what)
    assert ended == code, said
    assert said == [
        f"rtsod train: interrupted; saved after step 4: go on with rtsod train --resume --out {run}",
    ]
    assert checkpoints == ["step-00000003", "step-00000004"]


def test_workers_end_silently_with_a_killed_run(run: Path) -> None:
    assert _in_which(run, "os.kill(os.getpid(), signal.SIGKILL)") == (-signal.SIGKILL, [], ["step-00000003"])


def test_a_killed_worker_ends_the_run_with_one_line(run: Path) -> None:
    ended, said, checkpoints = _in_which(run, "multiprocessing.active_children()[0].kill()")
    assert ended == ExitCode.ENGINE, said
    assert len(said) == 1
    assert said[0].startswith("rtsod train: a process that prepares samples died (killed by SIGKILL")
    assert checkpoints == ["step-00000003"]


_FED = """
import multiprocessing
import time

from rtsod.errors import EngineError
from rtsod.training.feed import Feed
from rtsod.training.order import Order


class LateOrder(Order):
    def step(self, *args):
        while multiprocessing.active_children():
            time.sleep(0.01)
        return super().step(*args)


try:
    order = ORDER([range(12)], batch=2, seed=0)
    feed = Feed(None, [f"{n:1000}" for n in range(1000)], order, start=0, workers=1)
    list(feed.step())
except EngineError as error:
    print(error)
except RuntimeError:
    print(feed.lost_worker())
    feed.close()
"""


@pytest.mark.parametrize("order", ["Order", "LateOrder"])
def test_a_worker_that_cannot_start_is_noticed_however_much_it_is_told(order: str) -> None:
    """A program on stdin cannot be imported by its workers: they die before they read what they are to do.

    With the late order they are dead before the feed is made.
    """
    fed = _FED.replace("ORDER", order)
    ended = subprocess.run(
        [sys.executable, "-"], input=fed, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.stdout.startswith("a process that prepares samples died (exit code 1)"), ended.stderr
