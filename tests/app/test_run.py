"""Where a run may be started."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

import rtsod
from rtsod.app.run import run
from rtsod.config import AppConfig


def test_a_run_in_another_thread_is_refused() -> None:
    with ThreadPoolExecutor(1) as pool, pytest.raises(rtsod.UsageError, match="call it from the main thread"):
        pool.submit(run, AppConfig()).result()
