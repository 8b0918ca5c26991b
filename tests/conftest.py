"""Fixtures of all tests: real samples, real weights, and what no test may leave behind."""

from __future__ import annotations

import logging
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import hypothesis
import pytest

from rtsod.errors import WeightsError
from rtsod.model.weights import PUBLISHED, fetch, published
from rtsod.system.machine import let_waiting_threads_sleep

let_waiting_threads_sleep()  # before a test imports PyTorch, and for the processes that tests start

os.environ["XDG_CONFIG_HOME"] = os.path.join(
    tempfile.gettempdir(), "rtsod-tests-without-settings"
)  # not a developer's own

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before a test, or a library of one, imports ONNX Runtime past the engine

# A machine stands still for half a second now and then: how long an example takes says nothing of the program.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

SHARED: Final = Path(__file__).resolve().parents[2] / "shared"

if find_spec("tqdm") is not None:
    # Where a library brought tqdm along, PyTorch's tracing makes bars that it hides, and the first starts a thread.
    import_module("tqdm").tqdm.monitor_interval = 0

JOIN_SECONDS: Final = 10.0
"""How long a thread that is about to end is waited for after a test."""


@pytest.fixture(autouse=True)
def _bars_start_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where tqdm is installed, PyTorch's exporter makes a hidden bar, whose thread never ends."""
    if find_spec("tqdm") is not None:
        monkeypatch.setattr(import_module("tqdm").tqdm, "monitor_interval", 0)


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of real photographs, the authors' own maps, and real webcam clips."""
    folder = SHARED / "samples"
    if not folder.is_dir():
        pytest.skip(f"no real samples: {folder} does not exist")
    return folder


@pytest.fixture(scope="session")
def published_weights() -> dict[str, Path]:
    """The authors' weights of both models, fetched as the program fetches them."""
    try:
        return {model: fetch(published(model)) for model in PUBLISHED}
    except WeightsError as error:
        pytest.skip(f"no weights: {error}")


@pytest.fixture(autouse=True)
def _no_thread_left() -> Iterator[None]:
    """Every thread that a test starts must end with it, whatever its name. No library here keeps Python threads."""
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before]
    ends = time.monotonic() + JOIN_SECONDS
    for thread in left:
        thread.join(max(0.0, ends - time.monotonic()))
    assert not [thread.name for thread in left if thread.is_alive()], "threads that the test left running"


@pytest.fixture(autouse=True)
def _no_logged_error(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """An error that is only logged has been swallowed."""
    yield
    assert not [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
