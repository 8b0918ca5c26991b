"""The program as a user meets it: real command lines, real network, real files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from rtsod.cli.run import main
from rtsod.errors import ExitCode
from rtsod.interfaces import Backdrop, Engine
from rtsod.model.weights import ReportBytes
from rtsod.system.signals import StopSignals

ROOT = Path(__file__).parents[2]
FAST = ["--lite", "--input-size", "96", "--engine", "openvino", "--precision", "fp32"]


@pytest.fixture(autouse=True)
def _in_an_empty_folder_without_display(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, published_weights: dict[str, Path]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Twelve frames of unequal duration, 160 x 120, with a bright square that moves."""
    path = tmp_path / "clip.mkv"
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for index in range(12):
            image = np.full((120, 160, 3), 60, np.uint8)
            image[30:90, 5 * index : 5 * index + 60] = (40, 80, 230)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = _milliseconds(index), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _milliseconds(index: int) -> int:
    return 33 * index + (50 if index >= 6 else 0)


def _run(*arguments: str | Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    code = main([*map(str, arguments)])
    return code, capsys.readouterr().err.splitlines()


def _fails(code: ExitCode, *arguments: str | Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Ends with this code and one line that begins with the program's name; gives that line."""
    got, lines = _run(*arguments, capsys=capsys)
    assert got == code, lines
    complaints = [line for line in lines if line.startswith("rtsod: ")]
    assert len(complaints) == 1, lines
    assert "Traceback" not in "\n".join(lines)
    return complaints[0]


def _times(path: Path) -> list[Fraction]:
    with av.open(path) as container:
        return [Fraction(frame.pts or 0) * (frame.time_base or 1) for frame in container.decode(video=0)]


def test_a_file_comes_out_whole_before_another_background(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines = _run(
        "--source", clip, *FAST, "--bg", "#00FF00", "--output", "out.mp4", "--stats", "s.json", capsys=capsys
    )
    assert code == 0, lines
    assert [round(float(t) * 1000) for t in _times(tmp_path / "out.mp4")] == [_milliseconds(n) for n in range(12)]
    numbers = json.loads((tmp_path / "s.json").read_text())
    assert (numbers["captured"], numbers["composited"], numbers["dropped"]) == (12, 12, {})
    assert numbers["engine"]["name"] == "openvino"
    assert numbers["engine"]["precision"] == "fp32"
    assert numbers["end"] == "done"
    assert set(numbers["latency_ms"]) == {"p50", "p95", "p99"}
    assert {"capture", "preprocess", "infer", "compose", "write"} <= set(numbers["stage_ms"])
    assert "frames: 12 of 12, in " in lines[-1]
    with av.open(tmp_path / "out.mp4") as container:
        corner = next(container.decode(video=0)).to_ndarray(format="bgr24")[2, 2]
    assert np.abs(corner.astype(int) - (0, 255, 0)).max() < 12, "the room is green now"


def test_several_outputs_at_once(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = _run(
        "--source", clip, *FAST, "--bg", "transparent", "--max-frames", "5",
        "--output", "a.webm", "--output", "b.mov", "--output", "pictures/", "--mask-output", "m.mkv",
        "--mask-output", "masks", capsys=capsys,
    )  # fmt: skip
    assert code == 0, lines
    assert [len(_times(tmp_path / name)) for name in ("a.webm", "b.mov", "m.mkv")] == [5, 5, 5]
    assert len(list((tmp_path / "pictures").iterdir())) == len(list((tmp_path / "masks").iterdir())) == 5
    assert cv2.imread(str(next((tmp_path / "pictures").iterdir())), cv2.IMREAD_UNCHANGED).shape == (120, 160, 4)  # type: ignore[union-attr]


def test_stills_give_one_mask_each_at_their_own_size(
    samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines = _run("--source", samples / "images", "--lite", "--mask-output", "masks", capsys=capsys)
    assert code == 0, lines
    sources = sorted((samples / "images").iterdir())
    assert sorted(path.name for path in (tmp_path / "masks").iterdir()) == [f"{path.stem}.png" for path in sources]
    errors = []
    for path in sources:
        mask = cv2.imread(str(tmp_path / "masks" / f"{path.stem}.png"), cv2.IMREAD_UNCHANGED)
        image = cv2.imread(str(path))
        reference = cv2.imread(str(samples / "reference-lite" / f"{path.stem}.png"), cv2.IMREAD_GRAYSCALE)
        assert mask is not None
        assert image is not None
        assert reference is not None
        assert mask.dtype == np.uint8
        assert mask.shape == image.shape[:2]
        errors.append(np.abs(mask.astype(float) - reference).mean() / 255)
    assert max(errors) <= 0.004
    assert np.mean(errors) <= 0.002


def test_the_download_bar_lives_as_long_as_what_is_fetched_under_it(
    clip: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rtsod.app.console import Reporter
    from rtsod.backends import open_engine as opener

    shown: list[bool] = [False]
    bars = Reporter.download

    @contextmanager
    def download(self: Reporter, what: str) -> Iterator[ReportBytes]:
        with bars(self, what) as report:
            shown[0] = True
            yield report
            shown[0] = False

    def open_engine(*arguments: Any) -> Engine:
        assert shown[0], "the weights are fetched while the engine is opened"
        return opener(*arguments)

    monkeypatch.setattr(Reporter, "download", download)
    monkeypatch.setattr("rtsod.app.engines.open_engine", open_engine)
    code, lines = _run("--source", clip, *FAST, "--max-frames", "1", "--output", "o.mp4", capsys=capsys)
    assert code == 0, lines


def test_only_backgrounds_that_can_be_shown_are_read(
    clip: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rtsod.composite.backgrounds import open_background as opener

    opened: list[str] = []

    def open_background(spec: str) -> Backdrop:
        opened.append(spec)
        return opener(spec)

    monkeypatch.setattr("rtsod.app.backdrops.open_background", open_background)
    arguments = ["--source", str(clip), *FAST, "--bg", "beach", "--max-frames", "1", "--output", "o.mp4"]
    code, lines = _run(*arguments, capsys=capsys)
    assert code == 0, lines
    assert opened == ["beach"], "without a window there is no key for the next one"


def test_without_camera_display_or_output_the_demo_is_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines = _run("--source", "scene", *FAST, "--bg", "beach.jpg", "--duration", "1", capsys=capsys)
    assert code == 0, lines
    assert any(line.startswith("output: video rtsod-output.mp4, 1 seconds, because no window") for line in lines)
    assert _times(tmp_path / "rtsod-output.mp4")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--no-such-option"], ExitCode.USAGE, "--help"),
        (["--input-size", "9"], ExitCode.USAGE, "--input-size"),
        (["--input-size", "many"], ExitCode.USAGE, "--input-size"),
        (["--size", "wide"], ExitCode.USAGE, "WIDTHxHEIGHT"),
        (["--size", "1x1"], ExitCode.USAGE, "--size"),
        (["--fps", "0"], ExitCode.USAGE, "--fps"),
        (["--seed", "-1"], ExitCode.USAGE, "--seed"),
        (["--device", "toaster"], ExitCode.USAGE, "toaster"),
        (["--duration", "inf"], ExitCode.USAGE, "finite"),
        (["--source", "scene", "--output", "x.mp4", "--stats", "x.mp4"], ExitCode.USAGE, "x.mp4"),
        (["--duration", "-1"], ExitCode.USAGE, "--duration"),
        (["--duration", "nan"], ExitCode.USAGE, "--duration"),
        (["--max-frames", "0"], ExitCode.USAGE, "--max-frames"),
        (["--model", "full", "--lite"], ExitCode.USAGE, "--lite"),
        (["--engine", "abacus"], ExitCode.USAGE, "abacus"),
        (["--source", "scene", "--region", "on"], ExitCode.USAGE, "on"),
        (["--source", "scene", "--region", "12"], ExitCode.USAGE, "64"),
        (["--source", "scene", "--region", "160", "--target-fps", "40"], ExitCode.USAGE, "--target-fps"),
        (["--source", "scene", "--bg", "nowhere.jpg"], ExitCode.USAGE, "nowhere.jpg"),
        (["--source", "scene", "--bg", "blur:0"], ExitCode.USAGE, "blur"),
        (["--source", "scene", "--bg", "#12345"], ExitCode.USAGE, "#12345"),
        (["--source", "scene", "--output", "film.avi"], ExitCode.USAGE, ".avi"),
        (["--source", "scene", "--output", ""], ExitCode.USAGE, "--output: is empty"),
        (["--source", "scene", "--output", "-", "--output", "-"], ExitCode.USAGE, "--output -: is given twice"),
        (["--source", "scene", "--output", "y4m:-", "--bg", "transparent"], ExitCode.USAGE, "choose nut:- or rgba:-"),
        (["--source", "scene", "--mask-output", "-"], ExitCode.USAGE, "--mask-output: -: nothing is written"),
        (["--source", "scene", "--stats", ""], ExitCode.USAGE, "--stats: is empty"),
        (["--source", "scene", "--weights", ""], ExitCode.USAGE, "--weights: is empty"),
        (["--source", "missing.mp4", "--output", "film.avi"], ExitCode.USAGE, "film.avi"),
        (["--source", "missing.mp4", "--bg", "foret"], ExitCode.USAGE, "did you mean forest?"),
        (["--source", "~missing.mp4"], ExitCode.SOURCE, "~missing.mp4: no file"),
        (["--source", "scene", "--bg", "~missing.png"], ExitCode.USAGE, "~missing.png: no such file"),
        (["--source", "two\nlines.mp4"], ExitCode.SOURCE, r"two\nlines.mp4: no file"),
        (["--source", "a\0b"], ExitCode.USAGE, "--source"),
        (["--source", "scene", "--output", "a\0b.mp4"], ExitCode.USAGE, "--output"),
        (["--source", "x" * 300], ExitCode.SOURCE, "too long"),
        (["--source", "scene", "--output", "x" * 300 + ".mp4"], ExitCode.OUTPUT, "too long"),
        (["--source", "scene", "--bg", "x" * 300], ExitCode.USAGE, "not a file name"),
        (["--source", "scene", "--weights", "x" * 300 + ".onnx"], ExitCode.WEIGHTS, "too long"),
        (["--source", "scene", "--weights", "mine.txt"], ExitCode.WEIGHTS, "must be a .pth, .pt, .safetensors, .onnx"),
        (["--source", "scene", "--output", "film.mp4", "--bg", "transparent"], ExitCode.USAGE, ".webm"),
        (["--source", "scene", "--output", "a.mp4", "--output", "a.mp4"], ExitCode.USAGE, "a.mp4"),
        (["--source", "scene", "--output", "none/film.mp4"], ExitCode.OUTPUT, "none"),
        (["--source", "scene", "--stats", "none/s.json"], ExitCode.OUTPUT, "none"),
        (["--source", "scene", "--preview"], ExitCode.OUTPUT, "display"),
        (["--source", "missing.mp4"], ExitCode.SOURCE, "missing.mp4"),
        (["--source", "."], ExitCode.SOURCE, "photographs"),
        (["--source", "7"], ExitCode.SOURCE, "7"),
        (["--source", "scene", "--weights", "missing.pth"], ExitCode.WEIGHTS, "missing.pth"),
        (["--source", "scene", "--engine", "torch", "--device", "cpu", "--precision", "fp16"], ExitCode.ENGINE, "fp16"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_impossible_request_is_one_line_and_its_exit_code(
    arguments: list[str], code: ExitCode, says: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert says in _fails(code, *arguments, capsys=capsys)
    assert not list(tmp_path.iterdir()), "nothing is left behind"


@pytest.mark.parametrize("name", ["~clip", " clip", "clip ", "two\nlines", os.fsdecode(b"cl\xef\xff")])
def test_files_with_unusual_names_are_read_and_written(
    name: str, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / f"{name}.mkv ").write_bytes(clip.read_bytes())
    (tmp_path / f"{name}.png").write_bytes(_photograph(tmp_path / "plain.png"))
    arguments = ["--source", f"{name}.mkv ", *FAST, "--max-frames", "2", "--bg", f"{name}.png"]
    arguments += ["--output", f"{name}.mp4", "--mask-output", name, "--stats", f"{name}.json"]
    code, lines = _run(*arguments, capsys=capsys)
    assert code == 0, lines
    assert len(_times(tmp_path / f"{name}.mp4")) == len(list((tmp_path / name).iterdir())) == 2
    assert json.loads((tmp_path / f"{name}.json").read_text())


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions and folders")
def test_outputs_have_the_permissions_that_the_user_chose(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = os.umask(0o022)
    try:
        arguments = ["--source", str(clip), *FAST, "--max-frames", "1", "--stats", "s.json"]
        code, lines = _run(*arguments, "--output", "o.mp4", "--output", "pictures", capsys=capsys)
    finally:
        os.umask(before)
    assert code == 0, lines
    for written in (tmp_path / "o.mp4", tmp_path / "s.json", *(tmp_path / "pictures").iterdir()):
        assert written.stat().st_mode & 0o777 == 0o644, written
    assert (tmp_path / "pictures").stat().st_mode & 0o777 == 0o755


@pytest.mark.skipif(os.name != "posix", reason="Windows does not delete the current folder")
def test_a_deleted_current_folder_is_named(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    line = _fails(ExitCode.OUTPUT, "--source", clip, *FAST, "--output", "o.mp4", capsys=capsys)
    assert line == "rtsod: the current folder was deleted: change to another one"


@pytest.mark.parametrize("kind", ["empty", "text", "truncated", "audio only"])
def test_a_file_that_is_not_a_video_is_named(
    kind: str, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.mp4"
    if kind == "audio only":
        with av.open(bad, "w") as container:
            stream = container.add_stream("aac", rate=44100)
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate = 44100
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    else:
        bad.write_bytes({"empty": b"", "text": b"no video " * 100, "truncated": clip.read_bytes()[:300]}[kind])
    assert "bad.mp4" in _fails(ExitCode.SOURCE, "--source", bad, *FAST, "--output", "o.mp4", capsys=capsys)
    assert not (tmp_path / "o.mp4").exists()


def test_the_input_is_never_overwritten(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = clip.read_bytes()
    _fails(ExitCode.USAGE, "--source", clip, "--output", f"./{clip.name}", capsys=capsys)
    assert clip.read_bytes() == before


def _photograph(path: Path) -> bytes:
    assert cv2.imwrite(str(path), np.full((40, 60, 3), 90, np.uint8))
    return path.read_bytes()


@pytest.mark.parametrize("option", ["--output", "--mask-output"])
@pytest.mark.parametrize("source", ["photos", "photos/one.png"])
def test_photographs_are_never_replaced_by_results(
    option: str, source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    before = _photograph(tmp_path / "photos" / "one.png")
    _fails(ExitCode.USAGE, "--source", source, *FAST, option, "photos", capsys=capsys)
    _fails(ExitCode.USAGE, "--source", source, *FAST, "--stats", "photos/one.png", capsys=capsys)
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["one.png"]
    assert (tmp_path / "photos" / "one.png").read_bytes() == before


def test_statistics_are_written_to_a_device_but_never_replace_it(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    device = tmp_path / "null"
    device.symlink_to("/dev/null")
    arguments: list[str | Path] = ["--source", clip, *FAST, "--max-frames", "1", "--output", "o.mp4", "--stats"]
    assert _run(*arguments, device, capsys=capsys)[0] == 0
    assert device.is_symlink()
    assert Path("/dev/null").is_char_device()
    os.mkfifo(tmp_path / "pipe")
    _fails(ExitCode.USAGE, *arguments, "pipe", capsys=capsys)
    assert (tmp_path / "pipe").is_fifo()


def test_weights_from_a_pipe_are_refused_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "w.onnx")
    assert "not a file" in _fails(
        ExitCode.WEIGHTS, "--source", "scene", "--output", "o.mp4", "--weights", "w.onnx", capsys=capsys
    )


def test_unreadable_frames_of_a_truncated_file_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    rng = np.random.default_rng(0)
    with av.open(whole, "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for _ in range(12):
            noise = rng.integers(0, 256, (120, 160, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="bgr24")))
        container.mux(stream.encode(None))
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 8 // 10])
    code, lines = _run("--source", cut, *FAST, "--output", "o.mp4", "--stats", "s.json", capsys=capsys)
    assert code == 0, lines
    numbers = json.loads((tmp_path / "s.json").read_text())
    assert 0 < numbers["captured"] < 12
    assert numbers["captured"] + numbers["unreadable"] == 12
    assert "unreadable" in lines[-1]


def test_a_background_whose_name_is_not_utf8_works(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = os.fsdecode(b"pl\xe9.png")
    (tmp_path / name).write_bytes(_photograph(tmp_path / "plain.png"))
    arguments: list[str | Path] = ["--source", clip, *FAST, "--bg", name, "--max-frames", "1", "--output", "o.mp4"]
    code, lines = _run(*arguments, capsys=capsys)
    assert code == 0, lines


def test_a_cache_that_cannot_be_written_only_costs_time(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import platformdirs

    from rtsod.model.weights import fetch, published

    weights = fetch(published("lite"))
    (tmp_path / "file").touch()
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: tmp_path / "file" / name)
    arguments: list[str | Path] = [
        "--source",
        clip,
        *FAST,
        "--weights",
        weights,
        "--max-frames",
        "2",
        "--output",
        "o.mp4",
    ]
    code, lines = _run(*arguments, capsys=capsys)
    assert code == 0, lines
    assert len(_times(tmp_path / "o.mp4")) == 2


def test_a_run_that_fails_early_leaves_an_old_output_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "old.mp4").write_bytes(b"precious")
    _fails(ExitCode.SOURCE, "--source", "missing.mp4", "--output", "old.mp4", capsys=capsys)
    assert (tmp_path / "old.mp4").read_bytes() == b"precious"


def _start(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    environment = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "run_camera.py"), *arguments],
        cwd=cwd,
        env={**environment, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # the tests may run under nohup
    )


def test_a_program_under_nohup_ignores_sighup() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not signals.received
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_the_run_and_the_recording_is_playable(tmp_path: Path, number: int, code: int) -> None:
    with _start("--source", "scene", *FAST, "--output", "o.mp4", "--stats", "s.json", cwd=tmp_path) as process:
        assert process.stderr is not None
        line = ""
        while "output:" not in line:
            line = process.stderr.readline()
            assert line, "it ended before it began"
        while not list(tmp_path.glob(".*o*")):  # the recording appears with the first frame
            assert process.poll() is None
        process.send_signal(number)
        rest = process.stderr.read()
        assert process.wait(30) == code
    assert "Traceback" not in rest
    assert _times(tmp_path / "o.mp4")
    assert "ended by" in json.loads((tmp_path / "s.json").read_text())["end"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.mp4", "s.json"]


@pytest.mark.parametrize("listener", ["gone", "full"])
def test_a_run_goes_on_when_nobody_listens(listener: str, clip: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "run_camera.py"), "--source", str(clip), *FAST, "--output", "o.mp4"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if listener == "full":
        with open("/dev/full", "w") as full:
            code = subprocess.run(command, cwd=tmp_path, env=environment, stderr=full).returncode
    else:
        read, write = os.pipe()
        os.close(read)
        code = subprocess.run(command, cwd=tmp_path, env=environment, stderr=write).returncode
        os.close(write)
    assert code == 0
    assert len(_times(tmp_path / "o.mp4")) == 12


def test_two_runs_may_write_the_same_file(clip: Path, tmp_path: Path) -> None:
    runs = [_start("--source", str(clip), *FAST, "--output", "same.mp4", cwd=tmp_path) for _ in range(2)]
    for process in runs:
        with process:
            assert process.wait(120) == 0, process.stderr.read() if process.stderr else ""
    assert len(_times(tmp_path / "same.mp4")) == 12
