"""Pictures that the tests make: no files needed."""

from __future__ import annotations

import numpy as np


def photograph(width: int, height: int, *, seed: int = 0) -> np.ndarray:
    """uint8 height x width x 3 with what photographs have: a smooth sky, edges, and busy texture from left to
    right.
    """
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    sky = np.stack([90 + 60 * y / height, 140 + 40 * y / height, 220 - 50 * y / height], -1)
    waves = 30 * np.sin(x / 15 + 3 * np.sin(y / 31)) * (x / width)
    noise = random.normal(0, 1, (height, width)) * 6 * (x / width) ** 2
    disc = np.hypot(x - width / 3, y - height / 2) < min(width, height) / 4
    picture = sky + (waves + noise)[:, :, None] + disc[:, :, None] * np.array([60.0, -40.0, -90.0])
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def window(width: int, height: int, *, seed: int = 0) -> np.ndarray:
    """uint8 height x width x 3 with what screenshots have: flat areas, lines of small dark strokes, a coloured bar."""
    random = np.random.default_rng(seed)
    picture = np.full((height, width, 3), 245, np.uint8)
    picture[: max(height // 12, 1)] = (40, 90, 160)
    picture[:, : width // 6] = (228, 228, 232)
    for y in range(height // 8, height - 8, 14):
        strokes = random.random((9, width)) < 0.45
        strokes[:, int(width * random.uniform(0.5, 0.95)) :] = False
        strokes[:, : width // 5] = False
        shades = random.choice([20, 20, 20, 90, 160], (9, width)).astype(np.uint8)
        picture[y : y + 9][strokes] = shades[strokes][:, None]
    return picture


def part_drawn(width: int, height: int, *, seed: int = 0) -> np.ndarray:
    """A photograph with a window over its left part; uint8 height x width x 3."""
    picture = photograph(width, height, seed=seed)
    picture[:, :256] = window(256, height, seed=seed)[:, : min(256, width)]
    return picture
