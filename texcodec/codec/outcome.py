"""How well a picture has been coded, estimated while its symbols are at hand, and whether that is far below the usual.

Some pictures have what networks cannot give back at any rate: dither, noise, patterns of single pixels. The error in
latents does not show it (it can be 15 dB too optimistic), so pixels are synthesised and compared: of a few windows,
chosen by the activity of the picture, since all would cost as much as decoding does (docs/decisions/outcome.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..registry import ModelSet
from ..tiles import STRIDE, Box, Grid
from .drawn_coder import DrawnTile
from .lapping import inner_borders
from .layout import TileLayout
from .reconstruction import synthesised
from .tile import CodedTile, TileLatents

FAR = 8.0
"""dB below the usual from which on the user is warned."""
DOUBTFUL = 2.0
"""dB above that, within which a first estimate is made better."""

WINDOW = 4
"""Latents per side of a window whose pixels are compared; networks see one more on every side."""
MARGIN = 1
SHARE = 1 / 14
"""Of the latents of all windows, which overlap, that are synthesised for a first estimate (its cost:
docs/decisions/outcome.md).
"""
FEWEST, MOST = 2, 24
"""Windows of it."""
MORE = 4
"""Times as many windows make a better one."""
ROW_STEP = 4
"""Activity is measured in every fourth row."""


def usual_psnr(models: ModelSet, rate_index: int) -> float | None:
    """dB that photographs usually have at a rate index, on the straight line between what was measured; None where
    nothing was.
    """
    manifest = models.manifest
    if not manifest.usual_psnr:
        return None
    qualities, values = zip(*manifest.usual_psnr)
    return float(np.interp(rate_index, [manifest.qualities[quality - 1] for quality in qualities], values))


class Outcome:
    """Watches a picture being coded.

    Args:
        pixels: uint8 H x W x C, the picture.
        models: nothing is watched where the set does not say what is usual.
    """

    def __init__(self, pixels: np.ndarray, layout: TileLayout, models: ModelSet) -> None:
        self._pixels, self._grid, self._models = pixels, layout.grid, models
        self._parts = {index: layout.grid.box(index).clip(layout.region) for index in layout.region_tiles}
        self._windows: list[Window] = []
        if models.manifest.usual_psnr:
            self._windows = chosen(windows_of(layout.grid, self._parts), pixels)
        self._watched = {window.tile for window in self._windows}
        self._latents: dict[int, TileLatents] = {}
        self._drawn: dict[int, float] = {}

    def keep(self, index: int, coded: CodedTile) -> None:
        """What a tile has been coded to; what was kept of it before is forgotten. Threads may call it."""
        self._drawn.pop(index, None)
        self._latents.pop(index, None)
        if isinstance(coded, DrawnTile) and index in self._parts:
            self._drawn[index] = coded.error
        elif index in self._watched:
            decoded = coded.decoded()
            if isinstance(decoded, TileLatents):
                self._latents[index] = decoded

    def warning(self, rate_index: int, error: float | None = None) -> str | None:
        """A sentence for the user if the picture is far below what is usual at a rate, else None.

        Args:
            error: sum of the squared errors of the picture, where that is known.
        """
        usual = usual_psnr(self._models, rate_index)
        if usual is None:
            return None
        if error is not None:
            found = _psnr(error / self._pixels.size)
        else:
            found = self._estimate(self._windows[1::MORE] or self._windows)
            if found < usual - FAR + DOUBTFUL:
                found = self._estimate(self._windows)
        if found >= usual - FAR:
            return None
        return (
            f"The result is far from the picture: about {found:.0f} dB, where photographs have {usual:.0f} at this "
            "quality. If that will not do, code it without loss (--lossless)."
        )

    def _estimate(self, windows: Sequence[Window]) -> float:
        """PSNR in dB of the region; infinite where nothing is known."""
        seen = [window for window in windows if window.tile in self._latents]
        errors = [
            window_error(w, self._latents[w.tile], self._grid, self._pixels, self._models) for w in seen
        ]
        areas = {index: box.width * box.height for index, box in self._parts.items()}
        coded = sum(area for index, area in areas.items() if index not in self._drawn)
        drawn = sum(self._drawn.values()) / self._pixels.shape[2]
        mean = sum(errors) / len(errors) if errors else 0.0
        return _psnr((drawn + mean * coded) / sum(areas.values()))


def _psnr(error: float) -> float:
    return 10 * math.log10(255**2 / error) if error > 0 else math.inf


@dataclass(frozen=True)
class Window:
    """A square of latents of a tile, and its pixels.

    Attributes:
        rows, columns: of the tile's latents.
        box: the same in pixels of the picture, as far as the picture reaches.
    """

    tile: int
    rows: tuple[int, int]
    columns: tuple[int, int]
    box: Box


def windows_of(grid: Grid, parts: Mapping[int, Box]) -> list[Window]:
    """All windows of tiles, away from their borders where they are large enough. A border with another tile is always
    kept away from, since what the networks see beyond it is not at hand.

    Args:
        parts: what matters of each tile, in pixels of the picture, by its number.
    """
    found = []
    for tile, box in parts.items():
        h, w = grid.latent_shape(tile)
        covered = grid.latent_box(tile)
        whole = grid.box(tile)
        for top, bottom in _steps(h, before=whole.top > 0, behind=whole.bottom < grid.height):
            for left, right in _steps(w, before=whole.left > 0, behind=whole.right < grid.width):
                pixels = Box(
                    covered.left + STRIDE * left,
                    covered.top + STRIDE * top,
                    covered.left + STRIDE * right,
                    covered.top + STRIDE * bottom,
                )
                if pixels.intersects(box):
                    found.append(Window(tile, (top, bottom), (left, right), pixels.clip(box)))
    return found


def _steps(length: int, *, before: bool, behind: bool) -> list[tuple[int, int]]:
    """Where windows begin and end among the latents of a tile that has other tiles before or behind it."""
    if length < WINDOW + 2 * MARGIN:
        start, end = MARGIN * before, length - MARGIN * behind
        return [(start, min(end, start + WINDOW))] if start < end else []
    # spread evenly, overlapping where they must: what stands at the end of a tile counts as well
    inner = length - 2 * MARGIN
    count = -(-inner // WINDOW)
    starts = [MARGIN + i * (inner - WINDOW) // max(1, count - 1) for i in range(count)]
    return [(at, at + WINDOW) for at in starts]


def chosen(windows: Sequence[Window], pixels: np.ndarray) -> list[Window]:
    """Windows that stand for all, in the order of their activity: one from the middle of each of as many equal parts.

    Args:
        pixels: uint8 H x W x C, the picture.
    """
    latents = sum(window.box.width * window.box.height for window in windows) / STRIDE**2
    count = min(max(round(SHARE * latents / (WINDOW + 2 * MARGIN) ** 2), FEWEST), MOST)
    count = min(MORE * count, len(windows))
    planes = pixels.transpose(2, 0, 1)
    order = np.argsort([_activity(window.box.cut(planes)) for window in windows], kind="stable")
    return [windows[order[len(order) * (2 * i + 1) // (2 * count)]] for i in range(count)]


def _activity(planes: np.ndarray) -> float:
    """Mean of |dx| of C x h x w samples."""
    rows = planes[:, ROW_STEP // 2 :: ROW_STEP]
    rows = (rows if rows.shape[1] else planes).astype(np.int16)
    return float(np.abs(np.diff(rows, axis=2)).mean()) if rows.shape[2] > 1 else 0.0


def window_error(
    window: Window, tile: TileLatents, grid: Grid, pixels: np.ndarray, models: ModelSet
) -> float:
    """Mean squared error of a window, over its samples.

    Args:
        tile: what the file holds of the window's tile.
        pixels: uint8 H x W x C, the picture.
    """
    m, halo = MARGIN, models.manifest.halo
    (top, bottom), (left, right) = window.rows, window.columns
    c, h, w = tile.values.shape
    seen = np.zeros((1, c, bottom - top + 2 * m, right - left + 2 * m), np.float32)
    y0, y1, x0, x1 = max(0, top - m), min(h, bottom + m), max(0, left - m), min(w, right + m)
    seen[0, :, y0 - top + m : y1 - top + m, x0 - left + m : x1 - left + m] = tile.values[:, y0:y1, x0:x1]
    borders = {}
    if models.manifest.entropy_profile > 1:
        inner = seen.shape[2] - 2 * halo, seen.shape[3] - 2 * halo
        borders = {
            "inner_rows": inner_borders(inner[0], before=top >= m, behind=bottom + m <= h),
            "inner_columns": inner_borders(inner[1], before=left >= m, behind=right + m <= w),
        }
    planes = synthesised(seen, tile, models, borders)
    covered = grid.latent_box(window.tile)
    y = window.box.top - (covered.top + STRIDE * (top - m))
    x = window.box.left - (covered.left + STRIDE * (left - m))
    planes = planes[:, y : y + window.box.height, x : x + window.box.width]
    original = window.box.cut(pixels.transpose(2, 0, 1)).astype(np.float32)
    if len(original) == 1:
        planes = planes.mean(0, keepdims=True)
    return float(np.square(np.clip(planes, 0, 255) - original).mean())
