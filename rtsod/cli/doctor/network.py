"""Checks the engines."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from rtsod.backends import choose, nvidia_driver, probe_engines
from rtsod.cli.doctor.finding import Finding, Verdict
from rtsod.config import EngineConfig
from rtsod.errors import EngineUnavailable, RtsodError

MAIN_JOB: Final = EngineConfig(model="lite")
"""The network of the main job, ``rtsod run --lite``."""


def engines() -> Iterator[Finding]:
    """The installed engines, and the one ``auto`` would choose. TensorRT is checked together with the GPUs."""
    for probe in probe_engines():
        if probe.name == "tensorrt":
            continue
        if not probe.available:
            found, _, fix = probe.reason.partition(": ")
            yield Finding(probe.name, Verdict.INFO, found, fix)
        elif probe.name == "onnxruntime":
            yield _onnxruntime()
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


def _onnxruntime() -> Finding:
    """What the installed ONNX Runtime offers, as ``--device`` names it. Whether it works, a run tells."""
    from rtsod.backends.onnxruntime.library import version_line  # late: importing it takes a fifth of a second
    from rtsod.backends.onnxruntime.providers import places

    try:
        devices = ", ".join(place.device for place in places())
    except EngineUnavailable as error:
        found, _, fix = str(error).rpartition(": ")
        return Finding("onnxruntime", Verdict.WARNING, found, fix)
    found = f"{version_line()} offers --device {devices}: not tried, --engine onnxruntime would"
    return Finding("onnxruntime", Verdict.INFO, found)


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return "installed"
