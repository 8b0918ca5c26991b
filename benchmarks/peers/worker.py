"""One contestant in a process of its own: frames in, masks out, as often as it is told.

    python worker.py CONTESTANT MODEL WEIGHTS FRAMES.npy MASKS.npy

It answers first with what it runs on, as a line of JSON, then for every line on stdin it takes all frames once and
answers with milliseconds per frame. The first round's masks are kept in ``MASKS.npy``.

``rtsod:PRECISION`` is this program's library call, in any precision it knows, ``auto`` included. ``region:PIXELS`` is
its way with a stream: the subject's region at so many pixels, the whole frame now and then. The worker runs in the
peers' environment, too: what a contestant needs it imports itself.

All others follow the protocol of the authors' test script: the frame at 320 x 320, divided by its maximum, normalised,
the map stretched from 0 to 1 and brought back to the frame's size.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
Contestant: TypeAlias = Callable[[Array], Array]
"""``(H, W, 3)`` uint8 BGR to ``(H, W)``, uint8 or float in [0, 1]."""

SIZE: Final = 320
MEAN: Final = np.array((0.485, 0.456, 0.406), np.float32)
DEVIATION: Final = np.array((0.229, 0.224, 0.225), np.float32)


def rembg(model: str, weights: Path) -> Contestant:
    """Rembg as its manual says, asked for the mask alone. ``U2NET_HOME`` points to the weights."""
    from rembg import new_session, remove

    session = new_session({"full": "u2net", "lite": "u2netp"}[model], providers=["CPUExecutionProvider"])
    return lambda image: np.asarray(remove(np.ascontiguousarray(image[..., ::-1]), session=session, only_mask=True))


def onnxruntime(model: str, weights: Path) -> Contestant:
    """ONNX Runtime, bare, asked for the fused map alone."""
    import onnxruntime as ort

    session = ort.InferenceSession(str(weights), providers=["CPUExecutionProvider"])
    name, output = session.get_inputs()[0].name, session.get_outputs()[0].name
    return _bare(lambda pixels: session.run([output], {name: pixels})[0])


def openvino(model: str, weights: Path) -> Contestant:
    """OpenVINO, bare, on the same ONNX file."""
    import openvino as ov

    compiled = ov.Core().compile_model(str(weights), "CPU", {"PERFORMANCE_HINT": "LATENCY"})
    if "f32" not in compiled.get_property("INFERENCE_PRECISION_HINT").to_string():
        # Where the processor can, OpenVINO halves the precision unasked; all contestants compute in float32.
        options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        compiled = ov.Core().compile_model(str(weights), "CPU", options)
    request, output = compiled.create_infer_request(), compiled.output(0)
    return _bare(lambda pixels: request.infer([pixels], share_inputs=True)[output])


def openvino_int8(model: str, weights: Path) -> Contestant:
    """OpenVINO, bare, on the graph that ``rtsod:int8`` runs: what this program adds to it is the difference."""
    import cv2
    import openvino as ov

    from rtsod.backends.openvino.cache import converted
    from rtsod.config import EngineConfig
    from rtsod.model.calibration import calibration_for
    from rtsod.model.weights import resolve

    core, config = ov.Core(), EngineConfig(model, "openvino", "int8", input_size=SIZE)  # type: ignore[arg-type]
    graph = converted(core, config, resolve(config), calibration_for(resolve(config))).model
    request = core.compile_model(
        graph, "CPU", {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    ).create_infer_request()

    def segment(image: Array) -> Array:
        pixels = cv2.resize(image, (SIZE, SIZE))
        pixels = cv2.convertScaleAbs(pixels, alpha=255 / pixels.max())
        saliency = request.infer([pixels[None]], share_inputs=True)[0][0, 0]
        low, high = saliency.min(), saliency.max()
        return np.asarray(cv2.resize((saliency - low) / (high - low), image.shape[1::-1]))

    return segment


def torch_loop(model: str, weights: Path) -> Contestant:
    """OpenCV and PyTorch, as people write it: eager, NCHW, float32."""
    import torch

    from rtsod.model.checkpoints import load_network

    network = load_network(weights, model).eval()  # type: ignore[arg-type]

    def run(pixels: Array) -> Array:
        with torch.no_grad():
            return torch.sigmoid(network(torch.from_numpy(pixels))).numpy()

    return _bare(run)


def rtsod(model: str, precision: str) -> tuple[Contestant, str]:
    """The library call, and what it says runs."""
    from rtsod import Segmenter
    from rtsod.app.run import leave_cores_to_the_network

    leave_cores_to_the_network()
    segmenter = Segmenter.open(model, precision=precision)  # type: ignore[arg-type]
    return segmenter, f"{segmenter.info.name} {segmenter.info.precision}"


def region(model: str, size: int) -> tuple[Contestant, str]:
    """A stream's masks as the program makes them with ``--region``, at the frame's size; and what runs."""
    import cv2

    from rtsod.app.run import leave_cores_to_the_network
    from rtsod.backends import open_engine
    from rtsod.config import EngineConfig
    from rtsod.frames import Frame
    from rtsod.masking.roi_masker import RegionMasker
    from rtsod.metrics import Metrics
    from rtsod.model.weights import resolve

    leave_cores_to_the_network()
    configs = [EngineConfig(model, precision="auto", input_size=pixels) for pixels in (SIZE, size)]  # type: ignore[arg-type]
    whole, part = (open_engine(config, resolve(config)) for config in configs)
    masker, indices = RegionMasker(whole, part, Metrics()), count()

    def segment(image: Array) -> Array:
        masker.run_deferred()  # of the mask before
        alpha = masker.mask(Frame(image, next(indices), time.perf_counter())).alpha
        return np.asarray(cv2.resize(alpha, image.shape[1::-1]))

    return segment, f"{part.info.name} {part.info.precision}"


def _bare(run: Callable[[Array], Array]) -> Contestant:
    import cv2

    def segment(image: Array) -> Array:
        rgb = cv2.resize(image, (SIZE, SIZE))[..., ::-1].astype(np.float32)
        pixels = np.ascontiguousarray(((rgb / rgb.max() - MEAN) / DEVIATION).transpose(2, 0, 1)[None], np.float32)
        saliency = run(pixels)[0, 0]
        low, high = saliency.min(), saliency.max()
        return np.asarray(cv2.resize((saliency - low) / (high - low), image.shape[1::-1]))

    return segment


PEERS: Final = {
    "rembg": (rembg, "fp32"), "torch": (torch_loop, "fp32"), "onnxruntime": (onnxruntime, "fp32"),
    "openvino": (openvino, "fp32"), "openvino-int8": (openvino_int8, "int8"),
}  # fmt: skip
OURS: Final = "rtsod"
REGION: Final = "region"


def open_contestant(contestant: str, model: str, weights: Path) -> tuple[Contestant, str]:
    """A contestant ready to run, and what it runs on."""
    name, _, how = contestant.partition(":")
    if name == OURS:
        return rtsod(model, how)
    if name == REGION:
        return region(model, int(how))
    opened, runs = PEERS[name]
    return opened(model, weights), runs


def main(contestant: str, model: str, weights: str, frames: str, masks: str) -> None:
    """Open, answer, until stdin ends."""
    segment, runs = open_contestant(contestant, model, Path(weights))
    images = np.load(frames)
    kept = [_as_bytes(segment(image)) for image in images]  # warms up, too
    np.save(masks, np.stack(kept))
    print(json.dumps(runs), flush=True)
    for _ in sys.stdin:
        milliseconds = []
        for image in images:
            started = time.perf_counter()
            segment(image)
            milliseconds.append(round((time.perf_counter() - started) * 1e3, 3))
        print(json.dumps(milliseconds), flush=True)


def _as_bytes(mask: Array) -> Array:
    return mask if mask.dtype == np.uint8 else np.rint(np.clip(mask, 0, 1) * 255).astype(np.uint8)


if __name__ == "__main__":
    main(*sys.argv[1:])
