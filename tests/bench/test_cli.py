"""``python -m rtsod.bench`` as a user meets it, with a constant engine instead of a network."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rtsod.bench import cli as bench
from rtsod.bench import network, session
from rtsod.bench.result import MAX_KEPT_SAMPLES
from rtsod.bench.target import Target
from rtsod.errors import ExitCode, OutputError
from rtsod.interfaces import Engine
from rtsod.model.description import save_weights
from rtsod.system.extras import install_extra
from tests.support.networks import TINY, tiny_network
from tests.support.own_models import save_model

ROOT = Path(__file__).parents[2]
QUICK = ["--engine", "constant", "--model", "lite", "--input-size", "64", "--seconds", "0.05"]


def test_one_call_measures_prints_and_saves_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept, report = tmp_path / "b.json", tmp_path / "b.html"
    whole = ["--pipeline", "--size", "64x48", "--pace", "camera", "--seconds", "0.5"]
    code = bench.main([*QUICK, *whole, "--json", str(kept), "--report", str(report)])
    assert code == ExitCode.DONE
    said = capsys.readouterr().out
    assert "no verdict: constant is not a network" in said
    assert "REACHED" not in said
    found = json.loads(kept.read_text())
    assert found["end"] == "done"
    assert found["command"].startswith("python -m rtsod.bench --engine constant")
    assert found["networks"][0]["reached"] is None
    measured = found["networks"][0]
    assert 10 <= len(measured["samples_ms"]) <= MAX_KEPT_SAMPLES
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
    )  # the network's histogram, each run's histogram and timeline; the constant engine has no roofline plot
    assert "<script" not in page
    assert "no verdict: " in page
    assert "memory_gb" not in page
    assert "memory gb" not in page
    assert not re.search(r'(src|href)="(?!#)', page)  # the page loads nothing


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
        (["--source", "clip.mp4"], ExitCode.USAGE, "--source: applies to end-to-end runs only: add --pipeline"),
        (["--sync", "locked"], ExitCode.USAGE, "add --pipeline"),
        ([*QUICK, "--pipeline", "--source", "folder", "--size", "64x48"], ExitCode.USAGE, "--size 64x48"),
        (["--json", ""], ExitCode.USAGE, "--json: is empty"),
        (["--weights", "own.pth", "--json", "own.pth"], ExitCode.USAGE, "this run reads that file"),
        (["--check", "--engine", "constant"], ExitCode.USAGE, "choose another --engine"),
        (["--check", "--input-size", "160"], ExitCode.USAGE, "drop --input-size"),
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
    assert install_extra("bench") in error


def test_an_interrupted_call_ends_with_one_line_and_saves_what_it_has(tmp_path: Path) -> None:
    record = tmp_path / "b.json"
    command = [sys.executable, "-m", "rtsod.bench", *QUICK, "--json", str(record)]
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "verdict" in line:  # the first network has been measured
                process.send_signal(signal.SIGINT)
                break
        _, error = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    assert error.splitlines() == [f"rtsod bench: interrupted; completed measurements are in {record}"]
    found = json.loads(record.read_text())
    assert found["end"] == "interrupted"
    assert len(found["networks"]) == 1


def test_an_interrupted_measurement_saves_the_samples_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(session, "measure_network", _ctrl_c_while_measuring)
    monkeypatch.setattr(session.Session, "_probe", lambda self, engine: None)
    kept = tmp_path / "b.json"
    assert bench.main([*QUICK[:-1], "3000", "--json", str(kept)]) == ExitCode.INTERRUPTED
    out, err = capsys.readouterr()
    assert err == f"rtsod bench: interrupted; completed measurements are in {kept}\n"
    assert re.search(r"\b(1 frame|[0-9]+ frames), interrupted \|", out)
    (result,) = json.loads(kept.read_text())["networks"]
    assert result["cut_short"]
    assert result["samples"] > 0


def _ctrl_c_while_measuring(target: Target, seconds: float, launched_at: float) -> network.NetworkResult:
    real = network.time_engine

    def time_engine(engine: Engine, seconds: float, *, stop_requested: Callable[[], bool]) -> tuple[float, ...]:
        os.kill(os.getppid(), signal.SIGINT)
        return real(engine, seconds, stop_requested=stop_requested)

    network.time_engine = time_engine  # type: ignore[assignment]  # in its own process
    return network.measure_network(target, seconds, launched_at)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_unwritable_standard_output_is_one_line_and_6_and_the_files_are_complete(tmp_path: Path) -> None:
    kept = tmp_path / "b.json"
    command = [sys.executable, "-m", "rtsod.bench", *QUICK, "--json", str(kept)]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT, timeout=60, check=False
        )
    assert ended.returncode == ExitCode.OUTPUT
    assert ended.stderr == "rtsod bench: standard output cannot be written: No space left on device\n"
    assert json.loads(kept.read_text())["end"] == "done"


def test_every_file_that_cannot_be_saved_is_named_and_everything_is_still_measured_and_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, text: str) -> None:
        raise OutputError(f"{path}: no space")

    monkeypatch.setattr("rtsod.bench.session.write_text", full)
    monkeypatch.setattr("rtsod.system.files.write_text", full)
    kept, report = tmp_path / "b.json", tmp_path / "b.html"
    both = ["--model", "both", "--json", str(kept), "--report", str(report)]
    assert bench.main([*QUICK, *both]) == ExitCode.OUTPUT
    out, err = capsys.readouterr()
    assert err == f"rtsod bench: {kept}: no space; {report}: no space\n"
    assert out.startswith("measuring full and lite")
    assert out.count("no verdict: ") == 2
    assert "GB/s" in out


def test_an_interrupt_before_the_first_measurement_saves_nothing(tmp_path: Path) -> None:
    older = tmp_path / "b.json"
    older.write_text("older")
    command = [sys.executable, "-m", "rtsod.bench", *QUICK[:-1], "60", "--json", str(older)]
    with subprocess.Popen(command, text=True, stderr=subprocess.PIPE, cwd=ROOT) as process:
        while not _children(process.pid):  # until it measures
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    assert error == "rtsod bench: interrupted\n"
    assert older.read_text() == "older"


def _children(pid: int) -> str:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text() if Path("/proc/self").exists() else "?"


def test_your_own_weights_are_measured_under_their_own_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, kept, page = tmp_path / "mine.safetensors", tmp_path / "b.json", tmp_path / "b.html"
    save_weights(path, tiny_network(), TINY)
    command = ["--engine", "torch", "--device", "cpu", "--seconds", "0.05", "--weights", str(path)]
    assert bench.main([*command, "--json", str(kept), "--report", str(page)]) == ExitCode.DONE
    assert "no verdict: the paper's rates are for full and lite, not for thin" in capsys.readouterr().out
    (measured,) = json.loads(kept.read_text())["networks"]
    assert (measured["model"], measured["engine"]["model"], measured["engine"]["input_size"]) == ("thin", "thin", 64)
    assert 0 < measured["gmac"] < 0.1
    assert "U²-Net thin" in page.read_text()
    assert bench.main([*command, "--model", "lite"]) == ExitCode.WEIGHTS
    assert "drop --model lite" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="XDG_DATA_HOME is Linux's")
def test_a_model_of_your_own_is_measured_by_its_name_at_its_own_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(session.Session, "_probe", lambda self, engine: None)  # the machine is the same for every model
    save_model("me")
    kept = tmp_path / "b.json"
    command = ["--engine", "torch", "--device", "cpu", "--seconds", "0.05", "--model", "me"]
    assert bench.main([*command, "--json", str(kept)]) == ExitCode.DONE
    assert "not for me" in capsys.readouterr().out
    (measured,) = json.loads(kept.read_text())["networks"]
    assert (measured["model"], measured["engine"]["input_size"]) == ("me", TINY.size)
    assert bench.main([*command, "--check"]) == ExitCode.USAGE
    assert "--check: the paper's rates are for full and lite, not for me" in capsys.readouterr().err
