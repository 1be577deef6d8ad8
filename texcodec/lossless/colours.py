"""Drawn pictures with fewer colours: the lossy step before lossless coding, where the rate asks for one.

Colours are split in two along their widest spread until there are enough of them, which are then moved to the means
of what is nearest to them (weighted k-means; J. Orchard and C. Bouman, "Color quantization of images", 1991, and
S. Lloyd, "Least squares quantization in PCM", 1982). All sums are of integers, so the result is the same everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MOST_DISTINCT = 1 << 15
"""Colours that are distinguished; pictures with more lose low bits for the choice of their palette."""
ROUNDS = 2
_CHUNK = 4096


@dataclass(frozen=True)
class ColourTable:
    """The distinct colours of a picture.

    Attributes:
        colours: int64 n x C.
        weights: int64 n, pixels of each colour.
        places: the colour of every pixel, H x W.
    """

    colours: np.ndarray
    weights: np.ndarray
    places: np.ndarray


def table_of(pixels: np.ndarray) -> ColourTable:
    """The distinct colours of uint8 H x W x C pixels, or, where there are too many, of groups of near ones."""
    channels = pixels.shape[2]
    shifts = 8 * np.arange(channels, dtype=np.uint32)
    dropped = 0
    while True:
        keys = ((pixels >> dropped).astype(np.uint32) << shifts).sum(2, dtype=np.uint32)
        distinct, places, weights = np.unique(keys, return_inverse=True, return_counts=True)
        if len(distinct) <= MOST_DISTINCT:
            break
        dropped += 1
    places = places.reshape(keys.shape)
    if dropped:
        sums = [np.bincount(places.ravel(), pixels[:, :, c].ravel(), len(distinct)) for c in range(channels)]
        colours = np.floor(np.stack(sums, 1) / weights[:, None] + 0.5).astype(np.int64)
    else:
        colours = ((distinct[:, None] >> shifts) & 255).astype(np.int64)
    return ColourTable(colours, weights.astype(np.int64), places)


def with_fewer_colours(table: ColourTable, counts: Sequence[int]) -> dict[int, np.ndarray]:
    """The picture with palettes of these sizes; uint8 H x W x C by size, those that would leave out no colour missing.

    Args:
        counts: sizes of palettes, at least 2.
    """
    wanted = sorted(n for n in counts if n < len(table.colours))
    out = {}
    for size, palette in zip(wanted, _split(table, wanted)):
        for _ in range(ROUNDS):
            nearest = _nearest(table.colours, palette)
            palette = _centres(table, nearest, len(palette))
        nearest = _nearest(table.colours, palette)
        palette = _keep_frequent(table, nearest, palette)
        out[size] = palette.astype(np.uint8)[nearest][table.places]
    return out


def _split(table: ColourTable, sizes: Sequence[int]) -> list[np.ndarray]:
    """Palettes of rising sizes, each made from the one before by splitting the groups with the largest error."""
    labels = np.zeros(len(table.colours), np.int64)
    members = [np.arange(len(labels))]
    errors = [_error(table, members[0])]
    palettes = []
    for size in sizes:
        while len(members) < size:
            at = int(np.argmax(errors))
            if errors[at] <= 0:
                break
            group = members[at]
            colours, weights = table.colours[group], table.weights[group]
            axis = int(np.argmax(_spread(colours, weights)))
            values = colours[:, axis]
            below = values * weights.sum() <= (values * weights).sum()  # up to the mean
            members[at], errors[at] = group[below], _error(table, group[below])
            members.append(group[~below])
            errors.append(_error(table, group[~below]))
        for number, group in enumerate(members):
            labels[group] = number
        palettes.append(_centres(table, labels, len(members)))
    return palettes


def _spread(colours: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sum of squared differences to the mean, by channel, times the sum of the weights."""
    total = (colours * weights[:, None]).sum(0)
    squares = (np.square(colours) * weights[:, None]).sum(0)
    return squares * weights.sum() - np.square(total)


def _error(table: ColourTable, group: np.ndarray) -> float:
    weights = table.weights[group]
    return float(_spread(table.colours[group], weights).sum()) / float(weights.sum())


def _centres(table: ColourTable, labels: np.ndarray, count: int) -> np.ndarray:
    """Mean colours of the groups, int64 count x C; groups that nothing is left of are dropped."""
    weights = np.bincount(labels, table.weights, count)
    sums = [
        np.bincount(labels, table.weights * table.colours[:, c], count) for c in range(table.colours.shape[1])
    ]
    kept = weights > 0
    return np.floor(np.stack(sums, 1)[kept] / weights[kept, None] + 0.5).astype(np.int64)


def _nearest(colours: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Number of the palette's entry nearest to each colour."""
    # products of bytes add up to less than 2**24, so float32 is exact whatever the order of the sums
    entries, length = palette.astype(np.float32), np.square(palette).sum(1).astype(np.float32)
    out = np.empty(len(colours), np.int64)
    for start in range(0, len(colours), _CHUNK):
        part = colours[start : start + _CHUNK].astype(np.float32)
        out[start : start + _CHUNK] = np.argmin(length - 2 * (part @ entries.T), axis=1)
    return out


def _keep_frequent(table: ColourTable, nearest: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Entries that mostly stand for one colour become that colour, so that flat areas keep theirs."""
    order = np.lexsort((table.weights, nearest))
    last = np.r_[np.flatnonzero(np.diff(nearest[order])), len(order) - 1]
    frequent = order[last]
    groups = nearest[frequent]
    weights = np.bincount(nearest, table.weights, len(palette))[groups]
    most = 2 * table.weights[frequent] >= weights
    out = palette.copy()
    out[groups[most]] = table.colours[frequent[most]]
    return out
