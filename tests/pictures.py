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
