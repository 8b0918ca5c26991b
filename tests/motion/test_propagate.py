"""Mask propagation: masks follow what moves, and are given up where the flow is not reliable."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtsod.composite.backgrounds.colour import ColourBackground
from rtsod.composite.compositor import Compositor
from rtsod.drawing.scene import DrawnScene
from rtsod.errors import MaskError
from rtsod.frames import Alpha, Frame, Image, Mask, MaskedFrame, PropagatedFrame
from rtsod.imaging.iou import iou
from rtsod.imaging.network_input import shrink
from rtsod.motion.flow import DownscaledFrame, Flow, FlowEstimator
from rtsod.motion.propagate import MaskPropagator
from tests.motion.test_flow import texture
from tests.support import moving_room

SIZE = 320


def scene(at: int) -> tuple[Image, Alpha]:
    """A textured disc, ``at`` pixels to the right, in front of a textured wall; and its mask."""
    image, disc = texture(1), np.roll(texture(2) // 2 + 90, at, axis=1)
    alpha = np.zeros(image.shape[:2], np.float32)
    cv2.circle(alpha, (170 + at, 180), 90, 1.0, -1)
    image[alpha > 0] = disc[alpha > 0]
    return image, np.asarray(cv2.resize(alpha, (SIZE, SIZE), interpolation=cv2.INTER_AREA), np.float32)


def masked(image: Image, alpha: Alpha, index: int = 0) -> MaskedFrame:
    return MaskedFrame(Frame(image, index, index / 30), Mask(alpha, index, index / 30))


def test_a_mask_follows_what_moves() -> None:
    propagator, key = MaskPropagator(), masked(*scene(0))
    for index in range(1, 6):
        image, truth = scene(6 * index)
        propagated = propagator.propagate(key, Frame(image, index, index / 30))
        assert propagated is not None
        assert propagated.origin is key.mask
        assert iou(propagated.alpha, truth) > 0.88
    assert iou(key.alpha, truth) < 0.7, "unpropagated it would be of no use"


def test_a_newer_mask_takes_over_even_if_its_frame_was_never_observed() -> None:
    propagator = MaskPropagator()
    frames = [scene(6 * index) for index in range(9)]
    for index in (1, 2, 4, 5):  # but not 3
        propagator.propagate(masked(*frames[0]), Frame(frames[index][0], index, index / 30))
    for key in (3, 5):
        propagated = propagator.propagate(masked(*frames[key], key), Frame(frames[8][0], 8, 8 / 30))
        assert propagated is not None
        assert propagated.origin.frame_index == key
        assert iou(propagated.alpha, frames[8][1]) > 0.92


def test_a_person_in_front_of_a_busy_room_is_followed_without_delay() -> None:
    scene = DrawnScene(640, 360, 30)
    frames = [scene.render(index) for index in range(60, 90)]
    truth = [
        np.clip(cv2.resize(a, (SIZE, SIZE), interpolation=cv2.INTER_AREA), 0, 1).astype(np.float32) for _, a in frames
    ]
    propagator, ours, stale = MaskPropagator(), [], []
    for index in range(4, len(frames)):
        key = masked(frames[index - 4][0], truth[index - 4], index - 4)
        propagated = propagator.propagate(key, Frame(frames[index][0], index, index / 30))
        assert propagated is not None
        ours.append(np.abs(propagated.alpha - truth[index]).mean())
        stale.append(np.abs(key.alpha - truth[index]).mean())
    assert np.mean(ours) < 0.35 * np.mean(stale)


def test_nothing_is_propagated_across_a_cut() -> None:
    image, alpha = scene(0)
    for after in (texture(9), 255 - image):
        assert MaskPropagator().propagate(masked(image, alpha), Frame(after, 1, 0.03)) is None


@pytest.mark.parametrize(("stride", "followed"), [(20, True), (30, False)])
def test_a_subject_that_jumps_is_not_followed(stride: int, followed: bool) -> None:
    """Even where the search finds it: at the outline of something so fast it is wrong."""
    propagated = MaskPropagator().propagate(masked(*scene(0)), Frame(scene(stride)[0], 1, 0.03))
    assert (propagated is not None) is followed


def test_one_jump_on_the_way_is_enough() -> None:
    """The subject is slow again by now, but since the mask was computed it has jumped."""
    propagator, key = MaskPropagator(), masked(*scene(0))
    for index, at in enumerate((2, 32, 34), 1):
        propagated = propagator.propagate(key, Frame(scene(at)[0], index, index / 30))
        assert (propagated is not None) is (index == 1)


def test_a_subject_that_has_left_does_not_leave_its_shape_open_to_the_room() -> None:
    """Most of the frame is as it was, but the room behind the subject must not be shown in its outline."""
    scene = DrawnScene(640, 360, 30)
    image, alpha = scene.render(0)
    key = masked(image, np.clip(cv2.resize(alpha, (SIZE, SIZE), interpolation=cv2.INTER_AREA), 0, 1).astype(np.float32))
    assert MaskPropagator().propagate(key, Frame(scene.background, 1, 0.03)) is None


def test_other_sizes_and_earlier_frames_are_refused() -> None:
    image, alpha = scene(0)
    key = masked(image, alpha, 5)
    assert MaskPropagator().propagate(key, Frame(image[:, :300].copy(), 6, 0)) is None, "another size"
    assert MaskPropagator().propagate(key, Frame(image, 4, 0)) is None, "an earlier frame"


def test_a_mask_is_propagated_for_half_a_second_and_no_longer() -> None:
    image, alpha = scene(0)
    key = masked(image, alpha)
    assert MaskPropagator().propagate(key, Frame(image, 4, key.frame.captured_at + 0.5)) is not None
    assert MaskPropagator().propagate(key, Frame(image, 4, key.frame.captured_at + 0.51)) is None


def test_background_that_comes_into_view_is_removed_from_the_mask() -> None:
    """A dark hand in front of a light wall is gone in one frame: no flow tells where it went."""
    image = np.full((360, 480, 3), 215, np.uint8)
    alpha = np.zeros((360, 480), np.float32)
    for picture, value in ((image, (60, 50, 40)), (alpha, 1.0)):
        cv2.rectangle(picture, (150, 150), (330, 360), value, -1)
    gone = image.copy()
    for picture, value in ((image, (60, 50, 40)), (alpha, 1.0)):
        cv2.rectangle(picture, (330, 200), (380, 250), value, -1)
    key = masked(image, np.asarray(cv2.resize(alpha, (SIZE, SIZE), interpolation=cv2.INTER_AREA), np.float32))
    propagated = MaskPropagator().propagate(key, Frame(gone, 1, 0.03))
    assert propagated is not None
    hand = np.s_[185:215, 228:248]
    assert key.alpha[hand].min() == 1
    assert propagated.alpha[hand].mean() < 0.1
    assert propagated.alpha[150:300, 110:205].mean() > 0.97, "the body stays"


@settings(max_examples=60)
@given(
    st.integers(0, 2**32 - 1), st.integers(16, 90), st.integers(16, 90), st.integers(4, 40),
    st.sampled_from([0.0, 0.5, 1.0]), st.lists(st.integers(1, 3), min_size=1, max_size=5), st.booleans(),
)  # fmt: skip
def test_a_propagated_mask_is_always_valid_and_never_stronger_than_its_origin(
    seed: int, width: int, height: int, size: int, level: float, steps: list[int], related: bool
) -> None:
    random = np.random.default_rng(seed)
    image = random.integers(0, 256, (height, width, 3), np.uint8)
    alpha = (random.random((size, size), np.float32) * np.float32(level)).astype(np.float32)
    propagator, index = MaskPropagator(), 0
    for step in steps:
        index += step
        now = np.roll(image, index, axis=1) if related else random.integers(0, 256, image.shape, np.uint8)
        propagated = propagator.propagate(masked(image, alpha), Frame(now, index, index / 30))
        if propagated is not None:  # a PropagatedFrame cannot hold an invalid map
            assert propagated.alpha.shape == alpha.shape
            assert propagated.alpha.max() <= alpha.max() + 1e-6
            assert propagated.frame.image is now


@pytest.mark.parametrize("value", [float("nan"), -0.1, 1.1])
def test_an_invalid_map_is_refused(value: float) -> None:
    image, alpha = scene(0)
    with pytest.raises(MaskError):
        PropagatedFrame(Frame(image, 1, 0), np.full_like(alpha, value), masked(image, alpha).mask, 1, 0)


@pytest.mark.parametrize("stride", [1, 3, 5, 6, 7, 8, 10, 12])
def test_no_propagated_mask_shows_the_room_however_fast_the_motion(stride: int) -> None:
    """The same property that the interleaving proof checks on the whole pipeline, here per step and more often."""
    manner = moving_room.Manner(stride=stride, band=1, margin=12)
    compositor = Compositor(ColourBackground(moving_room.BACKDROP))
    shown = 0
    for start in range(40):
        key = masked(
            moving_room.frame(start, manner), moving_room.mask(shrink(moving_room.frame(start, manner), 64), 2)
        )
        propagator = MaskPropagator()
        for gap in (1, 2):
            propagated = propagator.propagate(key, Frame(moving_room.frame(start + gap, manner), gap, gap / 30))
            if propagated is not None:
                shown += 1
                assert moving_room.red(compositor.compose(propagated, 0.0).image) == 0, (start, gap)
    assert shown > 0 or stride > 5


def test_observing_searches_for_no_motion_until_a_mask_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[int] = []
    search = FlowEstimator.backward

    def counted(self: FlowEstimator, new: DownscaledFrame, old: DownscaledFrame) -> Flow:
        searched.append(1)
        return search(self, new, old)

    monkeypatch.setattr(FlowEstimator, "backward", counted)
    propagator, frames = MaskPropagator(), [scene(2 * index) for index in range(6)]
    for index in range(5):
        propagator.observe(Frame(frames[index][0], index, index / 30))
    assert not searched
    assert propagator.propagate(masked(*frames[4], 4), Frame(frames[5][0], 5, 5 / 30)) is not None
    assert len(searched) == 1, "what came before the mask's frame does not matter"


def test_another_mask_of_the_same_frame_takes_over() -> None:
    image, alpha = scene(0)
    first = masked(image, alpha)
    second = MaskedFrame(first.frame, Mask(np.zeros_like(alpha), 0, 0.0))
    propagator = MaskPropagator()
    assert propagator.propagate(first, Frame(image, 1, 1 / 30)) is not None
    propagated = propagator.propagate(second, Frame(image, 2, 2 / 30))
    assert propagated is not None
    assert propagated.alpha.max() == 0
    assert propagated.origin is second.mask


def test_a_read_only_map_that_is_not_contiguous_is_propagated() -> None:
    image, alpha = scene(0)
    view = np.repeat(alpha, 2, axis=1)[:, ::2]
    view.flags.writeable = False
    propagated = MaskPropagator().propagate(masked(image, view), Frame(image, 1, 1 / 30))
    assert propagated is not None
    assert iou(propagated.alpha, alpha) > 0.98
