"""Where captured frames go, and what happens to the ones they displace."""

from __future__ import annotations

import pytest

from rtsod.config import Sync
from rtsod.frames import Frame
from rtsod.mask_plan import MaskPlan, Rung
from rtsod.masking.whole_frame import WholeFrame
from rtsod.metrics import Metrics
from rtsod.pipeline.ledger import FrameLedger
from rtsod.pipeline.mask_sync import Decision
from rtsod.pipeline.ring import Closed, OnFull, Ring
from rtsod.pipeline.router import FrameRouter, InferenceRequest
from tests.support.fakes import FakeEngine, Ticks, picture


class Masker(WholeFrame):
    mask_interval = 1


class Junction:
    def __init__(self, sync: Sync, *, live: bool = True) -> None:
        self.metrics = Metrics(Ticks())
        self.masker = Masker(FakeEngine(), self.metrics)
        self.ledger = FrameLedger(self.metrics, 5)
        self.to_infer: Ring[InferenceRequest] = Ring(1, OnFull.DROP_OLDEST)
        self.to_show: Ring[Decision | Frame] = Ring(1, OnFull.DROP_OLDEST)
        plan = MaskPlan((Rung(64),), max_mask_age=1.0, sync=sync)
        self.router = FrameRouter(self.to_infer, self.to_show, plan, self.masker, self.ledger, live=live)

    def put(self, index: int) -> Frame:
        frame = Frame(picture(), index, float(index))
        self.ledger.captured(frame)
        self.router.put(frame)
        return frame


def test_a_locked_frame_goes_to_inference_only() -> None:
    junction = Junction("locked")
    frame = junction.put(0)
    assert junction.to_infer.get(0) == InferenceRequest(frame, locked=True)
    assert junction.to_show.get(0) is None


def test_a_tracked_frame_goes_both_ways() -> None:
    junction = Junction("tracked")
    frame = junction.put(0)
    assert junction.to_infer.get(0) == InferenceRequest(frame, locked=False)
    assert junction.to_show.get(0) is frame


def test_the_frames_of_a_tracked_file_go_to_inference_only() -> None:
    junction = Junction("tracked", live=False)
    frame = junction.put(0)
    assert junction.to_infer.get(0) == InferenceRequest(frame, locked=True)
    assert junction.to_show.get(0) is None


def test_auto_tracks_while_the_masker_makes_masks_for_fewer_frames() -> None:
    junction, locked = Junction("auto"), []
    for index, interval in enumerate((1, 2, 1)):
        junction.masker.mask_interval = interval
        junction.put(index)
        request = junction.to_infer.get(0)
        assert request is not None
        locked.append(request.locked)
    assert locked == [True, False, True]


@pytest.mark.parametrize(("sync", "reason"), [("locked", "before_inference"), ("tracked", "before_compositing")])
def test_a_displaced_frame_is_counted_once_whichever_ways_it_went(sync: Sync, reason: str) -> None:
    junction = Junction(sync)
    for index in range(4):
        junction.put(index)
    assert junction.metrics.snapshot()["dropped"] == {reason: 3}


@pytest.mark.parametrize("sync", ["locked", "tracked"])
def test_closing_hands_out_each_discarded_frame_once(sync: Sync) -> None:
    junction = Junction(sync)
    frame = junction.put(0)
    discarded = junction.router.close(discard=True)
    assert len(discarded) == 1
    assert discarded[0] is frame
    assert junction.router.close(discard=True) == []
    with pytest.raises(Closed):
        junction.put(1)


def test_without_discarding_frames_on_their_way_are_still_processed() -> None:
    junction = Junction("tracked")
    frame = junction.put(0)
    assert junction.router.close() == []
    assert junction.to_infer.get(0) == InferenceRequest(frame, locked=False)
    assert junction.to_show.get(0) is frame
