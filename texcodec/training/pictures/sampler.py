"""Crops of training pictures, balanced over texture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...texture import luminance

BIN_EDGES = (4.0, 8.0, 14.0, 22.0)
"""Crops are drawn equally often from the bins of mean |dx| + |dy| between these values."""
PLACE_STRIDE = 16
"""Pixels between the places of crops, each of which is moved at random by less than that."""
MOST_PLACES = 2_000_000


@dataclass
class Places:
    """Which crops to cut.

    Attributes:
        where: int64 B x 5: number of the picture, row, column, whether mirrored, whether transposed.
        classes: int64 B.
        groups: the number of crops of each class if the crops are sorted by class, else None.
    """

    where: np.ndarray
    classes: np.ndarray
    groups: tuple[int, ...] | None


class CropSampler:
    """Draws crops, balanced over texture, mirrored and transposed at random.

    Args:
        arrays: uint8 H x W x 3, none smaller than a crop.
        crop: side in pixels.
        seed: of the places (fixed for good) and of ``batches``.
        thresholds: of texture complexity between the classes.
        balance: "texture": equally often from every bin of texture that the pictures have; "classes": equally
            many crops of every class that they have, sorted by class, and in a class equally often from its
            bins.
        drawn: drawn pages (``drawn``), uint8 H x W x 3, which belong to no bin.
        drawn_share: share of the crops that are cut from them.
    """

    def __init__(
        self,
        arrays: list[np.ndarray],
        *,
        crop: int,
        seed: int,
        thresholds: tuple[float, ...] = (8.0, 18.0),
        balance: str = "texture",
        drawn: Sequence[np.ndarray] = (),
        drawn_share: float = 0.0,
    ) -> None:
        photographs, arrays = len(arrays), [*arrays, *drawn]
        self.arrays, self.crop, self.seed, self.balance = arrays, crop, seed, balance
        self.drawn_share = drawn_share if drawn else 0.0
        random = np.random.default_rng(seed)
        pixels = sum(a.shape[0] * a.shape[1] for a in arrays)
        stride = max(PLACE_STRIDE, int((pixels / MOST_PLACES) ** 0.5))
        places, measures = [], []
        for k, a in enumerate(arrays):
            y, x = (
                v.ravel()
                for v in np.mgrid[0 : a.shape[0] - crop + 1 : stride, 0 : a.shape[1] - crop + 1 : stride]
            )
            y = np.minimum(y + random.integers(stride, size=len(y)), a.shape[0] - crop)
            x = np.minimum(x + random.integers(stride, size=len(x)), a.shape[1] - crop)
            places.append(np.stack([np.full_like(y, k), y, x], 1).astype(np.int32))
            measures.append(crop_complexities(a, y, x, crop))
        self.places = np.concatenate(places)
        measure = np.concatenate(measures)
        self.classes = np.searchsorted(thresholds, measure, side="right").astype(np.int64)
        bins = np.searchsorted(BIN_EDGES, measure)
        count = len(thresholds) + 1
        keys = bins if balance == "texture" else bins + 100 * self.classes
        is_drawn = self.places[:, 0] >= photographs
        self.cells = [np.flatnonzero((keys == key) & ~is_drawn) for key in np.unique(keys[~is_drawn])]
        self.drawn = [np.flatnonzero(is_drawn & (self.classes == k)) for k in range(count)]
        present = sorted({int(self.classes[c[0]]) for c in self.cells})
        self.by_class = [[c for c in self.cells if self.classes[c[0]] == k] for k in range(count)]
        self._present = present

    def groups(self, size: int) -> tuple[int, ...]:
        """How many of ``size`` crops belong to each class, as equal as may be over those that there are."""
        share, more = divmod(size, len(self._present))
        ranks = {k: i for i, k in enumerate(self._present)}
        return tuple(share + (ranks[k] < more) if k in ranks else 0 for k in range(len(self.by_class)))

    def draw(self, random: np.random.Generator, size: int) -> Places:
        """Draw ``size`` crops."""
        groups = None
        if self.balance == "classes":
            groups = self.groups(size)
            cells = [
                self.by_class[k][random.integers(len(self.by_class[k]))]
                for k, n in enumerate(groups)
                for _ in range(n)
            ]
        else:
            cells = [self.cells[i] for i in random.integers(len(self.cells), size=size)]
        return self._places(random, self._with_drawn(random, cells), groups)

    def _with_drawn(self, random: np.random.Generator, cells: list[np.ndarray]) -> list[np.ndarray]:
        """Some of the cells replaced by drawn crops, of the same class where batches are sorted by class."""
        if not self.drawn_share:
            return cells
        everything = np.concatenate(self.drawn)
        for place in np.flatnonzero(random.random(len(cells)) < self.drawn_share):
            known = self.drawn[self.classes[cells[place][0]]] if self.balance == "classes" else everything
            cells[place] = known if len(known) else cells[place]
        return cells

    def draw_evenly(self, random: np.random.Generator, size: int) -> Places:
        """Draw ``size`` crops, as equally many as may be from every bin instead of by chance."""
        return self._places(random, [self.cells[i % len(self.cells)] for i in range(size)], None)

    def _places(
        self, random: np.random.Generator, cells: list[np.ndarray], groups: tuple[int, ...] | None
    ) -> Places:
        """A crop of each of the cells."""
        chosen = np.array([cell[random.integers(len(cell))] for cell in cells])
        where = np.empty((len(cells), 5), np.int64)
        where[:, :3] = self.places[chosen]
        where[:, 3:] = random.integers(2, size=(len(cells), 2))
        return Places(where, self.classes[chosen], groups)

    def cut(self, places: Places) -> np.ndarray:
        """The pixels of crops: uint8 B x crop x crop x 3."""
        c = self.crop
        out = np.empty((len(places.where), c, c, 3), np.uint8)
        for b, (k, y, x, mirrored, transposed) in enumerate(places.where):
            patch = self.arrays[k][y : y + c, x : x + c]
            if mirrored:
                patch = patch[:, ::-1]
            out[b] = patch.transpose(1, 0, 2) if transposed else patch
        return out

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """Yields uint8 B x crop x crop x 3 for ever."""
        random = np.random.default_rng([self.seed, 1])
        while True:
            yield self.cut(self.draw(random, size))


def crop_complexities(pixels: np.ndarray, y: np.ndarray, x: np.ndarray, crop: int) -> np.ndarray:
    """``texture.complexity`` of many crops of one picture, by sums over all rectangles from its corner.

    Args:
        pixels: uint8 H x W x 3.
        y, x: N, upper left corners.
    Returns:
        float64 N.
    """
    light = luminance(pixels)
    total = np.zeros(len(y))
    for axis, (height, width) in ((1, (crop, crop - 1)), (0, (crop - 1, crop))):
        sums = np.pad(np.abs(np.diff(light, axis=axis)).cumsum(0, np.int64).cumsum(1), ((1, 0), (1, 0)))
        inside = sums[y + height, x + width] - sums[y, x + width] - sums[y + height, x] + sums[y, x]
        total = total + inside / (height * width)
    return total
