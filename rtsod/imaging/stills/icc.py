"""Builds ICC profiles for pictures that describe their colours in other ways, so that one library converts them all."""

from __future__ import annotations

import struct
from typing import Final

import numpy as np

from rtsod.imaging.colour.formulas import (
    PRIMARIES,
    REFERENCE_WHITE_NITS,
    Chromaticities,
    Curve,
    Numbers,
    adapted,
    hlg_decode,
    hlg_gain,
    pq_decode,
    srgb_decode,
    xyz_from_chromaticities,
)

_BT709: Final = PRIMARIES[1]
_ADOBE_RGB: Final[Chromaticities] = (0.640, 0.330, 0.210, 0.710, 0.150, 0.060, 0.3127, 0.3290)
_SRGB_GAMMA: Final = 2.2
_SRGB_SLACK: Final = 0.05
"""A gamma so close to 2.2 stands for the sRGB curve, as libpng takes it."""
_CURVE_POINTS: Final = 4096
_D50: Final = np.array([0.9642, 1.0, 0.8249])


def profile_of_code_points(primaries: int, transfer: int) -> bytes | None:
    """A profile for the code points of HEIF, AVIF and PNG (nclx, cICP).

    Args:
        primaries: ``ColourPrimaries`` of ITU-T H.273.
        transfer: ``TransferCharacteristics`` of ITU-T H.273. The curves of SD and HD video count as sRGB, as for videos
            in this program. HDR (PQ and HLG) is clipped at the white of ordinary pictures.

    Returns:
        None for sRGB, and for code points that state nothing or are unknown.
    """
    chromaticities = PRIMARIES.get(primaries, _BT709)
    curve = {4: _power(2.2), 5: _power(2.8), 8: _power(1.0), 16: _pq, 18: _hlg}.get(transfer)
    if curve is None and chromaticities == _BT709:
        return None
    return _profile(chromaticities, curve or srgb_decode)


def profile_of_gamma(gamma: float, chromaticities: Chromaticities | None) -> bytes | None:
    """A profile for a gamma and chromaticities, as PNG's gAMA and cHRM state them.

    Args:
        gamma: the exponent that decodes, such as 2.2.
        chromaticities: None means sRGB's.

    Returns:
        None for sRGB, and for values that make no sense.
    """
    chromaticities = chromaticities or _BT709
    if not 0.1 < gamma < 10 or not _make_sense(chromaticities):
        return None
    near_srgb = abs(gamma / _SRGB_GAMMA - 1) <= _SRGB_SLACK
    if near_srgb and np.allclose(chromaticities, _BT709, atol=0.002):
        return None
    return _profile(chromaticities, srgb_decode if near_srgb else _power(gamma))


def adobe_rgb_profile() -> bytes:
    """Adobe RGB (1998), which cameras only announce in EXIF."""
    return _profile(_ADOBE_RGB, _power(563 / 256))


def _power(gamma: float) -> Curve:
    return lambda code: code**gamma


def _pq(code: Numbers) -> Numbers:
    return pq_decode(code) / REFERENCE_WHITE_NITS


def _hlg(code: Numbers) -> Numbers:
    """The system gamma of a screen of ``PEAK_NITS``, applied by channel, as a profile's curves are."""
    light = hlg_decode(code)
    return light * hlg_gain(light)


def _make_sense(chromaticities: Chromaticities) -> bool:
    *primaries, white_x, white_y = chromaticities
    if not all(0 <= value <= 1 for value in chromaticities) or white_y < 0.01 or white_x < 0.01:
        return False
    (a, b), (c, d), (e, f) = zip(primaries[::2], primaries[1::2], strict=True)
    area = (c - a) * (f - b) - (e - a) * (d - b)
    return abs(area) > 0.001 and min(b, d, f) > 0.001


def _profile(chromaticities: Chromaticities, curve: Curve) -> bytes:
    """An ICC profile of version 2 with three colorants and one curve (ICC.1:2001-04)."""
    points = np.linspace(0, 1, _CURVE_POINTS)
    levels = np.rint(np.clip(curve(points), 0, 1) * 65535).astype(">u2")
    columns = adapted(xyz_from_chromaticities(chromaticities), _D50).T
    tags = {name: _xyz(column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)}
    tags[b"wtpt"] = _xyz(_D50)
    tags[b"rTRC"] = b"curv" + bytes(4) + struct.pack(">I", levels.size) + levels.tobytes()
    tags[b"gTRC"] = tags[b"bTRC"] = tags[b"rTRC"]
    start = 128 + 4 + 12 * len(tags)
    directory, body = struct.pack(">I", len(tags)), b""
    places: dict[bytes, int] = {}
    for name, data in tags.items():
        if data not in places:
            places[data] = start + len(body)
            body += data + bytes(-len(data) % 4)
        directory += struct.pack(">4sII", name, places[data], len(data))
    size = start + len(body)
    header = struct.pack(">I4xI4s4s4s12x4s28x", size, 0x0210_0000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    header += struct.pack(">3I", *(round(65536 * value) for value in _D50)) + bytes(48)
    return header + directory + body


def _xyz(value: Numbers) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(65536 * float(v)) for v in value))
