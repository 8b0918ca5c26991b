"""Checks NVIDIA GPUs: whether driver, CUDA, TensorRT and the built engines match the card."""

from __future__ import annotations

import ctypes
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from rtsod.backends import nvidia_driver
from rtsod.backends.tensorrt.cache import engines_folder
from rtsod.backends.tensorrt.library import Capability, TrtLibrary, capability_text, load_library, require_supported
from rtsod.backends.tensorrt.manifest import Manifest
from rtsod.cli.doctor.finding import Finding, Verdict
from rtsod.errors import EngineUnavailable
from rtsod.system.extras import install_extra

_QUERY: Final = "name,driver_version,compute_cap,memory.total"
_NVIDIA_SMI_TIMEOUT_SECONDS: Final = 30
_RUNTIME: Final = ("cuda-bindings", "cuda-python")
_LIBRARIES: Final = {"tensorrt": ("tensorrt",), "tensorrt_rtx": ("tensorrt-rtx", "tensorrt_rtx")}


@dataclass(frozen=True, slots=True)
class Card:
    """One GPU, as nvidia-smi describes it."""

    name: str
    driver: str
    capability: Capability
    memory: str


def gpus() -> Iterator[Finding]:
    """Each GPU, whether the CUDA libraries fit the driver, and whether TensorRT fits the GPU."""
    driver = nvidia_driver()
    if not driver.available:
        yield Finding("NVIDIA GPU", Verdict.INFO, f"{driver.reason}: the network runs on the CPU")
        yield tensorrt_match(None)
        return
    cards = _cards()
    if isinstance(cards, Finding):
        yield cards
        return
    newest = _cuda_of_driver()
    for card in cards:
        about = f"{card.memory}, compute capability {capability_text(card.capability)}, driver {card.driver}"
        yield Finding("NVIDIA GPU", Verdict.OK, f"{card.name}, {about}, CUDA up to {_dotted(newest)}")
    yield cuda_match(newest, _installed(_RUNTIME))
    for card in cards:
        yield tensorrt_match(card)


def cuda_match(newest: int, runtime: str | None) -> Finding:
    """Whether cuda-python fits the driver.

    Args:
        newest: newest CUDA version that the driver supports, 13020 for 13.2.
        runtime: version of cuda-python; None if it is not installed.
    """
    if runtime is None:
        return Finding("CUDA", Verdict.INFO, "cuda-python is not installed; TensorRT needs it (or pycuda)")
    major = newest // 1000
    if int(runtime.split(".")[0]) > major:
        fix = f"update NVIDIA's driver, or pip install 'cuda-python<{major + 1}'"
        return Finding("CUDA", Verdict.WARNING, f"cuda-python {runtime} is too new for CUDA {_dotted(newest)}", fix)
    return Finding("CUDA", Verdict.OK, f"cuda-python {runtime} fits the driver's {_dotted(newest)}")


def tensorrt_match(card: Card | None, load: Callable[[], TrtLibrary] = load_library) -> Finding:
    """Whether the installed TensorRT runs on this card; None means that there is no card."""
    about = "TensorRT"
    try:
        library = load()
    except EngineUnavailable as error:
        found, _, fix = str(error).partition(": ")
        return Finding(about, Verdict.INFO, found, fix if card is not None else "")
    name = f"{library.name} {library.version}"
    if card is None:
        return Finding(about, Verdict.INFO, f"{name} is installed, but not usable here: there is no NVIDIA driver")
    try:
        require_supported(card.name, card.capability)
    except EngineUnavailable as error:
        found, _, fix = str(error).partition(": ")
        return Finding(about, Verdict.INFO, f"{name} is installed, but {found}", fix)
    if library.ahead_of_time and card.capability not in library.ahead_of_time:
        built_for = ", ".join(map(capability_text, library.ahead_of_time))
        found = f"{name} is installed, but builds for {built_for} only, not for this card's "
        fix = f"{install_extra('tensorrt')}, the full library; or --engine torch"
        return Finding(about, Verdict.WARNING, found + capability_text(card.capability), fix)
    return Finding(about, Verdict.OK, f"{name} fits {card.name}")


def built_engines() -> Iterator[Finding]:
    """Each engine that was built: whether its file is intact and fits a card of this machine."""
    try:
        folder = engines_folder()
        plans = sorted(folder.glob("*.engine"))
    except OSError as error:
        yield Finding("built engines", Verdict.INFO, error.strerror or str(error))
        return
    if not plans:
        yield Finding("built engines", Verdict.INFO, f"none in {folder}: TensorRT builds one on first use")
        return
    cards = _cards() if nvidia_driver().available else []
    for plan in plans:
        yield engine_match(plan, [] if isinstance(cards, Finding) else cards)


def engine_match(plan: Path, cards: Sequence[Card]) -> Finding:
    """Whether an engine's file is intact and fits one of these cards."""
    about, fix = "built engine", f"delete {plan}: it is not used, and is rebuilt when needed"
    try:
        manifest = Manifest.from_json(plan.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Finding(about, Verdict.WARNING, f"{plan.name}: the manifest is missing or damaged", fix)
    try:
        intact = hashlib.sha256(plan.read_bytes()).hexdigest() == manifest.engine_sha256
    except OSError as error:
        return Finding(about, Verdict.WARNING, f"{plan.name}: cannot be read: {error.strerror or error}", fix)
    if not intact:
        return Finding(about, Verdict.WARNING, f"{plan.name}: the file is damaged, its hash differs", fix)
    what = f"{manifest.model} {manifest.input_size} {manifest.precision}, intact"
    there = _installed(_LIBRARIES.get(manifest.library, ()))
    if there is not None and there != manifest.library_version:
        now = f"{manifest.library} {manifest.library_version} built it and {there} is installed"
        return Finding(about, Verdict.INFO, f"{what}, but {now}: it is rebuilt when needed")
    for card in cards:
        same_card = manifest.gpu in (None, card.name) and manifest.driver in (None, card.driver)
        if same_card and manifest.compute_capability == capability_text(card.capability):
            return Finding(about, Verdict.OK, f"{what}, for {card.name}")
    target = f"compute capability {manifest.compute_capability}"
    if manifest.gpu is not None:
        target = f"{manifest.gpu} with driver {manifest.driver}"
    return Finding(about, Verdict.INFO, f"{what}, for {target}, which this machine does not have")


def _cards() -> list[Card] | Finding:
    if shutil.which("nvidia-smi") is None:
        return Finding("NVIDIA GPU", Verdict.INFO, "there is a driver, but no nvidia-smi to describe the GPU")
    command = ["nvidia-smi", f"--query-gpu={_QUERY}", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_NVIDIA_SMI_TIMEOUT_SECONDS, check=False)
    if done.returncode != 0:
        lines = (done.stdout or done.stderr).strip().splitlines() or ["nvidia-smi failed"]
        fix = "reinstall NVIDIA's driver, or restart: its library and its kernel module may have different versions"
        return Finding("NVIDIA GPU", Verdict.WARNING, lines[0], fix)
    cards = []
    for line in done.stdout.strip().splitlines():
        name, driver, capability, memory = (part.strip() for part in line.split(","))
        major, minor = map(int, capability.split("."))
        cards.append(Card(name, driver, (major, minor), memory))
    return cards


def _cuda_of_driver() -> int:
    number = ctypes.c_int()
    library = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    get_version: Callable[..., int] = library.cuDriverGetVersion
    return number.value if get_version(ctypes.byref(number)) == 0 else 0


def _dotted(cuda: int) -> str:
    return f"{cuda // 1000}.{cuda % 1000 // 10}" if cuda else "unknown"


def _installed(packages: Sequence[str]) -> str | None:
    for package in packages:
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return None
