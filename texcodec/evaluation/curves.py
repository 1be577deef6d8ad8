"""Curves of quality over rate: means over the pictures that were measured, and curves given as files."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ParameterError
from .adapters import Codec
from .journal import Journal, Point
from .metrics import Metric
from .pictures import Source

FEWEST_POINTS = 2


@dataclass(frozen=True)
class Curve:
    """Points of one codec.

    Attributes:
        name: for people, unique in a report.
        rates: bits per pixel.
        values: of every metric, one for every rate; None or infinite where there is none.
        codec: that was measured here; None for a curve that was given.
    """

    name: str
    rates: list[float]
    values: dict[str, list[float | None]]
    codec: Codec | None = None


def points_of(
    codec: Codec, source: Source, journal: Journal, metrics: Sequence[Metric]
) -> list[Point] | None:
    """The codec's points for a picture, by quality; None if not all could be measured."""
    keys = [metric.key for metric in metrics]
    found = [journal.get(source.digest, codec.identity, quality, keys) for quality in codec.qualities]
    points = [point for point in found if point]
    return points if len(points) == len(found) else None


def mean_curve(codec: Codec, sources: Sequence[Source], journal: Journal, metrics: Sequence[Metric]) -> Curve:
    """Means over the pictures at each of the codec's qualities, every picture counting the same.

    Bits per pixel and metrics are averaged one by one, as published curves are. A metric that one of the
    pictures is too small for is left out. A picture without loss counts as the metric's ceiling.

    Args:
        sources: pictures that the codec has all points of.
    """
    table = [points_of(codec, source, journal, metrics) or [] for source in sources]
    rates = [
        _mean([8 * row[i].bytes / source.pixels for row, source in zip(table, sources)])
        for i in range(len(codec.qualities))
    ]
    values: dict[str, list[float | None]] = {}
    for metric in metrics:
        columns = [[row[i].metrics[metric.key] for row in table] for i in range(len(codec.qualities))]
        if not any(value is None for column in columns for value in column):
            values[metric.key] = [
                _mean([min(v, metric.ceiling) for v in column if v is not None]) for column in columns
            ]
    return Curve(codec.name, rates, values, codec)


def curve_of_one(codec: Codec, source: Source, journal: Journal, metrics: Sequence[Metric]) -> Curve:
    """The curve of a single picture."""
    return mean_curve(codec, [source], journal, metrics)


def _mean(numbers: Sequence[float]) -> float:
    return math.fsum(numbers) / len(numbers) if all(map(math.isfinite, numbers)) else math.inf


def read_curve(text: str) -> Curve:
    """A curve that was measured or published elsewhere.

    Args:
        text: ``NAME=FILE``; the file holds ``{"results": {"bpp": [...], "psnr-rgb": [...]}}``. The metric's key
            may be any that begins with ``psnr``; ``ms-ssim-rgb`` (0 to 1) or ``ms-ssim-db-rgb`` (dB) may be
            there, too, or instead.
    Raises:
        ParameterError: not of that form, or the file does not hold a curve.
    """
    name, equals, file = text.partition("=")
    if not (name and equals and file):
        raise ParameterError(f"{text!r} is not NAME=FILE, as in VTM=vtm.json.")
    try:
        raw = json.loads(Path(file).read_text("utf-8"))
    except OSError as error:
        raise ParameterError(
            f"The curve {name} cannot be read: {file}: {error.strerror}; check its name and permissions."
        ) from error
    except (ValueError, RecursionError) as error:
        raise ParameterError(f"The curve {name} is not valid JSON ({file}: {error}).") from error
    results = raw.get("results") if isinstance(raw, dict) else None
    if not isinstance(results, dict):
        raise ParameterError(
            f'The curve {name} lacks the field "results" with "bpp" and "psnr-rgb" in {file}; see the documentation.'
        )
    rates = _numbers(results, "bpp", name, file)
    if min(rates) <= 0:
        raise ParameterError(f"The curve {name} has a rate that is not positive in {file}.")
    values: dict[str, list[float | None]] = {}
    psnr = next((key for key in results if key.startswith("psnr")), "psnr-rgb")
    for key, source in (
        ("psnr-rgb", psnr),
        ("ms-ssim-rgb", "ms-ssim-rgb"),
        ("ms-ssim-rgb", "ms-ssim-db-rgb"),
    ):
        if source in results and key not in values:
            numbers = _numbers(results, source, name, file)
            if len(numbers) != len(rates):
                raise ParameterError(
                    f"The curve {name} has {len(rates)} rates but {len(numbers)} values of {source} in {file}."
                )
            if source == "ms-ssim-db-rgb":
                numbers = [1 - 10 ** (-number / 10) for number in numbers]
            values[key] = list(numbers)
    if not values:
        raise ParameterError(f'The curve {name} has neither "psnr-rgb" nor "ms-ssim-rgb" in {file}.')
    order = sorted(range(len(rates)), key=rates.__getitem__)
    return Curve(name, [rates[i] for i in order], {k: [v[i] for i in order] for k, v in values.items()})


def _numbers(results: dict[str, object], key: str, name: str, file: str) -> list[float]:
    found = results.get(key)
    numbers = found if isinstance(found, list) else []
    if len(numbers) < FEWEST_POINTS or not all(
        isinstance(number, (int, float)) and math.isfinite(number) for number in numbers
    ):
        raise ParameterError(
            f"The curve {name} needs at least {FEWEST_POINTS} finite numbers under {key!r} in {file}."
        )
    return [float(number) for number in numbers]
