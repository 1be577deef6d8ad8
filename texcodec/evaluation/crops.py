"""Regions of a few pictures, coded by every codec with about the same number of bits, to look at."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..texture import complexity
from .adapters import Codec
from .journal import Point
from .measure import Bench
from .metrics import PSNR
from .pictures import Source, read_rgb

SIDE = 128
PICTURES = 4
TARGET_RATE = 0.3
"""Bits per pixel: differences show, and pictures are still used like that."""

Region = tuple[int, int, int, int]


@dataclass(frozen=True)
class Crop:
    """One region by one codec.

    Attributes:
        source: the picture.
        kind: ``flat`` or ``detailed``.
        region: x, y, width, height in pixels.
        codec: the codec's name, or None for the original.
        quality, rate, psnr: of the whole picture: bits per pixel, dB; None for the original.
        pixels: uint8 height x width x 3.
    """

    source: Source
    kind: str
    region: Region
    codec: Codec | None
    quality: float | None
    rate: float | None
    psnr: float | None
    pixels: np.ndarray


def choose_regions(pixels: np.ndarray) -> dict[str, Region]:
    """A flat and a detailed square of a picture, by its texture; only the latter where the picture is small.

    The flat one is not the flattest, which may be a single colour, but at a tenth of the way to the busiest.
    """
    height, width = pixels.shape[:2]
    w, h = min(SIDE, width), min(SIDE, height)
    places = [
        (x, y, w, h)
        for y in range(0, height - h + 1, max(1, h // 2))
        for x in range(0, width - w + 1, max(1, w // 2))
    ]
    places.sort(key=lambda r: (complexity(pixels[r[1] : r[1] + h, r[0] : r[0] + w]), r))
    if len(places) == 1:
        return {"detailed": places[0]}
    return {"flat": places[(len(places) - 1) // 10], "detailed": places[-1]}


def spread(sources: Sequence[Source], count: int = PICTURES) -> list[Source]:
    """At most ``count`` of the pictures, spread evenly over their order."""
    number = min(count, len(sources))
    return [sources[i * (len(sources) - 1) // max(1, number - 1)] for i in range(number)]


def match_quality(size: Callable[[float], int], qualities: Sequence[float], target: int) -> float:
    """The whole quality between the first and the last whose file is nearest to ``target`` bytes.

    Args:
        size: bytes of the file at a quality; rising but for exceptions.
        qualities: rising.
    """
    low, high = math.ceil(qualities[0]), math.floor(qualities[-1])
    # first between the qualities that were measured anyway
    for quality in qualities:
        if size(quality) <= target:
            low = max(low, math.floor(quality))
        else:
            high = min(high, math.ceil(quality))
            break
    while high - low > 1:
        middle = (low + high) // 2
        if size(middle) <= target:
            low = middle
        else:
            high = middle
    return min((low, high), key=lambda q: (abs(math.log(size(q) / target)), q))


def cut_crops(codecs: Sequence[Codec], sources: Sequence[Source], bench: Bench) -> list[Crop]:
    """Crops of a few of the pictures: by region, the original and then every codec.

    The first codec sets the size: its measured quality nearest to ``TARGET_RATE`` bits per pixel for that
    picture, of those that are not smaller than every codec's smallest file. Every other codec is given the whole
    quality whose file is nearest to that in bytes.

    Args:
        sources: pictures that all codecs can code.
    """
    crops = []
    for source in spread(sources):
        pixels = read_rgb(source.path)
        least = max(bench.point(codec, source, codec.qualities[0], pixels).bytes for codec in codecs)
        target: int | None = None
        views: list[tuple[Codec | None, float | None, float | None, float | None, np.ndarray]] = [
            (None, None, None, None, pixels)
        ]
        for codec in codecs:
            point = _near(codec, source, pixels, bench, target, least)
            target = target or point.bytes
            decoded = codec.decode(codec.encode(pixels, point.quality))
            psnr = point.metrics[PSNR.key]
            views.append((codec, point.quality, 8 * point.bytes / source.pixels, psnr, decoded))
        for kind, region in choose_regions(pixels).items():
            x, y, w, h = region
            crops += [
                Crop(source, kind, region, codec, quality, rate, psnr, whole[y : y + h, x : x + w].copy())
                for codec, quality, rate, psnr, whole in views
            ]
    return crops


def _near(
    codec: Codec, source: Source, pixels: np.ndarray, bench: Bench, target: int | None, least: int
) -> Point:
    """The point whose file is nearest to ``target`` bytes, or where that is not known yet to ``TARGET_RATE``."""

    def size(quality: float) -> int:
        return bench.point(codec, source, quality, pixels).bytes

    if target:
        return bench.point(codec, source, match_quality(size, codec.qualities, target), pixels)
    wanted = TARGET_RATE * source.pixels / 8
    fitting = [q for q in codec.qualities if size(q) >= least] or codec.qualities[-1:]
    quality = min(fitting, key=lambda q: abs(math.log(size(q) / wanted)))
    return bench.point(codec, source, quality, pixels)
