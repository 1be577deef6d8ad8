"""Pages with a photograph in them: bits at equal PSNR against AVIF, by the side of the tiles.

    python benchmarks/mixed.py SCREENS KODAK [--models SET] [--out mixed.json]

Four screenshots get a photograph of at most 55 % of their width and height, whose place fits no grid of tiles. Whole
files, RGB samples, BD-rates from 32 dB up as in ``drawn.py``; "auto" is what the encoder chooses by itself.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from drawn import LOWEST, OTHERS, OURS, Points, bd_rate, colours, quality_of, theirs
from PIL import Image
from provenance import provenance

import texcodec
from texcodec.container import Reader
from texcodec.registry import DEFAULT_SET

PAGES = ((0, 4, (37, 91)), (6, 15, (211, 133)), (8, 23, (90, 40)), (9, 7, (160, 77)))
"""Number of the screenshot in its folder, of the Kodak picture, and where that begins."""
LARGEST = 0.55
SIDES = ("auto", 128, 256, 512)


def page(screen: Path, photograph: Path, place: tuple[int, int]) -> np.ndarray:
    """A screenshot with a photograph over it; uint8 H x W x 3."""
    under, over = Image.fromarray(colours(screen)), Image.fromarray(colours(photograph))
    if over.width < over.height:
        over = over.crop((0, 128, 512, 640))
    share = min(1, LARGEST * under.width / over.width, LARGEST * under.height / over.height)
    over = over.resize((int(over.width * share), int(over.height * share)), Image.Resampling.LANCZOS)
    under.paste(over, (min(place[0], under.width - over.width), min(place[1], under.height - over.height)))
    return np.asarray(under)


def curve(pixels: np.ndarray, models: str, side: Any) -> tuple[Points, list[dict[str, int]]]:
    """Bytes and PSNR by quality; tiles, and drawn ones."""
    points, tiles = [], []
    for quality in OURS:
        tile = None if side == "auto" else side
        data = texcodec.encode(pixels, quality=quality, models=models, tile=tile, threads=1)
        points.append((len(data), quality_of(pixels, np.asarray(texcodec.decode(data, models=models)))))
        drawn = sum(entry.drawn for entry in Reader(data).tiles)
        tiles.append({"quality": quality, "tiles": len(Reader(data).tiles), "drawn": drawn})
    return points, tiles


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("screens", type=Path)
    parser.add_argument("kodak", type=Path)
    parser.add_argument("--models", default=DEFAULT_SET)
    parser.add_argument("--sides", default=",".join(map(str, SIDES)), help="of tiles, or auto")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    screens, photographs = (sorted(folder.iterdir()) for folder in (options.screens, options.kodak))
    sides = [side if side == "auto" else int(side) for side in options.sides.split(",")]
    rows = []
    for screen, photograph, place in PAGES:
        pixels = page(screens[screen], photographs[photograph - 1], place)
        row: dict[str, Any] = {"page": screens[screen].name, "photograph": photographs[photograph - 1].name}
        kind, settings, qualities = OTHERS["AVIF"]
        row["AVIF"] = theirs(pixels, kind, settings, qualities)
        for side in sides:
            points, tiles = curve(pixels, options.models, side)
            row[str(side)] = {"points": points, "tiles": tiles, "bd_rate": bd_rate(row["AVIF"], points)}
        print(row["page"], {str(side): row[str(side)]["bd_rate"] for side in sides}, flush=True)
        rows.append(row)
    for side in sides:
        print(side, round(float(np.mean([row[str(side)]["bd_rate"] for row in rows])), 1))
    if options.out:
        about = provenance([options.screens, options.kodak])
        result = {"models": options.models, "lowest": LOWEST, "pages": rows, "provenance": about}
        options.out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
