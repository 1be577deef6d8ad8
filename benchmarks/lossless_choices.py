"""What the decisions on drawn tiles rest on: codecs, sides of tiles, texture, and borders with coded tiles.

    python benchmarks/lossless_choices.py tiles FOLDER ...      # WebP, PNG, and filters with deflate, tiles of 256
    python benchmarks/lossless_choices.py sides FOLDER ...      # tiles of 256 to 2048 against cwebp (Debian's webp)
    python benchmarks/lossless_choices.py borders FOLDER ...    # PSNR of coded tiles within 8 pixels of drawn ones
    python benchmarks/lossless_choices.py texture FOLDER ...    # share of equal neighbours in tiles of 256

Every --every N-th picture of each folder is taken, and of large ones the upper left 1400 x 1000 pixels.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from texcodec.codec.analysis import analyse
from texcodec.codec.coders import coders_of
from texcodec.codec.layout import lay_out
from texcodec.codec.rate_control import index_of_quality
from texcodec.codec.reconstruction import plan, render, rounded, stitch
from texcodec.codec.tile import AnalysedTile, DecodedTile, TileSamples
from texcodec.codec.workers import Workers
from texcodec.images import from_array, read_picture
from texcodec.lossless import PHOTO_EFFORT, Effort, pack_samples
from texcodec.registry import ModelSet, load_set
from texcodec.texture import colour_numbers, evenness
from texcodec.tiles import Box

BORDER = 8
ENTRY = 10
"""Bytes of a tile's entry in the index."""


def pictures(folder: Path, every: int) -> Iterator[tuple[str, np.ndarray]]:
    for path in sorted(folder.iterdir())[::every]:
        pixels = read_picture(path).pixels[:1000, :1400]
        yield path.name, np.ascontiguousarray(np.repeat(pixels, 3, 2) if pixels.shape[2] == 1 else pixels)


def cells(pixels: np.ndarray, side: int) -> Iterator[np.ndarray]:
    for y in range(0, pixels.shape[0], side):
        for x in range(0, pixels.shape[1], side):
            yield np.ascontiguousarray(pixels[y : y + side, x : x + side])


def png(pixels: np.ndarray) -> int:
    """Bytes of a PNG file less those of its frame."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", optimize=True)
    return stream.tell() - 57


def filtered(pixels: np.ndarray) -> int:
    """Bytes of deflate behind the best of PNG's filters, one for the tile or the likeliest for each row."""
    rows = pixels.reshape(len(pixels), -1).astype(np.int16)
    left, up, both = (np.zeros_like(rows) for _ in range(3))
    left[:, 3:], up[1:], both[1:, 3:] = rows[:, :-3], rows[:-1], rows[:-1, :-3]
    paeth = left + up - both
    to_left, to_up, to_both = abs(paeth - left), abs(paeth - up), abs(paeth - both)
    best = np.where((to_left <= to_up) & (to_left <= to_both), left, np.where(to_up <= to_both, up, both))
    residuals = [(rows - p).astype(np.uint8) for p in (np.zeros_like(rows), left, up, (left + up) // 2, best)]
    costs = np.stack([np.minimum(r, np.uint8(0) - r).sum(1, dtype=np.int64) for r in residuals])
    chosen = np.stack([residuals[k][y] for y, k in enumerate(costs.argmin(0))])
    head = np.zeros((len(rows), 1), np.uint8)
    return min(len(zlib.compress(np.concatenate([head, r], 1).tobytes(), 9)) for r in (*residuals, chosen))


def tiles(folder: Path, every: int) -> None:
    names = ("WebP, method 4", "WebP, method 6", "PNG, optimised", "filters and deflate")
    total = np.zeros(4, np.int64)
    for _, pixels in pictures(folder, every):
        for tile in cells(pixels, 256):
            packed = [len(pack_samples(tile, Effort(method, 75))) for method in (4, 6)]
            total += [*packed, png(tile), filtered(tile)]
    print(folder.name, {name: f"{n / total[0]:.3f}" for name, n in zip(names, total)})


def cwebp(pixels: np.ndarray) -> int:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.png"), Path(folder, "out.webp")
        Image.fromarray(pixels).save(source, compress_level=1)
        subprocess.run(
            ["cwebp", "-quiet", "-lossless", "-m", "6", str(source), "-o", str(target)], check=True
        )
        return target.stat().st_size


def sides(folder: Path, every: int) -> None:
    choices, rows = (256, 512, 1024, 2048), []
    for name, pixels in pictures(folder, every):
        ours = [
            sum(len(pack_samples(tile, PHOTO_EFFORT)) + ENTRY for tile in cells(pixels, side)) + 90
            for side in choices
        ]
        rows.append([100 * n / cwebp(pixels) - 100 for n in ours])
        print(name, [f"{n:+.1f} %" for n in rows[-1]], flush=True)
    mean, worst = np.mean(rows, 0), np.max(rows, 0)
    print(folder.name, {s: f"mean {m:+.1f} %, worst {w:+.1f} %" for s, m, w in zip(choices, mean, worst)})


def texture(folder: Path, every: int) -> None:
    shares = [
        evenness(colour_numbers(tile)) for _, pixels in pictures(folder, every) for tile in cells(pixels, 256)
    ]
    marks = np.percentile(shares, [5, 50, 95, 100])
    print(
        folder.name, f"{len(shares)} tiles:", {f"{p} %": f"{m:.2f}" for p, m in zip((5, 50, 95, 100), marks)}
    )


def borders(folder: Path, every: int) -> None:
    """Every second tile is drawn; PSNR of the others within BORDER pixels of their borders with tiles."""
    models = load_set("std-2")  # a set with a fusion network, which two of the rows are about
    names = (
        "all coded",
        "no latents",
        "no latents, no fusion",
        "no latents, analysed as at the picture's border",
    )
    for quality in (30, 60):
        errors = []
        with Workers(None) as workers:
            for _, pixels in pictures(folder, every):
                errors.append(border_errors(pixels, models, quality, workers))
        decibels = 10 * np.log10(255**2 / np.mean(errors, 0))
        print(
            folder.name,
            quality,
            {name: f"{value:.2f} dB" for name, value in zip(names, decibels)},
            flush=True,
        )


def border_errors(pixels: np.ndarray, models: ModelSet, quality: float, workers: Workers) -> list[float]:
    layout = lay_out(pixels.shape[1], pixels.shape[0])
    grid, rate = layout.grid, index_of_quality(quality, models.manifest.qualities)
    coders = coders_of(models, 1)
    analysed = analyse(from_array(pixels), layout, models, workers).tiles
    drawn = {i for i in range(len(grid)) if (i // grid.columns + i % grid.columns) % 2}
    samples = {i: TileSamples(cut(pixels, grid.box(i))) for i in drawn}

    def coded(tile: AnalysedTile) -> DecodedTile:
        decoded: DecodedTile = coders[tile.class_index].quantise(tile, rate).decoded()
        return decoded

    every = {i: coded(tile) for i, tile in analysed.items()}
    alone = {}
    for i in set(range(len(grid))) - drawn:
        own = cut(pixels, grid.box(i))
        inner = lay_out(own.shape[1], own.shape[0])
        alone[i] = coded(analyse(from_array(own), inner, models, workers).tiles[0])
    mask = np.zeros(pixels.shape[:2], bool)
    for i in set(range(len(grid))) - drawn:
        part = cut(mask, grid.box(i))
        part[:BORDER] = part[-BORDER:] = part[:, :BORDER] = part[:, -BORDER:] = True
    whole = plan(grid, grid.picture, fusion=True, halo=models.manifest.halo)
    mixed = every | samples
    shown = [
        render(whole, every, models, workers, rate_index=rate),
        render(whole, mixed, models, workers, rate_index=rate),
        rounded(stitch(whole, mixed, models, workers)[0]),
        render(whole, alone | samples, models, workers, rate_index=rate),
    ]
    return [float(np.square(s[mask].astype(np.int32) - pixels[mask]).mean()) for s in shown]


def cut(array: np.ndarray, box: Box) -> np.ndarray:
    return array[box.top : box.bottom, box.left : box.right]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["tiles", "sides", "borders", "texture"])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--every", type=int, default=1)
    options = parser.parse_args()
    run = {"tiles": tiles, "sides": sides, "borders": borders, "texture": texture}[options.what]
    for folder in options.folders:
        run(folder, options.every)


if __name__ == "__main__":
    main()
