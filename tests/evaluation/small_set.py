"""A small data set on the disk, and maps of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from rtsod.data.dataset import Dataset, open_dataset
from rtsod.evaluation.evaluate import OpenPredictor
from rtsod.evaluation.predict import Predictor
from rtsod.evaluation.protocols import BY_NAME, ProtocolName
from rtsod.evaluation.subjects import Subject
from rtsod.frames import Alpha, Image
from tests.support.fakes import FakeEngine

SIZE = (48, 64)


def small_set(folder: Path, count: int = 6, *, empty: int = 0) -> Dataset:
    """Pictures of a bright box, with its mask; the last ``empty`` of them show no box."""
    rng = np.random.default_rng(0)
    for name in ("im", "gt"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        mask = np.zeros(SIZE, np.uint8)
        if number < count - empty:
            top, left = rng.integers(4, 20, 2)
            mask[top : top + 20, left : left + 24] = 255
        image = rng.integers(0, 60, (*SIZE, 3)) + 190 * (mask[..., None] > 0)
        cv2.imwrite(str(folder / "im" / f"{number}.png"), image.astype(np.uint8))
        cv2.imwrite(str(folder / "gt" / f"{number}.png"), mask)
    return open_dataset(folder)


def write_maps(
    folder: Path, dataset: Dataset, change: Callable[[int, Image], Image] = lambda index, mask: mask
) -> Path:
    """A map for each picture: its mask, changed."""
    folder.mkdir(parents=True)
    for index, pair in enumerate(dataset.pairs):
        mask = cv2.imread(str(pair.mask), cv2.IMREAD_GRAYSCALE)
        assert mask is not None
        cv2.imwrite(str(folder / f"{pair.name}.png"), change(index, np.asarray(mask, np.uint8)))
    return folder


def noisy(index: int, mask: Image) -> Image:
    """A mask with noise, more of it in later pictures."""
    noise = np.random.default_rng(index).normal(0, 20 + 10 * index, mask.shape)
    return np.clip(0.7 * mask + 30 + noise, 0, 255).astype(np.uint8)


class BrightEngine(FakeEngine):
    """Takes for salient what is bright: a network that a test can foresee."""

    def __init__(self, size: int = 64) -> None:
        super().__init__(size=size)

    def infer(self, image: Image) -> Alpha:
        """The mean of the channels, 0 to 1."""
        self.calls += 1
        return np.asarray(image.mean(axis=2) / 255, np.float32)


def opener(engine: FakeEngine, protocol: ProtocolName = "paper") -> OpenPredictor:
    """Opens this engine for every subject."""

    def open_it(subject: Subject) -> tuple[Predictor, dict[str, object]]:
        return Predictor(engine, BY_NAME[protocol]), {"weights": "of a test"}

    return open_it
