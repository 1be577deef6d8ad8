"""Drawn pictures: bits at equal PSNR against networks alone, AVIF and lossy WebP, and bytes without loss.

    python benchmarks/drawn.py SCREENS [--lossless FOLDER ...] [--models SET] [--out docs/results/drawn.json]

Whole files, RGB samples. BD-rates are of every picture, from 32 dB up, then averaged. Without loss there is no PSNR;
such a file counts as 68 dB, one level off in one of a hundred samples. Since files jump from some 40 dB to that, there
is a second figure in which nothing is interpolated for texcodec: at every PSNR its smallest measured file that is at
least as good.

Pictures of --lossless, those of SCREENS, and all of these in grey, are coded without loss and compared with
`cwebp -lossless -m 6` (Debian's package webp).
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import bjontegaard
import numpy as np
from PIL import Image
from provenance import provenance

import texcodec
from texcodec.codec.rate_control import psnr
from texcodec.container import Reader
from texcodec.evaluation.metrics import LOSSLESS_PSNR
from texcodec.images import read_picture
from texcodec.registry import DEFAULT_SET

ROOT = Path(__file__).resolve().parents[1]
LOWEST = 32.0
OURS = (5, 20, 35, 50, 70, 95)
ALONE = (20, 45, 70, 95)
OTHERS: dict[str, tuple[str, dict[str, Any], tuple[int, ...]]] = {
    "AVIF": ("AVIF", {"subsampling": "4:4:4", "speed": 6}, (15, 30, 45, 60, 75, 90)),
    "WebP": ("WEBP", {"method": 6}, (10, 40, 75, 90, 97, 100)),
}
Points = list[tuple[int, float]]


def colours(path: Path, mode: str = "RGB") -> np.ndarray:
    """uint8 H x W x 3, or H x W for mode "L"."""
    picture = read_picture(path)
    pixels = (
        np.repeat(picture.pixels, 4 - picture.channels, 2)[:, :, :3]
        if picture.channels == 1
        else picture.pixels
    )
    return np.asarray(Image.fromarray(pixels).convert(mode))


def quality_of(a: np.ndarray, b: np.ndarray) -> float:
    return min(psnr(a, b), LOSSLESS_PSNR)


def ours(
    pixels: np.ndarray, models: str, qualities: Sequence[int] = OURS
) -> tuple[Points, list[dict[str, Any]]]:
    """Bytes and PSNR by quality, and how many of the tiles are drawn and without loss."""
    points, tiles = [], []
    for quality in qualities:
        data = texcodec.encode(pixels, quality=quality, models=models, threads=1)
        points.append((len(data), quality_of(pixels, np.asarray(texcodec.decode(data, models=models)))))
        reader = Reader(data)
        changed = [entry.offset for entry in reader.tiles if entry.drawn]
        tiles.append(
            {
                "quality": quality,
                "tiles": len(reader.tiles),
                "drawn": len(changed),
                "lossless": changed.count(0),
                "without a set": reader.header.needs_no_set,
            }
        )
    return points, tiles


def networks_alone(pixels: np.ndarray, models: str) -> Points:
    with mock.patch("texcodec.lossless.webp.features.check", lambda name: False):
        return ours(pixels, models, ALONE)[0]


def theirs(pixels: np.ndarray, kind: str, options: dict[str, Any], qualities: Sequence[int]) -> Points:
    points = []
    for quality in qualities:
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, kind, quality=quality, **options)
        size = stream.tell()
        with Image.open(stream) as image:
            points.append((size, quality_of(pixels, np.asarray(image.convert("RGB")))))
    return points


def rising(points: Points) -> tuple[list[float], list[float]]:
    """Bytes and PSNR of the points that no smaller file exceeds."""
    kept: Points = []
    for size, quality in sorted(points, key=lambda p: (p[0], -p[1])):
        if not kept or quality > kept[-1][1]:
            kept.append((size, quality))
    return [float(size) for size, _ in kept], [quality for _, quality in kept]


def bd_rate(anchor: Points, test: Points) -> float | None:
    """BD-rate from LOWEST up, PCHIP over the logarithm of the bytes; None without a common range."""
    (a_bytes, a), (t_bytes, t) = (from_lowest(*rising(points)) for points in (anchor, test))
    if len(a) < 2 or len(t) < 2 or min(a[-1], t[-1]) <= max(a[0], t[0]):
        return None
    return float(
        bjontegaard.bd_rate(
            a_bytes, a, t_bytes, t, method="pchip", require_matching_points=False, min_overlap=0
        )
    )


def from_lowest(sizes: list[float], qualities: list[float]) -> tuple[list[float], list[float]]:
    """The curve cut at LOWEST, where it is interpolated."""
    if qualities[0] >= LOWEST or qualities[-1] <= LOWEST:
        return sizes, qualities
    first = next(i for i, q in enumerate(qualities) if q > LOWEST)
    at = np.interp(LOWEST, qualities, np.log(sizes))
    return [float(np.exp(at)), *sizes[first:]], [LOWEST, *qualities[first:]]


def in_steps(anchor: Points, test: Points) -> float | None:
    """Like ``bd_rate``, but ``test`` is taken in its smallest file that is good enough."""
    from scipy.interpolate import PchipInterpolator

    a_bytes, a = rising(anchor)
    t_bytes, t = rising(test)
    low, high = max(LOWEST, a[0]), min(a[-1], t[-1])
    if len(a) < 2 or high <= low:
        return None
    grid = np.linspace(low, high, 400)
    curve = PchipInterpolator(a, np.log(a_bytes))(grid)
    steps = np.log(t_bytes)[np.searchsorted(t, grid)]
    return float(100 * np.expm1(np.mean(steps - curve)))


def measured(path: Path, models: str) -> dict[str, Any]:
    """All points of a picture, and BD-rates."""
    pixels = colours(path)
    row: dict[str, Any] = {"name": path.name, "pixels": pixels.shape[0] * pixels.shape[1]}
    points, row["tiles"] = ours(pixels, models)
    row["points"] = {"texcodec": points, "networks alone": networks_alone(pixels, models)}
    for name, (kind, settings, qualities) in OTHERS.items():
        row["points"][name] = theirs(pixels, kind, settings, qualities)
    row["bd_rate"] = {
        name: {
            "texcodec": bd_rate(row["points"][name], points),
            "in steps": in_steps(row["points"][name], points),
            "networks alone": bd_rate(row["points"][name], row["points"]["networks alone"]),
        }
        for name in OTHERS
    }
    print(path.name, row["bd_rate"], flush=True)
    return row


def lossless(path: Path, mode: str) -> dict[str, Any]:
    pixels = colours(path, mode)
    data = texcodec.encode(pixels, lossless=True, threads=1)
    if not np.array_equal(np.asarray(texcodec.decode(data)), pixels):
        raise SystemExit(f"{path}: the decoded picture differs")
    with tempfile.TemporaryDirectory() as folder:
        png, webp = Path(folder, "in.png"), Path(folder, "out.webp")
        Image.fromarray(pixels).save(png, compress_level=1)
        subprocess.run(["cwebp", "-quiet", "-lossless", "-m", "6", str(png), "-o", str(webp)], check=True)
        theirs = webp.stat().st_size
    names = {"folder": path.parent.name, "name": path.name, "mode": mode, "tile": Reader(data).header.tile}
    return names | {"bytes": len(data), "cwebp": theirs}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("screens", type=Path)
    parser.add_argument("--lossless", type=Path, action="append", default=[])
    parser.add_argument("--models", default=DEFAULT_SET)
    parser.add_argument("--jobs", type=int, default=1, help="pictures at a time")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "drawn.json")
    options = parser.parse_args()
    jobs = [(path, options.models) for path in sorted(options.screens.iterdir())]
    exact_jobs = [
        (path, mode)
        for folder in (options.screens, *options.lossless)
        for path in sorted(folder.iterdir())
        for mode in ("RGB", "L")
    ]
    with ProcessPoolExecutor(options.jobs) as pool:
        rows = list(pool.map(measured, *zip(*jobs)))
        exact = list(pool.map(lossless, *zip(*exact_jobs)))
    result = {
        "models": options.models,
        "qualities": OURS,
        "lowest": LOWEST,
        "pictures": rows,
        "lossless": exact,
        "provenance": provenance([options.screens, *options.lossless]),
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
