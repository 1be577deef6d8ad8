"""What a quality usually gives, and whether the encoder warns of what comes out far below it.

    python benchmarks/outcome.py usual PHOTOS... [--models SET ...]     medians for the manifests of sets
    python benchmarks/outcome.py check PHOTOS... --screens FOLDER --shipped FOLDERS --out docs/results/outcome.json

PHOTOS are folders, of which a window of every Nth picture is taken. ``check`` also makes drawn, dithered and noisy
pictures (the kinds that once came back badly) and takes those that libraries ship, in FOLDERS or where they are
installed. Of each it compares the PSNR of what is decoded with the notices: a miss is a picture below the threshold
without one, a false alarm one above it with one. The results of other tasks in the file stay.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import math
import random
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from provenance import provenance

import texcodec
from texcodec.codec.outcome import FAR, Outcome, usual_psnr
from texcodec.codec.rate_control import index_of_quality
from texcodec.errors import TexcodecError
from texcodec.images import Picture, from_image, read_picture, with_hidden_filled
from texcodec.registry import DEFAULT_SET, ModelSet, load_set

QUALITIES = (10, 50, 80, 100)
USUAL_QUALITIES = (1, 10, 30, 50, 65, 80, 100)
EXTENSIONS = {".png", ".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".bmp", ".webp", ".ico"}
LIBRARIES = ("skimage", "imageio", "matplotlib")
PARTS = ["photographs", "kinds", "screens", "shipped"]
OF_KINDS = 10
"""Photographs, at most, of which the kinds are made."""
DRAWN = 30.0
"""dB below which no drawn picture may come back at quality 80 without a notice."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=["usual", "check"])
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--screens", type=Path, help="folder of screenshots")
    parser.add_argument("--shipped", nargs="*", type=Path, default=[])
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS, help="of the check")
    parser.add_argument("--most", type=float, default=4, metavar="MP", help="megapixels of shipped pictures")
    parser.add_argument("--models", nargs="+", default=[DEFAULT_SET])
    parser.add_argument("--each", type=int, default=6, metavar="N", help="take every Nth photograph")
    parser.add_argument(
        "--window", type=int, default=512, metavar="PIXELS", help="width; the height is 3/4 of it"
    )
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    found: dict[str, Any] = {"each": options.each, "window": options.window}
    for name in options.models:
        models = load_set(name)
        photos = list(_photos(options.photos, options.each, options.window))
        if options.task == "usual":
            found[name] = usual(photos, models)
        else:
            refused: dict[str, str] = {}
            found[name] = check(_pictures(options, photos, refused), models) | {"refused": refused}
        print(json.dumps({name: found[name]}, indent=1), flush=True)
    if options.out:
        found["provenance"] = provenance([*options.photos, *([options.screens] if options.screens else [])])
        kept = json.loads(options.out.read_text("utf-8")) if options.out.exists() else {}
        kept[options.task] = found
        options.out.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")


def _pictures(
    options: argparse.Namespace, photos: list[Picture], refused: dict[str, str]
) -> Iterator[tuple[str, Picture]]:
    if "photographs" in options.parts:
        yield from (("photograph", picture) for picture in photos)
    if "kinds" in options.parts:
        yield from kinds(photos)
    if "screens" in options.parts and options.screens:
        yield from (("screenshot", picture) for picture in _photos([options.screens], 1, options.window))
    if "shipped" in options.parts:
        yield from shipped(options.shipped, options.most, refused)


def _photos(folders: list[Path], each: int, width: int) -> Iterator[Picture]:
    source = random.Random(1)
    for folder in folders:
        for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in EXTENSIONS)[::each]:
            with Image.open(path) as image:
                w, h = min(width, image.width), min(width * 3 // 4, image.height)
                x, y = source.randrange(image.width - w + 1), source.randrange(image.height - h + 1)
                yield from_image(image.convert("RGB").crop((x, y, x + w, y + h)))


def usual(photos: list[Picture], models: ModelSet) -> dict[str, Any]:
    """Median, 5 % and lowest PSNR of photographs at each quality."""
    table: dict[str, Any] = {"photographs": len(photos)}
    for quality in USUAL_QUALITIES:
        values = [_coded(p, quality, models)[0] for p in photos]
        low, middle = np.percentile(values, [5, 50])
        table[str(quality)] = {
            "median": round(float(middle), 1),
            "5 %": round(float(low), 1),
            "lowest": round(min(values), 1),
        }
    return table


def _coded(picture: Picture, quality: int, models: ModelSet) -> tuple[float, bool, float]:
    """PSNR in dB, whether a warning named it, and the seconds of encoding."""
    told: list[str] = []
    start = time.thread_time()
    data = texcodec.encode(picture, quality=quality, models=models, threads=1, warn=told.append)
    seconds = time.thread_time() - start
    decoded = texcodec.decode(data, output="numpy", models=models, threads=1)
    colours = decoded if picture.alpha is None else decoded[..., :-1]
    shown = with_hidden_filled(picture).pixels
    error = float(np.square(colours.reshape(shown.shape).astype(np.float32) - shown).mean(dtype=np.float64))
    psnr = 10 * math.log10(255**2 / error) if error else 99.0
    return psnr, any(sentence.startswith("The result is far") for sentence in told), seconds


class _Watch:
    """Seconds that are spent on outcomes, and the estimates of the PSNR in dB: the first one, and a better one."""

    def __init__(self) -> None:
        self.reset()
        for name in ("__init__", "keep", "warning"):
            setattr(Outcome, name, self._timed(getattr(Outcome, name)))
        estimate = Outcome._estimate

        def kept(*arguments: Any) -> float:
            self.estimates.append(estimate(*arguments))
            return self.estimates[-1]

        Outcome._estimate = kept  # type: ignore[method-assign]

    def reset(self) -> None:
        self.seconds, self.estimates = 0.0, []

    def _timed(self, function: Any) -> Any:
        def timed(*arguments: Any, **named: Any) -> Any:
            start = time.thread_time()
            result = function(*arguments, **named)
            self.seconds += time.thread_time() - start
            return result

        return timed


def check(pictures: Iterable[tuple[str, Picture]], models: ModelSet) -> dict[str, Any]:
    """How many of each kind are far below the usual, and of how many the encoder says so."""
    watch, shares = _Watch(), []
    apart: dict[tuple[int, str], list[float]] = defaultdict(list)
    rows: dict[str, Any] = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
    lowest: dict[tuple[str, int], float] = {}
    silent = 0
    for kind, picture in pictures:
        for quality in QUALITIES:
            watch.reset()
            psnr, told, seconds = _coded(picture, quality, models)
            shares.append(watch.seconds / seconds)
            for name, value in zip(("first", "better"), watch.estimates):
                apart[quality, name].append(value - psnr)
            usual = usual_psnr(models, index_of_quality(quality, models.manifest.qualities))
            assert usual is not None, "the set does not say what is usual"
            below, row = psnr < usual - FAR, rows[kind][str(quality)]
            row["pictures"] += 1
            row["below"] += below
            row["told"] += told
            row["missed"] += below and not told
            row["false"] += told and not below
            # how near to the threshold they are
            if below != told:
                row["furthest"] = max(row["furthest"], round(abs(psnr - usual + FAR), 1))
            lowest[kind, quality] = min(lowest.get((kind, quality), 99.0), psnr)
            silent += quality == 80 and psnr < DRAWN and not told
    for (kind, quality), psnr in lowest.items():
        rows[kind][str(quality)]["lowest"] = round(psnr, 1)
    share = np.percentile(shares, [50, 95])
    return {
        "kinds": json.loads(json.dumps(rows)),
        "under 30 dB at quality 80 without a notice": silent,
        "estimate less truth": {
            f"{name}, quality {quality}": {
                "results": len(values),
                **dict(zip(("5 %", "95 %"), np.percentile(values, [5, 95]).round(1))),
                "largest": round(max(values, key=abs), 1),
            }
            for (quality, name), values in sorted(apart.items())
        },
        "share of encoding": {"median": round(float(share[0]), 3), "95 %": round(float(share[1]), 3)},
    }


def shipped(folders: list[Path], most: float, refused: dict[str, str]) -> Iterator[tuple[str, Picture]]:
    """Pictures that libraries ship, in these folders or where the libraries are installed.

    Args:
        most: megapixels; larger ones are refused.
        refused: takes the reason by the name of the file.
    """
    places = [(folder.name, folder) for folder in folders]
    if not places:
        specs = [(name, importlib.util.find_spec(name)) for name in LIBRARIES]
        places = [(name, Path(spec.origin).parent) for name, spec in specs if spec and spec.origin]
    for name, folder in places:
        for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in EXTENSIONS):
            try:
                picture = read_picture(path)
            except TexcodecError as error:
                refused[path.name] = str(error).replace(str(path), path.name)
                continue
            if picture.width * picture.height <= most * 1e6:
                yield f"shipped by {name}", picture
            else:
                refused[path.name] = f"more than {most:g} megapixels"


def kinds(photos: list[Picture]) -> Iterator[tuple[str, Picture]]:
    """Pictures of the kinds that come back badly, by name; some are made of photographs."""
    for kind, image in _of_photographs(
        [Image.fromarray(p.pixels) for p in photos[:: max(1, len(photos) // OF_KINDS)][:OF_KINDS]]
    ):
        yield kind, from_image(image.convert("L") if image.mode == "1" else image)
    for kind, image in _texts():
        yield kind, from_image(image)
    for kind, array in _patterns():
        yield kind, from_image(Image.fromarray(array))


def _of_photographs(images: list[Image.Image]) -> Iterator[tuple[str, Image.Image]]:
    noise = np.random.default_rng(1)
    for image in images:
        image = image.crop((0, 0, min(320, image.width), min(240, image.height)))
        array = np.asarray(image).astype(int)
        bits = image.convert("1")
        yield "1 bit, diffused", bits
        yield "1 bit, ordered", _ordered(image)
        yield "1 bit, diffused, as JPEG", _as_jpeg(bits.convert("L"))
        larger = image.resize((2 * image.width, 2 * image.height)).convert("1").convert("L")
        yield "1 bit, diffused, reduced", larger.resize(image.size, Image.Resampling.BILINEAR)
        for count in (8, 16):
            yield f"{count} colours, diffused", image.quantize(count).convert("RGB")
        yield "216 colours, diffused", image.convert("P", palette=Image.Palette.WEB).convert("RGB")
        yield "64 colours", image.quantize(64, dither=Image.Dither.NONE).convert("RGB")
        yield "posterised", Image.fromarray((array // 64 * 85).astype(np.uint8))
        yield "photograph with noise", _clipped(array + noise.normal(0, 40, array.shape))
        yield "photograph, saturated", _clipped((array - 128) * 4 + 128)


def _ordered(image: Image.Image) -> Image.Image:
    order = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) * 16 + 8
    grey = np.asarray(image.convert("L"))
    tiled = np.tile(order, (grey.shape[0] // 4 + 1, grey.shape[1] // 4 + 1))[: grey.shape[0], : grey.shape[1]]
    return Image.fromarray(((grey > tiled) * 255).astype(np.uint8))


def _as_jpeg(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return Image.open(buffer)


def _clipped(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def _texts() -> Iterator[tuple[str, Image.Image]]:
    font, source, noise = ImageFont.load_default(size=13), random.Random(3), np.random.default_rng(2)
    for paper, ink in (("white", "black"), ("black", "lime"), ("blue", "yellow"), ("red", "cyan")):
        image = Image.new("RGB", (320, 240), paper)
        draw = ImageDraw.Draw(image)
        for y in range(2, 230, 15):
            draw.text(
                (3, y), "".join(source.choice("etaoinshrdlu ETAOIN.,;019") for _ in range(45)), ink, font
            )
        yield "text", image
        yield "text, as JPEG", _as_jpeg(image)
        yield "text, enlarged", image.resize((427, 320), Image.Resampling.BICUBIC)
        yield "text with noise", _clipped(np.asarray(image) + noise.normal(0, 6, (240, 320, 3)))


def _patterns() -> Iterator[tuple[str, np.ndarray]]:
    noise = np.random.default_rng(3)
    yield "pattern", (np.indices((200, 300)).sum(0) % 2 * 255).astype(np.uint8)
    stripes = np.zeros((200, 300, 3), np.uint8)
    for colour in range(3):
        stripes[:, colour::3, colour] = 255
    yield "pattern", stripes
    yield "noise", noise.integers(0, 256, (200, 300, 3), dtype=np.uint8)
    yield "noise", noise.integers(0, 256, (200, 300), dtype=np.uint8)
    yield "noise", (noise.integers(0, 2, (200, 300)) * 255).astype(np.uint8)
    bars = np.zeros((240, 320, 3), np.uint8)
    for index in range(8):
        bars[:, 40 * index : 40 * (index + 1)] = [255 * (index >> bit & 1) for bit in (2, 1, 0)]
    yield "colour bars", bars
    yield "colour bars with noise", np.clip(bars + noise.normal(0, 8, bars.shape), 0, 255).astype(np.uint8)
    sprite = Image.fromarray(noise.integers(0, 256, (24, 24, 3), dtype=np.uint8))
    yield "pixel art", np.asarray(sprite.resize((240, 240), Image.Resampling.NEAREST))
    yield "pixel art, enlarged", np.asarray(sprite.resize((250, 250), Image.Resampling.BICUBIC))


if __name__ == "__main__":
    main()
