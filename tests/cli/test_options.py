"""Each option of ``rtsod run`` reaches its field; without options every default stays."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from rtsod.backends.torch.installed import TorchBuild
from rtsod.cli.run import main
from rtsod.cli.run_config import config_from
from rtsod.cli.run_options import parser
from rtsod.config import (
    AppConfig,
    ControlConfig,
    EngineConfig,
    OutputConfig,
    PictureConfig,
    QualityConfig,
    RunConfig,
    SourceConfig,
)
from rtsod.errors import ExitCode, UsageError


def _config(line: str) -> AppConfig:
    return config_from(parser("rtsod run").parse_args(line.split()))


def test_no_option_is_the_default_configuration() -> None:
    assert _config("") == AppConfig()


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("--source scene --size 640x480 --fps 25 --seed 7", SourceConfig("scene", 640, 480, 25, 7)),
        (
            "--model lite --engine openvino --precision int8 --device cpu --input-size 256 --weights w.onnx",
            EngineConfig("lite", "openvino", "int8", "cpu", 256, Path("w.onnx")),
        ),
        ("--engine onnxruntime --device webgpu", EngineConfig(engine="onnxruntime", device="webgpu")),
        ("--lite", EngineConfig("lite")),
        ("--quality fixed --region 192", QualityConfig("fixed", 192)),
        ("--region off --target-fps 12.5", QualityConfig("auto", "off", 12.5)),
        (
            "--bg beach --bg #00FF00 --mirror --refine best --light-wrap --subject-lock",
            PictureConfig(("beach", "#00FF00"), True, "best", True, True, True),
        ),
        ("--no-steady", PictureConfig(steady=False)),
        (
            "--preview --virtual-camera --output a.mp4 --output b.mkv --mask-output m",
            OutputConfig(True, "auto", False, (Path("a.mp4"), Path("b.mkv")), (Path("m"),)),
        ),
        ("--output - --output a.mp4", OutputConfig(outputs=(Path("a.mp4"),), pipe="nut")),
        ("--output y4m:-", OutputConfig(pipe="y4m")),
        ("--output ./- --output ./y4m:-", OutputConfig(outputs=(Path("-"), Path("y4m:-")))),
        (
            "--output RTMP://h/a --output rtsp://u:p@h:1/b",
            OutputConfig(publish=("rtmp://h/a", "rtsp://u:p@h:1/b")),
        ),
        ("--source -", SourceConfig("-")),
        ("--source live:-", SourceConfig("live:-")),
        ("--no-preview --virtual-camera /dev/video9 --on-demand", OutputConfig(False, "/dev/video9", True)),
        ("--virtual-camera pipewire", OutputConfig(virtual_camera="pipewire")),
        ("--control", ControlConfig("auto")),
        ("--control [::1]:9000 --open --control-may-reveal", ControlConfig("[::1]:9000", True, True)),
        (
            "--sync tracked --mask-every 3 --duration 2 --max-frames 9 --max-mask-age 0.5 --stats s.json --verbose",
            RunConfig("tracked", 3, 2.0, 9, 0.5, Path("s.json"), True),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_option_reaches_its_field(line: str, part: Any) -> None:
    config = _config(line)
    changed = {field.name: getattr(config, field.name) for field in fields(config)}
    expected = {field.name: getattr(AppConfig(), field.name) for field in fields(config)}
    expected[next(name for name, default in expected.items() if type(default) is type(part))] = part
    assert changed == expected


def test_a_pipewire_camera_does_not_know_its_readers() -> None:
    with pytest.raises(UsageError, match=r"^--on-demand: .*PipeWire.*drop --on-demand"):
        _config("--virtual-camera pipewire --on-demand")


@pytest.mark.parametrize("option", ["--open", "--control-may-reveal"])
def test_what_is_about_the_page_needs_the_page(option: str) -> None:
    with pytest.raises(UsageError, match=f"^{option}: .*--control"):
        _config(option)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--output - --output rgba:-", "--output -: is given twice, and there is one standard output"),
        ("--output avi:-", "avi:-: is no format: choose from nut:-, y4m:-, rgba:-"),
        ("--output http://me:secret@h/x", "http://: is not supported: use rtmp://, rtsp://, srt://, or a path"),
        ("--output rtmp://", "rtmp://: names no server"),
        ("--output rtmp://u:secret@/x", "rtmp://: names no server"),
        ("--output rtsp://h:99999/secret", "rtsp://: its port is no number from 1 to 65535"),
        ("--output rtmp://h:0/secret", "rtmp://: its port is no number from 1 to 65535"),
        ("--output rtmp://h:PORT/secret", "rtmp://: its port is no number from 1 to 65535"),
        (
            "--output rtmp://u:sec/ret@h/secret",
            "rtmp://: its port is no number from 1 to 65535: give rtmp://SERVER/NAME",
        ),
        ("--output rtmp://u:secret@[::1/live/x", "rtmp://: its server is no name"),
        ("--output rtmp://h/secret,rtmp://i/secret", "rtmp://: is more than one address"),
        ("--output rtmp:/h/secret", "rtmp: two slashes are missing: give rtmp://SERVER/NAME"),
        ("--output rtmp:h/secret", "rtmp: two slashes are missing: give rtmp://SERVER/NAME"),
        ("--output rtmp://h/secret --output RTMP://h/secret", "--output rtmp://h/...: is given twice"),
        ("--mask-output rtmp://u:secret@h/secret", "rtmp://: masks go to files only: give a video or a folder"),
        ("--output - --virtual-camera --on-demand", "--on-demand: a window or a recording needs frames"),
    ],
)
def test_outputs_that_cannot_be_meant_are_refused(line: str, says: str) -> None:
    with pytest.raises(UsageError, match=re.escape(says)) as caught:
        _config(line)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("option", ["--ouput", "--stats", "--bg", "--mask-output", "--config", "--model", "--control"])
def test_no_refusal_repeats_what_is_secret_in_an_address(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--source", "scene", "--no-preview", option, "rtmp://somebody:password@127.0.0.1:9/live/streamkey"])
    said = capsys.readouterr().err
    assert code in (ExitCode.USAGE, ExitCode.OUTPUT)
    assert "rtmp://" in said
    for secret in ("somebody", "password", "streamkey"):
        assert secret not in said


def test_blanks_around_an_address_are_no_part_of_it() -> None:
    options = parser("rtsod run").parse_args(["--output", " rtmp://h/a\n", "--output", "srt://:9000?mode=listener"])
    assert config_from(options).output.publish == ("rtmp://h/a", "srt://:9000?mode=listener")
    with pytest.raises(UsageError, match="more than one address"):
        parser("rtsod run").parse_args(["--output", "rtmp://h/a rtmp://h/b"])


@pytest.mark.parametrize("option", ["--size 1280x720", "--fps 30", "--seed 0"])
def test_the_demo_clip_refuses_what_only_a_camera_or_the_scene_can_give(option: str) -> None:
    with pytest.raises(UsageError, match=f"^{option.split()[0]}: .*--source scene"):
        _config(f"--source demo {option}")


def test_what_is_meant_for_a_camera_may_be_said_before_it_is_known_whether_there_is_one() -> None:
    assert _config("--size 640x480 --fps 25").source == SourceConfig("auto", 640, 480, 25)


@pytest.mark.parametrize(
    ("capability", "architectures", "fits"),
    [
        ((8, 9), ("sm_80", "sm_90"), True),
        ((8, 6), ("sm_86",), True),
        ((8, 0), ("sm_86",), False),
        ((6, 1), ("sm_75", "sm_80"), False),
        (None, (), False),
    ],
    ids=["earlier minor version", "the same", "later minor version", "another major version", "no GPU"],
)
def test_whether_a_build_of_pytorch_fits_the_gpu(
    capability: tuple[int, int] | None, architectures: tuple[str, ...], fits: bool
) -> None:
    assert TorchBuild("2.13", "13.0", True, architectures, capability).fits_gpu is fits
