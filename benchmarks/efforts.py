"""Efforts of encoding: bits and time, by whole files.

    python benchmarks/efforts.py FOLDER [--models SET] [--every N] [--efforts 1,2,3,5,9]

Prints, for each effort against the first: the mean of the pictures' BD-rates in PSNR and in MS-SSIM, the BD-rates of
the mean curves, the mean PSNR at quality 100, and the processor time of encoding on one thread.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

import texcodec
from texcodec.evaluation.bdrate import DEFAULT_RANGE, bd_rate
from texcodec.evaluation.curves import Curve
from texcodec.evaluation.metrics import ALL

QUALITIES = (8, 20, 36, 55, 75, 92)
BEST = 100
METRICS = [metric for metric in ALL.values() if metric.key in ("psnr-rgb", "ms-ssim-rgb")]


@dataclass(frozen=True)
class Coded:
    """Every picture at every quality; arrays of pictures x qualities.

    Attributes:
        bits: per pixel.
        values: of the metrics.
        best: dB of each picture at quality 100.
        seconds: processor time of all.
    """

    bits: np.ndarray
    values: dict[str, np.ndarray]
    best: np.ndarray
    seconds: float

    def curves(self) -> list[Curve]:
        """Those of the pictures, and the mean one last."""
        rows = [*range(len(self.bits)), slice(None)]
        return [
            Curve(
                "",
                list(np.atleast_2d(self.bits[r]).mean(0)),
                {key: list(np.atleast_2d(of[r]).mean(0)) for key, of in self.values.items()},
            )
            for r in rows
        ]


def measured(paths: list[Path], models: str | None, effort: int) -> Coded:
    """Code all pictures."""
    shape = len(paths), len(QUALITIES)
    bits, values = np.zeros(shape), {metric.key: np.zeros(shape) for metric in METRICS}
    best, seconds = np.zeros(len(paths)), 0.0
    for i, path in enumerate(paths):
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        for j, quality in enumerate((*QUALITIES, BEST)):
            start = time.process_time()
            data = texcodec.encode(pixels, quality=quality, effort=effort, models=models, threads=1)
            seconds += time.process_time() - start
            decoded = texcodec.decode(data, models=models, threads=1, output="numpy")
            if quality == BEST:
                best[i] = METRICS[0].of(pixels, decoded)
                continue
            bits[i, j] = 8 * len(data) / pixels[..., 0].size
            for metric in METRICS:
                values[metric.key][i, j] = metric.of(pixels, decoded)
    return Coded(bits, values, best, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--efforts", default="1,2,3,5,9")
    options = parser.parse_args()
    paths = sorted(options.folder.glob("*.png"))[:: options.every]
    first: Coded | None = None
    for effort in map(int, options.efforts.split(",")):
        found = measured(paths, options.models, effort)
        first = first or found
        text = []
        for metric in METRICS:
            *rates, mean = (
                bd_rate(*pair, metric, DEFAULT_RANGE) or 0.0 for pair in zip(first.curves(), found.curves())
            )
            text.append(f"{metric.name}: pictures {np.mean(rates):+.2f} %, mean curves {mean:+.2f} %")
        print(
            f"effort {effort}: {'; '.join(text)}; quality 100 {found.best.mean():.2f} dB, "
            f"worst {found.best.min():.2f}; time {found.seconds / first.seconds:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
