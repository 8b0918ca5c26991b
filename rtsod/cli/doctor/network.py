"""The engines, the weights, and the one test that counts: a mask."""

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


def engines() -> Iterator[Finding]:
    """Which there are (TensorRT stands with the GPU), and what ``auto`` would take."""
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
    """The authors' files: here, whole, or still to be fetched."""
    folder = weights_folder()
    kept_in = next(place for place in (folder, *folder.parents) if place.exists())
    for model, published in PUBLISHED.items():
        path, about = folder / published.file_name, f"weights {model}"
        if not path.is_file():
            if os.access(kept_in, os.W_OK):
                yield Finding(about, Verdict.INFO, "not here yet: fetched when first needed")
            else:
                fix = "make it writable, or set XDG_CACHE_HOME to a folder that is"
                yield Finding(about, Verdict.WARNING, f"not here, and {kept_in} cannot be written", fix)
        elif _digest(path) != published.sha256:
            yield Finding(about, Verdict.WARNING, f"{path} is not the authors': its hash differs", f"delete {path}")
        else:
            yield Finding(about, Verdict.OK, f"whole, {path}")


def trial() -> Iterator[Finding]:
    """The engine of the main job answers with a valid mask."""
    size = MAIN_JOB.input_size
    picture = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    try:
        engine = open_engine(MAIN_JOB, resolve(MAIN_JOB))
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
    yield Finding("trial", Verdict.OK, f"lite on {info.name}, {info.precision}: a mask in {milliseconds:.0f} ms")


def _torch_on_gpu() -> Finding:
    """Whether PyTorch can use the GPU that is there."""
    import torch  # a second or two, and only here

    name, mend = f"torch {torch.__version__}", "install PyTorch for CUDA: see pytorch.org"
    if torch.version.cuda is None:
        return Finding("torch", Verdict.INFO, f"{name} is built for CPUs, and leaves the GPU alone", mend)
    if not torch.cuda.is_available():
        return Finding("torch", Verdict.WARNING, f"{name} for CUDA {torch.version.cuda} cannot use the driver", mend)
    major, minor = torch.cuda.get_device_capability()
    built_for = torch.cuda.get_arch_list()
    same_family = {f"sm_{major}{lower}" for lower in range(minor + 1)}  # code runs on later cards of its family
    if not same_family & set(built_for):
        found = f"{name} is built for {', '.join(built_for)}, not for this card's {major}.{minor}"
        return Finding("torch", Verdict.WARNING, found, mend)
    return Finding("torch", Verdict.OK, f"{name} for CUDA {torch.version.cuda}, which fits the card")


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return "installed"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
