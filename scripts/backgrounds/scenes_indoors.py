"""Indoor scenes. Each takes a random generator and returns ``(1080, 1920, 3)`` float32 RGB in [0, 1]."""

from __future__ import annotations

import numpy as np
from brushes import (
    HEIGHT,
    WIDTH,
    Colour,
    Field,
    X,
    Y,
    blocks,
    box,
    defocus,
    disc,
    fill,
    foliage,
    fronds,
    glow,
    gradient,
    lights,
    noise,
    over,
    paint,
    rectangle,
    rgb,
    soft,
    vignette,
)


def studio(rng: np.random.Generator) -> Field:
    """A plain wall in soft light, with the shadows of a window and of leaves."""
    picture = gradient(
        [
            (0, (0.74, 0.71, 0.67)),
            (0.72, (0.66, 0.625, 0.585)),
            (0.80, (0.56, 0.525, 0.485)),
            (1, (0.64, 0.605, 0.565)),
        ],
        Y / HEIGHT,
    )
    picture *= (0.985 + 0.03 * noise(rng, 300, 4))[..., None]
    glow(picture, (480, 260), 900, (0.17, 0.155, 0.125))
    panes = np.zeros((HEIGHT, WIDTH), np.uint8)
    for column in range(3):
        for row in range(3):
            x, y = 1010 + 232 * column, 70 + 205 * row
            corners = [(x, y + 0.16 * (x - 1010)), (x + 212, y + 0.16 * (x - 798))]
            fill(panes, [*corners, (x + 182, corners[1][1] + 186), (x - 30, corners[0][1] + 186)])
    leaves = fronds(rng, (1900, 330), 640, (2.5, 3.5), 4, droop=0.25)
    light = soft(panes / np.float32(255), 11) * (1 - 0.8 * soft(leaves, 8))
    picture += (light * 0.16)[..., None] * rgb(1.0, 0.90, 0.70)
    vignette(picture, 0.30)
    return picture


def office(rng: np.random.Generator) -> Field:
    """A study with shelves and daylight from the left."""
    picture = gradient([(0, (0.90, 0.87, 0.82)), (0.6, (0.80, 0.76, 0.70)), (1, (0.66, 0.61, 0.56))], X / WIDTH)
    picture *= (1.03 - 0.16 * Y / HEIGHT)[..., None]
    garden = gradient([(0, (0.93, 0.97, 1.0)), (0.5, (0.88, 0.95, 0.86)), (1, (0.62, 0.76, 0.52))], Y / 760)
    garden += (0.20 * (noise(rng, 150, 3) - 0.5))[..., None] * rgb(0.8, 1.0, 0.6)
    frame: Colour = (0.96, 0.95, 0.93)
    box(picture, (40, -40, 590, 800), frame, 3)
    for left, right in ((70, 302), (330, 562)):
        for top, bottom in ((-40, 330), (356, 770)):
            over(picture, defocus(garden, 9), soft(rectangle((left, top, right, bottom)), 2.5))
    for left, right, turn in ((-30, 118, 0.0), (560, 742, 1.3)):
        folds = 0.90 + 0.06 * np.sin(X / 13 + turn + 0.3 * np.sin(X / 31))
        over(
            picture,
            folds[..., None] * rgb(0.95, 0.92, 0.87),
            0.93 * soft(rectangle((left, -40, right, 1000)), 5),
        )
    wood: Colour = (0.58, 0.42, 0.29)
    box(picture, (1106, 96, 1834, 1010), (0.42, 0.33, 0.26), 3)
    box(picture, (1122, 112, 1818, 1000), (0.66, 0.58, 0.50), 3)
    spines = [
        (0.24, 0.34, 0.42),
        (0.66, 0.36, 0.27),
        (0.84, 0.78, 0.68),
        (0.35, 0.43, 0.36),
        (0.78, 0.60, 0.36),
        (0.45, 0.33, 0.32),
    ]
    for shelf in range(4):
        bottom = 310 + 222 * shelf
        shadow = rectangle((1122, bottom - 198, 1818, bottom - 150))
        paint(picture, (0.30, 0.23, 0.18), 0.45 * soft(shadow, 16))
        for start, end in ((1136.0, 1136 + rng.uniform(170, 320)), (1804 - rng.uniform(120, 260), 1804.0)):
            x = start
            while x < end:
                wide, tall = min(rng.uniform(16, 38), end - x), rng.uniform(96, 158)
                spine = spines[int(rng.integers(len(spines)))]
                box(picture, (x, bottom - tall, x + wide - 2, bottom), spine, 1.5)
                x += wide
        box(picture, (1106, bottom, 1834, bottom + 20), wood, 2)
    box(picture, (1462, 470, 1540, 532), (0.86, 0.84, 0.80), 4)
    paint(picture, (0.25, 0.42, 0.24), soft(foliage(rng, 1500, 476, 92), 4))
    box(picture, (1470, 196, 1562, 310), (0.30, 0.25, 0.22), 2)
    box(picture, (1480, 206, 1552, 300), (0.86, 0.83, 0.76), 3)
    box(picture, (812, 210, 1020, 480), (0.24, 0.22, 0.21), 2)
    box(picture, (822, 220, 1010, 470), (0.95, 0.94, 0.91), 2)
    for x, y, size, tone in ((900, 330, 52, (0.85, 0.62, 0.42)), (944, 376, 46, (0.33, 0.45, 0.50))):
        paint(picture, tone, 0.85 * soft(disc(x, y, size), 3))
    box(picture, (690, 900, 850, 1090), (0.80, 0.77, 0.72), 6)
    paint(picture, (0.18, 0.34, 0.20), 0.96 * soft(fronds(rng, (770, 920), 330, (-2.75, -0.4), 8, droop=0.35), 5))
    paint(picture, (0.30, 0.48, 0.27), 0.8 * soft(fronds(rng, (770, 915), 280, (-2.5, -0.6), 6, droop=0.35), 5))
    picture = defocus(picture, 5.5)
    glow(picture, (320, 330), 760, (0.13, 0.125, 0.11))
    vignette(picture, 0.25)
    return picture


def night_city(rng: np.random.Generator) -> Field:
    """A skyline through a window at night, far out of focus."""
    picture = gradient(
        [
            (0, (0.06, 0.09, 0.20)),
            (0.4, (0.16, 0.19, 0.37)),
            (0.62, (0.50, 0.35, 0.44)),
            (0.75, (0.72, 0.46, 0.40)),
            (1, (0.20, 0.15, 0.20)),
        ],
        Y / HEIGHT,
    )
    for i, shade in enumerate(((0.27, 0.25, 0.38), (0.16, 0.16, 0.28), (0.085, 0.09, 0.17))):
        houses, windows = blocks(rng, 680 + 110 * i, 430 - 70 * i, 90 + 35 * i)
        paint(picture, shade, soft(houses, 5 + 2 * i))
        over(picture, rgb(1.0, 0.78, 0.48), (0.75 + 0.10 * i) * soft(windows, 3.5 + 1.5 * i))
        glow(picture, (960, 800), 800, (0.030, 0.018, 0.022))
    palette = [(1.0, 0.66, 0.28), (1.0, 0.80, 0.52), (1.0, 0.36, 0.28), (0.42, 0.68, 1.0), (0.95, 0.90, 0.80)]
    lights(picture, rng, 130, (9, 22), (0, 560, WIDTH, 900), palette, 0.75)
    lights(picture, rng, 60, (26, 58), (0, 690, WIDTH, 1070), palette, 0.55)
    picture = defocus(picture, 1.6)
    vignette(picture, 0.45)
    return picture
