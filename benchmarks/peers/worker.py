"""Runs one contestant in its own process: frames in, masks out, once per request.

    python worker.py CONTESTANT MODEL WEIGHTS FRAMES.npy MASKS.npy

It first writes the engine and precision it runs on as a line of JSON. For every line on stdin it then processes all
frames once and writes the milliseconds of each frame. The masks of the first pass are saved to ``MASKS.npy``.

``rtsod:PRECISION`` is this program's library call in any of its precisions, including ``auto``. ``region:PIXELS`` is
what the program does with a stream: the network sees the ROI at that size, and the full frame at intervals. The worker
also runs in the peers' environment, so each contestant imports what it needs itself.

``mediapipe`` is another network: the selfie segmentation behind the backgrounds of many video calls, which knows people
only. It gets the frame and returns a mask of the frame's size.

All others follow the protocol of the authors' test script: the frame is scaled to 320x320, divided by its maximum and
normalised; the map is stretched to [0, 1] and scaled back to the frame's size.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before anything imports ONNX Runtime, whose builds send events otherwise

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
Contestant: TypeAlias = Callable[[Array], Array]
"""Maps ``(H, W, 3)`` uint8 BGR to ``(H, W)``, uint8 or float in [0, 1]."""

INPUT_SIZE: Final = 320
MEAN: Final = np.array((0.485, 0.456, 0.406), np.float32)
STANDARD_DEVIATION: Final = np.array((0.229, 0.224, 0.225), np.float32)


def rembg(model: str, weights: Path) -> Contestant:
    """Rembg as its manual describes, returning only the mask. ``U2NET_HOME`` points to the weights."""
    from rembg import new_session, remove

    session = new_session({"full": "u2net", "lite": "u2netp"}[model], providers=["CPUExecutionProvider"])
    return lambda image: np.asarray(remove(np.ascontiguousarray(image[..., ::-1]), session=session, only_mask=True))


def onnxruntime(model: str, weights: Path) -> Contestant:
    """ONNX Runtime called directly, computing only the fused map."""
    import onnxruntime as ort

    session = ort.InferenceSession(str(weights), providers=["CPUExecutionProvider"])
    name, output = session.get_inputs()[0].name, session.get_outputs()[0].name
    return protocol_of_the_authors(lambda pixels: session.run([output], {name: pixels})[0])


def openvino(model: str, weights: Path) -> Contestant:
    """OpenVINO called directly, on the same ONNX file."""
    import openvino as ov

    compiled = ov.Core().compile_model(str(weights), "CPU", {"PERFORMANCE_HINT": "LATENCY"})
    if "f32" not in compiled.get_property("INFERENCE_PRECISION_HINT").to_string():
        # On processors that support it OpenVINO uses bf16 by default, but all contestants compute in fp32.
        options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        compiled = ov.Core().compile_model(str(weights), "CPU", options)
    request, output = compiled.create_infer_request(), compiled.output(0)
    return protocol_of_the_authors(lambda pixels: request.infer([pixels], share_inputs=True)[output])


def openvino_int8(model: str, weights: Path) -> Contestant:
    """OpenVINO called directly on the graph of ``rtsod:int8``; the difference is what this program adds."""
    import cv2

    from rtsod.backends.openvino.cache import ModelCache
    from rtsod.backends.openvino.core import ov
    from rtsod.config import EngineConfig
    from rtsod.model.calibration import calibration_for
    from rtsod.model.weights import resolve

    core, config = ov.Core(), EngineConfig(model, "openvino", "int8", input_size=INPUT_SIZE)
    graph = ModelCache(core).model(config, resolve(config), calibration_for(resolve(config))).model
    request = core.compile_model(
        graph, "CPU", {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    ).create_infer_request()

    def segment(image: Array) -> Array:
        pixels = cv2.resize(image, (INPUT_SIZE, INPUT_SIZE))
        pixels = cv2.convertScaleAbs(pixels, alpha=255 / pixels.max())
        saliency = request.infer([pixels[None]], share_inputs=True)[0][0, 0]
        low, high = saliency.min(), saliency.max()
        return np.asarray(cv2.resize((saliency - low) / (high - low), image.shape[1::-1]))

    return segment


def torch_loop(model: str, weights: Path) -> Contestant:
    """OpenCV and PyTorch as most people write it: eager, NCHW, fp32."""
    import torch

    from rtsod.model.checkpoints import load_network

    network = load_network(weights, model).eval()  # type: ignore[arg-type]

    def run(pixels: Array) -> Array:
        with torch.no_grad():
            return torch.sigmoid(network(torch.from_numpy(pixels))).numpy()

    return protocol_of_the_authors(run)


def rtsod(model: str, precision: str) -> tuple[Contestant, str]:
    """The library call of rtsod, with its engine and precision."""
    from rtsod import Segmenter
    from rtsod.app.assembly import leave_cores_to_the_network

    leave_cores_to_the_network()
    segmenter = Segmenter.open(model, precision=precision)  # type: ignore[arg-type]
    return segmenter, f"{segmenter.info.name} {segmenter.info.precision}"


def region(model: str, size: int) -> tuple[Contestant, str]:
    """Masks of a stream as the program makes them with ``--region``, with its engine and precision."""
    import cv2

    from rtsod.app.assembly import leave_cores_to_the_network
    from rtsod.backends import open_engine
    from rtsod.config import EngineConfig
    from rtsod.frames import Frame
    from rtsod.masking.refresh import InPlaceRefresher
    from rtsod.masking.roi_masker import RoiMasker
    from rtsod.metrics import Metrics
    from rtsod.model.weights import resolve

    leave_cores_to_the_network()
    configs = [EngineConfig(model, precision="auto", input_size=pixels) for pixels in (INPUT_SIZE, size)]
    whole, part = (open_engine(config, resolve(config)) for config in configs)
    metrics = Metrics()
    masker, indices = RoiMasker(whole.info.input_size, part, InPlaceRefresher(lambda: whole, metrics), metrics), count()

    def segment(image: Array) -> Array:
        masker.run_deferred()  # work left over from the previous mask
        alpha = masker.mask(Frame(image, next(indices), time.perf_counter())).alpha
        return np.asarray(cv2.resize(alpha, image.shape[1::-1]))

    return segment, f"{part.info.name} {part.info.precision}"


def mediapipe(model: str, weights: Path) -> Contestant:
    """MediaPipe's selfie segmentation as its manual describes, with the network for landscape frames (256x144)."""
    from hashlib import sha256

    from mediapipe.python.solutions import selfie_segmentation as package

    network = Path(package.__file__).parents[2] / "modules" / "selfie_segmentation" / MEDIAPIPE_NETWORK
    found = sha256(network.read_bytes()).hexdigest()
    if found != MEDIAPIPE_SHA256:
        raise SystemExit(f"{network}: its SHA-256 is {found}, not {MEDIAPIPE_SHA256}: install mediapipe again")
    session = package.SelfieSegmentation(model_selection=1)
    return lambda image: np.asarray(session.process(np.ascontiguousarray(image[..., ::-1])).segmentation_mask)


def protocol_of_the_authors(run: Callable[[Array], Array]) -> Contestant:
    """A contestant that feeds a network as the authors' test script does.

    Args:
        run: maps ``(1, 3, 320, 320)`` float32 to ``(1, 1, 320, 320)``.
    """
    import cv2

    def segment(image: Array) -> Array:
        rgb = cv2.resize(image, (INPUT_SIZE, INPUT_SIZE))[..., ::-1].astype(np.float32)
        pixels = np.ascontiguousarray(
            ((rgb / rgb.max() - MEAN) / STANDARD_DEVIATION).transpose(2, 0, 1)[None], np.float32
        )
        saliency = run(pixels)[0, 0]
        low, high = saliency.min(), saliency.max()
        return np.asarray(cv2.resize((saliency - low) / (high - low), image.shape[1::-1]))

    return segment


MEDIAPIPE: Final = "mediapipe"
MEDIAPIPE_NETWORK: Final = "selfie_segmentation_landscape.tflite"
MEDIAPIPE_SHA256: Final = "a77d03f4659b9f6b6c1f5106947bf40e99d7655094b6527f214ea7d451106edd"
PEERS: Final = {
    "rembg": (rembg, "fp32"), "torch": (torch_loop, "fp32"), "onnxruntime": (onnxruntime, "fp32"),
    "openvino": (openvino, "fp32"), "openvino-int8": (openvino_int8, "int8"),
}  # fmt: skip
"""Function that opens each contestant, and its precision."""
OURS: Final = "rtsod"
REGION: Final = "region"


def open_contestant(contestant: str, model: str, weights: Path) -> tuple[Contestant, str]:
    """A contestant, ready to run, with its engine and precision."""
    name, _, parameter = contestant.partition(":")
    if name == OURS:
        return rtsod(model, parameter)
    if name == MEDIAPIPE:
        return mediapipe(model, weights), "tflite"
    if name == REGION:
        return region(model, int(parameter))
    open_peer, runs = PEERS[name]
    return open_peer(model, weights), runs


def main(contestant: str, model: str, weights: str, frames: str, masks: str) -> None:
    """Open the contestant and serve requests until stdin ends."""
    segment, runs = open_contestant(contestant, model, Path(weights))
    images = np.load(frames)
    first_pass = [_as_bytes(segment(image)) for image in images]  # also warms up
    np.save(masks, np.stack(first_pass))
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
