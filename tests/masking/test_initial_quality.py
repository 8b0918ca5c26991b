"""What is chosen at the start of a run, given what an inference costs."""

from __future__ import annotations

import logging
import threading
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from rtsod.app import planning
from rtsod.app.planning import plan_run
from rtsod.backends.constant import ConstantEngine
from rtsod.config import AppConfig, QualityConfig, RunConfig
from rtsod.errors import EngineError, UsageError
from rtsod.frames import Frame, SourceInfo
from rtsod.interfaces import Engine
from rtsod.mask_plan import InferenceCost, MaskPlan, Rung
from rtsod.masking import initial_quality
from rtsod.masking.adaptive import AdaptiveMasker
from rtsod.masking.engine_pool import Assistant, EnginePool
from rtsod.masking.initial_quality import (
    RungChoice,
    build_masker,
    build_refresher,
    check_quality,
    choose_rungs,
    first_size,
)
from rtsod.masking.refresh import InPlaceRefresher
from rtsod.masking.roi_masker import RoiMasker
from rtsod.masking.whole_frame import WholeFrame
from rtsod.metrics import Metrics
from tests.support.fakes import FakeEngine

CAMERA = SourceInfo("camera", 640, 480, Fraction(30), live=True)
FILE = replace(CAMERA, name="clip.mp4", live=False)
FRAME = Frame(np.zeros((48, 64, 3), np.uint8), 3, 0.1)
STILLS = replace(FILE, name="photos", stills=True, fps=None)


class Machine:
    """A pool of engines whose speed is known beforehand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, whole_ms: float) -> None:
        self.whole = whole_ms / 1e3
        self.opened: list[int] = []
        self.may_open = threading.Event()
        self.may_open.set()
        self.pool = EnginePool(ConstantEngine(320), self._open)
        monkeypatch.setattr(initial_quality, "time_inference", self.seconds)
        monkeypatch.setattr(planning, "available_cores", lambda: 2.0)
        monkeypatch.setattr(planning, "inference_cost", lambda engine, info, cores: self.cost(engine.info.input_size))

    def _open(self, size: int) -> Engine:
        self.opened.append(size)
        assert self.may_open.wait(10)
        return ConstantEngine(size)

    def seconds(self, engine: Engine, info: SourceInfo) -> float:
        return self.whole * (engine.info.input_size / 320) ** 2

    def cost(self, size: int = 320) -> InferenceCost:
        seconds = self.whole * (size / 320) ** 2
        return InferenceCost(seconds, 2 * seconds)

    def choose(
        self, info: SourceInfo = CAMERA, *, mask_interval: int = 1, may_track: bool = False, **options: Any
    ) -> RungChoice:
        config = QualityConfig(**options)
        return choose_rungs(config, info, self.pool, self.cost(), 2.0, mask_interval=mask_interval, may_track=may_track)


def test_the_whole_frame_is_chosen_where_it_keeps_up(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, 15)
    choice = machine.choose()
    assert choice.rung == Rung(320)
    assert choice.reason is None
    assert machine.opened == []
    assert len(choice.rungs) > 1  # the machine may get busier


@pytest.mark.parametrize(("whole_ms", "size"), [(40, 192), (60, 160), (80, 128), (2000, 128)])
def test_otherwise_the_largest_roi_that_keeps_up(monkeypatch: pytest.MonkeyPatch, whole_ms: float, size: int) -> None:
    machine = Machine(monkeypatch, whole_ms)
    choice = machine.choose()
    assert (choice.rung.size, choice.rung.region) == (size, True)
    assert choice.reason is not None
    assert f"{size}x{size}" in choice.reason
    assert machine.opened == []  # opening takes a while, and masks can begin meanwhile


def test_a_requested_rate_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, 60)
    choice = machine.choose(target_fps=30)
    assert (choice.rung.size, len(choice.rungs)) == (160, 4)
    assert machine.opened == [160]  # rungs that cannot keep up by their cost are not opened


def test_without_the_roi_the_whole_frame_shrinks(monkeypatch: pytest.MonkeyPatch) -> None:
    rung = Machine(monkeypatch, 26).choose(region="off").rung
    assert (rung.size, rung.region) == (256, False)


def test_fewer_masks_need_less_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Machine(monkeypatch, 30).choose(mask_interval=2).rung == Rung(320, mask_interval=2)


@pytest.mark.parametrize("options", [{"quality": "fixed"}, {"quality": "fixed", "region": "off"}])
def test_fixed_quality_is_the_whole_frame_throughout(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> None:
    choice = Machine(monkeypatch, 1000).choose(**options)
    assert choice.rungs == (Rung(320),)
    assert choice.reason == "fixed, the whole frame at 320x320"


def test_files_are_fixed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, 55)
    assert machine.choose(FILE).rungs == (Rung(320),)
    choice = machine.choose(FILE, target_fps=30)
    assert len(choice.rungs) == 1
    assert (choice.rung.size, choice.rung.region) == (160, True)


def test_a_requested_size_is_used_throughout(monkeypatch: pytest.MonkeyPatch) -> None:
    choice = Machine(monkeypatch, 18).choose(region=160)
    assert [(rung.size, rung.region) for rung in choice.rungs] == [(160, True)]
    assert choice.seconds < 0.01  # with its share of the full-frame refreshes, but no more


def test_a_rate_out_of_reach_is_an_error_that_names_the_reachable_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"just now, .*128x128: request fewer"):
        Machine(monkeypatch, 300).choose(target_fps=60)
    with pytest.raises(UsageError, match="less than the full frame's 320"):
        AppConfig(quality=QualityConfig(region=320))


@pytest.mark.parametrize("options", [{"region": 160}, {"target_fps": 5}])
def test_photographs_are_processed_whole(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> None:
    machine = Machine(monkeypatch, 300)
    assert machine.choose(STILLS).rungs == (Rung(320),)
    with pytest.raises(UsageError, match="photographs"):
        check_quality(QualityConfig(**options), STILLS)


def test_a_camera_without_a_known_rate_keeps_the_whole_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Machine(monkeypatch, 300).choose(replace(CAMERA, fps=None)).rung == Rung(320)


@pytest.mark.parametrize("bad", [{"quality": "best"}, {"region": 32}, {"region": "on"}, {"target_fps": 0.0}])
def test_options_are_checked(bad: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="--"):
        QualityConfig(**bad)


def test_with_tracking_the_mask_rate_falls_before_the_smallest_size_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    ways = [(rung.size, rung.mask_interval) for rung in Machine(monkeypatch, 40).choose(may_track=True).rungs]
    assert ways == [(320, 1), (192, 1), (160, 1), (160, 2), (160, 4), (128, 4), (128, 8)]
    costs = [rung.cost / rung.mask_interval for rung in Machine(monkeypatch, 40).choose(may_track=True).rungs]
    assert costs == sorted(costs, reverse=True)


@pytest.mark.parametrize(
    ("whole_ms", "size", "mask_interval"),
    [(40, 192, 1), (60, 160, 1), (120, 160, 2), (200, 160, 4), (450, 128, 4), (5000, 128, 8)],
)
def test_with_tracking_it_starts_where_it_keeps_up(
    monkeypatch: pytest.MonkeyPatch, whole_ms: float, size: int, mask_interval: int
) -> None:
    rung = Machine(monkeypatch, whole_ms).choose(may_track=True).rung
    assert (rung.size, rung.region, rung.mask_interval) == (size, True, mask_interval)


def _assist(machine: Machine, *, is_here: bool = True) -> None:
    """Have a smaller network that makes a mask in two fifths of the time."""
    assistant = Assistant("small", 0.4, lambda size: ConstantEngine(size), is_here=is_here)
    machine.pool = EnginePool(ConstantEngine(320), machine._open, assistant=assistant)


def test_a_smaller_network_makes_the_masks_where_they_would_get_rarer(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, 300)
    _assist(machine)
    choice = machine.choose(may_track=True)
    assert [(rung.network, rung.size, rung.mask_interval) for rung in choice.rungs] == [
        (None, 320, 1), (None, 192, 1), (None, 160, 1),
        ("small", 160, 1), ("small", 160, 2), ("small", 160, 4), ("small", 160, 8), ("small", 128, 8),
    ]  # fmt: skip
    costs = [rung.cost / rung.mask_interval for rung in choice.rungs]
    assert costs == sorted(costs, reverse=True)
    assert str(choice.rung) == ("the subject's region at 160x160 by small, corrected by none, masks for one frame in 2")
    assert machine.opened == []


@pytest.mark.parametrize(
    ("options", "may_track"),
    [({"quality": "fixed"}, True), ({"region": 160}, True), ({"region": "off"}, True), ({"target_fps": 5}, True),
     ({}, False)],
)  # fmt: skip
def test_what_is_asked_for_is_made_by_the_network_itself(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], may_track: bool
) -> None:
    machine = Machine(monkeypatch, 190)
    _assist(machine)
    rungs = machine.choose(may_track=may_track, **options).rungs
    assert all(rung.network is None for rung in rungs)


def test_a_smaller_network_that_is_not_here_is_told_where_it_would_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for whole_ms, told in ((300, 1), (50, 0)):
        machine, lines = Machine(monkeypatch, whole_ms), list[str]()
        _assist(machine, is_here=False)
        plan = plan_run(QualityConfig(), RunConfig(), CAMERA, machine.pool, lines.append)
        assert all(rung.network is None for rung in plan.rungs)
        assert sum("--model small" in line for line in lines) == told


def test_the_smaller_network_is_opened_only_on_its_rung(monkeypatch: pytest.MonkeyPatch) -> None:
    for whole_ms, sizes in ((15, []), (300, [160])):
        machine, opened = Machine(monkeypatch, whole_ms), list[int]()

        def open_it(size: int, opened: list[int] = opened) -> Engine:
            opened.append(size)
            return ConstantEngine(size)

        machine.pool = EnginePool(ConstantEngine(320), machine._open, assistant=Assistant("small", 0.4, open_it))
        with closing(machine.pool):
            metrics, lines = Metrics(), list[str]()
            plan = plan_run(QualityConfig(), RunConfig(), CAMERA, machine.pool, lines.append)
            refresher = InPlaceRefresher(lambda pool=machine.pool: pool.open(320), metrics)  # type: ignore[misc]
            masker = build_masker(plan, CAMERA, machine.pool, refresher, metrics)
            masker.mask(FRAME)
            assert (opened, machine.opened) == (sizes, [])
            assert ("by small, corrected by" in (metrics.snapshot()["rung"] or "")) == bool(sizes)
            assert any("by small, corrected by" in line for line in lines) == bool(sizes)


def test_where_the_smaller_network_cannot_be_opened_the_network_itself_makes_the_masks(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(size: int) -> Engine:
        raise EngineError(f"no network at {size}")

    machine = Machine(monkeypatch, 300)
    machine.pool = EnginePool(ConstantEngine(320), machine._open, assistant=Assistant("small", 0.4, fail))
    with closing(machine.pool):
        metrics = Metrics()
        plan = plan_run(QualityConfig(), RunConfig(), CAMERA, machine.pool, list[str]().append)
        refresher = InPlaceRefresher(lambda: machine.pool.open(320), metrics)
        masker = build_masker(plan, CAMERA, machine.pool, refresher, metrics)
        for index in range(3):
            masker.mask(replace(FRAME, index=index))
            machine.pool.wait_until_ready(160)
        assert metrics.snapshot()["rung"] == "the subject's region at 160x160, masks for one frame in 2"
    assert caplog.messages == ["cannot open small at 160x160, keeping the current masks: no network at 160"]


def _at(machine: Machine, size: int) -> None:
    """Have the machine's network run at a size of its own."""
    machine.pool = EnginePool(ConstantEngine(size), machine._open)


def test_a_small_network_sees_whole_frames_first_and_the_region_where_that_is_too_slow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = Machine(monkeypatch, 5)
    _at(machine, 192)
    choice = machine.choose()
    assert choice.rung == Rung(192)
    assert [(rung.size, rung.region) for rung in choice.rungs] == [(192, False), (160, True), (128, True)]


@pytest.mark.parametrize(("may_track", "intervals"), [(True, [1, 2, 4, 8]), (False, [1])])
def test_where_no_smaller_size_is_left_there_are_fewer_masks(
    monkeypatch: pytest.MonkeyPatch, may_track: bool, intervals: list[int]
) -> None:
    machine = Machine(monkeypatch, 150)
    _at(machine, 192)
    choice = machine.choose(region="off", may_track=may_track)
    assert [(rung.size, rung.region, rung.mask_interval) for rung in choice.rungs] == [
        (192, False, interval) for interval in intervals
    ]
    assert (choice.budget is None) == (len(intervals) == 1), "a single rung is never left"


def test_a_slow_cameras_masks_do_not_get_rarer_than_they_live(monkeypatch: pytest.MonkeyPatch) -> None:
    rungs = Machine(monkeypatch, 40).choose(replace(CAMERA, fps=Fraction(10)), may_track=True).rungs
    assert [(rung.size, rung.mask_interval) for rung in rungs] == [(320, 1), (192, 1), (160, 1), (160, 2), (128, 2)]


@pytest.mark.parametrize(
    ("options", "sync", "mask_interval"),
    [({}, "auto", 8), ({"sync": "locked"}, "locked", 1), ({"sync": "tracked"}, "tracked", 8)],
)
def test_only_where_frames_may_be_tracked_do_fewer_of_them_get_masks(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], sync: str, mask_interval: int
) -> None:
    machine = Machine(monkeypatch, 200)
    plan = plan_run(QualityConfig(), RunConfig(**options), CAMERA, machine.pool, list[str]().append)
    assert (plan.sync, plan.rungs[-1].mask_interval) == (sync, mask_interval)


def test_the_whole_frames_cost_is_foreseen_from_a_smaller_network(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, 200)
    machine.pool = EnginePool(ConstantEngine(160), machine._open, size=320)
    plan = plan_run(QualityConfig(), RunConfig(), CAMERA, machine.pool, list[str]().append)
    assert plan.budget is not None
    assert plan.budget.best == machine.cost(320)
    assert plan.rungs[0] == Rung(320)
    assert machine.opened == []


@pytest.mark.parametrize(
    ("info", "options", "size"),
    [
        (CAMERA, {}, 320), (CAMERA, {"region": 128}, 128), (CAMERA, {"region": "off"}, 320), (FILE, {}, 320),
        (FILE, {"region": 128}, 320), (STILLS, {}, 320),
    ],
)  # fmt: skip
def test_the_first_picture_needs_one_network(info: SourceInfo, options: dict[str, Any], size: int) -> None:
    assert first_size(QualityConfig(**options), info, 320) == size


def test_a_requested_rate_below_the_cameras_is_tracked(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "rtsod.app.planning")
    machine, said = Machine(monkeypatch, 40), list[str]()
    plan = plan_run(QualityConfig(target_fps=7), RunConfig(), CAMERA, machine.pool, said.append)
    assert (plan.sync, plan.mask_interval) == ("tracked", 4)
    assert caplog.messages[0] == "quality: the whole frame at 320x320, 40 ms for each mask, for --target-fps 7"
    refused = plan_run(QualityConfig(target_fps=7), RunConfig(sync="locked"), CAMERA, machine.pool, said.append)
    assert (refused.sync, refused.mask_interval) == ("locked", 1)
    assert said == [], "what was requested is granted"


@pytest.mark.parametrize(
    ("info", "options", "kind", "rung"),
    [
        (STILLS, {}, WholeFrame, "the whole frame at 320x320"),
        (CAMERA, {"region": 160}, RoiMasker, "the subject's region at 160x160"),
        (FILE, {}, WholeFrame, "the whole frame at 320x320"),
    ],
)
def test_a_single_rung_has_its_masker_from_the_start(
    monkeypatch: pytest.MonkeyPatch, info: SourceInfo, options: dict[str, Any], kind: type, rung: str
) -> None:
    machine, metrics = Machine(monkeypatch, 40), Metrics()
    plan = plan_of(machine.choose(info, **options))
    with closing(build_refresher(info, machine.pool, metrics)) as refresher:
        masker = build_masker(plan, info, machine.pool, refresher, metrics)
        assert isinstance(masker, kind)
        assert (masker.name, masker.mask_interval) == ("constant", 1)
        assert masker.mask(FRAME).frame_index == FRAME.index
        masker.run_deferred()
    assert metrics.snapshot()["rung"] == rung


def test_the_first_frame_is_seen_whole_and_the_region_learns_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, metrics = Machine(monkeypatch, 40), Metrics()
    refresher = InPlaceRefresher(lambda: machine.pool.first, metrics)
    masker = build_masker(plan_of(machine.choose()), CAMERA, machine.pool, refresher, metrics)
    assert isinstance(masker, AdaptiveMasker)
    assert machine.opened == [192], "opened before the first mask, not beside it"
    assert metrics.snapshot()["rung"] == "the whole frame at 320x320"
    assert masker.mask(FRAME).frame_index == FRAME.index
    assert metrics.snapshot()["rung"] == "the subject's region at 192x192"


def test_a_network_that_is_slow_to_open_stays_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, engine = Machine(monkeypatch, 300), FakeEngine(size=320)
    engine.info = replace(engine.info, slow_to_open=True)
    machine.pool = EnginePool(engine)
    assert machine.choose().rungs == (Rung(320),)


def plan_of(choice: RungChoice) -> MaskPlan:
    return MaskPlan(choice.rungs, max_mask_age=1.0, start=choice.start, budget=choice.budget)
