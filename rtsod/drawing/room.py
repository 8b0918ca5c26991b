"""The room behind the person in the drawn scene: cluttered on purpose, and slightly out of focus, as on camera."""

from __future__ import annotations

import cv2
import numpy as np

from rtsod.drawing.canvas import Canvas, Colour
from rtsod.frames import Image

_BOOKS: tuple[Colour, ...] = (
    (98, 66, 60), (66, 84, 96), (112, 100, 74), (58, 78, 66), (84, 64, 86), (128, 116, 98), (50, 60, 80), (104, 80, 56),
)  # fmt: skip
_WOOD: Colour = (96, 72, 54)
_WOOD_DARK: Colour = (66, 48, 38)


def room(width: int, height: int, rng: np.random.Generator) -> Image:
    """Draw the room.

    Args:
        width: in pixels.
        height: in pixels.
        rng: places books, leaves and pictures, and makes the sensor noise.

    Returns:
        ``(height, width, 3)`` uint8 BGR.
    """
    aspect = width / height
    c = Canvas((0.0, 0.0), (aspect, 1.0), height, supersample=2)
    for i in range(64):  # the wall, darker toward the floor
        shade = 1 - 0.3 * i / 64
        c.box((0, i / 64), (aspect, 1), (round(126 * shade), round(140 * shade), round(142 * shade)))
    for i in range(round(aspect * 14)):  # wallpaper
        c.box((i / 14, 0), (i / 14 + 0.003, 1), (110, 124, 127))
    _window(c, 0.08 * aspect)
    _pictures(c, 0.47 * aspect, rng)
    _shelf(c, 0.66 * aspect, aspect, rng)
    c.box((0, 0.93), (aspect, 1), (84, 64, 52))
    _plant(c, 0.06 * aspect, rng)
    _lamp(c, 0.56 * aspect)
    picture = c.picture()
    if picture.shape[:2] != (height, width):
        picture = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), max(0.3, height / 420)), np.uint8)
    grain = rng.normal(0, 2.2, picture.shape).astype(np.float32)
    return np.asarray(np.rint(np.clip(picture + grain, 0, 255)), np.uint8)


def _window(c: Canvas, x: float) -> None:
    left, right, top, bottom = x, x + 0.5, 0.1, 0.6
    c.box((left - 0.025, top - 0.025), (right + 0.025, bottom + 0.025), (196, 196, 188))
    for i in range(32):
        t = i / 32
        y = top + (bottom - top) * t
        c.box((left, y), (right, bottom), (round(128 + 60 * t), round(166 + 34 * t), round(196 + 8 * t)))
    for cx, cy, r in (
        (0.1, 0.22, 0.045),
        (0.16, 0.2, 0.06),
        (0.22, 0.23, 0.04),
        (0.4, 0.3, 0.035),
        (0.44, 0.29, 0.045),
    ):
        c.ellipse((left + cx, cy), (r, r * 0.55), (216, 222, 224))
    c.blob([(left, 0.5), (left + 0.14, 0.43), (left + 0.28, 0.49), (right, 0.42), (right, bottom), (left, bottom)],
           (104, 132, 108))  # fmt: skip
    c.box((left, bottom), (right, bottom + 0.025), (196, 196, 188))
    middle = (left + right) / 2
    c.box((middle - 0.008, top), (middle + 0.008, bottom), (196, 196, 188))
    c.box((left, 0.33), (right, 0.344), (196, 196, 188))
    for side, edge in ((-1, left), (1, right)):  # curtains
        for fold in range(4):
            at = edge + side * (0.05 - fold * 0.03)
            tone = (150, 134, 116) if fold % 2 else (134, 118, 102)
            c.polygon([(at - 0.02, 0.05), (at + 0.02, 0.05), (at + 0.027, 0.72), (at - 0.027, 0.72)], tone)
    c.stroke([(left - 0.1, 0.05), (right + 0.1, 0.05)], 0.014, _WOOD_DARK)
    c.box((left - 0.05, bottom + 0.025), (right + 0.05, bottom + 0.045), (172, 172, 166))


def _pictures(c: Canvas, x: float, rng: np.random.Generator) -> None:
    for dx, y, w, h in ((0.0, 0.12, 0.15, 0.2), (0.18, 0.09, 0.11, 0.13), (0.18, 0.25, 0.11, 0.1)):
        low, high = (x + dx, y), (x + dx + w, y + h)
        c.box((low[0] - 0.012, y - 0.012), (high[0] + 0.012, y + h + 0.012), _WOOD_DARK)
        c.box(low, high, (176, 170, 156))
        for _ in range(3):
            px, py = rng.uniform(0.25, 0.75, 2)
            tone = _BOOKS[rng.integers(len(_BOOKS))]
            c.ellipse((x + dx + w * px, y + h * py), (w * 0.22, h * 0.2), tone, angle=float(rng.uniform(0, 180)))


def _shelf(c: Canvas, x: float, aspect: float, rng: np.random.Generator) -> None:
    right = max(x + 0.3, aspect - 0.02)
    c.box((x - 0.02, 0.04), (right + 0.02, 0.96), _WOOD_DARK)
    c.box((x, 0.06), (right, 0.94), (50, 38, 32))
    for row in range(4):
        floor = 0.06 + 0.22 * (row + 1)
        at = x + 0.008
        while at < right - 0.05:
            if rng.random() < 0.12:  # a vase instead of a book
                tone = (124, 128, 120)
                c.ellipse((at + 0.035, floor - 0.045), (0.03, 0.042), tone)
                c.box((at + 0.025, floor - 0.11), (at + 0.045, floor - 0.04), tone)
                at += 0.085
                continue
            w, h = float(rng.uniform(0.018, 0.042)), float(rng.uniform(0.11, 0.18))
            lean = float(rng.uniform(0.01, 0.03)) if rng.random() < 0.12 else 0.0
            red, green, blue = _BOOKS[rng.integers(len(_BOOKS))]
            tone = (red, green, blue)
            c.polygon([(at, floor), (at + w, floor), (at + w + lean, floor - h), (at + lean, floor - h)], tone)
            light = (min(255, red + 50), min(255, green + 46), min(255, blue + 36))
            for band in (0.2, 0.78):
                y = floor - h * band
                c.box((at + lean * band + 0.003, y), (at + w + lean * band - 0.003, y + 0.008), light)
            at += w + lean + 0.003
        c.box((x, floor), (right, floor + 0.018), _WOOD)


def _plant(c: Canvas, x: float, rng: np.random.Generator) -> None:
    for i in range(15):
        turn = np.radians(-90 + (i - 7) * 13 + float(rng.uniform(-6, 6)))
        reach = float(rng.uniform(0.2, 0.32))
        tip = (x + reach * float(np.cos(turn)), 0.76 + reach * float(np.sin(turn)))
        bend = ((x + tip[0]) / 2, (0.76 + tip[1]) / 2 - 0.03)
        green = ((50, 84, 56), (66, 102, 64), (42, 70, 50))[i % 3]
        c.stroke([(x, 0.78), bend, tip], 0.008, green)
        c.ellipse(tip, (0.058, 0.021), green, angle=float(np.degrees(turn)))
    c.polygon([(x - 0.08, 0.77), (x + 0.08, 0.77), (x + 0.06, 0.97), (x - 0.06, 0.97)], (132, 92, 74))
    c.box((x - 0.09, 0.755), (x + 0.09, 0.79), (146, 104, 84))


def _lamp(c: Canvas, x: float) -> None:
    c.shade([(x - 0.2, 0.5), (x, 0.3), (x + 0.2, 0.5), (x + 0.12, 0.75), (x - 0.12, 0.75)], 0.16, 0.09)
    c.stroke([(x, 0.56), (x, 0.95)], 0.013, _WOOD_DARK)
    c.ellipse((x, 0.955), (0.08, 0.014), _WOOD_DARK)
    c.polygon([(x - 0.05, 0.42), (x + 0.05, 0.42), (x + 0.085, 0.57), (x - 0.085, 0.57)], (208, 188, 142))
    c.shade([(x - 0.04, 0.47), (x + 0.04, 0.47), (x + 0.05, 0.56), (x - 0.05, 0.56)], 0.4, 0.02)
