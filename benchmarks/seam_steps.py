"""Whether the seams of tiles differ from other block borders: squared error around them, and the step across them.

python benchmarks/seam_steps.py FOLDER [--models SET] [--every N]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

import texcodec

QUALITIES = (10, 30, 60)
TILE, BLOCK, REACH = 256, 16, 8
BESIDE = (-48, -32, 32, 48)
"""Other block borders, in columns from a seam."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models")
    parser.add_argument("--every", type=int, default=1, help="take every Nth picture")
    options = parser.parse_args()
    models = texcodec.load_models(options.models)
    files = sorted(p for p in options.folder.iterdir() if p.suffix.lower() in {".png", ".jpg", ".ppm"})
    print(
        "| quality | error at seams / at other block borders | step at seams | step at other block borders |"
    )
    print("| --- | --- | --- | --- |")
    for quality in QUALITIES:
        found = np.array([measured(file, quality, models) for file in files[:: options.every]])
        ratio, seam, other = np.exp(np.log(found[:, 0]).mean()), *found[:, 1:].mean(0)
        print(f"| {quality} | {ratio:.3f} | {seam:.3f} | {other:.3f} |", flush=True)


def measured(file: Path, quality: float, models: texcodec.ModelSet) -> tuple[float, float, float]:
    """Of one picture at least 320 pixels long: error at seams over error beside them; steps at seams and beside them,
    over those of the original.
    """
    original = np.asarray(Image.open(file).convert("RGB"))
    if original.shape[0] > original.shape[1]:
        original = np.ascontiguousarray(original.transpose(1, 0, 2))
    data = texcodec.encode(original, quality=quality, models=models, tile=TILE)
    decoded = np.asarray(texcodec.decode(data, models=models)).astype(float)
    seams = list(range(TILE, original.shape[1] - max(BESIDE), TILE))
    others = [seam + offset for seam in seams for offset in BESIDE]
    error = np.square(decoded - original).mean((0, 2))
    at_seams, at_others = (
        np.mean([error[x - REACH : x + REACH].mean() for x in places]) for places in (seams, others)
    )
    steps = [np.abs(np.diff(pixels.mean(2), axis=1)).mean(0) for pixels in (decoded, original.astype(float))]
    of_seams, of_others = (
        np.mean([steps[0][x - 1] for x in places]) / np.mean([steps[1][x - 1] for x in places])
        for places in (seams, others)
    )
    return float(at_seams / at_others), float(of_seams), float(of_others)


if __name__ == "__main__":
    main()
