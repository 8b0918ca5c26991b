"""Preloading only brings imports forward: what it imports, and that no error of it is seen."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from rtsod.app import preload
from rtsod.app.preload import modules_needed, preloading
from rtsod.config import AppConfig, EngineConfig, PictureConfig
from rtsod.frames import Availability

OPENVINO = "rtsod.backends.openvino.compiled_from_weights"
MOTION = "rtsod.motion.propagate"


@pytest.mark.parametrize(
    ("engine", "driver", "refine", "expected"),
    [
        ("auto", False, "auto", ["rtsod.refine.guided", OPENVINO, MOTION]),
        ("auto", True, "auto", ["rtsod.refine.guided", MOTION]),
        ("openvino", True, "off", [OPENVINO, MOTION]),
        ("torch", False, "best", ["rtsod.refine.guided", MOTION]),
    ],
)
def test_only_what_the_run_needs_is_imported(
    monkeypatch: pytest.MonkeyPatch, engine: str, driver: bool, refine: str, expected: list[str]
) -> None:
    monkeypatch.setattr(preload, "nvidia_driver", lambda: Availability("cuda", driver, "as the test says"))
    config = replace(
        AppConfig(),
        engine=EngineConfig(engine=engine),  # type: ignore[arg-type]
        picture=PictureConfig(refine=refine),  # type: ignore[arg-type]
    )
    assert modules_needed(config) == expected


def test_a_broken_library_is_not_reported_here(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def broken(name: str) -> None:
        asked.append(name)
        raise ImportError(f"{name} is broken")

    monkeypatch.setattr(preload, "import_module", broken)
    with preloading(AppConfig()):
        pass
    assert len(asked) == 1
    assert "rtsod-preload" not in {thread.name for thread in threading.enumerate()}


def test_what_is_preloaded_is_not_imported_before() -> None:
    """The loops are compiled at the first import, for ten seconds: errors come before that."""
    code = "import sys, rtsod.cli.run, rtsod.app.run; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
