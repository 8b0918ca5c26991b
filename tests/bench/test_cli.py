"""``python -m rtsod.bench`` and the studies as a user meets them, with no network behind the engine."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks import record
from benchmarks.peers.__main__ import check_names, iou, lines
from benchmarks.peers.worker import Array, _bare
from benchmarks.studies import growth
from benchmarks.support.study import carry_out
from rtsod.bench import cli as bench
from rtsod.bench import network, session
from rtsod.bench.end_to_end import Resources
from rtsod.bench.result import KEPT_SAMPLES
from rtsod.bench.target import Subject
from rtsod.config import PRECISIONS
from rtsod.errors import EngineError, ExitCode, OutputError, UsageError
from rtsod.interfaces import Engine

ROOT = Path(__file__).parents[2]
QUICK = ["--engine", "constant", "--model", "lite", "--input-size", "64", "--seconds", "0.05"]


def test_one_call_measures_prints_and_keeps_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept, report = tmp_path / "b.json", tmp_path / "b.html"
    whole = ["--pipeline", "--size", "64x48", "--pace", "camera", "--seconds", "0.5"]
    code = bench.main([*QUICK, *whole, "--json", str(kept), "--report", str(report)])
    assert code == ExitCode.DONE
    said = capsys.readouterr().out
    assert "no verdict, because constant is no network" in said
    assert "REACHED" not in said
    found = json.loads(kept.read_text())
    assert found["end"] == "done"
    assert found["command"].startswith("python -m rtsod.bench --engine constant")
    assert found["networks"][0]["reached"] is None
    measured = found["networks"][0]
    assert 10 <= len(measured["samples_ms"]) <= KEPT_SAMPLES
    assert len(measured["samples_ms"]) == -(-measured["samples"] // measured["samples_ms_every"])
    assert not measured["cut_short"]
    assert found["roof"]["gflops"].keys() - {"fp16"} == {"fp32", "bf16", "int8"}
    assert found["roof"]["pointwise"].keys() == found["roof"]["gflops"].keys() - {"int8"}
    assert "by sustained 1x1 convolution: fp32" in said
    assert all(rate > 0 for rate in [*found["roof"]["gflops"].values(), found["roof"]["copy_gb_s"]])
    asked, ran = ("auto", "locked", "tracked"), [run["sync"] for run in found["pipelines"]]
    assert [run["asked_sync"] for run in found["pipelines"]] == list(asked)
    assert ran[1:] == ["locked", "tracked"]
    for run in found["pipelines"]:
        assert run["composited"] == len(run["latencies_ms"]) > 0
        assert run["captured"] == run["composited"] + sum(run["dropped"].values())

    page = report.read_text()
    assert (
        page.count("<svg") == 7
    )  # a histogram of the network, and of each run one and its time line; without a network there is no roofline
    assert "<script" not in page
    assert "no verdict, because" in page
    assert "memory_gb" not in page
    assert "memory gb" not in page
    assert not re.search(r'(src|href)="(?!#)', page)  # nothing is loaded from anywhere


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--engine", "abacus"], ExitCode.USAGE, "abacus"),
        (["--seconds", "0"], ExitCode.USAGE, "--seconds 0"),
        (["--pipeline", "--size", "big"], ExitCode.USAGE, "--size big"),
        (["--json", "nowhere/b.json"], ExitCode.OUTPUT, "nowhere"),
        (["--report", "."], ExitCode.USAGE, "is a folder"),
        (["--engine", "openvino", "--weights", "none.onnx"], ExitCode.WEIGHTS, "none.onnx"),
        ([*QUICK, "--pipeline", "--source", "none.mp4"], ExitCode.SOURCE, "none.mp4"),
        ([*QUICK, "--pipeline", "--bg", "nowhere.jpg"], ExitCode.USAGE, "nowhere.jpg"),
        ([*QUICK, "--pipeline", "--bg", ""], ExitCode.USAGE, "--bg"),
        (["--source", "clip.mp4"], ExitCode.USAGE, "--source: is about the whole path: add --pipeline"),
        (["--sync", "locked"], ExitCode.USAGE, "add --pipeline"),
        ([*QUICK, "--pipeline", "--source", "folder", "--size", "64x48"], ExitCode.USAGE, "--size 64x48"),
        (["--json", ""], ExitCode.USAGE, "--json: is empty"),
        (["--weights", "own.pth", "--json", "own.pth"], ExitCode.USAGE, "is read by this run"),
        (["--check", "--engine", "constant"], ExitCode.USAGE, "choose another --engine"),
        (["--check", "--input-size", "160"], ExitCode.USAGE, "leave --input-size out"),
    ],
)
def test_wrong_use_is_one_line_and_a_code(
    arguments: list[str],
    code: ExitCode,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.pth").write_bytes(b"weights")
    assert bench.main(arguments) == code
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert said in errors[0]


@pytest.mark.parametrize(("option", "library"), [(["--pipeline"], "psutil"), (["--report", "b.html"], "matplotlib")])
def test_without_the_extra_its_options_say_how_to_get_it(
    option: list[str], library: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "find_spec", lambda name: None)
    assert bench.main(option) == ExitCode.USAGE
    error = capsys.readouterr().err
    assert library in error
    assert 'pip install -e ".[bench]"' in error


def test_an_interrupted_call_ends_with_one_line_and_keeps_what_it_has(tmp_path: Path) -> None:
    record = tmp_path / "b.json"
    command = [sys.executable, "-m", "rtsod.bench", *QUICK, "--json", str(record)]
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "verdict" in line:  # the first network is measured, the probes are under way
                process.send_signal(signal.SIGINT)
                break
        _, error = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    assert error.splitlines() == [f"rtsod.bench: interrupted; what was measured is in {record}"]
    found = json.loads(record.read_text())
    assert found["end"] == "interrupted"
    assert len(found["networks"]) == 1


def test_an_interrupted_measurement_is_kept_as_far_as_it_went(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(session, "measure_network", _ctrl_c_while_measuring)
    monkeypatch.setattr(session.Session, "_probe", lambda self, engine: None)
    kept = tmp_path / "b.json"
    assert bench.main([*QUICK[:-1], "3000", "--json", str(kept)]) == ExitCode.INTERRUPTED
    out, err = capsys.readouterr()
    assert err == f"rtsod.bench: interrupted; what was measured is in {kept}\n"
    assert "frames, interrupted" in out
    (result,) = json.loads(kept.read_text())["networks"]
    assert result["cut_short"]
    assert result["samples"] > 0


def _ctrl_c_while_measuring(subject: Subject, seconds: float, launched_at: float) -> network.NetworkResult:
    real = network.time_engine

    def time_engine(engine: Engine, seconds: float, *, ended: Callable[[], bool]) -> tuple[float, ...]:
        os.kill(os.getppid(), signal.SIGINT)
        return real(engine, seconds, ended=ended)

    network.time_engine = time_engine  # type: ignore[assignment]  # in a process of its own
    return network.measure_network(subject, seconds, launched_at)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_screen_that_cannot_be_written_is_one_line_and_6_and_the_files_are_there(tmp_path: Path) -> None:
    kept = tmp_path / "b.json"
    command = [sys.executable, "-m", "rtsod.bench", *QUICK, "--json", str(kept)]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT, timeout=60, check=False
        )
    assert ended.returncode == ExitCode.OUTPUT
    assert ended.stderr == "rtsod.bench: standard output cannot be written: No space left on device\n"
    assert json.loads(kept.read_text())["end"] == "done"


def test_what_cannot_be_kept_is_named_whole_and_everything_is_still_measured_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, text: str) -> None:
        raise OutputError(f"{path}: no space")

    monkeypatch.setattr("rtsod.bench.session.write_text", full)
    monkeypatch.setattr("rtsod.bench.record.write_text", full)
    kept, report = tmp_path / "b.json", tmp_path / "b.html"
    both = ["--model", "both", "--json", str(kept), "--report", str(report)]
    assert bench.main([*QUICK, *both]) == ExitCode.OUTPUT
    out, err = capsys.readouterr()
    assert err == f"rtsod.bench: {kept}: no space; {report}: no space\n"
    assert out.startswith("measuring full and lite")
    assert out.count("no verdict, because") == 2
    assert "GB/s" in out


def test_growth_tells_a_leak_from_caches_that_fill(tmp_path: Path) -> None:
    filling = [Resources(at, 100 + min(at, 10) * 20, 5, 9) for at in range(101)]
    leaking = [Resources(at, 100 + at, 5, 9 + at // 50) for at in range(101)]
    assert growth.growth_after_settling(tuple(filling))["memory_mb_per_minute"] == pytest.approx(0, abs=0.01)
    leak = growth.growth_after_settling(tuple(leaking))
    assert leak["memory_mb_per_minute"] == pytest.approx(60)
    assert leak["descriptors"] == 2


def test_growth_over_sinks_and_length_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = tmp_path / "g.json"
    monkeypatch.setattr(growth, "SINKS", (1, 2))
    monkeypatch.setattr(
        sys,
        "argv",
        ["growth", "--constant", "--only", "sinks", "--only", "length", "--seconds", "0.3", "--json", str(record)],
    )
    assert growth.main() == 0
    found = json.loads(record.read_text())
    assert [point["sinks"] for point in found["sinks"]] == [1, 2]
    assert found["length"][0]["after_settling"]["descriptors"] == 0


def test_peers_masks_are_compared_by_their_worst_pair(tmp_path: Path) -> None:
    masks = np.zeros((2, 10, 10), np.uint8)
    masks[:, :, :5] = 255
    other = masks.copy()
    other[1, :, 5] = 255
    np.save(tmp_path / "a.npy", masks)
    np.save(tmp_path / "b.npy", other)
    assert iou(tmp_path / "a.npy", tmp_path / "a.npy") == 1.0
    assert iou(tmp_path / "a.npy", tmp_path / "b.npy") == pytest.approx(5 / 6)


def test_peers_say_which_masks_are_not_the_same() -> None:
    def numbers(runs: str, ms: float, rate: float, overlap: float) -> dict[str, object]:
        return {"runs": runs, "median_ms": ms, "rate_against": {"rembg": rate}, "least_iou": {"rembg": overlap}}

    said = lines(
        {
            "rembg": numbers("fp32", 200, 1, 1),
            "rtsod:auto": numbers("openvino int8", 50, 4, 0.991),
            "rtsod:bf16": numbers("openvino bf16", 40, 5, 0.97),
        }
    )
    assert "openvino int8" in said[1]
    assert "4.00 x rembg, least mask IoU 0.9910" in said[1]
    assert "not the same masks" not in said[1]
    assert "not the same masks" in said[2]


@pytest.mark.parametrize(("names", "said"), [(["abacus"], "is no contestant"), (["rembg", "rembg"], "named twice")])
def test_peers_that_do_not_exist_are_told_before_anything_is_opened(names: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_names(names)
    check_names(["rembg", "rtsod:auto", *(f"rtsod:{precision}" for precision in PRECISIONS if precision != "auto")])


def test_a_study_that_is_ended_keeps_what_it_has_and_never_an_empty_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "s.json"
    kept.write_text("older")

    def nothing(record: dict[str, object]) -> None:
        raise KeyboardInterrupt

    assert carry_out("benchmarks.some", kept, {"model": "lite"}, nothing) == ExitCode.INTERRUPTED
    assert kept.read_text() == "older"
    assert "benchmarks.some: interrupted\n" in capsys.readouterr().err

    def half(record: dict[str, object]) -> None:
        record["part"] = 1
        raise EngineError("it broke")

    assert carry_out("benchmarks.some", kept, {"model": "lite"}, half) == ExitCode.ENGINE
    found = json.loads(kept.read_text())
    assert (found["part"], found["model"], found["end"]) == (1, "lite", "it broke")
    assert f"it broke; what was measured is in {kept}" in capsys.readouterr().err


def test_a_recording_that_fails_leaves_the_older_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "ROOT", tmp_path)
    monkeypatch.setattr(record, "COMMANDS", {"some": "no.such.module"})
    older = tmp_path / "benchmarks" / "results" / "some.json"
    older.parent.mkdir(parents=True)
    older.write_text("older")
    assert record.main(["some"]) != 0
    assert older.read_text() == "older"
    assert record.main(["other"]) == ExitCode.USAGE


def test_an_interrupt_before_anything_was_measured_keeps_nothing_and_says_nothing_of_it(tmp_path: Path) -> None:
    older = tmp_path / "b.json"
    older.write_text("older")
    command = [sys.executable, "-m", "rtsod.bench", *QUICK[:-1], "60", "--json", str(older)]
    with subprocess.Popen(command, text=True, stderr=subprocess.PIPE, cwd=ROOT) as process:
        while not _children(process.pid):  # until it measures
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    assert error == "rtsod.bench: interrupted\n"
    assert older.read_text() == "older"


def _children(pid: int) -> str:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text() if Path("/proc/self").exists() else "?"


def test_a_bare_contestant_follows_the_authors_protocol() -> None:
    given: list[Array] = []

    def run(pixels: Array) -> Array:
        given.append(pixels)
        return np.linspace(0.2, 0.7, 320 * 320, dtype=np.float32).reshape(1, 1, 320, 320)

    image = np.full((48, 64, 3), 100, np.uint8)
    mask = _bare(run)(image)
    assert mask.shape == (48, 64)
    assert (float(mask.min()), float(mask.max())) == pytest.approx((0, 1), abs=0.02)
    assert given[0].shape == (1, 3, 320, 320)
    # Divided by its own maximum, every channel of a grey picture is 1 before it is normalised.
    assert given[0][0, :, 0, 0] == pytest.approx(
        (1 - np.array([0.485, 0.456, 0.406])) / [0.229, 0.224, 0.225], rel=1e-5
    )
