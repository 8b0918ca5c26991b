"""What follows from the network's speed."""

from __future__ import annotations

from fractions import Fraction

import pytest

from rtsod.config import PictureConfig, RunConfig, Sync
from rtsod.errors import UsageError
from rtsod.frames import SourceInfo
from rtsod.masking.time_budget import MIN_MASK_AGE_SECONDS, check_sync, choose_sync, default_mask_age, inference_seconds
from tests.support.fakes import FakeEngine

CAMERA = SourceInfo("camera", 64, 48, Fraction(30), live=True)
FILE = SourceInfo("clip.mp4", 64, 48, Fraction(30), live=False)
STILLS = SourceInfo("photos/", None, None, None, live=False, stills=True)


@pytest.mark.parametrize(
    ("info", "inference", "mask_interval", "expected"),
    [
        (CAMERA, 0.01, 1, "locked"), (CAMERA, 0.019, 1, "locked"), (CAMERA, 0.021, 1, "tracked"),
        (CAMERA, 0.01, 3, "tracked"), (FILE, 9.0, 1, "locked"), (FILE, 0.01, 2, "tracked"), (STILLS, 9.0, 1, "locked"),
    ],
)  # fmt: skip
def test_auto_chooses_the_sync_that_keeps_up_and_says_why(
    info: SourceInfo, inference: float, mask_interval: int, expected: str
) -> None:
    sync, why = choose_sync(RunConfig(mask_interval=mask_interval), info, inference)
    assert sync == expected
    assert (why is not None) == (info.live or mask_interval > 1)


@pytest.mark.parametrize("sync", ["locked", "tracked"])
def test_a_requested_sync_is_used_however_slow_the_network_is(sync: Sync) -> None:
    assert choose_sync(RunConfig(sync=sync), CAMERA, 9.0) == (sync, None)


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
    assert choose_sync(RunConfig(sync="tracked", mask_interval=3), FILE, 0.1) == ("tracked", None)


def test_masks_of_a_file_do_not_grow_old() -> None:
    with pytest.raises(UsageError, match="--max-mask-age"):
        check_sync(RunConfig(max_mask_age=0.5), FILE)
    check_sync(RunConfig(max_mask_age=0.5), CAMERA)


def test_a_slow_network_gets_a_longer_mask_age() -> None:
    assert default_mask_age(0.01, "locked") == default_mask_age(0.01, "tracked") == MIN_MASK_AGE_SECONDS
    assert default_mask_age(2.0, "tracked") > default_mask_age(2.0, "locked") > 2.0
    assert inference_seconds(FakeEngine(), CAMERA) >= 0


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
