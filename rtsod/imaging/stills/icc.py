"""Builds ICC profiles for pictures that describe their colours in other ways, so that one library converts them all."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Chromaticities: TypeAlias = tuple[float, float, float, float, float, float, float, float]
"""CIE 1931 x and y of white, red, green and blue."""

_D65: Final = (0.3127, 0.3290)
_C: Final = (0.310, 0.316)
_BT709: Final[Chromaticities] = (*_D65, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060)
_ADOBE_RGB: Final[Chromaticities] = (*_D65, 0.640, 0.330, 0.210, 0.710, 0.150, 0.060)
_SMPTE_C: Final[Chromaticities] = (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070)
_PRIMARIES: Final[dict[int, Chromaticities]] = {  # ITU-T H.273, table 2
    1: _BT709,
    4: (*_C, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: _SMPTE_C,
    7: _SMPTE_C,
    8: (*_C, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
_SDR_WHITE_NITS: Final = 203.0
"""HDR pictures show white paper at this luminance (ITU-R BT.2408). What is brighter is clipped."""
_HLG_PEAK_NITS: Final = 1000.0
_SRGB_GAMMA: Final = 2.2
_SRGB_SLACK: Final = 0.05
"""A gamma so close to 2.2 stands for the sRGB curve, as libpng takes it."""
_CURVE_POINTS: Final = 4096
_D50: Final = np.array([0.9642, 1.0, 0.8249])
_BRADFORD: Final = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def profile_of_code_points(primaries: int, transfer: int) -> bytes | None:
    """A profile for the code points of HEIF, AVIF and PNG (nclx, cICP).

    Args:
        primaries: ``ColourPrimaries`` of ITU-T H.273.
        transfer: ``TransferCharacteristics`` of ITU-T H.273. The curves of SD and HD video count as sRGB, as for videos
            in this program. HDR (PQ and HLG) is clipped at the white of ordinary pictures.

    Returns:
        None for sRGB, and for code points that state nothing or are unknown.
    """
    chromaticities = _PRIMARIES.get(primaries, _BT709)
    curve = {4: _power(2.2), 5: _power(2.8), 8: _power(1.0), 16: _pq, 18: _hlg}.get(transfer)
    if curve is None and chromaticities == _BT709:
        return None
    return _profile(chromaticities, curve or _srgb)


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
    return _profile(chromaticities, _srgb if near_srgb else _power(gamma))


def adobe_rgb_profile() -> bytes:
    """Adobe RGB (1998), which cameras only announce in EXIF."""
    return _profile(_ADOBE_RGB, _power(563 / 256))


_Curve: TypeAlias = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Maps code values to linear light, both within [0, 1]."""


def _power(gamma: float) -> _Curve:
    return lambda code: code**gamma


def _srgb(code: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


def _pq(code: NDArray[np.float64]) -> NDArray[np.float64]:  # SMPTE ST 2084
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    root = code ** (1 / m2)
    return 10_000 / _SDR_WHITE_NITS * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)


def _hlg(code: NDArray[np.float64]) -> NDArray[np.float64]:  # ITU-R BT.2100, its system gamma applied by channel
    a, b = 0.17883277, 0.28466892
    c = 0.5 - a * math.log(4 * a)
    scene = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
    return _HLG_PEAK_NITS / _SDR_WHITE_NITS * scene**1.2


def _make_sense(chromaticities: Chromaticities) -> bool:
    white_x, white_y, *primaries = chromaticities
    if not all(0 <= value <= 1 for value in chromaticities) or white_y < 0.01 or white_x < 0.01:
        return False
    (a, b), (c, d), (e, f) = zip(primaries[::2], primaries[1::2], strict=True)
    area = (c - a) * (f - b) - (e - a) * (d - b)
    return abs(area) > 0.001 and min(b, d, f) > 0.001


def _profile(chromaticities: Chromaticities, curve: _Curve) -> bytes:
    """An ICC profile of version 2 with three colorants and one curve (ICC.1:2001-04)."""
    points = np.linspace(0, 1, _CURVE_POINTS)
    levels = np.rint(np.clip(curve(points), 0, 1) * 65535).astype(">u2")
    columns = _colorants(chromaticities).T
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


def _colorants(chromaticities: Chromaticities) -> NDArray[np.float64]:
    """XYZ of red, green and blue, one a column, adapted to D50 (Bradford)."""
    white, *primaries = (
        np.array([x / y, 1.0, (1 - x - y) / y]) for x, y in zip(chromaticities[::2], chromaticities[1::2], strict=True)
    )
    matrix = np.column_stack(primaries)
    matrix = matrix * np.linalg.solve(matrix, white)
    cones = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white))
    adapted: NDArray[np.float64] = np.linalg.inv(_BRADFORD) @ cones @ _BRADFORD @ matrix
    return adapted


def _xyz(value: NDArray[np.float64]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(65536 * float(v)) for v in value))
