"""Converts photographs from their own colour space to sRGB, with LittleCMS."""

from __future__ import annotations

import io
import logging
from typing import Any, Final

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageCms

_log = logging.getLogger(__name__)

_MAX_PROFILE_BYTES: Final = 16_000_000
_MODES: Final = {"GRAY": ("L",), "RGB": ("RGB", "L"), "CMYK": ("CMYK",), "Lab": ("LAB",)}
"""Colour space of a profile -> the pictures it may describe. Grey ones often carry a profile for RGB."""
# Relative colorimetric: a colour that sRGB has keeps its look exactly. Perceptual tables change all colours, to make
# room for those that sRGB lacks. Black point compensation keeps the darkest ink of CMYK black.
_INTENT: Final = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS: Final = ImageCms.Flags.BLACKPOINTCOMPENSATION
_SAME: Final = 1
"""Levels. A profile that changes no colour by more is sRGB under another name."""


def to_srgb(image: PillowImage.Image, profile: bytes | None, name: str) -> PillowImage.Image:
    """Convert a picture to sRGB. A profile that cannot be used is ignored, and a warning says so.

    Args:
        image: of mode L, RGB, CMYK or LAB.
        profile: of the picture, in ICC format; None means sRGB, or the usual inks.
        name: of the file, for the warning.

    Returns:
        L or RGB.
    """
    if image.mode == "LAB":
        return _transformed(image, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")))
    if profile is not None:
        try:
            return _by_profile(image, profile)
        except (ImageCms.PyCMSError, OSError, ValueError) as error:
            _log.warning("%s: its colour profile is ignored: %s", name, " ".join(str(error).split()) or "it is broken")
    return image.convert("RGB") if image.mode == "CMYK" else image


def _by_profile(image: PillowImage.Image, data: bytes) -> PillowImage.Image:
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
    return _transformed(image, profile)


def _transformed(image: PillowImage.Image, profile: Any) -> PillowImage.Image:
    srgb = ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(profile, srgb, image.mode, "RGB", _INTENT, _FLAGS)
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None
    return converted


def _is_srgb(profile: Any) -> bool:
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(steps.size, -1, 3)
    converted = np.asarray(_transformed(PillowImage.fromarray(colours), profile))
    return bool(np.abs(converted.astype(int) - colours).max() <= _SAME)
