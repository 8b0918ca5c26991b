"""``rtsod run`` between two other programs: real processes, real pipes, a real network."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import pytest

from rtsod.errors import ExitCode
from rtsod.sources.demo import CLIP
from tests.support.sink_fixtures import read_recording

FAST = ["--lite", "--input-size", "192", "--engine", "openvino", "--precision", "fp32"]
RTSOD = [sys.executable, "-m", "rtsod", "run", *FAST]
FFMPEG = ["ffmpeg", "-nostdin", "-v", "error", "-y"]
LEFT_OUT = 4
"""Of so many frames one is left out, so that the rest come at unequal times."""
COUNT = 9
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="there is no ffmpeg to send or receive")


@pytest.fixture(autouse=True)
def _in_an_empty_folder_without_display(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, published_weights: dict[str, Path]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)


def _send(*codec: str) -> list[str]:
    """FFmpeg's command that sends some frames of the demo clip."""
    some = f"select='mod(n,{LEFT_OUT})-2',scale=320:-2"
    return [*FFMPEG, "-i", str(CLIP), "-vf", some, "-fps_mode", "passthrough", "-frames:v", str(COUNT), *codec, "-"]


def _times() -> list[Fraction]:
    with av.open(str(CLIP)) as container:
        rate = container.streams.video[0].average_rate
    assert rate
    return [index / rate for index in range(LEFT_OUT * COUNT) if index % LEFT_OUT != 2][:COUNT]


@needs_ffmpeg
def test_between_two_programs_time_stamps_and_alpha_survive(tmp_path: Path) -> None:
    sender = subprocess.Popen(_send("-c:v", "rawvideo", "-f", "nut"), stdout=subprocess.PIPE)
    command = [*RTSOD, "--source", "-", "--bg", "transparent", "--output", "-", "--verbose", "--stats", "s.json"]
    rtsod = subprocess.Popen(command, stdin=sender.stdout, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    receiver = subprocess.Popen(
        [*FFMPEG, "-i", "-", "-fps_mode", "passthrough", "-c:v", "ffv1", "out.nut"], stdin=rtsod.stdout
    )
    for pipe in (sender.stdout, rtsod.stdout):
        assert pipe is not None
        pipe.close()  # the other process has it
    assert rtsod.stderr is not None
    said = rtsod.stderr.read().decode()
    rtsod.stderr.close()
    assert (sender.wait(60), rtsod.wait(60), receiver.wait(60)) == (0, 0, 0), said
    assert "output: standard output (nut)" in said
    recording = read_recording(tmp_path / "out.nut")
    assert recording.times == _times()
    assert len(recording.alphas) == COUNT
    for image, alpha in zip(recording.images, recording.alphas, strict=True):
        assert (int(alpha.min()), int(alpha.max())) == (0, 255)
        assert 0.1 < (alpha > 128).mean() < 0.6
        assert not image[alpha == 0].any()
    numbers = json.loads(Path("s.json").read_text())
    assert (numbers["captured"], numbers["composited"], numbers["source"]["live"]) == (COUNT, COUNT, False)


@needs_ffmpeg
def test_y4m_comes_in_and_goes_out(tmp_path: Path) -> None:
    sent = subprocess.run(
        _send("-f", "yuv4mpegpipe", "-pix_fmt", "yuv420p"), stdout=subprocess.PIPE, check=True, timeout=60
    ).stdout
    command = [*RTSOD, "--source", "-", "--bg", "#00FF00", "--output", "y4m:-", "--output", "a.mp4"]
    done = subprocess.run(command, input=sent, capture_output=True, timeout=120, check=True)
    received = subprocess.run(
        [*FFMPEG, "-i", "-", "-f", "framecrc", "-"], input=done.stdout, capture_output=True, timeout=60, check=True
    )
    lines = [line for line in received.stdout.decode().splitlines() if not line.startswith("#")]
    assert len(lines) == COUNT
    assert len(read_recording(tmp_path / "a.mp4").images) == COUNT


@needs_ffmpeg
@pytest.mark.parametrize("piped", [False, True])
def test_pictures_that_begin_after_their_sound_meet_it_again(tmp_path: Path, piped: bool) -> None:
    """The line of the documentation that puts the original's sound to the output, with a picture that comes late."""
    late = ["-itsoffset", "0.5", "-i", str(CLIP), "-f", "lavfi", "-i", "sine=duration=1"]
    codecs = ["-frames:v", "5", "-c:v", "rawvideo", "-pix_fmt", "bgr24", "-c:a", "pcm_s16le"]
    subprocess.run([*FFMPEG, *late, "-map", "0:v", "-map", "1:a", *codecs, "talk.nut"], check=True)
    talk = read_recording(tmp_path / "talk.nut")
    assert talk.times[0] == Fraction(1, 2)
    with open("talk.nut", "rb") as source, open("out.nut", "wb") as output:
        name = "-" if piped else "talk.nut"
        subprocess.run([*RTSOD, "--source", name, "--output", "-"], stdin=source, stdout=output, check=True)
    assert read_recording(tmp_path / "out.nut").times == talk.times
    with open("out.nut", "rb") as output:
        mux = ["-copyts", "-i", "-", "-i", "talk.nut", "-map", "0:v", "-map", "1:a?", "-c", "copy", "muxed.nut"]
        subprocess.run([*FFMPEG, *mux], stdin=output, check=True)
    assert read_recording(tmp_path / "muxed.nut").times == talk.times
    with av.open("muxed.nut") as container:
        assert container.streams.audio[0].start_time == 0


def test_a_reader_that_leaves_ends_the_run_in_one_line_and_other_outputs_are_finished(tmp_path: Path) -> None:
    command = [*RTSOD, "--source", str(CLIP), "--bg", "beach", "--output", "a.mp4", "--output", "-"]
    rtsod = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert rtsod.stdout is not None
    assert rtsod.stderr is not None
    assert len(rtsod.stdout.read(10_000)) == 10_000
    rtsod.stdout.close()
    said = rtsod.stderr.read().decode()
    rtsod.stderr.close()
    assert rtsod.wait(60) == ExitCode.OUTPUT
    assert [line for line in said.splitlines() if line.startswith("rtsod:")] == [
        "rtsod: standard output: its reader closed the pipe before the end"
    ]
    assert "Traceback" not in said
    assert read_recording(tmp_path / "a.mp4").images


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_statistics_go_to_standard_output_as_it_is(tmp_path: Path, name: str) -> None:
    """A link of this test's stands for it: a fault must not replace the computer's own."""
    Path("stdout").symlink_to(name)
    command = [*RTSOD, "--source", str(CLIP), "--max-frames", "2", "--output", "o.mkv", "--stats", "stdout"]
    with open("numbers.json", "wb") as file:
        file.write(b"\n")
        file.flush()
        assert subprocess.run(command, stdout=file, check=False).returncode == 0
    assert Path("stdout").readlink() == Path(name)
    assert json.loads(Path("numbers.json").read_text())["end"] == "done"
    through = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    assert json.loads(through.stdout)["end"] == "done"
    refused = subprocess.run([*command, "--output", "-"], capture_output=True, text=True, check=False)
    assert refused.returncode == ExitCode.USAGE
    assert refused.stderr == "rtsod: --stats stdout: standard output is for pictures: name a file\n"


def test_a_run_that_reached_no_server_says_so_and_fails() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = f"rtmp://me:password@127.0.0.1:{port}/live/streamkey"
    command = [*RTSOD, "--source", str(CLIP), "--output", url, "--output", "o.mkv", "--duration", "0.5"]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == ExitCode.OUTPUT
    last = done.stderr.splitlines()[-1]
    assert last == f"rtsod: live stream rtmp://127.0.0.1:{port}/...: nothing was published: Connection refused"
    assert read_recording(Path("o.mkv")).images


def test_ctrl_c_that_ends_a_whole_pipeline_is_no_fault_of_the_output() -> None:
    """The reader may end before the signal is noticed here, or even before it comes."""
    command = [*RTSOD, "--source", str(CLIP), "--bg", "beach", "--output", "-"]
    rtsod = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert rtsod.stdout is not None
    assert len(rtsod.stdout.read(10_000)) == 10_000
    rtsod.stdout.close()
    rtsod.send_signal(signal.SIGINT)
    assert rtsod.wait(60) == ExitCode.INTERRUPTED
