"""The table of a camera's rate on laptops: what is counted, and against which targets."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from benchmarks.studies.camera_rate import CELLS, HEADING, chosen, line, pictures, write_pictures
from benchmarks.support.camera_numbers import CameraNumbers, Targets, losses, medians, numbers_of, rungs
from benchmarks.support.camera_run import CameraJob, Observed, Shown, Written, observe
from benchmarks.support.laptops import LAPTOPS, cpu_instructions, neighbour
from rtsod.backends.constant import ConstantEngine
from rtsod.drawing.scene import DrawnScene
from rtsod.errors import UsageError
from rtsod.masking.engine_pool import EnginePool

GOOD = CameraNumbers(0.0, 0.0, 20.0, 30.0, 40.0, 50.0, 60.0, 10.0, 1.0, 400.0, 2.0, 0)


def _observed(indices: Iterable[int], **changes: Any) -> Observed:
    """A run from 100 s to 110.5 s at 10 frames a second, from 101 s on; these frames were shown after 20 ms each."""
    observed = Observed(100.0, fps=10, camera_started_at=101.0, stopped_at=110.5)
    observed.read = list(range(95))
    observed.written = [Written(index, 101.0 + index / 10 + 0.02, is_slate=False) for index in indices]
    observed.shown = [Shown(picture.index, picture.index, 0.1) for picture in observed.written]
    for name, value in changes.items():
        setattr(observed, name, value)
    return observed


def test_a_run_that_shows_everything_loses_nothing() -> None:
    numbers = numbers_of(_observed(range(95)))
    assert (numbers.lost_share, numbers.held_share, numbers.later_slates) == (0, 0, 0)
    assert (numbers.p50_ms, numbers.max_ms, numbers.mask_age_p95_ms) == (20.0, 20.0, 100.0)
    assert numbers.first_seconds == 1.02


def test_the_start_and_the_end_do_not_count() -> None:
    # Due from 102 s to before 110 s: frames 10 to 89.
    assert numbers_of(_observed(range(10, 90))).lost_share == 0
    assert numbers_of(_observed([5, *range(18, 90)])).lost_share == 0.1
    assert numbers_of(_observed(range(50, 90))).lost_share == 0, "before the first picture the start is judged"


def test_every_way_to_lose_a_frame_counts_as_lost() -> None:
    observed = _observed(index for index in range(95) if index not in (20, 30, 40))
    observed.read.remove(20)  # overwritten in the driver
    observed.dropped = [(104.01, "before_compositing"), (105.01, "untracked"), (101.5, "no_mask"), (110.6, "stopped")]
    observed.shown[50] = replace(observed.shown[50], shown_index=49)  # frame 53: an older picture was held
    numbers = numbers_of(observed)
    assert numbers.lost_share == 4 / 80
    assert numbers.held_share == 2 / 80
    assert losses(observed) == {"at_capture": 1, "before_compositing": 1, "untracked": 1}


def test_slates_count_from_the_first_picture_until_the_stop() -> None:
    observed = _observed(range(2, 95))
    observed.written[:0] = [Written(-1, 100.2, is_slate=True), Written(0, 101.1, is_slate=True)]
    observed.written += [Written(94, 110.45, is_slate=True), Written(-1, 110.6, is_slate=True)]
    assert numbers_of(observed).later_slates == 1


def test_a_slate_in_a_frame_s_place_does_not_show_it() -> None:
    observed = _observed(range(95))
    observed.written[60] = replace(observed.written[60], is_slate=True)
    numbers = numbers_of(observed)
    assert (numbers.lost_share, numbers.later_slates) == (1 / 80, 1)


def test_rates_are_of_the_counted_time_alone() -> None:
    observed = _observed(
        range(95), masks=[101.5, 103.0, 104.0, 110.2], cpu=[(101.0, 9.0), (102.0, 10.0), (110.0, 18.0)]
    )
    numbers = numbers_of(observed)
    assert (numbers.masks_per_second, numbers.cores) == (0.25, 1.0)
    assert rungs(_observed([], rungs=[(101.234, "whole")])) == [(1.23, "whole")]


def test_a_run_without_a_picture_misses_its_targets() -> None:
    numbers = numbers_of(_observed([]))
    assert (numbers.lost_share, numbers.p95_ms, numbers.first_seconds) == (1.0, None, None)
    assert numbers.misses(Targets(0.005, 50.0)) == ["lost_share", "p95_ms", "first_seconds"]
    assert numbers_of(Observed(0.0)).lost_share is None


def test_targets_are_met_up_to_the_limit() -> None:
    targets = Targets(lost_share=0.01, p95_ms=50.0)
    assert replace(GOOD, lost_share=0.01, p95_ms=50.0, first_seconds=3.0).misses(targets) == []
    assert replace(GOOD, lost_share=0.011, later_slates=1).misses(targets) == ["lost_share", "later_slates"]


def test_the_median_of_a_run_that_showed_nothing_is_the_worst() -> None:
    fast, slow, none = replace(GOOD, p95_ms=10.0), replace(GOOD, p95_ms=30.0), replace(GOOD, p95_ms=None)
    assert medians([slow, none, fast]).p95_ms == 30.0
    assert medians([none, none, fast]).p95_ms is None
    assert medians([fast, slow]).p95_ms == 20.0


def test_laptops_have_the_targets_of_their_class() -> None:
    by_name = {laptop.name: laptop for laptop in LAPTOPS}
    assert by_name["two-avx2"].targets("lite") == Targets(0.005, 50.0, 3.0, 0)
    assert by_name["four-vnni"].targets("full") == Targets(0.01, 50.0, 3.0, 0)
    assert by_name["one-core"].targets("lite") == Targets(0.02, 80.0, 3.0, 0)


def test_a_machine_stands_for_the_laptops_it_can() -> None:
    zen = {"avx2", "avx512_vnni"}
    cells, left_out = chosen("*", 2, zen)
    assert {cell.laptop.name for cell in cells} == {"two-vnni", "two-avx2", "one-core"}
    assert left_out == {"four-vnni": "this machine has 2 cores"}
    assert len(chosen("*", 4, zen)[0]) == len(CELLS) == 32
    assert chosen("two-*", 2, {"avx2"})[1] == {"two-vnni": "this processor has no VNNI"}
    assert [cell.name for cell in chosen("one-core/lite/a*", 1, zen)[0]] == ["one-core/lite/alone"]
    for pattern, cores in (("three/*", 2), ("four-*", 2)):
        with pytest.raises(UsageError, match="--cells"):
            chosen(pattern, cores, zen)


def test_newer_instructions_are_held_back() -> None:
    vnni, avx2 = LAPTOPS[0], LAPTOPS[1]
    assert vnni.max_isa({"avx512_vnni", "amx_tile"}) == "AVX512_CORE_VNNI"
    assert vnni.max_isa({"avx512_vnni"}) is None
    assert avx2.max_isa({"avx512_vnni"}) == "AVX2"


def test_instructions_are_read_from_the_first_core(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("model name\t: Some\nflags\t\t: fpu avx2\n\nflags\t\t: other\n")
    assert cpu_instructions(info) == {"fpu", "avx2"}
    assert cpu_instructions(tmp_path / "none") == set()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux only")
def test_standing_in_changes_nothing_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")
    before = os.sched_getaffinity(0)
    with LAPTOPS[2].stand_in():
        assert len(os.sched_getaffinity(0)) == 1
        assert os.environ.get("ONEDNN_MAX_CPU_ISA") == LAPTOPS[2].max_isa(cpu_instructions())
    with LAPTOPS[1].stand_in():
        assert os.environ["ONEDNN_MAX_CPU_ISA"] == "AVX2"
    assert (os.sched_getaffinity(0), os.environ["ONEDNN_MAX_CPU_ISA"]) == (before, "SSE41")


def test_the_neighbour_ends_with_its_block() -> None:
    before = set(psutil.Process().children())
    with neighbour():
        (process,) = set(psutil.Process().children()) - before
        assert process.is_running()
    assert not process.is_running()


def test_without_clips_the_drawn_scene_stands_for_the_camera(tmp_path: Path) -> None:
    name, images = pictures(tmp_path / "no clips")
    assert name == "drawn scene"
    assert images[0].shape == (720, 1280, 3)


@pytest.mark.parametrize("mjpg", [False, True])
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux only")
def test_a_run_is_observed_frame_by_frame(mjpg: bool, tmp_path: Path) -> None:
    write_pictures(tmp_path, [DrawnScene(64, 48, 30).render(index)[0] for index in range(3)])
    recording = tmp_path / "recording.mp4"
    job = CameraJob(tmp_path, "lite", 0.3, began_at=0.0, mjpg=mjpg, recording=recording)
    engine = ConstantEngine(320)
    observed = observe(job, EnginePool(engine, lambda size: engine))
    assert observed.camera_started_at is not None
    assert observed.written[0].is_slate
    assert {picture.index for picture in observed.shown} <= set(observed.read)
    assert recording.stat().st_size > 0
    assert observed.peak_memory_mb > 0
    assert np.load(tmp_path / "pictures.npy").shape == (3, 48, 64, 3)


def test_a_row_names_what_was_missed() -> None:
    run = {**asdict(GOOD), "rungs": [(1.0, "whole"), (4.0, "region")]}
    row = line(CELLS[0], replace(GOOD, p95_ms=None), run)
    assert row.startswith("two-vnni/lite/alone")
    assert row.endswith("MISSED p95_ms; region")
    assert line(CELLS[0], GOOD, {**run, "rungs": []}).endswith("met; no rung")
    assert len(HEADING) < len(row)
