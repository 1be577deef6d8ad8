"""What fusion does to the seams: PSNR within 16 pixels of a seam and on whole pictures, with and without it.

python benchmarks/seams.py FOLDER --models std-2 [--json docs/results/fusion.json]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image
from provenance import provenance

from texcodec.codec.analysis import analyse
from texcodec.codec.coders import coders_of
from texcodec.codec.layout import lay_out
from texcodec.codec.rate_control import index_of_quality
from texcodec.codec.reconstruction import plan, render
from texcodec.codec.workers import Workers
from texcodec.fusion import REACH, seam_blocks
from texcodec.images import from_array
from texcodec.registry import load_set

QUALITIES = (10, 30, 50, 70, 90)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", required=True, help="a set with a fusion network")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    models = load_set(options.models)
    if not models.manifest.fusion:
        raise SystemExit(f"{models.name} has no fusion network; name a set that has one with --models.")
    coder = coders_of(models, models.manifest.entropy_profile)[0]
    errors = np.zeros((len(QUALITIES), 2, 2))  # quality; fusion off, on; band, whole picture
    files = sorted(p for p in options.folder.iterdir() if p.suffix.lower() in {".png", ".jpg", ".ppm"})
    with Workers(None) as workers:
        for file in files:
            picture = from_array(np.asarray(Image.open(file).convert("RGB")))
            layout = lay_out(picture.width, picture.height, tile=256)
            grid, analysed = layout.grid, analyse(picture, layout, models, workers)
            band = np.zeros((grid.height, grid.width), bool)
            for block in seam_blocks(grid):
                block.box.cut(band)[...] = True
            for i, quality in enumerate(QUALITIES):
                rate = index_of_quality(quality, models.manifest.qualities)
                tiles = {k: coder.quantise(tile, rate).decoded() for k, tile in analysed.tiles.items()}
                for j, fusion in enumerate((False, True)):
                    whole = plan(grid, grid.picture, fusion=fusion, halo=models.manifest.halo)
                    pixels = render(whole, tiles, models, workers, rate_index=rate)
                    wrong = np.square(picture.pixels.astype(float) - pixels).mean(2)
                    errors[i, j] += [-10 * np.log10(part.mean() / 255**2) for part in (wrong[band], wrong)]
    errors /= len(files)
    print("| quality | bands, no fusion | bands, fusion | gain | whole, no fusion | whole, fusion | gain |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for quality, ((band_off, off), (band_on, on)) in zip(QUALITIES, errors):
        print(
            f"| {quality} | {band_off:.3f} | {band_on:.3f} | {band_on - band_off:+.3f} dB "
            f"| {off:.3f} | {on:.3f} | {on - off:+.3f} dB |"
        )
    if options.json:
        # psnr: by quality; fusion off, on; bands, whole pictures
        piece = {
            "models": models.name,
            "pictures": len(files),
            "band": REACH,
            "qualities": QUALITIES,
            "psnr": errors.round(4).tolist(),
            "provenance": provenance([options.folder]),
        }
        options.json.write_text(json.dumps(piece, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
