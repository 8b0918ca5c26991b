"""The maps are the authors' maps, on real photographs, within what float32 and resampling leave."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from rtsod.segmenter import Segmenter

MEAN_BOUND = 0.002
WORST_BOUND = 0.004


@pytest.mark.parametrize("engine", ["openvino", "torch"])
@pytest.mark.parametrize("model", ["full", "lite"])
def test_stills_differ_little_from_the_authors_maps(
    samples: Path, published_weights: dict[str, Path], model: str, engine: str
) -> None:
    errors = {}
    with Segmenter.open(model, engine=engine, precision="fp32", device="cpu") as segmenter:  # type: ignore[arg-type]
        for path in sorted((samples / "images").iterdir()):
            image = cv2.imread(str(path))
            reference = cv2.imread(str(samples / f"reference-{model}" / f"{path.stem}.png"), cv2.IMREAD_GRAYSCALE)
            assert image is not None
            assert reference is not None
            alpha = segmenter(np.asarray(image, np.uint8))
            errors[path.stem] = float(np.abs(np.rint(alpha * 255) - reference).mean()) / 255
    assert len(errors) == 8
    assert max(errors.values()) <= WORST_BOUND, errors
    assert sum(errors.values()) / len(errors) <= MEAN_BOUND, errors
