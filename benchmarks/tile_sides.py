"""Tiles of 128, 256 and 512 pixels: bits and time, by whole files of the default set.

    python benchmarks/tile_sides.py FOLDER [--models SET] [--every N]

Prints, for each side against 256: the mean of the pictures' BD-rates in PSNR, the BD-rate of the mean curves, bytes of
files by quality, and the processor time of encoding and decoding on one thread.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from PIL import Image

import texcodec
from texcodec.evaluation.bdrate import bd_rate
from texcodec.evaluation.curves import Curve
from texcodec.evaluation.metrics import ALL

QUALITIES = (8, 20, 36, 55, 75, 92)
SIDES = (128, 256, 512)
PSNR = next(metric for metric in ALL.values() if metric.key == "psnr-rgb")
WITHIN = (0.0, 4.0)


def measured(paths: list[Path], models: str | None, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bits per pixel and PSNR, pictures x qualities, and processor seconds of encoding and decoding in all."""
    bits, quality = np.zeros((len(paths), len(QUALITIES))), np.zeros((len(paths), len(QUALITIES)))
    seconds = np.zeros(2)
    for i, path in enumerate(paths):
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        for j, q in enumerate(QUALITIES):
            start = time.process_time()
            data = texcodec.encode(pixels, quality=q, tile=side, models=models, threads=1)
            coded = time.process_time()
            decoded = texcodec.decode(data, models=models, threads=1, output="numpy")
            seconds += coded - start, time.process_time() - coded
            bits[i, j], quality[i, j] = 8 * len(data) / pixels[..., 0].size, PSNR.of(pixels, decoded)
    return bits, quality, seconds


def curve(bits: np.ndarray, quality: np.ndarray) -> Curve:
    """Of one picture, or the mean of several."""
    return Curve("", list(bits), {PSNR.key: list(quality)})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models")
    parser.add_argument("--every", type=int, default=1)
    options = parser.parse_args()
    paths = sorted(options.folder.glob("*.png"))[:: options.every]
    found = {side: measured(paths, options.models, side) for side in SIDES}
    base = found[256]
    for side, (bits, quality, seconds) in found.items():
        rates = [
            bd_rate(curve(base[0][i], base[1][i]), curve(bits[i], quality[i]), PSNR, WITHIN)
            for i in range(len(paths))
        ]
        means = bd_rate(
            curve(base[0].mean(0), base[1].mean(0)), curve(bits.mean(0), quality.mean(0)), PSNR, WITHIN
        )
        ratios = np.round((bits / base[0]).mean(0), 4).tolist()
        times = np.round(seconds / base[2], 3).tolist()
        print(
            f"{side}: pictures {np.mean(rates):+.2f} %, mean curves {means:+.2f} %, bytes {ratios}, times {times}"
        )


if __name__ == "__main__":
    main()
