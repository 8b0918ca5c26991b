"""Whole runs through the program's own pipeline."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from rtsod.bench.end_to_end import Case, EndToEndResult, last_spans, run_case
from rtsod.bench.target import Target
from rtsod.config import EngineConfig, SourceConfig
from rtsod.frames import EngineInfo, Frame, Mask, MaskedFrame, SourceInfo
from rtsod.mask_plan import MaskPlan, Rung
from rtsod.masking.engine_pool import EnginePool
from rtsod.metrics import Metrics, Span, Stage
from tests.support.fakes import FakeEngine, FakeSource, Ticks, picture, right_half


def test_the_timeline_begins_when_the_first_shown_frame_is_captured() -> None:
    spans = [
        Span(Stage.CAPTURE, 0, 0.0, 1.0),
        Span(Stage.COMPOSE, 0, 1.5, 1.6),
        Span(Stage.CAPTURE, 1, 1.0, 2.0),
        Span(Stage.CAPTURE, 2, 2.0, 3.0),
        Span(Stage.INFER, 1, 2.0, 3.5),
        Span(Stage.COMPOSE, 1, 3.5, 3.6),
        Span(Stage.CAPTURE, 3, 3.7, 4.0),
    ]
    kept = last_spans(spans, 1)
    assert [(span.stage, span.frame) for span in kept] == [
        (Stage.CAPTURE, 1), (Stage.CAPTURE, 2), (Stage.INFER, 1), (Stage.COMPOSE, 1)
    ]  # fmt: skip
    assert (kept[0].ended, kept[-1].ended) == (0.0, 1.6)
    assert last_spans([], 5) == ()


def test_a_whole_run_is_measured_through_the_program_s_own_pipeline() -> None:
    case = Case(Target(EngineConfig("lite"), constant=True), SourceConfig("scene"), paced=False, seconds=60, sinks=2)
    source, plan = FakeSource(30, images=[picture()]), MaskPlan((Rung(64),), max_mask_age=60)
    run = run_case(replace(case, background="#00FF00"), source, EnginePool(FakeEngine()), plan=plan)
    assert run.snapshot["composited"] == 30
    assert len(run.latencies_ms) == 30
    assert {span.frame for span in run.spans if span.stage is Stage.COMPOSE} >= set(range(10, 30))
    assert {span.stage for span in run.spans} == set(Stage)
    assert run.peak_memory_mb > 1
    assert run.resources[0].descriptors > 0


def test_a_short_burst_is_not_reported_as_faster_than_its_pace() -> None:
    clock = Ticks()
    metrics = Metrics(clock)
    for at in (0.2, 0.216):  # both at once, after the network was ready
        metrics.captured()
        clock.now = at
        metrics.composited(MaskedFrame(Frame(picture(), 0, 0.0), Mask(right_half(64), 0, 0.0)), 0.0)
    assert metrics.snapshot()["output_fps"] > 60
    case = Case(Target(EngineConfig("lite"), constant=True), SourceConfig("folder"))
    source = SourceInfo("folder", 64, 48, Fraction(30), live=True)
    engine = EngineInfo("constant", "none", "none", "none", 64, "")
    run = EndToEndResult(case, "locked", engine, source, metrics.snapshot(), 0.1, (), (), ())
    assert run.fps == 30.0
    assert replace(run, case=replace(case, paced=False)).fps == metrics.snapshot()["output_fps"]
    assert replace(run, snapshot=Metrics(Ticks()).snapshot()).fps is None
