"""Where frames to learn from come from, and what is no such place."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtsod.errors import SourceError, UsageError
from rtsod.learning.config import LearnConfig
from rtsod.learning.sources import recorded
from rtsod.training.reporter import SilentTrainReporter
from tests.support.source_fixtures import pictures, write_video


def test_a_length_is_only_for_cameras(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "clip.mkv", pictures(30))
    with pytest.raises(UsageError, match=r"--minutes 2: is how long a camera is recorded, and clip\.mkv is none"):
        recorded(LearnConfig(sources=(str(clip),), minutes=2), tmp_path, SilentTrainReporter())


def test_without_a_camera_nobody_else_is_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtsod.sources.v4l2.capture_devices", list)
    with pytest.raises(SourceError, match="no camera was found"):
        recorded(LearnConfig(sources=("auto",)), tmp_path, SilentTrainReporter())


def test_a_seed_below_zero_is_refused_before_anything_is_recorded() -> None:
    with pytest.raises(UsageError, match="--seed -1: must be 0 or more"):
        LearnConfig(seed=-1)
