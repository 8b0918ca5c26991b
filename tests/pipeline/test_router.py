"""Where captured frames go, and what happens to the ones they displace."""

from __future__ import annotations

import pytest

from rtsod.frames import Frame
from rtsod.metrics import Metrics
from rtsod.pipeline.ledger import FrameLedger
from rtsod.pipeline.mask_sync import Decision
from rtsod.pipeline.ring import Closed, OnFull, Ring
from rtsod.pipeline.router import FrameRouter, InferenceRequest
from tests.support.fakes import Ticks, picture


class Junction:
    def __init__(self, *, straight: bool) -> None:
        self.metrics = Metrics(Ticks())
        self.ledger = FrameLedger(self.metrics, 5)
        self.to_infer: Ring[InferenceRequest] = Ring(1, OnFull.DROP_OLDEST)
        self.to_show: Ring[Decision | Frame] = Ring(1, OnFull.DROP_OLDEST)
        self.router = FrameRouter(self.to_infer, self.to_show, self.ledger, straight=straight)

    def put(self, index: int) -> Frame:
        frame = Frame(picture(), index, float(index))
        self.ledger.captured(frame)
        self.router.put(frame)
        return frame


def test_a_frame_that_waits_for_its_mask_goes_to_inference_only() -> None:
    junction = Junction(straight=False)
    frame = junction.put(0)
    assert junction.to_infer.get(0) == InferenceRequest(frame, locked=True)
    assert junction.to_show.get(0) is None


def test_a_frame_that_goes_straight_to_the_compositor_goes_both_ways() -> None:
    junction = Junction(straight=True)
    frame = junction.put(0)
    assert junction.to_infer.get(0) == InferenceRequest(frame, locked=False)
    assert junction.to_show.get(0) is frame


@pytest.mark.parametrize(("straight", "reason"), [(False, "before_inference"), (True, "before_compositing")])
def test_a_displaced_frame_is_counted_once_whichever_ways_it_went(straight: bool, reason: str) -> None:
    junction = Junction(straight=straight)
    for index in range(4):
        junction.put(index)
    assert junction.metrics.snapshot()["dropped"] == {reason: 3}


@pytest.mark.parametrize("straight", [False, True])
def test_closing_hands_out_each_discarded_frame_once(straight: bool) -> None:
    junction = Junction(straight=straight)
    frame = junction.put(0)
    discarded = junction.router.close(discard=True)
    assert len(discarded) == 1
    assert discarded[0] is frame
    assert junction.router.close(discard=True) == []
    with pytest.raises(Closed):
        junction.put(1)


def test_without_discarding_frames_on_their_way_are_still_processed() -> None:
    junction = Junction(straight=True)
    frame = junction.put(0)
    assert junction.router.close() == []
    assert junction.to_infer.get(0) == InferenceRequest(frame, locked=False)
    assert junction.to_show.get(0) is frame
