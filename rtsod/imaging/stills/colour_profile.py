"""Converts photographs from their own colour space to sRGB, with LittleCMS."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageCms

from rtsod.imaging.stills.raster import Raster

_log = logging.getLogger(__name__)

_MAX_PROFILE_BYTES: Final = 16_000_000
_MODES: Final = {"GRAY": ("L",), "RGB": ("RGB", "L"), "CMYK": ("CMYK",), "Lab": ("LAB",)}
"""Colour space of a profile -> the pictures it may describe. Grey ones often carry a profile for RGB."""
# Relative colorimetric: a colour that sRGB has keeps its look exactly. Perceptual tables change all colours, to make
# room for those that sRGB lacks. Black point compensation keeps the darkest ink of CMYK black.
_INTENT: Final = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS: Final = ImageCms.Flags.BLACKPOINTCOMPENSATION
_BAND_ROWS: Final = 256
"""Rows of deep samples that are converted at once: they take a lot of memory on the way."""
_SAME: Final = 1
"""Levels. A profile that changes no colour by more is sRGB under another name."""


def to_srgb(raster: Raster, name: str) -> PillowImage.Image:
    """Convert a picture to sRGB. A profile that cannot be used is ignored, and a warning says so.

    Args:
        raster: without a profile, it is sRGB, or of the usual inks.
        name: of the file, for the warning.

    Returns:
        L or RGB.
    """
    image = raster.image
    if image.mode == "LAB":
        return _transform(ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), "LAB")(image)
    if raster.profile is not None:
        try:
            return _by_profile(image, raster.profile, raster.deep)
        except (ImageCms.PyCMSError, OSError, ValueError) as error:
            _log.warning("%s: its colour profile is ignored: %s", name, " ".join(str(error).split()) or "it is broken")
    return image.convert("RGB") if image.mode == "CMYK" else image


def _by_profile(image: PillowImage.Image, data: bytes, deep: NDArray[np.uint16] | None) -> PillowImage.Image:
    if len(data) > _MAX_PROFILE_BYTES:
        raise ValueError(f"it is larger than {_MAX_PROFILE_BYTES // 1_000_000} MB")
    profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
    space = profile.profile.xcolor_space.strip()
    if image.mode not in _MODES.get(space, ()):
        raise ValueError(f"it describes {space or 'no'} colours, and the picture has {image.mode}")
    if space == "RGB":
        if _is_srgb(profile):
            return image
        image = image.convert("RGB")
    transform = _transform(profile, image.mode)
    if deep is None or space not in ("RGB", "GRAY"):
        return transform(image)
    return _between(transform, np.broadcast_to(deep, (*deep.shape[:2], 3)) if image.mode == "RGB" else deep)


_Transform: TypeAlias = Callable[[PillowImage.Image], PillowImage.Image]


def _transform(profile: Any, mode: str) -> _Transform:
    srgb = ImageCms.createProfile("sRGB")
    # LittleCMS's shortcut for grey is off by ten levels in the shadows. There are only 256 of them: it need not hurry.
    flags = _FLAGS | ImageCms.Flags.NOOPTIMIZE if mode == "L" else _FLAGS
    transform = ImageCms.buildTransform(profile, srgb, mode, "RGB", _INTENT, flags)

    def convert(image: PillowImage.Image) -> PillowImage.Image:
        converted = ImageCms.applyTransform(image, transform)
        assert converted is not None
        return converted

    if mode != "L":
        return convert
    shades = np.asarray(convert(PillowImage.fromarray(np.arange(256, dtype=np.uint8)[None])))[0]
    return lambda image: PillowImage.fromarray(shades[np.asarray(image)])


def _between(transform: _Transform, deep: NDArray[np.uint16]) -> PillowImage.Image:
    """Transform deep samples, which LittleCMS takes from Pillow with 8 bits only: linearly between those.

    Rounding first would show as bands where the profile's curve is steep, as in the shadows of linear pictures.
    """
    height, width, channels = deep.shape
    result = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, _BAND_ROWS):
        band = deep[top : top + _BAND_ROWS]
        below = (band // 257).astype(np.uint8)
        rest = (band % 257).astype(np.float32) / 257
        start = _levels(transform, below)
        total = start.copy()
        for channel in range(channels):
            above = below.copy()
            above[:, :, channel] += above[:, :, channel] < 255
            total += rest[:, :, channel : channel + 1] * (_levels(transform, above) - start)
        result[top : top + _BAND_ROWS] = np.clip(np.rint(total), 0, 255)
    return PillowImage.fromarray(result)


def _levels(transform: _Transform, colours: NDArray[np.uint8]) -> NDArray[np.float32]:
    grey = colours.shape[2] == 1
    image = PillowImage.fromarray(np.ascontiguousarray(colours[:, :, 0] if grey else colours))
    return np.asarray(transform(image)).astype(np.float32)


def _is_srgb(profile: Any) -> bool:
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(steps.size, -1, 3)
    converted = np.asarray(_transform(profile, "RGB")(PillowImage.fromarray(colours)))
    return bool(np.abs(converted.astype(int) - colours).max() <= _SAME)
