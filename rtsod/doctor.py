"""``rtsod doctor``: what this machine has, what is wrong with it, and how to mend it."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import numpy as np

from rtsod import v4l2
from rtsod.backends import choose, nvidia_driver, open_engine, probe_engines
from rtsod.build.cache import engines_folder
from rtsod.build.manifest import Manifest
from rtsod.build.trt_library import OLDEST_CAPABILITY
from rtsod.config import EngineConfig
from rtsod.errors import RtsodError
from rtsod.model.weights import PUBLISHED, resolve, weights_folder
from rtsod.sinks import display_available, virtual_camera_available
from rtsod.sinks._loopback import virtual_cameras
from rtsod.types import Mask
from rtsod.version import __version__

_GPU_QUERY: Final = "name,driver_version,compute_cap,memory.total"


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    INFO = "info"
    """Not needed for the main job."""
    WARNING = "warning"
    """The main job runs, but not as well as it could."""
    FAILURE = "failure"
    """The main job would not run."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the page."""

    about: str
    verdict: Verdict
    found: str
    fix: str = ""


def examine() -> Iterator[Finding]:
    """Everything, cheap questions first; the last one runs the network."""
    for part in (_program, _cameras, _virtual_cameras, _display, _gpus, _libraries, _built_engines, _weights, _trial):
        try:
            yield from part()
        except Exception as error:  # one question that goes wrong must not hide the other answers
            yield Finding(part.__name__.strip("_"), Verdict.WARNING, f"{type(error).__name__}: {error}")


def show(*, as_json: bool) -> int:
    """Print the page, or its JSON; the exit code: 0 if the main job would run, else 1."""
    findings = []
    for finding in examine():
        findings.append(finding)
        if not as_json:
            print(f"{_SIGNS[finding.verdict]} {finding.about}: {finding.found}")
            if finding.fix:
                print(f"       mend it: {finding.fix}")
    healthy = not any(finding.verdict is Verdict.FAILURE for finding in findings)
    if as_json:
        print(json.dumps({"rtsod": __version__, "healthy": healthy, "findings": list(map(asdict, findings))}, indent=2))
    else:
        print("\nthe main job would run" if healthy else "\nthe main job would not run")
    return 0 if healthy else 1


_SIGNS: Final = {
    Verdict.OK: "  ok  ", Verdict.INFO: "  --  ", Verdict.WARNING: " warn ", Verdict.FAILURE: " FAIL ",
}  # fmt: skip


def _program() -> Iterator[Finding]:
    cores = os.cpu_count()
    found = f"rtsod {__version__}, Python {platform.python_version()}, {platform.platform()}, {cores} cores"
    yield Finding("program", Verdict.OK, found)


def _cameras() -> Iterator[Finding]:
    if sys.platform != "linux":
        yield Finding("cameras", Verdict.INFO, "only Linux lists them without a further library: try --source 0")
        return
    cameras = [device for device in v4l2.devices() if device.captures and not device.is_virtual]
    if not cameras:
        yield Finding("cameras", Verdict.WARNING, "none: the demo scene is shown instead", "connect a camera")
    for device in cameras:
        about = f"camera {device.index}"
        if not device.readable:
            yield Finding(about, Verdict.WARNING, f"{device.path} may not be opened", v4l2.no_permission(device.path))
        elif who := v4l2.held_by(device.path):
            yield Finding(about, Verdict.WARNING, f"{device.name} is in use by {who}", "close that program")
        else:
            yield Finding(about, Verdict.OK, f"{device.name}, {device.path}")


def _virtual_cameras() -> Iterator[Finding]:
    if sys.platform != "linux" or not virtual_cameras():
        probe = virtual_camera_available()
        found, _, fix = probe.reason.partition(": ")
        yield Finding("virtual camera", Verdict.OK if probe.available else Verdict.INFO, found, fix)
        return
    module = Path("/sys/module/v4l2loopback/version")
    yield Finding("v4l2loopback", Verdict.OK, module.read_text().strip() if module.is_file() else "loaded")
    for device in virtual_cameras():
        about, who = f"virtual camera {device.path}", v4l2.held_by(device.path)
        if device.captures and device.outputs:
            fix = "sudo modprobe -r v4l2loopback, then modprobe it with exclusive_caps=1"
            yield Finding(about, Verdict.WARNING, "has no exclusive_caps=1, so browsers do not list it", fix)
        elif who:
            yield Finding(about, Verdict.INFO, f"{device.name}, held by {who}")
        else:
            yield Finding(about, Verdict.OK, f"{device.name}, free")


def _display() -> Iterator[Finding]:
    display = display_available()
    if display.available:
        yield Finding("display", Verdict.OK, display.reason)
    elif os.access(Path.cwd(), os.W_OK):
        yield Finding("display", Verdict.INFO, f"{display.reason}: a recording is made instead of a window")
    else:
        fix = "go to a folder that can be written, or give --output"
        yield Finding("display", Verdict.FAILURE, f"{display.reason}, and {Path.cwd()} takes no recording", fix)


def _gpus() -> Iterator[Finding]:
    driver = nvidia_driver()
    if not driver.available:
        yield Finding("NVIDIA GPU", Verdict.INFO, f"{driver.reason}: a CPU does the work")
        return
    if shutil.which("nvidia-smi") is None:
        yield Finding("NVIDIA GPU", Verdict.INFO, "there is a driver, but no nvidia-smi to ask")
        return
    asked = [f"--query-gpu={_GPU_QUERY}", "--format=csv,noheader"]
    answer = subprocess.run(["nvidia-smi", *asked], capture_output=True, text=True, timeout=30, check=False)
    if answer.returncode != 0:
        said = (answer.stdout or answer.stderr).strip().splitlines() or ["nvidia-smi failed"]
        fix = "reinstall NVIDIA's driver, or restart: its library and its kernel module may be of two versions"
        yield Finding("NVIDIA GPU", Verdict.WARNING, said[0], fix)
        return
    for line in answer.stdout.strip().splitlines():
        name, driver_version, capability, memory = (part.strip() for part in line.split(","))
        found = f"{name}, {memory}, compute capability {capability}, driver {driver_version}, CUDA {_cuda_version()}"
        if tuple(map(int, capability.split("."))) < OLDEST_CAPABILITY:
            least = ".".join(map(str, OLDEST_CAPABILITY))
            found += f": too old for TensorRT, which needs {least}; PyTorch may still use it, in float32"
        yield Finding("NVIDIA GPU", Verdict.OK, found)


def _libraries() -> Iterator[Finding]:
    for probe in probe_engines():
        found = _version_of(probe.name) if probe.available else probe.reason.partition(": ")[0]
        yield Finding(f"engine {probe.name}", Verdict.OK if probe.available else Verdict.INFO, found)
    try:
        name, why = choose(EngineConfig(model="lite"))
    except RtsodError as error:
        yield Finding("engine auto", Verdict.FAILURE, str(error), "pip install openvino")
    else:
        yield Finding("engine auto", Verdict.OK, f"would choose {name}, because {why}")


def _built_engines() -> Iterator[Finding]:
    plans = sorted(engines_folder().glob("*.engine"))
    if not plans:
        yield Finding("built engines", Verdict.INFO, f"none in {engines_folder()}; TensorRT builds one when asked for")
    for plan in plans:
        try:
            manifest = Manifest.from_json(plan.with_suffix(".json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            fix = f"delete {plan}: it is not used, and is built anew when needed"
            yield Finding(f"built engine {plan.name}", Verdict.WARNING, "its manifest is missing or damaged", fix)
            continue
        if hashlib.sha256(plan.read_bytes()).hexdigest() != manifest.engine_sha256:
            fix = f"delete {plan}: it is not used, and is built anew when needed"
            yield Finding(
                f"built engine {plan.name}", Verdict.WARNING, "it is not what was built: its hash differs", fix
            )
        else:
            yield Finding(f"built engine {plan.name}", Verdict.OK, "whole")


def _weights() -> Iterator[Finding]:
    for model, published in PUBLISHED.items():
        path = weights_folder() / published.file_name
        about = f"weights {model}"
        if not path.is_file():
            yield Finding(about, Verdict.INFO, f"not here yet: fetched when first needed, to {path}")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != published.sha256:
            yield Finding(about, Verdict.WARNING, f"{path} is not the authors': its hash differs", f"delete {path}")
        else:
            yield Finding(about, Verdict.OK, str(path))


def _trial() -> Iterator[Finding]:
    """The one test that counts: the engine of the main job answers with a valid mask."""
    config = EngineConfig(model="lite")
    picture = np.random.default_rng(0).integers(0, 256, (config.input_size, config.input_size, 3), np.uint8)
    try:
        engine = open_engine(config, resolve(config))
        try:
            engine.infer(picture)  # the first one allocates
            started = time.perf_counter()
            Mask(engine.infer(picture), 0, 0.0)
            milliseconds = (time.perf_counter() - started) * 1e3
        finally:
            engine.close()
    except RtsodError as error:
        yield Finding("trial", Verdict.FAILURE, f"the network does not run: {error}")
        return
    info = engine.info
    found = f"lite on {info.name}, {info.precision}, {info.device}: a mask in {milliseconds:.0f} ms"
    yield Finding("trial", Verdict.OK, found)


def _cuda_version() -> str:
    number = ctypes.c_int()
    library = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    ask: Callable[..., int] = library.cuDriverGetVersion
    return f"{number.value // 1000}.{number.value % 1000 // 10}" if ask(ctypes.byref(number)) == 0 else "unknown"


def _version_of(name: str) -> str:
    for package in (name, f"{name}-cu13", f"{name}-cu12", f"{name}_rtx", f"{name}-rtx"):
        try:
            return f"{package} {version(package)}"
        except PackageNotFoundError:
            continue
    return "installed"
