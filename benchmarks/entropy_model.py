"""Where the bits of the tiles go: by hyper latents and slices, and the share of latents that are not coded.

    python benchmarks/entropy_model.py FOLDER [--models SET] [--pictures N] [--json OUT]

One tile of 256 x 256, the upper left one, is taken of each picture, and symbols are chosen as the encoder does.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from provenance import provenance

from texcodec.codec.analysis import analyse
from texcodec.codec.coders import coders_of
from texcodec.codec.layout import lay_out
from texcodec.codec.workers import Workers
from texcodec.images import from_array
from texcodec.registry import load_set

RATES = (40, 120, 200)
SIDE = 256
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models")
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    files = sorted(p for p in options.folder.rglob("*") if p.suffix.lower() in SUFFIXES)[: options.pictures]
    models = load_set(options.models)
    coder: Any = coders_of(models, models.manifest.entropy_profile)[0]
    slices = models.manifest.slices
    first = np.cumsum([0, *slices])
    bits = np.zeros((len(RATES), 1 + len(slices)))
    skipped = np.zeros(len(RATES))
    classes = [0] * models.classes
    with Workers(None) as workers:
        for file in files:
            with Image.open(file) as image:
                pixels = np.asarray(image.convert("RGB"))[:SIDE, :SIDE]
            layout = lay_out(pixels.shape[1], pixels.shape[0], tile=SIDE)
            picture = from_array(np.ascontiguousarray(pixels))
            (analysed,) = analyse(picture, layout, models, workers).tiles.values()
            classes[analysed.class_index] += 1
            for i, rate in enumerate(RATES):
                tile = coder.quantise(analysed, rate)
                by_channel = symbol_bits(tile.symbols, tile.scales, models.symbol_tables)
                parts = [by_channel[a:b].sum() for a, b in zip(first, first[1:])]
                bits[i] += [coder.bits(tile) - sum(parts), *parts]
                skipped[i] += float((tile.scales == 0).mean())
    piece = {
        "models": models.name,
        "pictures": [file.name for file in files],
        "tiles_by_class": dict(zip(models.manifest.classes, classes)),
        "slices": list(slices),
        "rates": RATES,
        "bits_per_pixel": (bits / (len(files) * SIDE**2)).round(5).tolist(),
        "not_coded": (skipped / len(files)).round(4).tolist(),
        "provenance": provenance([options.folder]),
    }
    text = json.dumps(piece, indent=1)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", "utf-8")


def symbol_bits(symbols: np.ndarray, scales: np.ndarray, tables: object) -> np.ndarray:
    """Bits by channel, as the coder counts them."""
    support = tables.support[scales]  # type: ignore[attr-defined]
    outside = np.abs(symbols) > support
    place = tables.offsets[scales] + np.where(outside, 2 * support + 1, symbols + support)  # type: ignore[attr-defined]
    bits = np.where(scales > 0, tables.costs[place] + 16.0 * outside, 0.0)  # type: ignore[attr-defined]
    return np.asarray(bits.sum((1, 2)))


if __name__ == "__main__":
    main()
