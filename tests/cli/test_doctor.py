"""The doctor: its checks, their verdicts, and its page."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import platformdirs
import pytest

from rtsod.backends.tensorrt.library import Capability, TrtLibrary, probe_tensorrt
from rtsod.backends.tensorrt.manifest import Manifest
from rtsod.cli.doctor import caches, gpu, main, network, video
from rtsod.cli.doctor import trial as trial_module
from rtsod.cli.doctor.finding import Finding, Verdict
from rtsod.cli.doctor.gpu import Card, cuda_match, engine_match, tensorrt_match
from rtsod.cli.doctor.report import checks_with, page_lines, report
from rtsod.cli.doctor.trial import trial
from rtsod.config import EngineConfig
from rtsod.errors import EngineError, EngineUnavailable, SourceBusy
from rtsod.frames import Availability, SourceInfo
from rtsod.model.description import save_weights
from rtsod.system.v4l2 import Device
from tests.support.networks import TINY, tiny_network

CARD = Card("NVIDIA GeForce RTX 4090", "580.95.05", (8, 9), "24564 MiB")


def test_the_main_job_would_run_on_this_machine(
    published_weights: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--json"]) == 0
    page = json.loads(capsys.readouterr().out)
    assert page["healthy"]
    about = {finding["about"]: finding for finding in page["findings"]}
    assert {"program", "display", "engine auto", "weights lite", "weights full", "trial"} <= set(about)
    assert about["trial"]["verdict"] == "ok"
    assert "because" in about["engine auto"]["found"]


def test_your_own_weights_are_described_and_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.safetensors"
    save_weights(path, tiny_network(), TINY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: tmp_path / "cache" / name)
    job = EngineConfig(engine="torch", device="cpu", weights=path, input_size=TINY.size)
    assert report(as_json=True, checks=checks_with(job)[-1:])
    own, calibration, tried = json.loads(capsys.readouterr().out)["findings"]
    assert own["found"].endswith("mine.safetensors: thin, trained at 64 pixels, fit stretch")
    assert "rtsod calibrate --images FOLDER --weights" in calibration["found"] + calibration["fix"]
    assert "--model" not in calibration["found"] + calibration["fix"]
    assert tried["found"].startswith("thin on torch, fp32")
    path.write_bytes(b"damaged")
    assert not report(as_json=False, checks=checks_with(job)[-1:])
    assert "FAIL  weights of your own" in capsys.readouterr().out


def test_a_failure_is_reported_and_a_crashing_check_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise EngineError("no engine works here")

    def odd_question() -> Any:
        raise ZeroDivisionError("odd")

    monkeypatch.setattr("rtsod.app.engines.resolve", refuse)
    assert not report(as_json=False, checks=[odd_question, trial])
    page = capsys.readouterr().out
    assert "FAIL  trial             the main job does not run: no engine works here" in page
    assert "ZeroDivisionError: odd" in page, "one question that goes wrong does not hide the others"
    assert page.endswith("the main job would not run\n")


@pytest.mark.parametrize("broken", ["rtsod.refine.guided.refine_cells", "rtsod.sinks.video_file.av.open"])
def test_a_step_that_crashes_is_a_failure(
    published_weights: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise EOFError("Ran out of input")

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setattr(broken, crash)
    (found,) = trial()
    assert found.verdict is Verdict.FAILURE
    assert found.found.startswith("the main job does not run: ")
    assert "Ran out of input" in found.found
    assert not list(tmp_path.iterdir()), "the trial's recording was left"


def test_a_deleted_folder_is_a_failure_where_it_would_be_recorded_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert [finding.verdict for check in (video.display, trial) for finding in check()] == [Verdict.FAILURE] * 2


class TestCaches:
    """What costs time is a warning; whether the main job would run, the trial alone says."""

    @pytest.fixture(autouse=True)
    def _set_up(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = tmp_path / "rtsod"
        monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: tmp_path / name)

    def test_an_empty_one_is_fine(self) -> None:
        assert [finding.verdict for finding in caches.cache()] == [Verdict.OK]
        full, lite = caches.weights()
        assert {full.verdict, lite.verdict} == {Verdict.INFO}
        assert full.found == "not here yet: downloaded when they are first needed"
        assert lite.found == "not here yet: downloaded by the trial below, if it needs them"
        assert list(self.folder.iterdir()) == []

    def test_a_file_in_place_of_the_folder(self) -> None:
        self.folder.write_bytes(b"")
        (found,) = caches.cache()
        assert found.verdict is Verdict.WARNING
        assert f"{self.folder} cannot be written" in found.found
        assert "XDG_CACHE_HOME" in found.fix

    def test_no_home(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: Path("~/.cache") / name)
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        (found,) = caches.cache()
        assert (found.verdict, found.fix) == (Verdict.WARNING, "set XDG_CACHE_HOME to a folder that can be written")
        assert found.found == "there is no home folder for a cache: every start converts and compiles again"
        assert {finding.verdict for finding in caches.weights()} == {Verdict.INFO}
        assert {finding.verdict for finding in gpu.built_engines()} <= {Verdict.INFO}

    def test_damaged_weights_and_unreadable_ones(self, monkeypatch: pytest.MonkeyPatch) -> None:
        (self.folder / "weights").mkdir(parents=True)
        (self.folder / "weights" / "u2net.onnx").write_bytes(b"0")
        (self.folder / "weights" / "u2netp.onnx").mkdir()
        full, lite = caches.weights()
        assert (full.verdict, lite.verdict) == (Verdict.WARNING, Verdict.WARNING)
        assert "its hash differs" in full.found
        assert "the weights are there and cannot be read: Is a directory" in lite.found
        assert "--weights FILE" in lite.fix

    def test_what_the_trial_hears_of_the_caches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def damaged(_: EngineConfig) -> str:
            logging.getLogger("rtsod.cache").info("compiling refine_cells again: is damaged")
            return "lite, a mask in 3 ms"

        monkeypatch.setattr(trial_module, "_run", damaged)
        cache, found = trial()
        assert (cache.verdict, found.verdict) == (Verdict.WARNING, Verdict.OK)
        assert cache.found == "compiling refine_cells again: is damaged; this costs time only"


def test_onnx_runtime_is_tried_on_each_device() -> None:
    pytest.importorskip("onnxruntime")
    found = {finding.about: finding for finding in network.engines()}
    assert found["onnxruntime cpu"].verdict == Verdict.OK
    assert "a mask in" in found["onnxruntime cpu"].found


def test_a_device_of_onnx_runtime_that_does_not_work() -> None:
    pytest.importorskip("onnxruntime")
    found = network._tried("cuda", "onnxruntime 1")
    assert (found.verdict, found.about) == (Verdict.WARNING, "onnxruntime cuda")
    assert found.fix.startswith("pip install onnxruntime-gpu in place of onnxruntime")


def test_a_driver_that_hangs_or_ends_the_process_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_time_of_mask", _ends_the_process)
    found = network._tried("webgpu", "onnxruntime 1")
    assert (found.verdict, found.fix) == (Verdict.WARNING, "use another --device")
    assert "its process died (exit code 3)" in found.found
    monkeypatch.setattr(network, "_time_of_mask", _hangs)
    monkeypatch.setattr(network, "TRY_SECONDS", 0.5)
    found = network._tried("webgpu", "onnxruntime 1")
    assert found.verdict == Verdict.WARNING
    assert "opens no network within" in found.found


def _ends_the_process(_: EngineConfig) -> float:
    os._exit(3)


def _hangs(_: EngineConfig) -> float:
    threading.Event().wait()
    raise AssertionError


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_the_page_fits_a_terminal_and_leaves_commands_whole(columns: int) -> None:
    path = "/home/somebody/.cache/rtsod/weights/" + "u" * 60 + ".onnx"
    finding = Finding(
        "weights full", Verdict.WARNING, f"{path} is not the authors' file " + "word " * 30, f"delete {path}"
    )
    lines = page_lines(finding, columns).splitlines()
    assert lines[0].startswith("warn  weights full")
    assert all(len(line) <= min(max(columns, 60), 110) or path in line for line in lines)
    assert sum(path in line for line in lines) == 2
    assert any(line.strip().startswith("fix: ") for line in lines)


# ------------------------------------------------------------------------ cameras


def _cameras(monkeypatch: pytest.MonkeyPatch, *working: bool) -> list[Finding]:
    def open_source(config: Any) -> Any:
        if not working[int(config.spec)]:
            raise SourceBusy(f"cannot open camera {config.spec}: /dev/video{config.spec} gives no pictures: plug it in")
        info = SourceInfo("cam", 1280, 720, Fraction(30), live=True, pixel_format="MJPG")
        return SimpleNamespace(info=info, close=lambda: None)

    monkeypatch.setattr(video, "open_source", open_source)
    monkeypatch.setattr("sys.platform", "linux")
    found = [Device(i, Path(f"/dev/video{i}"), "Cam", "uvcvideo", "usb", True, False) for i in range(len(working))]
    return list(video.cameras(lambda: found))


def test_a_camera_is_ok_when_it_delivers_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = _cameras(monkeypatch, True)
    assert (found.verdict, found.found) == (Verdict.OK, "Cam delivers frames, 1280x720 at 30 fps, MJPG")


def test_one_camera_that_works_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [finding.verdict for finding in _cameras(monkeypatch, False, True)] == [Verdict.WARNING, Verdict.OK]


def test_it_is_a_failure_if_no_camera_works(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _cameras(monkeypatch, False, False)
    assert [finding.verdict for finding in found] == [Verdict.FAILURE] * 2
    assert found[0].fix == "plug it in"


def test_no_camera_is_only_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = _cameras(monkeypatch)
    assert (found.verdict, found.fix) == (Verdict.WARNING, "connect a camera")


# --------------------------------------------------------------------- NVIDIA GPU


def _library(*built_for: Capability) -> TrtLibrary:
    members = {f"SM{major}{minor}": None for major, minor in built_for}
    name = "tensorrt_rtx" if built_for else "tensorrt"
    kind = SimpleNamespace(__members__=members) if built_for else None
    return TrtLibrary(SimpleNamespace(__name__=name, __version__="1.2", ComputeCapability=kind), None)


@pytest.mark.parametrize(
    ("capability", "library", "verdict", "says"),
    [
        ((8, 9), _library((7, 5), (8, 9)), Verdict.OK, "tensorrt_rtx 1.2 fits"),
        ((9, 0), _library(), Verdict.OK, "tensorrt 1.2 fits"),
        ((9, 0), _library((7, 5), (8, 9)), Verdict.WARNING, "builds for 7.5, 8.9 only, not for this card's 9.0"),
        ((6, 1), _library(), Verdict.INFO, "6.1) is too old for TensorRT, which needs 7.5"),
        ((7, 0), _library((7, 5)), Verdict.INFO, "7.0) is too old for TensorRT, which needs 7.5"),
    ],
    ids=["Ada", "Hopper", "Hopper with the library for RTX", "Pascal", "Volta"],
)
def test_whether_tensorrt_fits_the_card(
    capability: Capability, library: TrtLibrary, verdict: Verdict, says: str
) -> None:
    found = tensorrt_match(replace(CARD, capability=capability), lambda: library)
    assert found.verdict is verdict
    assert says in found.found
    assert bool(found.fix) == (verdict is not Verdict.OK)


def test_tensorrt_without_a_card_is_not_ok() -> None:
    found = tensorrt_match(None, _library)
    assert found.verdict is Verdict.INFO
    assert found.found == "tensorrt 1.2 is installed, but not usable here: there is no NVIDIA driver"


def test_the_installed_library_says_for_which_cards_it_builds() -> None:
    if not (probe := probe_tensorrt()).available:
        pytest.skip(probe.reason)
    assert tensorrt_match(replace(CARD, capability=(6, 1))).verdict is Verdict.INFO
    assert tensorrt_match(CARD).verdict is Verdict.OK


def test_a_missing_tensorrt_has_a_fix_only_if_there_is_a_card() -> None:
    def refuse() -> TrtLibrary:
        raise EngineUnavailable("TensorRT is not installed: pip install it")

    assert tensorrt_match(CARD, refuse).fix == "pip install it"
    assert tensorrt_match(None, refuse).fix == ""


@pytest.mark.parametrize(
    ("newest", "runtime", "verdict"),
    [(13020, "13.5.0", Verdict.OK), (12080, "12.9.1", Verdict.OK), (12080, "13.5.0", Verdict.WARNING),
     (13020, None, Verdict.INFO)],
)  # fmt: skip
def test_whether_cuda_python_fits_the_driver(newest: int, runtime: str | None, verdict: Verdict) -> None:
    found = cuda_match(newest, runtime)
    assert found.verdict is verdict
    assert ("update NVIDIA's driver" in found.fix) == (verdict is Verdict.WARNING)


def _built(folder: Path, **fields: Any) -> Path:
    plan = folder / "lite.engine"
    plan.write_bytes(b"machine code")
    manifest = Manifest(
        model="lite", weights_sha256="0" * 64, graph_version=1, input_size=320, precision="fp16", library="none",
        library_version="1.2", compute_capability="8.9", gpu=CARD.name, driver=CARD.driver,
        onnx_sha256="0", engine_sha256=hashlib.sha256(plan.read_bytes()).hexdigest(), answer="0",
    )  # fmt: skip
    plan.with_suffix(".json").write_text(replace(manifest, **fields).to_json())
    return plan


@pytest.mark.parametrize(
    ("fields", "verdict", "says"),
    [
        ({}, Verdict.OK, "lite 320 fp16, intact, for NVIDIA GeForce RTX 4090"),
        ({"gpu": None, "driver": None}, Verdict.OK, "intact, for NVIDIA GeForce RTX 4090"),
        ({"driver": "570.1"}, Verdict.INFO, "with driver 570.1, which this machine does not have"),
        (
            {"gpu": None, "driver": None, "compute_capability": "12.0"},
            Verdict.INFO,
            "12.0, which this machine does not",
        ),
        ({"engine_sha256": "1"}, Verdict.WARNING, "its hash differs"),
        ({"library": "tensorrt_rtx", "library_version": "0.1"}, Verdict.INFO, "built"),
    ],
    ids=["here", "ahead of time", "another driver", "another card", "damaged", "another library"],
)
def test_whether_an_engine_is_for_this_card(
    tmp_path: Path, fields: dict[str, Any], verdict: Verdict, says: str
) -> None:
    found = engine_match(_built(tmp_path, **fields), [CARD])
    assert found.verdict is verdict
    assert says in found.found


def test_an_engine_without_its_manifest_is_named(tmp_path: Path) -> None:
    plan = _built(tmp_path)
    plan.with_suffix(".json").unlink()
    found = engine_match(plan, [CARD])
    assert found.verdict is Verdict.WARNING
    assert found.fix.startswith(f"delete {plan}")


def _driver(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setattr(gpu, "nvidia_driver", lambda: Availability("cuda", True, "there"))
    monkeypatch.setattr(gpu, "_cuda_of_driver", lambda: 13000)


def test_a_card_is_described_by_its_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _driver(monkeypatch, tmp_path, "echo 'NVIDIA GeForce GTX 1080 Ti, 580.95.05, 6.1, 11264 MiB'")
    card, cuda, tensorrt = gpu.gpus()
    assert card.found == (
        "NVIDIA GeForce GTX 1080 Ti, 11264 MiB, compute capability 6.1, driver 580.95.05, CUDA up to 13.0"
    )
    assert cuda.about == "CUDA"
    assert tensorrt.verdict is Verdict.INFO


def test_a_driver_version_mismatch_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _driver(monkeypatch, tmp_path, "echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18")
    (found,) = gpu.gpus()
    assert found.verdict is Verdict.WARNING
    assert "mismatch" in found.found
    assert "restart" in found.fix


# ---------------------------------------------------------------- virtual cameras


@pytest.mark.parametrize(
    ("probe", "verdict", "found", "fix"),
    [
        (Availability("", True, "--virtual-camera pipewire makes one"), Verdict.OK, "--virtual-camera pipewire", ""),
        (Availability("", False, "it is missing: install it"), Verdict.INFO, "it is missing", "install it"),
    ],
)
def test_pipewire_is_reported_beside_loopback_devices(
    monkeypatch: pytest.MonkeyPatch, probe: Availability, verdict: Verdict, found: str, fix: str
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(video, "loopback_devices", list)
    monkeypatch.setattr(video, "pipewire_available", lambda: probe)
    first, last = video.virtual_cameras()
    assert (first.about, last.about) == ("virtual camera", "PipeWire camera")
    assert (last.verdict, last.fix) == (verdict, fix)
    assert last.found.startswith(found)
