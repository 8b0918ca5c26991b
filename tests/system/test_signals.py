"""How the process ends."""

from __future__ import annotations

import subprocess
import sys

from tests.support.architecture import ROOT

ANOTHER_THREAD = """
import atexit, threading
from rtsod.system.signals import leave

def first():
    threading.Event().wait(0.2)
    threading.Thread(target=threading.Event().wait, daemon=True).start()

atexit.register(print, "Python unloads")
threading.Thread(target=first, daemon=True).start()
leave(130)
"""


def test_nothing_is_unloaded_under_a_thread_that_another_one_started_in_the_end() -> None:
    ended = subprocess.run([sys.executable, "-c", ANOTHER_THREAD], cwd=ROOT, capture_output=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, b"", b"")
