"""The formulas of colour: primaries, transfer characteristics and YCbCr matrices, by their code points.

The code points are those of ITU-T H.273, which FFmpeg uses as they are. Curves are in double precision.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Numbers: TypeAlias = NDArray[np.float64]
Curve: TypeAlias = Callable[[Numbers], Numbers]
Chromaticities: TypeAlias = tuple[float, float, float, float, float, float, float, float]
"""CIE 1931 x and y of red, green, blue and white."""

_D65: Final = (0.3127, 0.3290)
_C: Final = (0.310, 0.316)
PRIMARIES: Final[dict[int, Chromaticities]] = {
    1: (0.640, 0.330, 0.300, 0.600, 0.150, 0.060, *_D65),
    4: (0.67, 0.33, 0.21, 0.71, 0.14, 0.08, *_C),
    5: (0.64, 0.33, 0.29, 0.60, 0.15, 0.06, *_D65),
    6: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *_D65),
    7: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *_D65),
    8: (0.681, 0.319, 0.243, 0.692, 0.145, 0.049, *_C),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *_D65),
    11: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351),
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *_D65),
    22: (0.630, 0.340, 0.295, 0.605, 0.155, 0.077, *_D65),
}
"""ITU-T H.273, table 2."""
_XYZ: Final = 10
_BRADFORD: Final = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])

REFERENCE_WHITE_NITS: Final = 203.0
"""Luminance of diffuse white in HDR video (ITU-R BT.2408). It becomes the white of SDR."""
PEAK_NITS: Final = 1000.0
"""Luminance of the brightest white in HDR video that is told apart from others: HLG's nominal peak, and that of most
PQ videos."""


def xyz_from_rgb(primaries: int) -> Numbers:
    """``(3, 3)``: linear RGB to CIE XYZ. White has Y = 1. Unknown primaries are BT.709's."""
    if primaries == _XYZ:
        return np.eye(3)
    return xyz_from_chromaticities(PRIMARIES.get(primaries, PRIMARIES[1]))


def xyz_from_chromaticities(chromaticities: Chromaticities) -> Numbers:
    """Like :func:`xyz_from_rgb`, for primaries without a code point."""
    xy = np.array(chromaticities).reshape(4, 2)
    columns = (np.column_stack([xy, 1 - xy.sum(axis=1)]) / xy[:, 1:]).T
    return np.asarray(columns[:, :3] * np.linalg.solve(columns[:, :3], columns[:, 3]), float)


def adapted(xyz: Numbers, white: Numbers) -> Numbers:
    """``(3, 3)``: linear RGB to XYZ with another white, by Bradford's adaptation.

    Args:
        xyz: linear RGB to XYZ.
        white: XYZ of the new white, ``(3,)``.
    """
    cones = (_BRADFORD @ white) / (_BRADFORD @ xyz.sum(axis=1))
    return np.asarray(np.linalg.solve(_BRADFORD, cones[:, None] * (_BRADFORD @ xyz)), float)


def bt709_from(primaries: int) -> Numbers:
    """``(3, 3)``: linear RGB of other primaries to BT.709's. White stays white, by Bradford's adaptation."""
    xyz, target = xyz_from_rgb(primaries), xyz_from_rgb(1)
    if primaries == _XYZ:  # no white of its own
        return np.asarray(np.linalg.inv(target), float)
    return np.asarray(np.linalg.solve(target, adapted(xyz, target.sum(axis=1))), float)


class Transfer(NamedTuple):
    """A transfer characteristic."""

    name: str
    decode: Curve
    """Signal in [0, 1] to linear light: 1 is SDR's white. For HLG, to the light of the scene in [0, 1]:
    the screen's follows by :func:`hlg_gain`."""
    encode: Curve
    """Linear light in [0, 1] to an SDR signal in [0, 1]."""
    is_hdr: bool = False


def _bt709_decode(signal: Numbers) -> Numbers:
    return np.where(signal < 0.081243, signal / 4.5, ((signal + 0.099297) / 1.099297) ** (1 / 0.45))


def _bt709_encode(light: Numbers) -> Numbers:
    return np.where(light < 0.018054, 4.5 * light, 1.099297 * light**0.45 - 0.099297)


def srgb_decode(signal: Numbers) -> Numbers:
    """IEC 61966-2-1: signal to light."""
    return np.where(signal < 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


def _srgb_encode(light: Numbers) -> Numbers:
    return np.where(light < 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def _power(exponent: float) -> tuple[Curve, Curve]:
    return lambda signal: signal**exponent, lambda light: light ** (1 / exponent)


_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32


def pq_decode(signal: Numbers) -> Numbers:
    """SMPTE ST 2084 (ITU-R BT.2100, table 4): signal to nits."""
    power = np.maximum(signal, 0) ** (1 / _M2)
    return 10000 * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1)


def pq_encode(nits: Numbers) -> Numbers:
    """The inverse of :func:`pq_decode`."""
    power = (np.maximum(nits, 0) / 10000) ** _M1
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2


def hlg_decode(signal: Numbers) -> Numbers:
    """ITU-R BT.2100, table 5: the inverse OETF."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)


def hlg_gain(luminance: Numbers) -> Numbers:
    """The OOTF of HLG (ITU-R BT.2100, table 5) for a screen of ``PEAK_NITS``: what to multiply the scene's light by.

    Args:
        luminance: of the scene, in [0, 1].

    Returns:
        The gain: the product is the screen's light, 1 being SDR's white.
    """
    return PEAK_NITS / REFERENCE_WHITE_NITS * luminance**0.2


def tone_gain(light: Numbers) -> Numbers:
    """What to multiply the light of HDR by, so that ``PEAK_NITS`` becomes SDR's white: the EETF of ITU-R BT.2390.

    Below its knee nothing changes.

    Args:
        light: the largest of red, green and blue; 1 is ``REFERENCE_WHITE_NITS``.
    """
    peak = pq_encode(np.array(PEAK_NITS))
    target = pq_encode(np.array(REFERENCE_WHITE_NITS)) / peak
    knee = 1.5 * target - 0.5
    signal = np.minimum(pq_encode(light * REFERENCE_WHITE_NITS) / peak, 1)
    t = np.maximum(signal - knee, 0) / (1 - knee)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * target
    mapped = pq_decode(np.where(signal < knee, signal, spline) * peak) / REFERENCE_WHITE_NITS
    return np.where(light > 1e-6, mapped / np.maximum(light, 1e-6), 1.0)


_SDR: Final = Transfer("SDR", srgb_decode, _srgb_encode)
TRANSFERS: Final = {
    4: Transfer("gamma 2.2", *_power(2.2)),
    5: Transfer("gamma 2.8", *_power(2.8)),
    8: Transfer("linear", lambda signal: signal, _srgb_encode),
    9: Transfer("logarithmic", lambda signal: np.where(signal > 0, 10 ** (2 * signal - 2), 0), _srgb_encode),
    10: Transfer("logarithmic", lambda signal: np.where(signal > 0, 10 ** (2.5 * signal - 2.5), 0), _srgb_encode),
    16: Transfer("PQ (HDR)", lambda signal: pq_decode(signal) / REFERENCE_WHITE_NITS, _srgb_encode, is_hdr=True),
    17: Transfer("DCI", lambda signal: signal**2.6 * 52.37 / 48, _srgb_encode),
    18: Transfer("HLG (HDR)", hlg_decode, _srgb_encode, is_hdr=True),
}


def transfer_of(code: int, *, constant_luminance: bool = False) -> Transfer:
    """A transfer characteristic. The camera curves of SDR, and unknown ones, are seen on a screen as sRGB's.

    Args:
        code: H.273's number.
        constant_luminance: the luma was made from linear light, so it takes the camera's very curve to undo it.
    """
    if code in TRANSFERS:
        return TRANSFERS[code]
    return Transfer("SDR", _bt709_decode, _bt709_encode) if constant_luminance else _SDR
