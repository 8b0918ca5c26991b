#!/usr/bin/env python3
"""Draw the bundled backgrounds: ``python scripts/backgrounds/draw.py [FOLDER]``.

Everything is computed from fixed seeds; no other picture is used. The scenes are slightly out of focus, as the
background of a portrait is.
"""

from __future__ import annotations

import argparse
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
"""Largest size of a background's JPEG file."""
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
    """Draw one scene.

    Args:
        name: a key of ``SCENES``; it also sets the seed.

    Returns:
        ``(1080, 1920, 3)`` uint8 BGR.
    """
    rng = np.random.default_rng(sum(map(ord, name)))
    picture = SCENES[name](rng)
    # A little grain hides the steps that eight bits would show in smooth gradients.
    picture += rng.normal(0, 0.004, (HEIGHT, WIDTH, 1)).astype(np.float32)
    return np.rint(np.clip(picture[..., ::-1], 0, 1) * 255).astype(np.uint8)


def encode(picture: NDArray[np.uint8]) -> bytes:
    """Encode as JPEG with the highest quality that fits into ``MAX_BYTES``.

    Raises:
        ValueError: even the lowest quality is too large.
    """
    for quality in range(92, 50, -2):
        data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1])[1]
        if data.size <= MAX_BYTES:
            return data.tobytes()
    raise ValueError(f"the picture does not fit into {MAX_BYTES} bytes at any quality")


def draw_all(folder: Path) -> None:
    """Write every scene to ``folder``, which is created if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in SCENES:
        (folder / f"{name}.jpg").write_bytes(encode(draw(name)))


def main() -> None:
    """Draw to the folder the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER, help="(default: the package's backgrounds)")
    draw_all(parser.parse_args().folder)


if __name__ == "__main__":
    main()
