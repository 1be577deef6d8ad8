"""What each choice of the encoder and the tiling is worth: BD-rates on pictures that were not trained on.

    python benchmarks/choices.py FOLDER [--models SET] [--pictures N] [--json OUT]

Sizes are those of the payloads plus 10 bytes per tile and 60 per file; PSNR is of decoded pixels. The first row is
what texcodec does; every other row changes one thing, as far as the set has it. Negative: fewer bits.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bjontegaard
import numpy as np
from PIL import Image
from provenance import provenance

import texcodec.codec.analysis as analysis_module
from texcodec.codec.analysis import AnalysedPicture, analyse
from texcodec.codec.coders import coders_of
from texcodec.codec.layout import lay_out
from texcodec.codec.rate_control import psnr
from texcodec.codec.reconstruction import plan, render
from texcodec.codec.workers import Workers
from texcodec.images import Picture, from_array
from texcodec.registry import ModelSet, load_set

RATES = (20, 70, 120, 170, 220)
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}


@dataclass(frozen=True)
class Choice:
    """One way to code.

    Attributes:
        tile_log2: 8 or 7.
        encoder_halo: pixels of context that analysis sees.
        scale: of what a squared symbol is worth when rounding.
        fusion: whether seams are repaired.
        class_index: one class for all tiles, or None for texture.
        cheapest: try every class and keep the cheapest (bits + lambda * squared error of the tile).
    """

    tile_log2: int = 8
    encoder_halo: int = 32
    scale: float = 1.0
    fusion: bool = True
    class_index: int | None = None
    cheapest: bool = False


def choices(classes: tuple[str, ...]) -> dict[str, Choice]:
    """All rows of the table."""
    default = Choice()
    rows = {
        "as it is": default,
        "tiles of 128": replace(default, tile_log2=7),
        "no encoder halo": replace(default, encoder_halo=0),
        "no fusion": replace(default, fusion=False),
        **{
            f"a squared symbol worth {s:g} times as much": replace(default, scale=s)
            for s in (0.0, 0.5, 1.5, 2.0)
        },
        **{f"every tile as {name}": replace(default, class_index=k) for k, name in enumerate(classes)},
        "cheapest class of each tile": replace(default, cheapest=True),
    }
    return rows


class Bench:
    """Codes pictures under a choice."""

    def __init__(self, models: ModelSet, pictures: list[Picture], workers: Workers) -> None:
        self.models, self.pictures, self.workers = models, pictures, workers
        self.coder: Any = coders_of(models, models.manifest.entropy_profile)[0]

    def curve(self, choice: Choice) -> tuple[list[float], list[float]]:
        """Mean bits per pixel and mean PSNR at the rates."""
        analysis_module.ENCODER_HALO = choice.encoder_halo
        bits, quality = np.zeros(len(RATES)), np.zeros(len(RATES))
        for picture in self.pictures:
            versions = [self._analyse(picture, choice, k) for k in self._classes(choice)]
            for i, rate in enumerate(RATES):
                b, q = self._code(picture, versions, choice, rate)
                bits[i] += b / len(self.pictures)
                quality[i] += q / len(self.pictures)
        return bits.tolist(), quality.tolist()

    def _classes(self, choice: Choice) -> list[int | None]:
        return list(range(self.models.classes)) if choice.cheapest else [choice.class_index]

    def _analyse(self, picture: Picture, choice: Choice, class_index: int | None) -> AnalysedPicture:
        original: Callable[..., int] = analysis_module.classify
        if class_index is not None:
            analysis_module.classify = lambda measure, thresholds: class_index  # type: ignore[assignment]
        try:
            layout = lay_out(picture.width, picture.height, tile=1 << choice.tile_log2)
            return analyse(picture, layout, self.models, self.workers)
        finally:
            analysis_module.classify = original  # type: ignore[assignment]

    def _code(
        self, picture: Picture, versions: list[AnalysedPicture], choice: Choice, rate: int
    ) -> tuple[float, float]:
        grid, tiles, total = versions[0].layout.grid, {}, 0.0
        # slope of rate and distortion at high rate for this step: what a squared grey level is worth in bits
        # a pixel
        price = 18 / (float(self.models.base_steps[rate]) ** 2 * np.log(2))
        for i in range(len(grid)):
            best = (np.inf, 0.0, None)
            for version in versions:
                symbols = self.coder.quantise(version.tiles[i], rate, distortion_scale=choice.scale)
                bits, latents = self.coder.bits(symbols), symbols.decoded()
                cost = 0.0
                if len(versions) > 1:
                    box = grid.box(i)
                    one = plan(grid, box, fusion=False, halo=0)
                    seen = render(one, {i: latents}, self.models, self.workers, rate_index=rate)
                    wrong = picture.pixels[box.top : box.bottom, box.left : box.right].astype(float) - seen
                    cost = bits + price * float(np.square(wrong).sum()) / 3
                if cost < best[0]:
                    best = (cost, bits, latents)
            total += best[1] + 80
            tiles[i] = best[2]
        fusion = choice.fusion and self.models.manifest.fusion and len(grid) > 1
        whole = plan(grid, grid.picture, fusion=fusion, halo=self.models.manifest.halo)
        decoded = render(whole, tiles, self.models, self.workers, rate_index=rate)  # type: ignore[arg-type]
        return (total + 480) / (grid.width * grid.height), psnr(picture.pixels, decoded)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models")
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    files = sorted(p for p in options.folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    chosen = [files[i] for i in np.random.default_rng(0).permutation(len(files))[: options.pictures]]
    pictures = []
    for file in chosen:
        with Image.open(file) as image:
            array = np.asarray(image.convert("RGB"))
        y, x = ((n - min(n, 768)) // 2 for n in array.shape[:2])
        pictures.append(from_array(np.ascontiguousarray(array[y : y + 768, x : x + 768])))
    models = load_set(options.models)
    results = {}
    with Workers(None) as workers:
        bench = Bench(models, pictures, workers)
        for name, choice in choices(models.manifest.classes).items():
            bits, quality = bench.curve(choice)
            base = results.get("as it is", {"bpp": bits, "psnr": quality})
            bd = bjontegaard.bd_rate(
                base["bpp"],
                base["psnr"],
                bits,
                quality,
                method="pchip",
                require_matching_points=False,
                min_overlap=0,
            )
            results[name] = {"bpp": bits, "psnr": quality, "bd_rate": bd}
            print(f"| {name} | {bd:+.2f} % |", flush=True)
    if options.json:
        options.json.write_text(
            json.dumps(
                {
                    "models": models.name,
                    "pictures": [file.name for file in chosen],
                    "provenance": provenance([options.folder]),
                    "rows": results,
                },
                indent=1,
            )
            + "\n",
            "utf-8",
        )


if __name__ == "__main__":
    main()
