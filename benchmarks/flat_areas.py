"""Draws flat areas and edges of four Kodak pictures at low qualities, beside AVIF of at most equal bytes.

    python benchmarks/flat_areas.py KODAK [--qualities 10 30] [--out docs/results/flat-areas.png]

A row per picture: the original, then texcodec and AVIF (4:4:4, speed 4) for each quality. Bytes are of whole files.
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
SIDE = 144
PLACES = {"kodim02": (190, 80), "kodim15": (330, 90), "kodim20": (300, 130), "kodim23": (100, 100)}
"""Left and upper edge of each region."""


def row(path: Path, place: tuple[int, int], qualities: list[float]) -> np.ndarray:
    """The regions of one picture side by side, uint8 SIDE x (1 + 2 Q) SIDE x 3; prints the sizes of the files."""
    with Image.open(path) as image:
        original = image.convert("RGB")
    pictures = [original]
    for quality in qualities:
        data = texcodec.encode(original, quality=quality)
        other = in_bytes(original, "AVIF", AVIF, len(data))
        pictures += [texcodec.decode(data), Image.open(io.BytesIO(other)).convert("RGB")]
        print(f"{path.stem}, quality {quality:g}: {len(data)} bytes, AVIF {len(other)} bytes")
    x, y = place
    return np.concatenate([np.asarray(p.crop((x, y, x + SIDE, y + SIDE))) for p in pictures], 1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kodak", type=Path)
    parser.add_argument("--qualities", type=float, nargs="+", default=[10, 30])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "flat-areas.png")
    options = parser.parse_args()
    rows = [row(options.kodak / f"{name}.png", place, options.qualities) for name, place in PLACES.items()]
    Image.fromarray(np.concatenate(rows)).save(options.out, optimize=True)


if __name__ == "__main__":
    main()
