"""Training pictures in memory: decoded once, cut into crops that are balanced over texture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from ..texture import complexity

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm"}
BIN_EDGES = (4.0, 8.0, 14.0, 22.0)
"""Crops are drawn equally often from the bins of mean |dx| + |dy| between these values."""


def list_pictures(folders: list[Path]) -> list[Path]:
    """All picture files under the folders, sorted."""
    return sorted(p for f in folders for p in f.rglob("*") if p.suffix.lower() in SUFFIXES)


def split_held_out(files: list[Path], every: int = 10) -> tuple[list[Path], list[Path]]:
    """Training files and held-out files: one in ``every``, by file; a single file is trained on."""
    if len(files) < 2:
        return files, []
    return [f for i, f in enumerate(files) if i % every], files[::every]


class Pictures:
    """Decoded pictures at one or more scales.

    Args:
        files: pictures; those that cannot be read are listed in ``skipped``.
        smallest: pictures with a shorter side are padded by reflection.
        scales: factors by which large pictures are also kept, reduced.
    """

    def __init__(
        self, files: list[Path], *, smallest: int, scales: tuple[float, ...] = (1.0, 0.7, 0.5)
    ) -> None:
        self.arrays: list[np.ndarray] = []
        self.skipped: list[tuple[Path, str]] = []
        for file in files:
            try:
                with Image.open(file) as opened:
                    image = opened.convert("RGB")
            except (
                Exception
            ) as error:  # Pillow raises many types for damaged files; each is named to the user
                self.skipped.append((file, str(error)))
                continue
            for scale in scales:
                size = round(image.width * scale), round(image.height * scale)
                if scale != 1.0 and min(size) < 2 * smallest:
                    continue
                array = np.asarray(image if scale == 1.0 else image.resize(size, Image.Resampling.LANCZOS))
                self.arrays.append(_at_least(array, smallest))


def _at_least(array: np.ndarray, side: int) -> np.ndarray:
    missing = [max(0, side - n) for n in array.shape[:2]]
    while any(missing):
        step = [min(m, n - 1) for m, n in zip(missing, array.shape[:2])]
        if not any(step):
            return np.pad(array, [(0, missing[0]), (0, missing[1]), (0, 0)], mode="edge")
        array = np.pad(array, [(0, step[0]), (0, step[1]), (0, 0)], mode="reflect")
        missing = [max(0, side - n) for n in array.shape[:2]]
    return array


class CropSampler:
    """Endless batches of crops, balanced over bins of texture, flipped and transposed at random.

    Args:
        pictures: from ``Pictures``.
        crop: side in pixels.
        seed: of everything drawn.
    """

    def __init__(self, arrays: list[np.ndarray], *, crop: int, seed: int) -> None:
        self.arrays, self.crop = arrays, crop
        self.random = np.random.default_rng(seed)
        places: list[list[tuple[int, int, int]]] = [[] for _ in range(len(BIN_EDGES) + 1)]
        stride = max(64, crop // 2)
        for k, a in enumerate(arrays):
            for y in range(0, a.shape[0] - crop + 1, stride):
                for x in range(0, a.shape[1] - crop + 1, stride):
                    busy = complexity(a[y : y + crop : 1, x : x + crop : 1])
                    places[int(np.searchsorted(BIN_EDGES, busy))].append((k, y, x))
        self.bins = [np.array(p) for p in places if p]

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """Yields uint8 B x crop x crop x 3."""
        while True:
            out = np.empty((size, self.crop, self.crop, 3), np.uint8)
            for b in range(size):
                chosen = self.bins[self.random.integers(len(self.bins))]
                k, y, x = chosen[self.random.integers(len(chosen))]
                a = self.arrays[k]
                y = min(y + self.random.integers(64), a.shape[0] - self.crop)
                x = min(x + self.random.integers(64), a.shape[1] - self.crop)
                patch = a[y : y + self.crop, x : x + self.crop]
                if self.random.integers(2):
                    patch = patch[:, ::-1]
                if self.random.integers(2):
                    patch = patch.transpose(1, 0, 2)
                out[b] = patch
            yield out
