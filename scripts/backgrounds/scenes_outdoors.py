"""Outdoor scenes. Each takes a random generator and returns ``(1080, 1920, 3)`` float32 RGB in [0, 1]."""

from __future__ import annotations

import numpy as np
from brushes import (
    HEIGHT,
    WIDTH,
    Colour,
    Field,
    X,
    Y,
    below,
    defocus,
    firs,
    foliage,
    fronds,
    glow,
    gradient,
    island,
    lights,
    noise,
    over,
    paint,
    receding,
    rgb,
    sky,
    smoothstep,
    soft,
    trunks,
    vignette,
    wander,
)


def beach(rng: np.random.Generator) -> Field:
    """A bay in the morning, seen from under palm trees."""
    horizon, shore = 470, 790
    picture = sky([(0, (0.22, 0.50, 0.78)), (0.5, (0.50, 0.73, 0.88)), (1, (0.93, 0.89, 0.80))], horizon)
    clouds = smoothstep(0.50, 0.95, noise(rng, 260, 6, stretch=3.0))
    paint(picture, (0.99, 0.97, 0.94), 0.8 * clouds * smoothstep(horizon, 200, Y))
    glow(picture, (1330, 270), 420, (0.22, 0.15, 0.02))
    glow(picture, (1330, 270), 90, (0.55, 0.5, 0.35))
    for far, height, colour in ((0.0, 44, (0.55, 0.70, 0.78)), (0.42, 70, (0.38, 0.55, 0.60))):
        paint(picture, colour, soft(below(horizon - height * island(rng, far)), 2.5))
    depth = np.clip((Y - horizon) / (shore - horizon), 0, 1)
    sea = gradient(
        [(0, (0.16, 0.46, 0.62)), (0.35, (0.10, 0.56, 0.68)), (0.8, (0.30, 0.75, 0.76)), (1, (0.68, 0.88, 0.82))], depth
    )
    ripple = receding(noise(rng, 70, 4, stretch=4.0), horizon)
    sea *= (1 + 0.36 * (ripple - 0.5) * smoothstep(0, 0.12, depth))[..., None]
    path = np.exp(-(((X - 1330) / (120 + 420 * depth)) ** 2)) * (1 - 0.55 * depth)
    glints = smoothstep(0.60, 0.78, receding(noise(rng, 22, 2, stretch=3.0), horizon))
    sea += (path * (0.25 + 1.1 * glints * smoothstep(0, 0.12, depth)))[..., None] * rgb(0.9, 0.78, 0.52)
    over(picture, sea, soft(below(np.full(WIDTH, horizon, np.float32)), 1.5))
    line = shore + 46 * (wander(rng, 700, 3) - 0.5) - 60 * np.linspace(-1, 1, WIDTH) ** 2 + np.linspace(50, -50, WIDTH)
    for offset, strength in ((-74, 0.45), (-30, 0.65)):
        crest = np.exp(-(((Y - line - offset - 16 * (wander(rng, 260, 3) - 0.5)) / 7) ** 2))
        paint(picture, (1, 1, 1), strength * crest * smoothstep(0.25, 0.75, noise(rng, 120, 3, stretch=3)))
    sand = gradient([(0, (0.70, 0.58, 0.42)), (0.22, (0.89, 0.79, 0.62)), (1, (0.97, 0.89, 0.74))], (Y - line) / 290)
    sand *= (0.90 + 0.20 * receding(noise(rng, 60, 5, stretch=2.0), horizon))[..., None]
    over(picture, sand, soft(below(line), 5))
    foam = np.exp(-(((Y - line + 4) / 13) ** 2)) * (0.45 + 0.55 * noise(rng, 45, 3, stretch=2))
    paint(picture, (1, 1, 1), 0.95 * foam)
    paint(picture, (0.45, 0.36, 0.30), 0.35 * soft(fronds(rng, (300, 900), 210, (-2.6, -0.4), 7, droop=0.12), 26))
    picture = defocus(picture, 2.2)
    for root, reach, angles, count in (((-60, -50), 760, (-0.02, 1.25), 5), ((2000, -90), 560, (1.95, 3.1), 4)):
        for shade, lean in (((0.06, 0.24, 0.17), 0.0), ((0.17, 0.42, 0.20), 0.10)):
            leaves = fronds(rng, root, reach, (angles[0] + lean, angles[1] + lean), count, droop=0.30)
            paint(picture, shade, 0.96 * soft(leaves, 4.0))
    for x, y, size in ((-40, 1090, 230), (1960, 1110, 250)):
        paint(picture, (0.10, 0.30, 0.16), 0.95 * soft(foliage(rng, x, y, size), 11))
        paint(picture, (0.25, 0.48, 0.22), 0.75 * soft(foliage(rng, x, y + 40, size * 0.85), 9))
    return picture


def mountains(rng: np.random.Generator) -> Field:
    """Mountain ridges in the haze after sunset."""
    picture = sky(
        [(0, (0.16, 0.20, 0.38)), (0.45, (0.47, 0.42, 0.58)), (0.75, (0.90, 0.62, 0.56)), (1, (1.0, 0.80, 0.60))], 660
    )
    glow(picture, (1240, 610), 560, (0.30, 0.16, 0.04))
    veil = smoothstep(0.45, 1.0, noise(rng, 180, 6, stretch=7.0)) * smoothstep(640, 300, Y) * smoothstep(-150, 250, Y)
    paint(picture, (0.98, 0.68, 0.62), 0.6 * veil)
    near, far = rgb(0.06, 0.09, 0.17), rgb(0.72, 0.54, 0.60)
    layers = 7
    for i in range(layers):
        t = i / (layers - 1)
        ridge = 560 + 470 * t**1.25 - (210 - 90 * t) * (wander(rng, 820 - 480 * t, 7, rough=0.46) - 0.35)
        if i == layers - 1:
            ridge -= firs(rng)
        colour = far + (near - far) * t**0.72
        haze = far * 0.55 + colour * 0.45 + rgb(0.06, 0.04, 0.02) * (1 - t)
        shade = np.clip((Y - ridge) / (250 - 60 * t), 0, 1)[..., None]
        over(picture, colour + (haze - colour) * shade * (1 - 0.75 * t), soft(below(ridge), 1.6 + 1.8 * t))
    return defocus(picture, 2.0)


def forest(rng: np.random.Generator) -> Field:
    """Sunlight in an open forest."""
    picture = gradient(
        [(0, (0.62, 0.74, 0.42)), (0.45, (0.90, 0.93, 0.66)), (0.66, (0.70, 0.80, 0.44)), (1, (0.20, 0.32, 0.14))],
        Y / HEIGHT,
    )
    picture *= (0.80 + 0.36 * noise(rng, 170, 4))[..., None]
    layers = 5
    for i in range(layers):
        t = i / (layers - 1)
        ground = below(690 + 230 * t + 50 * (wander(rng, 600, 4) - 0.5))
        floor = rgb(0.62, 0.74, 0.36) * (1 - t) + rgb(0.13, 0.25, 0.10) * t
        over(picture, floor * (0.75 + 0.5 * noise(rng, 90, 3, stretch=3))[..., None], 0.8 * soft(ground, 14))
        bark: Colour = (0.52 - 0.33 * t, 0.56 - 0.37 * t, 0.38 - 0.26 * t)
        paint(
            picture, bark, (0.75 + 0.2 * t) * soft(trunks(rng, 13 - 2 * i, 20 + 62 * t**1.5, 720 + 240 * t), 3 + 5 * t)
        )
        crowns = smoothstep(0.46, 0.62, noise(rng, 100 + 80 * t, 4)) * smoothstep(440 - 110 * t, 60, Y)
        leaf: Colour = (0.52 - 0.36 * t, 0.68 - 0.36 * t, 0.26 - 0.14 * t)
        paint(picture, leaf, 0.8 * soft(crowns, 6 + 4 * t))
        glow(picture, (1180, 330), 760 - 50 * i, (0.085, 0.080, 0.040))
    fan = ((X - 1180) * 420 / (Y + 420) + 960).clip(0, WIDTH - 1).astype(np.int32)
    rays = smoothstep(0.45, 0.9, wander(rng, 260, 4)[fan])
    picture += (0.17 * soft(rays, 12) * smoothstep(1000, 150, Y))[..., None] * rgb(1.0, 0.95, 0.62)
    picture = defocus(picture, 5)
    lights(picture, rng, 70, (12, 34), (0, 60, WIDTH, 560), [(1.0, 0.98, 0.62), (0.86, 0.95, 0.55)], 0.16)
    vignette(picture, 0.35)
    return picture
