"""The person in the drawn scene: three layers that move independently.

One unit is the height of the picture that the figure is drawn for. Each layer's origin is the joint about which it
rotates: the hips for the body, the base of the neck for the head, the elbow for the forearm.
"""

from __future__ import annotations

from typing import Final

from rtsod.drawing.canvas import Canvas, Colour, Layer, Point

NECK: Final[Point] = (0.0, -0.45)
"""Position of the head's origin, in the body's coordinates."""
ELBOW: Final[Point] = (0.28, -0.115)
"""Position of the forearm's origin, in the body's coordinates."""

_SKIN: Final[Colour] = (236, 180, 146)
_SKIN_DARK: Final[Colour] = (206, 140, 108)
_HAIR: Final[Colour] = (74, 42, 30)
_HAIR_LIGHT: Final[Colour] = (110, 66, 44)
_SWEATER: Final[Colour] = (214, 82, 60)
_SWEATER_DARK: Final[Colour] = (172, 58, 44)
_SHIRT: Final[Colour] = (246, 240, 228)
_MUG: Final[Colour] = (250, 205, 70)
_MUG_DARK: Final[Colour] = (214, 160, 40)
_COFFEE: Final[Colour] = (92, 54, 30)
_INK: Final[Colour] = (46, 30, 28)


def body(pixels_per_unit: float) -> Layer:
    """Torso, neck, the lowered arm, and the raised arm down to the elbow."""
    c = Canvas((-0.42, -0.62), (0.46, 0.35), pixels_per_unit)
    # The torso extends far below the picture, so that swaying never reveals its end.
    torso: list[Point] = [
        (-0.06, -0.415), (-0.16, -0.375), (-0.235, -0.32), (-0.275, -0.2), (-0.295, 0.0), (-0.30, 0.34),
        (0.24, 0.34), (0.225, 0.05), (0.222, -0.1), (0.228, -0.3), (0.155, -0.375), (0.06, -0.415),
    ]  # fmt: skip
    c.stroke([(0.195, -0.3), (0.25, -0.2), ELBOW], 0.13, _SWEATER)
    c.shade([(0.19, -0.24), (0.22, -0.05), (0.3, -0.03), (0.24, -0.15)], -0.35, 0.02)
    c.blob(torso, _SWEATER)
    c.blob([(-0.075, -0.55), (0.075, -0.55), (0.07, -0.41), (0.0, -0.365), (-0.07, -0.41)], _SKIN)
    c.shade([(-0.09, -0.53), (0.09, -0.53), (0.075, -0.455), (0.0, -0.43), (-0.075, -0.455)], -0.34, 0.012)
    c.stroke([(-0.078, -0.43), (-0.055, -0.385), (0.0, -0.358), (0.055, -0.385), (0.078, -0.43)], 0.03, _SHIRT)
    c.stroke([(-0.1, -0.415), (-0.066, -0.365), (0.0, -0.335), (0.066, -0.365), (0.1, -0.415)], 0.022, _SWEATER_DARK)
    # Folds: where the arm lies against the side and across the chest; then the stripes.
    c.stroke([(-0.2, -0.21), (-0.198, 0.0), (-0.205, 0.34)], 0.007, _SWEATER_DARK)
    c.stroke([(0.205, -0.25), (0.185, -0.19), (0.15, -0.165)], 0.006, _SWEATER_DARK)
    for y in (-0.1, -0.07, -0.04):
        c.stroke([(-0.19, y), (0.0, y + 0.018), (0.219, y)], 0.013, _SHIRT)
    # Light from the window on the left, shadow on the right.
    c.shade([(0.13, -0.36), (0.24, -0.3), (0.24, 0.34), (0.1, 0.34), (0.13, 0.0)], -0.22, 0.05)
    c.shade([(-0.235, -0.31), (-0.29, -0.15), (-0.3, 0.2), (-0.27, 0.2), (-0.25, -0.1), (-0.2, -0.3)], 0.3, 0.02)
    c.shade([(-0.17, -0.35), (-0.1, -0.38), (-0.06, -0.3), (-0.1, -0.24), (-0.16, -0.27)], 0.16, 0.03)
    return c.layer()


def head(pixels_per_unit: float, *, eyes_open: bool) -> Layer:
    """Hair, face and glasses."""
    c = Canvas((-0.24, -0.5), (0.24, 0.1), pixels_per_unit)
    c.ellipse((0.03, -0.405), (0.066, 0.056), _HAIR)  # a bun
    c.shade([(0.0, -0.44), (0.04, -0.455), (0.05, -0.43), (0.01, -0.415)], 0.22, 0.012)
    c.blob([(-0.135, -0.19), (-0.14, -0.29), (-0.08, -0.375), (0.02, -0.385), (0.11, -0.345), (0.143, -0.25),
            (0.135, -0.15), (0.1, -0.06), (-0.1, -0.06)], _HAIR)  # fmt: skip
    for side in (-1, 1):
        c.ellipse((side * 0.124, -0.165), (0.022, 0.034), _SKIN_DARK)
        c.ellipse((side * 0.122, -0.168), (0.017, 0.028), _SKIN)
        c.ellipse((side * 0.128, -0.118), (0.008, 0.011), _MUG)  # earrings
    c.blob([(-0.116, -0.2), (-0.112, -0.28), (0.0, -0.325), (0.112, -0.28), (0.116, -0.2), (0.102, -0.1),
            (0.06, -0.038), (0.0, -0.018), (-0.06, -0.038), (-0.102, -0.1)], _SKIN)  # fmt: skip
    c.shade([(0.05, -0.3), (0.12, -0.24), (0.12, -0.12), (0.05, -0.02), (0.075, -0.12)], -0.16, 0.022)
    c.shade([(-0.09, -0.26), (-0.05, -0.28), (-0.05, -0.15), (-0.085, -0.1), (-0.1, -0.18)], 0.16, 0.02)
    for side in (-1, 1):
        c.ellipse((side * 0.068, -0.118), (0.024, 0.016), (238, 150, 128))  # cheeks
    c.shade([(-0.1, -0.14), (0.1, -0.14), (0.09, -0.09), (-0.09, -0.09)], 0.08, 0.02)
    # Hair swept to one side.
    c.blob([(-0.128, -0.2), (-0.13, -0.3), (-0.06, -0.365), (0.05, -0.37), (0.125, -0.3), (0.128, -0.2),
            (0.108, -0.262), (0.05, -0.3), (-0.02, -0.27), (-0.09, -0.26), (-0.114, -0.23)], _HAIR)  # fmt: skip
    for offset in (0.0, 0.022, 0.044):
        c.stroke([(-0.1, -0.275 - offset), (-0.02, -0.295 - offset), (0.06, -0.325 - offset / 2)], 0.006, _HAIR_LIGHT)
    for side in (-1, 1):
        _eye(c, side * 0.05, eyes_open)
        c.stroke([(side * 0.024, -0.222), (side * 0.052, -0.235), (side * 0.082, -0.222)], 0.0095, _HAIR)
    c.stroke([(0.003, -0.165), (0.014, -0.128), (0.006, -0.118), (-0.008, -0.12)], 0.0075, _SKIN_DARK)
    c.blob(
        [(-0.045, -0.088), (0.0, -0.082), (0.045, -0.09), (0.028, -0.06), (0.0, -0.05), (-0.028, -0.06)], (150, 50, 50)
    )
    c.blob([(-0.038, -0.086), (0.0, -0.0805), (0.038, -0.087), (0.025, -0.073), (-0.025, -0.073)], (252, 246, 240))
    return c.layer()


def _eye(c: Canvas, x: float, is_open: bool) -> None:
    if is_open:
        c.ellipse((x, -0.178), (0.0225, 0.0215), (252, 250, 246))
        c.ellipse((x + 0.002, -0.177), (0.014, 0.0165), (84, 116, 92))
        c.ellipse((x + 0.002, -0.177), (0.0085, 0.0105), _INK)
        c.ellipse((x - 0.003, -0.184), (0.0042, 0.0048), (255, 255, 255))
        c.stroke([(x - 0.024, -0.182), (x, -0.2005), (x + 0.024, -0.182)], 0.007, _INK)
    else:
        c.stroke([(x - 0.023, -0.178), (x, -0.168), (x + 0.023, -0.178)], 0.0075, _INK)


def forearm(pixels_per_unit: float) -> Layer:
    """The raised forearm, and the hand with the mug."""
    c = Canvas((-0.2, -0.44), (0.24, 0.09), pixels_per_unit)
    c.stroke([(0.0, 0.0), (0.008, -0.08), (0.004, -0.15)], 0.115, _SWEATER)
    c.shade([(0.02, 0.05), (0.06, 0.0), (0.06, -0.17), (0.03, -0.17)], -0.24, 0.018)
    c.shade([(-0.055, 0.0), (-0.035, 0.0), (-0.03, -0.15), (-0.05, -0.15)], 0.22, 0.01)
    c.stroke([(-0.05, -0.183), (0.0, -0.19), (0.056, -0.183)], 0.032, _SWEATER_DARK)
    c.stroke([(0.003, -0.205), (0.0, -0.25)], 0.082, _SKIN)
    c.shade([(-0.05, -0.205), (0.06, -0.205), (0.05, -0.225), (-0.04, -0.225)], -0.25, 0.008)
    c.stroke([(-0.07, -0.345), (-0.118, -0.34), (-0.118, -0.272), (-0.066, -0.262)], 0.022, _MUG_DARK)  # handle
    c.blob([(-0.075, -0.372), (-0.07, -0.25), (-0.045, -0.225), (0.045, -0.225), (0.07, -0.25), (0.075, -0.372)], _MUG)
    c.box((-0.078, -0.375), (0.078, -0.32), _MUG)
    c.shade([(0.03, -0.36), (0.075, -0.36), (0.07, -0.24), (0.03, -0.24)], -0.2, 0.02)
    c.shade([(-0.06, -0.35), (-0.04, -0.35), (-0.04, -0.25), (-0.055, -0.25)], 0.5, 0.01)
    c.ellipse((0.0, -0.377), (0.078, 0.019), (255, 228, 130))
    c.ellipse((0.0, -0.374), (0.066, 0.0135), _COFFEE)
    for i, x in enumerate((0.078, 0.082, 0.078, 0.07)):  # fingers around the mug
        y = -0.327 + i * 0.028
        c.stroke([(x - 0.006, y), (0.03, y + 0.003), (0.006, y + 0.004)], 0.027, _SKIN)
        c.stroke([(x - 0.004, y + 0.0135), (0.03, y + 0.0165)], 0.0035, _SKIN_DARK)
    c.blob([(0.088, -0.34), (0.094, -0.27), (0.07, -0.215), (0.02, -0.2), (-0.03, -0.215), (0.03, -0.232),
            (0.066, -0.26), (0.07, -0.33)], _SKIN)  # fmt: skip
    return c.layer()
