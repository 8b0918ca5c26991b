"""The benchmark's parts: what it counts, paces, compares and keeps. No time is asserted anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtsod.backends.constant import ConstantEngine
from rtsod.bench.console_report import dropped, lost, network_lines, roof_lines
from rtsod.bench.end_to_end import Case, WholeResult, latest, run_case
from rtsod.bench.html_report import page
from rtsod.bench.interference import Others, busy_note, disturbed
from rtsod.bench.isolation import in_fresh_process
from rtsod.bench.network import NetworkResult, time_engine
from rtsod.bench.op_count import Work, count_work
from rtsod.bench.plots import _range, histogram, spread_apart
from rtsod.bench.result import KEPT_SAMPLES, Result, thinned
from rtsod.bench.roofline import GTX_1080_TI_GFLOPS, Roof, ceiling, device_to_probe, probe_roof
from rtsod.bench.sources import LoopedSource, PacedSource, demo_images
from rtsod.bench.target import Subject
from rtsod.composite.backgrounds.colour import ColourBackground
from rtsod.config import EngineConfig, ModelName, SourceConfig
from rtsod.errors import EngineError, UsageError
from rtsod.frames import Alpha, EngineInfo, Frame, Image, Mask, MaskedFrame, SourceInfo
from rtsod.masking.whole_frame import WholeFrame
from rtsod.metrics import Drop, Metrics, Span, Stage
from tests.support.fakes import FakeEngine, FakeSource, Ticks, picture, right_half

ROOF = Roof("cpu", "a processor", {"fp32": 250.0, "bf16": 2000.0}, {"fp32": 240.0, "bf16": 900.0},
            {"fp32": 300.0, "bf16": 1500.0}, 20.0, 0.0)  # fmt: skip
MACHINE: dict[str, object] = {"cores": 2}


@pytest.mark.parametrize(("model", "gmac", "parameters"), [("full", 58.60, 44_009_869), ("lite", 19.76, 1_131_181)])
def test_work_is_counted_from_the_graph(model: ModelName, gmac: float, parameters: int) -> None:
    work = count_work(model, 320)
    assert round(work.macs / 1e9, 2) == gmac
    assert work.parameters == parameters
    assert work.flops == 2 * work.macs


def test_work_grows_with_the_pixels() -> None:
    assert count_work("lite", 320).macs == pytest.approx(4 * count_work("lite", 160).macs, rel=1e-3)


def test_a_ceiling_is_the_slower_of_arithmetic_and_memory() -> None:
    work = Work(macs=15 * 10**9, activations=10**9, parameters=0)
    roof = ceiling(ROOF, work, "fp32")
    assert roof is not None
    assert (roof.compute_ms, roof.memory_ms) == (100.0, 400.0)
    assert roof.fps == 2.5
    half = ceiling(ROOF, work, "bf16")
    assert half is not None
    assert (half.compute_ms, half.memory_ms) == (15.0, 200.0)
    assert ceiling(ROOF, work, "fp16") is None


def test_a_machine_s_class_is_of_operations_really_done() -> None:
    assert ROOF.gflops == {"fp32": 300.0, "bf16": 2000.0}
    assert ROOF.of_1080_ti == 240 / GTX_1080_TI_GFLOPS, "by a convolution that Winograd cannot shorten"
    assert ROOF.half_of_1080_ti is None
    halves = {**ROOF.pointwise, "fp16": 480.0}
    assert replace(ROOF, pointwise=halves).half_of_1080_ti == 480 / GTX_1080_TI_GFLOPS


def test_of_two_rounds_of_probes_each_probe_s_better_one_counts() -> None:
    again = Roof("cpu", "a processor", {"fp32": 200.0, "bf16": 2500.0}, {"fp32": 300.0, "bf16": 1.0},
                 {"fp32": 320.0, "bf16": 1.0}, 25.0, 0.9)  # fmt: skip
    best = ROOF.best(again)
    assert best.products == {"fp32": 250.0, "bf16": 2500.0}
    assert best.convolutions == {"fp32": 320.0, "bf16": 1500.0}
    assert best.pointwise == {"fp32": 300.0, "bf16": 900.0}
    assert best.copy_gb_s == 25.0
    assert best.others_cores == 0.0, "one undisturbed round is enough"
    assert ROOF.best(None) == ROOF


@pytest.mark.parametrize(
    ("engine", "device"),
    [("CPU (a processor)", "cpu"), ("none", "cpu"), ("cuda:1 (a card, compute capability 8.6)", "cuda:1")],
)
def test_the_device_that_ran_the_network_is_the_one_probed(engine: str, device: str) -> None:
    assert device_to_probe(engine) == device


def test_a_device_that_cannot_be_probed_is_an_error_that_says_so() -> None:
    with pytest.raises(EngineError, match="does not reach"):
        device_to_probe("GPU (Intel Arc)")
    import torch

    if not torch.cuda.is_available():
        with pytest.raises(EngineError, match="cannot use cuda:0"):
            probe_roof("cuda:0", 0.01)


def test_an_engine_is_warmed_up_and_then_timed_one_picture_after_the_other() -> None:
    clock = Ticks()
    seen: list[Image] = []

    def answer(image: Image) -> Alpha:
        seen.append(image.copy())
        clock.now += 1.0 if len(seen) <= 3 else 0.02
        return np.zeros((64, 64), np.float32)

    samples = time_engine(ConstantEngine(64, answer), 1.0, clock=clock)
    assert len(samples) == len(seen) - 3 == 50
    assert set(samples) == {20.0}
    assert all(image.std() > 50 for image in seen)
    assert not np.array_equal(seen[0], seen[1])


def _network(
    model: ModelName, ms: float, others: float | None = 0.0, *, size: int = 320, constant: bool = False
) -> NetworkResult:
    engine = EngineInfo("openvino", "none" if constant else model, "fp32", "CPU", size, "")
    subject = Subject(EngineConfig(model, input_size=size), constant)
    return NetworkResult(subject, engine, "", 1.0, (ms,) * 10, others)


@pytest.mark.parametrize(("full_ms", "lite_ms", "reached"), [(33, 24, True), (34, 24, False), (33, 26, False)])
def test_the_verdict_is_30_for_full_and_40_for_lite(full_ms: float, lite_ms: float, reached: bool) -> None:
    result = Result("", {}, end="done", networks=[_network("full", full_ms), _network("lite", lite_ms)])
    assert result.reached is reached
    result.end = "interrupted"
    assert not result.reached


@pytest.mark.parametrize(
    ("network", "why"),
    [
        (_network("lite", 1, constant=True), "constant is no network"),
        (_network("lite", 1, size=160), "320x320, not 160x160"),
    ],
)
def test_there_is_no_verdict_where_the_paper_gives_no_rate(network: NetworkResult, why: str) -> None:
    result = Result("", MACHINE, end="done", networks=[network])
    assert network.reached is None
    assert not result.reached
    assert any("no verdict, because" in line and why in line for line in network_lines(network, 2))
    (record,) = result.record()["networks"]
    assert (record["target_fps"], record["reached"]) == (None, None)
    assert why in record["no_verdict_because"]


@pytest.mark.parametrize(
    ("ms", "probes_others", "network_others", "doubt"),
    [
        (400, 0.1, 0.1, None),
        (400, 0.9, 0.1, "during the probes"),
        (400, 0.1, 0.9, "the rate is too low"),
        (400, 0.1, None, "not known"),
        (1, 0.1, 0.1, "no network passes its roof"),
    ],
)
def test_a_share_that_cannot_be_relied_upon_says_so(
    ms: float, probes_others: float, network_others: float | None, doubt: str | None
) -> None:
    network = _network("full", ms, network_others)
    roof = replace(ROOF, others_cores=probes_others)
    result = Result("", MACHINE, roof=roof, networks=[network], work={"full": count_work("full", 320)})
    said = result.doubt(network)
    assert (said is None) is (doubt is None)
    assert doubt is None or doubt in str(said)
    assert any("not reliable" in line for line in roof_lines(result)) is (doubt is not None)
    assert (result.doubtful_roof is not None) is (probes_others == 0.9)


def test_a_machine_without_a_roof_says_why() -> None:
    assert roof_lines(Result("", MACHINE, no_roof="no probes for it")) == ["no roof: no probes for it"]


def test_looped_frames_go_there_and_back() -> None:
    images = demo_images(32, 24, count=3)
    source = LoopedSource(images, Fraction(30), frames=6)
    frames = [source.read() for _ in range(7)]
    shown = [frame.image for frame in frames if frame is not None]
    assert [next(i for i, image in enumerate(images) if image is s) for s in shown] == [0, 1, 2, 1, 0, 1]
    assert frames[6] is None
    assert frames[5] is not None
    assert frames[5].pts == Fraction(5, 30)


def test_a_paced_source_gives_each_frame_at_its_moment_and_is_live() -> None:
    clock = Ticks()

    def wait(seconds: float) -> None:
        clock.now += seconds

    def decode(index: int) -> None:
        clock.now += 0.25 if index == 2 else 0.01  # one frame takes longer than two periods

    source = PacedSource(FakeSource(5, before=decode), Fraction(10), clock=clock, wait=wait)
    assert source.info.live
    frames = [source.read() for _ in range(6)]
    assert [round(frame.captured_at, 3) for frame in frames if frame] == [0.01, 0.11, 0.36, 0.37, 0.41]
    assert frames[5] is None


def test_closing_a_paced_source_ends_its_wait() -> None:
    inner = FakeSource(5)
    source = PacedSource(inner, Fraction(1, 1000))
    assert source.read() is not None
    source.close()
    assert source.read() is None
    assert inner.closed.is_set()


def test_a_fresh_process_answers_raises_or_is_reported_dead() -> None:
    assert in_fresh_process(os.getpid) != os.getpid()
    with pytest.raises(UsageError, match="--input-size 1"):
        in_fresh_process(EngineConfig, input_size=1)
    with pytest.raises(EngineError, match="exit code 7"):
        in_fresh_process(os._exit, 7)


def test_a_trace_is_kept_only_when_asked_for_and_never_grows() -> None:
    silent, traced = Metrics(Ticks()), Metrics(Ticks(), trace=3)
    for metrics in (silent, traced):
        for index in range(5):
            with metrics.stage(Stage.INFER, index):
                pass
    assert silent.spans() == []
    assert [span.frame for span in traced.spans()] == [2, 3, 4]


def test_the_time_line_begins_with_the_capture_of_the_first_frame_shown() -> None:
    spans = [
        Span(Stage.CAPTURE, 0, 0.0, 1.0),
        Span(Stage.COMPOSE, 0, 1.5, 1.6),
        Span(Stage.CAPTURE, 1, 1.0, 2.0),
        Span(Stage.CAPTURE, 2, 2.0, 3.0),
        Span(Stage.INFER, 1, 2.0, 3.5),
        Span(Stage.COMPOSE, 1, 3.5, 3.6),
        Span(Stage.CAPTURE, 3, 3.7, 4.0),
    ]
    kept = latest(spans, 1)
    assert [(span.stage, span.frame) for span in kept] == [
        (Stage.CAPTURE, 1), (Stage.CAPTURE, 2), (Stage.INFER, 1), (Stage.COMPOSE, 1)
    ]  # fmt: skip
    assert (kept[0].ended, kept[-1].ended) == (0.0, 1.6)
    assert latest([], 5) == ()


def test_a_whole_run_is_measured_through_the_program_s_own_pipeline() -> None:
    case = Case(Subject(EngineConfig("lite"), constant=True), SourceConfig("demo"), paced=False, seconds=60, sinks=2)
    source = FakeSource(30, images=[picture()])
    metrics, engine = Metrics(trace=1000), FakeEngine()
    masker = WholeFrame(engine, metrics)
    run = run_case(case, source, masker, engine.info, ColourBackground("#00FF00"), metrics, max_mask_age=60)
    assert run.numbers["composited"] == 30
    assert len(run.latencies_ms) == 30
    assert {span.frame for span in run.spans if span.stage is Stage.COMPOSE} >= set(range(10, 30))
    assert {span.stage for span in run.spans} == set(Stage)
    assert run.peak_memory_mb > 1
    assert run.resources[0].descriptors > 0


@pytest.mark.parametrize(("others", "noted"), [(0.2, False), (0.3, True), (None, False)])
def test_a_machine_that_others_use_is_noted(others: float | None, noted: bool) -> None:
    assert disturbed(others, 2) is noted
    assert (busy_note(others, 2) is not None) is noted


def test_others_are_other_programs_and_not_this_one_or_its_children() -> None:
    others = Others()
    in_fresh_process(_work_for, 0.5)
    own = others.cores()
    if own is None:
        pytest.skip("without psutil it is not known")
    others = Others()
    with subprocess.Popen([sys.executable, "-c", _ENDLESS], stdout=subprocess.PIPE) as stranger:
        assert stranger.stdout is not None
        stranger.stdout.readline()  # a second of its processor time is over, and it was not waited for yet
        disturbing = others.cores()
        stranger.kill()
    assert disturbing is not None
    assert own < disturbing, "the child's work was counted as another program's"


def test_frames_under_way_at_the_end_were_not_dropped() -> None:
    metrics = Metrics(Ticks())
    metrics.dropped(Drop.BEFORE_INFERENCE, 3)
    metrics.dropped(Drop.STOPPED, 2)
    numbers = metrics.snapshot()
    assert dropped(numbers) == {"before_inference": 3}
    assert lost(numbers) == "dropped 3 before inference, 2 under way at the end"


def test_the_rate_counts_the_intervals_between_pictures() -> None:
    clock = Ticks()
    metrics = Metrics(clock)
    metrics.captured()
    shown = MaskedFrame(Frame(picture(), 0, 0.0), Mask(right_half(64), 0, 0.0))
    clock.now = 5.0  # the first one waits for the network
    for _ in range(4):
        metrics.composited(shown, 0.0)
        clock.now += 0.5
    numbers = metrics.snapshot()
    assert numbers["output_fps"] == 2.0
    assert numbers["seconds"] == 6.5


def test_few_pictures_in_a_burst_are_no_faster_than_their_pace() -> None:
    clock = Ticks()
    metrics = Metrics(clock)
    for at in (0.2, 0.216):  # both inferred at once, after the network had been waited for
        metrics.captured()
        clock.now = at
        metrics.composited(MaskedFrame(Frame(picture(), 0, 0.0), Mask(right_half(64), 0, 0.0)), 0.0)
    assert metrics.snapshot()["output_fps"] > 60
    case = Case(Subject(EngineConfig("lite"), constant=True), SourceConfig("folder"))
    source = SourceInfo("folder", 64, 48, Fraction(30), live=True)
    engine = EngineInfo("constant", "none", "none", "none", 64, "")
    run = WholeResult(case, "locked", engine, source, metrics.snapshot(), 0.1, (), (), ())
    assert run.fps == 30.0
    assert replace(run, case=replace(case, paced=False)).fps == metrics.snapshot()["output_fps"]
    assert replace(run, numbers=Metrics(Ticks()).snapshot()).fps is None


def test_kept_samples_are_thinned_evenly_and_few_are_all_kept() -> None:
    assert thinned("ms", [1.0, 2.0]) == {"ms_every": 1, "ms": [1.0, 2.0]}
    assert thinned("ms", []) == {"ms_every": 1, "ms": []}
    many = [float(value) for value in range(10 * KEPT_SAMPLES + 1)]
    kept = thinned("ms", many)
    assert kept["ms"] == many[:: kept["ms_every"]]
    assert KEPT_SAMPLES / 2 < len(kept["ms"]) <= KEPT_SAMPLES


@given(st.lists(st.floats(0, 1), max_size=8))
def test_names_of_lines_never_cover_each_other_and_stay_where_they_can(places: list[float]) -> None:
    moved = spread_apart(sorted(places), 0.1)
    assert all(after - before >= 0.1 - 1e-9 for before, after in pairwise(moved))
    assert sum(moved) == pytest.approx(sum(places))
    if all(after - before >= 0.1 for before, after in pairwise(sorted(places))):
        assert moved == sorted(places)


@pytest.mark.parametrize("others", [0.0, 1.5])
def test_a_share_that_is_not_reliable_is_not_on_the_page_s_card(others: float) -> None:
    network = _network("full", 400, others)
    machine = {**MACHINE, "processor": "a processor", "date": "today"}
    result = Result("", machine, "done", {"full": count_work("full", 320)}, [network], ROOF)
    shown = page(result)
    assert ("of this machine's fp32 roof" in shown) is (others == 0.0)
    assert ("not reliable" in shown) is (others != 0.0)


@pytest.mark.parametrize("values", [[500.0], [500.0, 500.001], [10.0, 500.0, 900.0], [0.001]])
def test_a_histogram_s_axis_is_never_narrower_than_what_can_be_told_apart(values: list[float]) -> None:
    low, high = _range(values)
    assert 0 <= low <= min(values)
    assert max(values) <= high
    assert high - low >= 0.05 * min(values)
    assert histogram([("one", "#000000", values)], "ms").startswith("<svg")


def _work_for(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


_ENDLESS = """
import time
while time.process_time() < 1.0: pass
print(flush=True)
while True: pass
"""
