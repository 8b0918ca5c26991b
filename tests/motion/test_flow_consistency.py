"""Flow consistency: what a flow explains of a frame, and the background that has come into view."""

from __future__ import annotations

import numpy as np
import pytest

from rtsod.motion.flow import HEIGHT, WIDTH, ComposedFlow, DownscaledFrame, FlowEstimator, downscale_frame, warp
from rtsod.motion.flow_consistency import (
    MAX_STEP_PX,
    FlowConsistency,
    check_consistency,
    colour_layers,
    find_disoccluded,
)
from tests.motion.test_flow import texture, uniform

STATIC = ComposedFlow.from_step(uniform(0, 0))
NOWHERE = np.zeros((HEIGHT, WIDTH), np.bool_)
WALL, SLEEVE = (215, 215, 215), (60, 50, 40)


def flat(colour: tuple[int, int, int]) -> DownscaledFrame:
    return painted(np.full((HEIGHT, WIDTH, 3), colour, np.uint8))


def painted(colour: np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]) -> DownscaledFrame:
    return DownscaledFrame(colour, np.ascontiguousarray(colour[..., 0]))


def checked(new: DownscaledFrame, old: DownscaledFrame, composed: ComposedFlow) -> FlowConsistency:
    return check_consistency(new, warp(colour_layers(old), composed.flow), composed)


def test_the_flow_of_a_shift_explains_the_frame() -> None:
    old = texture(3)
    new = downscale_frame(np.roll(old, (8, -4), axis=(0, 1)))
    flow = FlowEstimator().backward(new, downscale_frame(old))
    assert checked(new, downscale_frame(old), ComposedFlow.from_step(flow)).mismatch.mean() < 0.1


@pytest.mark.parametrize(("levels", "differs"), [(20, False), (21, True)])
def test_a_pixel_mismatches_above_twenty_levels_in_its_worst_channel(levels: int, differs: bool) -> None:
    consistency = checked(flat((100, 100 + levels, 100)), flat((100, 100, 100)), STATIC)
    assert consistency.mismatch.all() == consistency.mismatch.any() == differs
    assert not consistency.entered.any()


def test_what_comes_from_beyond_the_edge_has_entered() -> None:
    composed = ComposedFlow.from_step(uniform(-5, 0))
    consistency = checked(flat(WALL), flat(WALL), composed)
    assert consistency.entered[:, :4].all()
    assert not consistency.entered[:, 5:].any()
    assert (consistency.mismatch == consistency.entered).all()


@pytest.mark.parametrize(("step", "too_fast"), [(MAX_STEP_PX - 0.1, False), (MAX_STEP_PX + 0.1, True)])
def test_one_step_that_is_too_long_is_enough(step: float, too_fast: bool) -> None:
    composed = ComposedFlow.from_step(uniform(step, 0)).extend(uniform(-1, 0))
    assert checked(flat(WALL), flat(WALL), composed).too_fast[60, 80] == too_fast


def test_the_explained_share_is_the_lesser_of_the_frames_and_the_subjects() -> None:
    alpha = np.zeros((HEIGHT, WIDTH), np.float32)
    alpha[:, :40] = 1
    mismatch, too_fast = NOWHERE.copy(), NOWHERE.copy()
    mismatch[:, :10] = True
    assert FlowConsistency(mismatch, NOWHERE, NOWHERE).explained_share(alpha) == pytest.approx(0.75)
    too_fast[:, 10:30] = too_fast[:, 100:] = True
    assert FlowConsistency(mismatch, NOWHERE, too_fast).explained_share(alpha) == pytest.approx(0.25)
    mismatch[:] = True
    assert FlowConsistency(mismatch, NOWHERE, NOWHERE).explained_share(np.zeros_like(alpha)) == 0


def test_wall_that_has_come_into_view_is_found_and_a_light_print_is_not() -> None:
    """Both have the wall's colour and are unexplained, but only one is connected to the wall."""
    image = np.full((HEIGHT, WIDTH, 3), WALL, np.uint8)
    image[30:, 40:110] = SLEEVE
    image[50:60, 70:80] = WALL  # the print
    alpha = np.zeros((HEIGHT, WIDTH), np.float32)
    alpha[30:, 40:120] = 1  # ten columns too many: a hand was there
    mismatch = NOWHERE.copy()
    mismatch[30:, 110:120] = mismatch[50:60, 70:80] = True
    removed = find_disoccluded(painted(image), alpha, FlowConsistency(mismatch, NOWHERE, NOWHERE))
    assert removed.dtype == np.float32
    assert removed[40:110, 112:118].min() == 1
    assert removed[50:60, 70:80].max() == 0
    assert removed[35:, 45:105].max() == 0


def test_where_everything_is_explained_nothing_is_removed() -> None:
    alpha = np.ones((HEIGHT, WIDTH), np.float32)
    assert not find_disoccluded(flat(WALL), alpha, FlowConsistency(NOWHERE, NOWHERE, NOWHERE)).any()


@pytest.mark.parametrize(("entered", "removed"), [(False, False), (True, True)])
def test_doubt_goes_to_the_subject_but_to_the_nearer_colour_at_the_edge(entered: bool, removed: bool) -> None:
    """A grey that is twice as near to the wall as to the sleeve."""
    image = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    image[:, :60] = 50
    image[:, 60:66] = 150
    alpha = np.zeros((HEIGHT, WIDTH), np.float32)
    alpha[:, :66] = 1
    where = NOWHERE.copy()
    where[:, 60:66] = True
    consistency = FlowConsistency(where, where if entered else NOWHERE, NOWHERE)
    assert bool(find_disoccluded(painted(image), alpha, consistency)[60, 64] > 0.5) is removed
