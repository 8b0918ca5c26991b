"""Checks the engines and the weights, and computes one mask."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import numpy as np

from rtsod.backends import choose, nvidia_driver, open_engine, probe_engines
from rtsod.cli.doctor.finding import Finding, Verdict
from rtsod.config import EngineConfig
from rtsod.errors import RtsodError
from rtsod.frames import Mask
from rtsod.model.weights import PUBLISHED, resolve, weights_folder

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


def weights() -> Iterator[Finding]:
    """Whether the authors' weights are downloaded and intact, or can be downloaded."""
    folder = weights_folder()
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    for model, published in PUBLISHED.items():
        path, about = folder / published.file_name, f"weights {model}"
        if not path.is_file():
            if os.access(existing, os.W_OK):
                yield Finding(about, Verdict.INFO, "not downloaded yet: happens on first use")
            else:
                fix = "make the folder writable, or set XDG_CACHE_HOME to one that is"
                yield Finding(about, Verdict.WARNING, f"not downloaded, and {existing} cannot be written", fix)
        elif _digest(path) != published.sha256:
            found = f"{path} is not the authors' file: its hash differs"
            yield Finding(about, Verdict.WARNING, found, f"delete {path}")
        else:
            yield Finding(about, Verdict.OK, f"intact, {path}")


def trial() -> Iterator[Finding]:
    """Whether the engine of the main job computes a valid mask."""
    size = MAIN_JOB.input_size
    picture = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    try:
        engine = open_engine(MAIN_JOB, resolve(MAIN_JOB))
        try:
            engine.infer(picture)  # the first call allocates memory
            started = time.perf_counter()
            Mask(engine.infer(picture), 0, 0.0)
            milliseconds = (time.perf_counter() - started) * 1e3
        finally:
            engine.close()
    except RtsodError as error:
        yield Finding("trial", Verdict.FAILURE, f"the network does not run: {error}")
        return
    info = engine.info
    yield Finding("trial", Verdict.OK, f"lite on {info.name}, {info.precision}: a mask in {milliseconds:.0f} ms")


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


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return "installed"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
