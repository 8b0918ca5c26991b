"""U²-Net in OpenVINO: the fastest on a CPU, and on Intel's GPUs.

The OpenVINO model is converted from the PyTorch graph (which needs PyTorch and several seconds), once, and kept with
OpenVINO's compiled form in the user's cache folder; from then on PyTorch is not even imported.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Final

import numpy as np
import openvino as ov
import platformdirs

from rtsod.config import EngineConfig
from rtsod.errors import EngineError, EngineUnavailable
from rtsod.model.weights import Weights
from rtsod.types import Alpha, EngineInfo, Image

_log = logging.getLogger(__name__)

_HINTS: Final = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
_CAPABILITIES: Final = {"fp32": "FP32", "bf16": "BF16", "fp16": "FP16"}
_GRAPH_VERSION: Final = 1
"""Raised whenever rtsod.model.saliency changes what the graph computes, so that older conversions are not used."""


class OpenVinoEngine:
    """See :class:`rtsod.types.Engine`.

    Raises:
        EngineUnavailable: OpenVINO does not know the device or the precision on this machine.
        EngineError: the model does not compile.
        WeightsError: the weights cannot be had.
    """

    def __init__(self, config: EngineConfig, weights: Weights) -> None:
        core = ov.Core()
        device = _device(core, config.device)
        precision = "fp32" if config.precision == "auto" else config.precision
        _check_precision(core, device, precision)
        model, folder = _converted(core, config, weights)
        options = {"INFERENCE_PRECISION_HINT": _HINTS[precision], "PERFORMANCE_HINT": "LATENCY"}
        if folder is not None and os.access(folder, os.W_OK):
            options["CACHE_DIR"] = str(folder)
        try:
            self._compiled = core.compile_model(model, device, options)
            used = self._compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
            name = str(core.get_property(device, "FULL_DEVICE_NAME"))
        except RuntimeError as error:
            raise EngineError(f"OpenVINO cannot compile the model for {device}: {_first_line(error)}") from error
        ran = {hint: precision for precision, hint in _HINTS.items()}.get(used, used)
        if ran != precision:
            raise EngineUnavailable(f"OpenVINO runs {ran} on {device} ({name}) where {precision} was asked for")
        self._request = self._compiled.create_infer_request()
        self._info = EngineInfo(
            name="openvino",
            model=config.model,
            precision=ran,
            device=f"{device} ({' '.join(name.split())})",
            input_size=config.input_size,
            weights=weights.label,
        )

    @property
    def info(self) -> EngineInfo:
        return self._info

    def infer(self, image: Image) -> Alpha:
        try:
            result = self._request.infer([image[None]], share_inputs=True, share_outputs=True)
        except RuntimeError as error:
            raise EngineError(f"OpenVINO failed: {_first_line(error)}") from error
        # The next call writes into the same memory, and the caller may keep what it gets.
        return np.array(result[0][0, 0], np.float32)

    def close(self) -> None:
        """Nothing outlives the object: OpenVINO frees the model with its last reference."""


def _device(core: ov.Core, asked: str) -> str:
    if asked in ("auto", "cpu"):
        return "CPU"
    available = [str(device) for device in core.available_devices]
    if asked.upper() not in available:
        hint = " CUDA is --engine torch." if asked.startswith("cuda") else ""
        raise EngineUnavailable(
            f"--device {asked}: OpenVINO has {', '.join(d.lower() for d in available) or 'none'} here.{hint}"
        )
    return asked.upper()


def _check_precision(core: ov.Core, device: str, precision: str) -> None:
    capabilities = core.get_property(device, "OPTIMIZATION_CAPABILITIES")
    if _CAPABILITIES[precision] not in capabilities:
        able = [name for name, capability in _CAPABILITIES.items() if capability in capabilities]
        raise EngineUnavailable(f"--precision {precision}: {device} here computes in {', '.join(able)} only")


def _converted(core: ov.Core, config: EngineConfig, weights: Weights) -> tuple[ov.Model, Path | None]:
    """The model for this configuration, converted if need be, and the folder it is kept in.

    A folder that cannot be written costs the conversion at every start, which is said, and nothing else.
    """
    key = f"{config.model}-{config.input_size}-{weights.sha256[:16]}-v{_GRAPH_VERSION}-{ov.__version__.split('-')[0]}"
    folder = platformdirs.user_cache_path("rtsod") / "openvino" / key
    if folder.is_dir():
        if _intact(folder):
            return core.read_model(folder / "graph.xml"), folder
        _log.warning("%s: the converted model there is damaged and is made anew", folder)
        shutil.rmtree(folder, ignore_errors=True)
    model = _convert(config, weights)
    try:
        _keep(model, folder)
    except (OSError, RuntimeError) as error:  # OpenVINO reports a full disk as the latter
        reason = error.strerror if isinstance(error, OSError) else "the disk is full, perhaps"
        _log.warning("%s: the converted model cannot be kept there (%s): every start converts it", folder, reason)
        return model, None
    return model, folder


def _keep(model: ov.Model, folder: Path) -> None:
    """Write the model whole or not at all, also when two processes do so at once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        ov.save_model(model, unfinished / "graph.xml", compress_to_fp16=False)
        (unfinished / "graph.sha256").write_text(_digest(unfinished))
        try:
            os.replace(unfinished, folder)
        except OSError:
            if not _intact(folder):  # else another process was faster, and its work is as good
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _convert(config: EngineConfig, weights: Weights) -> ov.Model:
    import torch  # a second to import, and needed once only

    from rtsod.model.checkpoints import load_network
    from rtsod.model.saliency import SaliencyGraph

    graph = SaliencyGraph(load_network(weights.file(), config.model)).eval()
    size = config.input_size
    example = torch.zeros(1, size, size, 3, dtype=torch.uint8)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # about PyTorch's own code, from PyTorch's own code
            model = ov.convert_model(torch.export.export(graph, (example,)))
        model.reshape([1, size, size, 3])
    except RuntimeError as error:
        raise EngineError(f"OpenVINO cannot convert the model: {_first_line(error)}") from error
    return model


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in ("graph.xml", "graph.bin"):
        with (folder / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _intact(folder: Path) -> bool:
    try:
        return (folder / "graph.sha256").read_text() == _digest(folder)
    except OSError:
        return False


def _first_line(error: Exception) -> str:
    """OpenVINO's messages are stacks of places in its own sources; the last line that says something is the reason."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("Exception from", "Check '"))]
    return (told or lines or [type(error).__name__])[-1]
