"""ONNX Runtime's execution providers: which there are, what each needs, and where it runs on this machine."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rtsod.backends.onnxruntime.library import has_plugin, load_library, plugin_devices
from rtsod.config import Precision
from rtsod.errors import EngineError, EngineUnavailable
from rtsod.system.machine import processor_name


@dataclass(frozen=True, slots=True)
class Provider:
    """One execution provider."""

    device: str
    """As ``--device`` names it."""
    label: str
    """For people."""
    name: str
    """As ONNX Runtime names it."""
    fix: str
    """How to get it."""
    precisions: tuple[Precision, ...] = ("fp32", "fp16")
    """What it is opened in; the first is what ``auto`` takes."""
    plugin: str = ""
    """The package that it comes in, as it is imported; empty if it is a part of ONNX Runtime."""
    driver: str = ""
    """Of a plug-in: what it finds devices with."""
    options: Mapping[str, str] = field(default_factory=dict)
    system: tuple[str, str] | None = None
    """Of the only one that has it: what ``sys.platform`` calls it, and what people do."""
    slow_to_open: bool = False
    """Whether opening takes minutes."""


_WEBGPU_DRIVER: Final = "a driver for Vulkan, Metal or Direct3D 12"
CPU: Final = Provider("cpu", "CPU", "CPUExecutionProvider", "pip install onnxruntime", ("fp32",))
PROVIDERS: Final = (
    # TF32 rounds inputs to 10 bits; fp32 must mean fp32.
    Provider(
        "cuda", "CUDA", "CUDAExecutionProvider",
        "pip install onnxruntime-gpu in place of onnxruntime, with NVIDIA's driver, CUDA and cuDNN",
        options={"use_tf32": "0"},
    ),
    # TensorRT would round fp32 to TF32, and its plans are not cached: they are machine code that nobody checks.
    Provider(
        "tensorrt", "TensorRT", "TensorrtExecutionProvider",
        "pip install onnxruntime-gpu in place of onnxruntime, with TensorRT; or use --engine tensorrt",
        ("fp16",), options={"trt_fp16_enable": "1"}, slow_to_open=True,
    ),
    Provider(
        "coreml", "Core ML", "CoreMLExecutionProvider", "pip install onnxruntime",
        system=("darwin", "macOS"),
        options={"ModelFormat": "MLProgram", "MLComputeUnits": "ALL", "RequireStaticInputShapes": "1"},
    ),
    Provider(
        "directml", "DirectML", "DmlExecutionProvider",
        "pip install onnxruntime-directml in place of onnxruntime", system=("win32", "Windows"),
    ),
    Provider(
        "webgpu", "WebGPU", "WebGpuExecutionProvider", f"pip install onnxruntime-ep-webgpu, and {_WEBGPU_DRIVER}",
        plugin="onnxruntime_ep_webgpu", driver=_WEBGPU_DRIVER,
    ),
    CPU,
)  # fmt: skip
"""All of them, the fastest first. ``auto`` tries those in this order that are there, but TensorRT's."""


@dataclass(frozen=True, slots=True)
class Place:
    """A provider on a device of this machine."""

    provider: Provider
    index: int | None = None
    """Of the CUDA device; None for providers that take no index."""
    plugin_device: Any = None
    """The ``OrtEpDevice`` of a plug-in; None for a provider that is a part of ONNX Runtime."""

    @property
    def device(self) -> str:
        """As ``--device`` names it."""
        return self.provider.device if self.index is None else f"{self.provider.device}:{self.index}"

    @property
    def options(self) -> dict[str, str]:
        """What the provider is opened with."""
        return {**({} if self.index is None else {"device_id": str(self.index)}), **self.provider.options}

    @property
    def in_software(self) -> bool:
        """Whether a processor stands in for a GPU, which is for tests alone: it takes seconds for a mask."""
        kind = None if self.plugin_device is None else self.plugin_device.device.type
        return kind is not None and kind == load_library().OrtHardwareDeviceType.CPU

    def __str__(self) -> str:
        if self.provider is CPU:
            return f"CPU ({processor_name()}, {CPU.name})"
        if self.plugin_device is None:
            return f"{self.device} ({self.provider.name})"
        kind = "in software" if self.in_software else _adapter(self.plugin_device.device)
        return f"{self.device} ({kind}, {self.provider.name})"


def require_system(device: str) -> None:
    """Refuse a ``--device`` that this system can never have, before anything is installed for it.

    Raises:
        EngineUnavailable: it is another system's.
    """
    for provider in PROVIDERS:
        if provider.device == device and provider.system is not None and provider.system[0] != sys.platform:
            raise EngineUnavailable(f"--device {device}: {provider.label} is a part of {provider.system[1]}")


def place_for(device: str) -> Place:
    """The place that a ``--device`` other than ``auto`` means.

    Raises:
        EngineUnavailable: the installed ONNX Runtime does not have it; the message says how to get it.
        EngineError: a plug-in does not load.
    """
    require_system(device)
    kind, _, number = device.partition(":")
    provider = next((each for each in PROVIDERS if each.device == kind), None)
    if provider is None:
        names = ", ".join(each.device for each in PROVIDERS)
        raise EngineUnavailable(f"--device {device}: ONNX Runtime has {names}; for gpu and npu use --engine openvino")
    found = _find(provider, int(number or 0))
    if found is None and provider.plugin and has_plugin(provider.plugin):
        package = provider.plugin.replace("_", "-")
        raise EngineUnavailable(
            f"--device {device}: {package} is installed, but it finds no GPU: it needs one with {provider.driver}; "
            "or run with --device cpu, or with --engine openvino"
        )
    if found is None:
        have = ", ".join(place.provider.device for place in places())
        raise EngineUnavailable(f"--device {device}: this ONNX Runtime has {have} only: {provider.fix}")
    return found


def places() -> list[Place]:
    """Every provider that the installed ONNX Runtime has, the fastest first. Whether it really runs, opening it tells.

    Raises:
        EngineUnavailable: ONNX Runtime is not installed, or too old.
    """
    load_library()
    found = []
    for provider in PROVIDERS:
        try:
            place = _find(provider, 0)
        except EngineError:  # a plug-in that does not load: place_for says why
            continue
        if place is not None:
            found.append(place)
    return found


def accelerators() -> list[Place]:
    """The places that ``auto`` tries before the processor. Software that stands in for a GPU is not among them.

    Raises:
        EngineUnavailable: ONNX Runtime is not installed, or too old.
    """
    return [place for place in places() if place.provider is not CPU and not _drawback(place)]


def passed_over() -> list[str]:
    """Why ``auto`` does not try each of the other places beside the processor: ``tensorrt takes minutes to open``.

    Raises:
        EngineUnavailable: ONNX Runtime is not installed, or too old.
    """
    return [f"{place.device} {why}" for place in places() if place.provider is not CPU and (why := _drawback(place))]


def useless_plugins() -> list[str]:
    """Why each plug-in that is installed offers no device here.

    Raises:
        EngineUnavailable: ONNX Runtime is not installed, or too old.
    """
    offered = [place.provider for place in places()]
    reasons = []
    for provider in PROVIDERS:
        if provider.plugin and provider not in offered and has_plugin(provider.plugin):
            try:
                place_for(provider.device)
            except EngineError as error:
                reasons.append(str(error))
    return reasons


def _drawback(place: Place) -> str:
    """Why ``auto`` does not try a place; empty if it does."""
    if place.provider.slow_to_open:
        return "takes minutes to open"
    return "computes in software here, which is slower" if place.in_software else ""


def _find(provider: Provider, number: int) -> Place | None:
    index = number if provider.device == "cuda" else None
    # A registered plug-in can be opened by its name as well, but then nothing tells on which device.
    if not provider.plugin and provider.name in load_library().get_available_providers():
        return Place(provider, index)
    devices = plugin_devices(provider.plugin, provider.name)
    return Place(provider, index, devices[number]) if number < len(devices) else None


def _adapter(device: Any) -> str:
    """The name of a GPU, as far as the system tells."""
    return str(dict(device.metadata).get("Description") or device.vendor or "a GPU")
