#!/usr/bin/env python3
"""Draw the bundled backgrounds: ``python scripts/backgrounds/draw.py [FOLDER]``.

Everything is computed here from fixed seeds; no picture of anybody else's is used. The scenes are a little out of
focus, as what stands behind a person is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from brushes import HEIGHT, WIDTH, Field
from numpy.typing import NDArray
from scenes_indoors import night_city, office, studio
from scenes_outdoors import beach, forest, mountains

MAX_BYTES: Final = 150_000
FOLDER: Final = Path(__file__).parents[2] / "rtsod" / "assets" / "backgrounds"

SCENES: Final[dict[str, Callable[[np.random.Generator], Field]]] = {
    "beach": beach,
    "forest": forest,
    "mountains": mountains,
    "night-city": night_city,
    "office": office,
    "studio": studio,
}


def draw(name: str) -> NDArray[np.uint8]:
    """One scene as ``(1080, 1920, 3)`` uint8, BGR."""
    rng = np.random.default_rng(sum(map(ord, name)))
    picture = SCENES[name](rng)
    # A breath of grain: eight bits alone would show steps in the smooth parts.
    picture += rng.normal(0, 0.004, (HEIGHT, WIDTH, 1)).astype(np.float32)
    return np.rint(np.clip(picture[..., ::-1], 0, 1) * 255).astype(np.uint8)


def encode(picture: NDArray[np.uint8]) -> bytes:
    """The best JPEG that keeps within ``MAX_BYTES``."""
    for quality in range(92, 50, -2):
        data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1])[1]
        if data.size <= MAX_BYTES:
            return data.tobytes()
    raise ValueError(f"the picture does not fit into {MAX_BYTES} bytes")


def main(folder: Path = FOLDER) -> None:
    """Write every scene to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in SCENES:
        (folder / f"{name}.jpg").write_bytes(encode(draw(name)))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
