"""Checks the engines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from rtsod.backends import choose, nvidia_driver, probe_engines
from rtsod.cli.doctor.finding import Finding, Verdict
from rtsod.config import EngineConfig
from rtsod.errors import EngineUnavailable, RtsodError, WeightsError
from rtsod.frames import SourceInfo
from rtsod.system.subprocess_call import ProcessDied, SubprocessCall, UnexpectedError

MAIN_JOB: Final = EngineConfig(model="lite")
"""The network of the main job, ``rtsod run --lite``."""
TRY_SECONDS: Final = 120.0
"""How long one of ONNX Runtime's devices may take to open the network, which may have to be converted first."""


def engines() -> Iterator[Finding]:
    """The installed engines, and the one ``auto`` would choose. TensorRT is checked together with the GPUs."""
    for probe in probe_engines():
        if probe.name == "tensorrt":
            continue
        if not probe.available:
            found, _, fix = probe.reason.partition(": ")
            yield Finding(probe.name, Verdict.INFO, found, fix)
        elif probe.name == "onnxruntime":
            yield from _onnxruntime()
        elif probe.name == "torch" and nvidia_driver().available:
            yield _torch_on_gpu()
        else:
            yield Finding(probe.name, Verdict.OK, _version(probe.name))
    try:
        name, why = choose(MAIN_JOB)
    except RtsodError as error:
        yield Finding("engine auto", Verdict.FAILURE, str(error), "pip install openvino")
    else:
        yield Finding("engine auto", Verdict.OK, f"would choose {name}, because {why}")


def _torch_on_gpu() -> Finding:
    """Whether PyTorch can use the GPU of this machine."""
    from rtsod.backends.torch.installed import torch_build  # late: importing PyTorch takes a second or two

    build = torch_build()
    name, fix = f"torch {build.version}", "install PyTorch for CUDA: see pytorch.org"
    if build.cuda is None:
        return Finding("torch", Verdict.INFO, f"{name} is built for CPUs and does not use the GPU", fix)
    if build.capability is None:
        return Finding("torch", Verdict.WARNING, f"{name} for CUDA {build.cuda} cannot use the driver", fix)
    if not build.fits_gpu:
        major, minor = build.capability
        found = f"{name} is built for {', '.join(build.architectures)}, not for this GPU's {major}.{minor}"
        return Finding("torch", Verdict.WARNING, found, fix)
    return Finding("torch", Verdict.OK, f"{name} for CUDA {build.cuda} fits the GPU")


def _onnxruntime() -> Iterator[Finding]:
    """Each device that the installed ONNX Runtime offers, and whether the network runs there."""
    from rtsod.backends.onnxruntime.library import version_line  # late: importing it takes a fifth of a second
    from rtsod.backends.onnxruntime.providers import CPU, accelerators, passed_over, useless_plugins

    try:
        devices, passed = [place.device for place in accelerators()] + [CPU.device], passed_over()
    except EngineUnavailable as error:
        found, _, fix = str(error).rpartition(": ")
        yield Finding("onnxruntime", Verdict.WARNING, found, fix)
        return
    for device in devices:
        yield _tried(device, version_line())
    for reason in passed:
        yield Finding("onnxruntime", Verdict.INFO, f"{reason}: not tried")
    for reason in useless_plugins():
        yield Finding("onnxruntime", Verdict.INFO, reason)


def _tried(device: str, library: str) -> Finding:
    """Open the network on a device, in a process of its own: a driver may hang, or end the process."""
    about = f"onnxruntime {device}"
    config = replace(MAIN_JOB, engine="onnxruntime", device=device)
    try:
        with SubprocessCall(_time_of_mask, (config,), {}) as call:
            took = call.result(TRY_SECONDS)
    except WeightsError as error:
        return Finding(about, Verdict.INFO, f"{library}: not tried, since the network is not there: {error}")
    except TimeoutError:
        reason, fix = f"opens no network within {TRY_SECONDS:.0f} s", "use another --device"
    except (ProcessDied, UnexpectedError) as error:
        reason, fix = f"cannot open the network: {error}", "use another --device"
    except (RtsodError, OSError) as error:
        reason, _, fix = str(error).rpartition(": ")
    else:
        return Finding(about, Verdict.OK, f"{library}: a mask in {took * 1000:.0f} ms")
    return Finding(about, Verdict.WARNING, f"{library}: {reason}", fix)


def _time_of_mask(config: EngineConfig) -> float:
    """Open an engine, which checks itself, and return how many seconds a mask takes."""
    from rtsod.backends import open_engine
    from rtsod.masking.time_budget import time_inference
    from rtsod.model.weights import resolve

    with closing(open_engine(config, resolve(config))) as engine:
        return time_inference(engine, SourceInfo("", None, None, None, live=False))  # it takes squares, of any source


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return "installed"
