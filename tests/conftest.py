"""Shared by all tests: where real samples and real weights come from, and what no test may leave behind."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rtsod.errors import WeightsError
from rtsod.model.weights import PUBLISHED, fetch

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of real photographs, the authors' own maps, and real webcam clips."""
    folder = SHARED / "samples"
    if not folder.is_dir():
        pytest.skip(f"no real samples: {folder} is not there")
    return folder


@pytest.fixture(scope="session")
def published_weights() -> dict[str, Path]:
    """The authors' weights of both models, fetched as the program fetches them."""
    try:
        return {model: fetch(model) for model in PUBLISHED}
    except WeightsError as error:
        pytest.skip(f"no weights: {error}")


@pytest.fixture(autouse=True)
def _no_thread_left() -> Iterator[None]:
    """Whoever starts a thread ends it."""
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before and thread.name.startswith("rtsod")]
    for thread in left:
        thread.join(10)
    assert not [thread.name for thread in left if thread.is_alive()]


@pytest.fixture(autouse=True)
def _no_logged_error(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """An error that is only logged is an error that is swallowed."""
    yield
    assert not [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
