"""Small data and small runs for the tests of training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from rtsod.training.config import PRESETS, TrainConfig

TINY_TABLE: Final = "\n".join(
    f'{stage} = {{ block = "{block}", mid = 4, out = 8 }}'
    for stage, block in (
        ("En_1", "RSU-7"), ("En_2", "RSU-6"), ("En_3", "RSU-5"), ("En_4", "RSU-4"), ("En_5", "RSU-4F"),
        ("En_6", "RSU-4F"), ("De_5", "RSU-4F"), ("De_4", "RSU-4"), ("De_3", "RSU-5"), ("De_2", "RSU-6"),
        ("De_1", "RSU-7"),
    )
)  # fmt: skip
"""A table with few channels, as TOML."""


def write_pairs(folder: Path, count: int = 12, *, shift: int = 0, inverted: bool = False) -> Path:
    """Write pictures of a red disc on noise, with their masks, into ``im/`` and ``gt/``.

    Args:
        folder: that does not exist.
        count: pairs.
        shift: each picture gets the mask of the one so many places further.
        inverted: masks are white around the disc.
    """
    random = np.random.default_rng(0)
    (folder / "im").mkdir(parents=True)
    (folder / "gt").mkdir()
    images, masks = [], []
    for _ in range(count):
        image = random.integers(90, 160, (48, 64, 3), np.uint8)
        mask = np.zeros((48, 64), np.uint8)
        centre = (int(random.integers(14, 50)), int(random.integers(14, 34)))
        cv2.circle(mask, centre, int(random.integers(7, 13)), 255, -1)
        image[mask > 0] = (20, 20, 220)
        images.append(image)
        masks.append(255 - mask if inverted else mask)
    for number, image in enumerate(images):
        cv2.imwrite(str(folder / "im" / f"{number:03d}.png"), image)
        cv2.imwrite(str(folder / "gt" / f"{number:03d}.png"), masks[(number + shift) % count])
    return folder


def tiny_config(folder: Path, data: Path, **changes: Any) -> TrainConfig:
    """A run of the tiny network at 64 pixels, whose folder is ``folder / "run"``.

    Args:
        folder: for the table and the run.
        data: what :func:`write_pairs` wrote.
        changes: of :class:`TrainConfig`, or of its recipe.
    """
    table = folder / "thin.toml"
    table.write_text(TINY_TABLE)
    preset = changes.get("preset", "modern")
    names = set(changes) & set(PRESETS[preset].__dataclass_fields__) - {"steps"}
    recipe = replace(PRESETS[preset], **{"batch": 4, **{name: changes.pop(name) for name in names}})
    settings: dict[str, Any] = {
        "data": (str(data),), "model": str(table), "recipe": recipe, "val": "20%", "size": 64, "crop": 64, "steps": 8,
        "workers": 0, "device": "cpu", "out": folder / "run",
    }  # fmt: skip
    return TrainConfig(**(settings | changes))
