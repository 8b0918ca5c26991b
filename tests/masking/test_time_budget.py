"""What follows from the network's speed."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from rtsod.config import PictureConfig, RunConfig, Sync
from rtsod.errors import UsageError
from rtsod.frames import SourceInfo
from rtsod.mask_plan import InferenceCost
from rtsod.masking.time_budget import MIN_MASK_AGE_SECONDS, check_sync, choose_sync, default_mask_age, inference_cost
from tests.support.fakes import FakeEngine

CAMERA = SourceInfo("camera", 64, 48, Fraction(30), live=True)
FILE = SourceInfo("clip.mp4", 64, 48, Fraction(30), live=False)
STILLS = SourceInfo("photos/", None, None, None, live=False, stills=True)


@pytest.mark.parametrize(
    ("info", "mask_interval", "expected"),
    [
        (CAMERA, 1, "auto"), (CAMERA, 3, "tracked"), (FILE, 1, "locked"), (FILE, 2, "tracked"), (STILLS, 1, "locked"),
        (replace(CAMERA, fps=None), 1, "locked"),
    ],
)  # fmt: skip
def test_auto_waits_for_masks_only_where_frames_come_at_a_known_rate(
    info: SourceInfo, mask_interval: int, expected: str
) -> None:
    assert choose_sync(RunConfig(mask_interval=mask_interval), info) == expected


@pytest.mark.parametrize("sync", ["locked", "tracked"])
def test_a_requested_sync_is_used(sync: Sync) -> None:
    assert choose_sync(RunConfig(sync=sync), CAMERA) == sync


def test_what_an_inference_costs_is_measured_unless_the_engine_knows() -> None:
    engine = FakeEngine()
    assert inference_cost(engine, CAMERA, 2.0).seconds >= 0
    assert engine.calls == 2
    engine.info = replace(engine.info, inference_seconds=0.25, device="CPU (some)")
    assert inference_cost(engine, CAMERA, 2.0) == InferenceCost(0.25, 0.5)
    engine.info = replace(engine.info, device="cuda:0 (some)")
    assert inference_cost(engine, CAMERA, 2.0) == InferenceCost(0.25, 0.0)
    assert engine.calls == 2


@pytest.mark.parametrize(
    ("run", "option"), [(RunConfig(sync="tracked"), "--sync tracked"), (RunConfig(mask_interval=2), "--mask-every 2")]
)
def test_photographs_cannot_be_tracked(run: RunConfig, option: str) -> None:
    with pytest.raises(UsageError, match=f"photographs cannot be tracked: drop {option}$"):
        check_sync(run, STILLS)


def test_a_file_that_waits_for_its_masks_is_not_tracked() -> None:
    with pytest.raises(UsageError, match="--mask-every"):
        check_sync(RunConfig(sync="tracked"), FILE)
    check_sync(RunConfig(sync="tracked", mask_interval=3), FILE)
    assert choose_sync(RunConfig(sync="tracked", mask_interval=3), FILE) == "tracked"


def test_masks_of_a_file_do_not_grow_old() -> None:
    with pytest.raises(UsageError, match="--max-mask-age"):
        check_sync(RunConfig(max_mask_age=0.5), FILE)
    check_sync(RunConfig(max_mask_age=0.5), CAMERA)


def test_a_slow_network_gets_a_longer_mask_age() -> None:
    assert default_mask_age(0.01, "locked") == default_mask_age(0.01, "tracked") == MIN_MASK_AGE_SECONDS
    assert default_mask_age(2.0, "tracked") > default_mask_age(2.0, "locked") > 2.0


def test_conflicting_options_are_refused() -> None:
    with pytest.raises(UsageError, match="--mask-every 2"):
        RunConfig(sync="locked", mask_interval=2)
    with pytest.raises(UsageError, match="--mask-every 0"):
        RunConfig(mask_interval=0)
    with pytest.raises(UsageError, match="--light-wrap"):
        PictureConfig(light_wrap=True, backgrounds=("transparent",))
    PictureConfig(light_wrap=True, backgrounds=("transparent", "beach"))
    with pytest.raises(UsageError, match="--subject-lock"):
        PictureConfig(steady=False, subject_lock=True)
