"""Compares masks of photographs: rembg's, those of ``examples/rembg_like.py``, and those of the Segmenter.

    python -m benchmarks.peers.rembg_like --json benchmarks/results/rembg_like.json

Mean absolute differences, as shares of the range: the example's masks from rembg's, with the same weights, and
everybody's from the maps that the network's authors published.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.__main__ import ROOT, launch
from benchmarks.support.study import run_study
from rtsod import Segmenter
from rtsod.config import ModelName
from rtsod.errors import SourceError
from rtsod.frames import Image
from rtsod.imaging.stills.image_file import load, load_levels
from rtsod.model.weights import fetch, published
from rtsod.system.files import file_to_write

SAMPLES: Final = ROOT.parent / "shared" / "samples"
MODELS: Final[tuple[ModelName, ...]] = ("lite", "full")
NAMES: Final = {"lite": "u2netp", "full": "u2net"}
"""What rembg calls them."""


def _example() -> Any:
    spec = spec_from_file_location("rembg_like", ROOT / "examples" / "rembg_like.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


EXAMPLE: Final = _example()


def main() -> int:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers.rembg_like",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", type=file_to_write, help="save the result to this file")
    options = parser.parse_args()
    return run_study("benchmarks.peers.rembg_like", options.json, {}, measure)


def measure(record: dict[str, Any]) -> None:
    """Fill the record.

    Raises:
        RtsodError: rembg cannot be started, or the photographs are missing.
    """
    photographs = sorted((SAMPLES / "images").glob("*"))
    if not photographs:
        raise SourceError(f"{SAMPLES}: this study needs the photographs and the authors' maps of them")
    record["models"] = {}
    for model in MODELS:
        differences: dict[str, dict[str, float]] = {}
        with Segmenter.open(model, precision="fp32") as segmenter, EXAMPLE.new_session(NAMES[model]) as session:
            for path in photographs:
                image = load(path).image
                authors = load_levels(SAMPLES / f"reference-{model}" / f"{path.stem}.png").colours
                differences[path.name] = _differences(image, authors, model, segmenter, session)
        pairs = list(next(iter(differences.values())))
        record["models"][model] = {
            pair: {
                "mean": round(float(np.mean([found[pair] for found in differences.values()])), 5),
                "worst": round(max(found[pair] for found in differences.values()), 5),
            }
            for pair in pairs
        }
        print(model, record["models"][model], flush=True)


def _differences(
    image: Image, authors: Image, model: ModelName, segmenter: Segmenter, session: Segmenter
) -> dict[str, float]:
    rembg = _rembg_mask(image, model)
    like = EXAMPLE.remove(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)), session=session, only_mask=True)
    own = np.rint(segmenter(image) * 255)
    grey = authors if authors.ndim == 2 else authors[:, :, 0]
    return {
        "example to rembg": _distance(like, rembg),
        "example to authors": _distance(like, grey),
        "rembg to authors": _distance(rembg, grey),
        "segmenter to authors": _distance(own, grey),
        "segmenter to rembg": _distance(own, rembg),
    }


def _distance(one: NDArray[Any], other: NDArray[Any]) -> float:
    return float(np.abs(one.astype(np.float32) - other).mean() / 255)


def _rembg_mask(image: Image, model: ModelName) -> Image:
    """The mask of rembg, from its own process and environment."""
    with tempfile.TemporaryDirectory(prefix="rtsod-peers-") as folder:
        np.save(Path(folder) / "frames.npy", image[None])
        contestant = launch("rembg", model, fetch(published(model)), Path(folder))
        try:
            contestant.process.receive()
            return np.asarray(np.load(contestant.masks)[0], np.uint8)
        finally:
            contestant.process.end()


if __name__ == "__main__":
    sys.exit(main())
