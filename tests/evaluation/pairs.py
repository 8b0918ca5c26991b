"""Pairs of a map and its truth, random and degenerate, made from their number alone. Needs nothing but NumPy."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Levels: TypeAlias = NDArray[np.uint8]
Truth: TypeAlias = NDArray[np.bool_]

COUNT: Final = 200
SIZES: Final = (
    (1, 1), (1, 2), (2, 1), (2, 2), (1, 7), (9, 1), (3, 5), (7, 7), (8, 8), (16, 31), (33, 20), (47, 101), (64, 48),
    (120, 90), (25, 25), (50, 37), (31, 64), (40, 19), (90, 72), (12, 150), (150, 11),
)  # fmt: skip
TRUTHS: Final = (
    "disc", "empty", "two discs", "full", "pixel", "noise", "last pixel", "sparse", "half", "ring", "checkerboard",
    "last row", "all but a pixel", "stripes", "rectangle",
)  # fmt: skip
MAPS: Final = (
    "blurred", "black", "noise", "white", "constant", "few levels", "inverted", "truth", "faint truth", "pixel", "ramp",
    "faint", "speckled",
)  # fmt: skip


def pair(number: int) -> tuple[Levels, Truth]:
    """The pair of a number: every kind of truth meets every kind of map, at sizes that vary."""
    random = np.random.default_rng(number)
    size = SIZES[(number + number // len(TRUTHS)) % len(SIZES)] if number < COUNT - 4 else (300, 400)
    truth = _truth(TRUTHS[number % len(TRUTHS)], size, random)
    return _map(MAPS[number % len(MAPS)], truth, random), truth


def stretched(prediction: Levels) -> NDArray[np.float64]:
    """A map as PySODMetrics prepares it: its minimum becomes 0 and its maximum 1."""
    full = prediction / 255
    low, high = full.min(), full.max()
    return np.asarray((full - low) / (high - low) if low < high else full)


def _truth(kind: str, size: tuple[int, int], random: np.random.Generator) -> Truth:
    height, width = size
    y, x = np.mgrid[:height, :width]
    truth = np.zeros(size, np.bool_)
    if kind == "full":
        truth[:] = True
    elif kind == "pixel":
        truth[random.integers(height), random.integers(width)] = True
    elif kind == "last pixel":
        truth[-1, -1] = True
    elif kind == "all but a pixel":
        truth[:] = True
        truth[random.integers(height), random.integers(width)] = False
    elif kind == "noise":
        truth = random.random(size) < 0.5
    elif kind == "sparse":
        truth = random.random(size) < 0.03
    elif kind == "half":
        truth[:, : width // 2] = True
    elif kind == "last row":
        truth[-1] = True
    elif kind == "checkerboard":
        truth = (x + y) % 2 == 0
    elif kind == "stripes":
        truth = x % 6 == 0
    elif kind == "rectangle":
        truth[height // 3 :, width // 4 : -(-3 * width // 4)] = True
    elif kind != "empty":
        for _ in range(2 if kind == "two discs" else 1):
            centre_y, centre_x = random.uniform(0, height), random.uniform(0, width)
            radius = random.uniform(0.15, 0.4) * min(height, width)
            distance = np.hypot(y - centre_y, x - centre_x)
            truth |= (distance <= radius) & (distance > (0.5 * radius if kind == "ring" else -1))
    return np.asarray(truth, np.bool_)


def _map(kind: str, truth: Truth, random: np.random.Generator) -> Levels:
    height, width = truth.shape
    full: NDArray[np.floating] = np.zeros(truth.shape)
    if kind == "white":
        full[:] = 255
    elif kind == "constant":
        full[:] = random.integers(1, 255)
    elif kind == "noise":
        full = random.integers(0, 256, truth.shape).astype(np.float64)
    elif kind == "few levels":
        full = random.choice([0.0, 85.0, 170.0, 255.0], truth.shape)
    elif kind == "inverted":
        full = 255.0 * ~truth
    elif kind == "truth":
        full = 255.0 * truth
    elif kind == "faint truth":
        full = 23.0 + 140.0 * truth
    elif kind == "pixel":
        full[random.integers(height), random.integers(width)] = 200
    elif kind == "ramp":
        full = np.add.outer(np.linspace(0, 127, height), np.linspace(0, 127, width))
    elif kind == "faint":
        full = random.integers(0, 4, truth.shape).astype(np.float64)
    elif kind == "speckled":
        full = 255.0 * (truth ^ (random.random(truth.shape) < 0.1))
    elif kind == "blurred":
        padded = np.pad(truth.astype(np.float64), 2, mode="edge")
        full = sum((padded[i : i + height, j : j + width] for i in range(5) for j in range(5)), full) * 10
        full += random.integers(0, 6, truth.shape)
    return full.astype(np.uint8)
