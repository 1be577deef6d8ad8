"""Draws faces, skies and letters of Kodak pictures by sets for squared error and for eyes, and AVIF, in equal bytes.

    python benchmarks/tunes.py KODAK [--psnr std-6] [--ssim std-5-ssim] [--bpp 0.1 0.3] [--out docs/results/tunes.png]

Two rows per picture, one for each number of bits per pixel: the original, the set for squared error, that for eyes, and
AVIF (4:4:4, speed 4) of at most as many bytes. Bytes are of whole files.
"""

from __future__ import annotations

import argparse
import io
import runpy
from pathlib import Path

import numpy as np
from PIL import Image

import texcodec

ROOT = Path(__file__).resolve().parents[1]
in_bytes = runpy.run_path(str(ROOT / "benchmarks" / "side_by_side.py"))["in_bytes"]
AVIF = {"subsampling": "4:4:4", "speed": 4}
SIDE = 128
PLACES = {
    "kodim04": (174, 224),  # a face
    "kodim15": (324, 134),  # a painted face
    "kodim21": (354, 64),  # sky beside an edge
    "kodim20": (274, 274),  # letters and sky
}
"""Left and upper edge of each region."""


def rows(path: Path, place: tuple[int, int], sets: list[str], rates: list[float]) -> np.ndarray:
    """The regions of one picture, uint8 R SIDE x 4 SIDE x 3; prints the sizes of the files."""
    with Image.open(path) as image:
        original = image.convert("RGB")
    x, y = place
    found = []
    for bpp in rates:
        files = [texcodec.encode(original, bpp=bpp, models=models) for models in sets]
        other = in_bytes(original, "AVIF", AVIF, len(files[-1]))
        pictures = [original, *(texcodec.decode(data, models=models) for data, models in zip(files, sets))]
        pictures.append(Image.open(io.BytesIO(other)).convert("RGB"))
        print(f"{path.stem}, {bpp} bits per pixel: {[len(data) for data in files]} bytes, AVIF {len(other)}")
        found.append(np.concatenate([np.asarray(p.crop((x, y, x + SIDE, y + SIDE))) for p in pictures], 1))
    return np.concatenate(found)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kodak", type=Path)
    parser.add_argument("--psnr", default="std-6")
    parser.add_argument("--ssim", default="std-5-ssim")
    parser.add_argument("--bpp", type=float, nargs="+", default=[0.1, 0.3])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "tunes.png")
    options = parser.parse_args()
    sets = [options.psnr, options.ssim]
    parts = [rows(options.kodak / f"{name}.png", place, sets, options.bpp) for name, place in PLACES.items()]
    Image.fromarray(np.concatenate(parts)).save(options.out, optimize=True)


if __name__ == "__main__":
    main()
