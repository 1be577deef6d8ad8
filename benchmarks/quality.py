"""Rate and distortion of actual files against codecs that Pillow writes, all measured in one run.

    python benchmarks/quality.py FOLDER [--models SET] [--curve NAME=FILE ...] [--out docs/results]

Bits a pixel are those of whole files; PSNR is over all colour samples of 8-bit RGB, averaged over the
pictures in dB. BD-rates
are of mean curves (PCHIP of log-rate over PSNR) within --range bits a pixel. A curve's FILE is JSON with
{"results": {"bpp": [...], "psnr-rgb": [...]}}.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Callable
from pathlib import Path

import bjontegaard
import matplotlib
import numpy as np
from PIL import Image

import texcodec
from texcodec.codec.rate_control import psnr

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

SUFFIXES = {".png", ".ppm", ".bmp", ".tif"}
Coder = Callable[[Image.Image, int], tuple[int, np.ndarray]]


def pillow(image_format: str, **options: object) -> Coder:
    """A coder of Pillow's at a quality."""

    def code(image: Image.Image, quality: int) -> tuple[int, np.ndarray]:
        buffer = io.BytesIO()
        image.save(buffer, image_format, quality=quality, **options)
        with Image.open(buffer) as decoded:
            return len(buffer.getvalue()), np.asarray(decoded.convert("RGB"))

    return code


CODECS: dict[str, tuple[Coder, list[int]]] = {
    "JPEG (4:2:0, optimised, progressive)": (
        pillow("JPEG", optimize=True, progressive=True),
        [5, 10, 20, 35, 50, 60, 70, 80, 85],
    ),
    "WebP (method 6)": (pillow("WEBP", method=6), [1, 5, 20, 40, 60, 75, 85]),
    "AVIF (4:4:4, speed 4)": (pillow("AVIF", subsampling="4:4:4", speed=4), [15, 25, 35, 45, 55, 65, 75]),
}


def measure(code: Coder, qualities: list[int], files: list[Path]) -> dict[str, list[float]]:
    """Mean bits a pixel and mean PSNR at every quality, and both for every picture."""
    bpp, quality = np.zeros((len(qualities), len(files))), np.zeros((len(qualities), len(files)))
    for j, file in enumerate(files):
        image = Image.open(file).convert("RGB")
        pixels = np.asarray(image)
        for i, q in enumerate(qualities):
            size, decoded = code(image, q)
            bpp[i, j], quality[i, j] = 8 * size / (image.width * image.height), psnr(pixels, decoded)
    rising = bool((np.diff(bpp, axis=0) > 0).all() and (np.diff(quality, axis=0) > 0).all())
    return {
        "qualities": qualities,  # type: ignore[dict-item]
        "bpp": bpp.mean(1).tolist(),
        "psnr-rgb": quality.mean(1).tolist(),
        "rising": rising,  # type: ignore[dict-item]
        "bpp-each": bpp.tolist(),
        "psnr-each": quality.tolist(),
    }


def bd_rate(anchor: dict[str, list[float]], test: dict[str, list[float]], low: float, high: float) -> float:
    """BD-rate in percent over the points of both curves within the range, and their neighbours."""

    def part(curve: dict[str, list[float]]) -> tuple[np.ndarray, np.ndarray]:
        r, d = np.array(curve["bpp"]), np.array(curve["psnr-rgb"])
        inside = (r >= low) & (r <= high)
        inside = inside | np.append(inside[1:], False) | np.insert(inside[:-1], 0, False)
        return r[inside], d[inside]

    return bjontegaard.bd_rate(
        *part(anchor), *part(test), method="pchip", require_matching_points=False, min_overlap=0
    )


def plot(curves: dict[str, dict[str, list[float]]], path: Path) -> None:
    """The curves on a logarithmic axis of bits a pixel."""
    figure, axes = plt.subplots(figsize=(8, 5.5))
    for name, curve in curves.items():
        ours = name.startswith("texcodec")
        axes.plot(
            curve["bpp"],
            curve["psnr-rgb"],
            label=name,
            linewidth=2.5 if ours else 1,
            marker="o" if ours else None,
        )
    axes.set(
        xscale="log",
        xlabel="bits a pixel, whole files",
        ylabel="PSNR (RGB), dB",
        xlim=(0.08, 2.5),
        ylim=(24, 42),
    )
    axes.set_xticks([0.1, 0.2, 0.4, 0.8, 1.6], ["0.1", "0.2", "0.4", "0.8", "1.6"])
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models")
    parser.add_argument(
        "--against", default="jpeg,webp,avif", help="codecs to measure, by the start of their names"
    )
    parser.add_argument("--curve", action="append", default=[], metavar="NAME=FILE")
    parser.add_argument("--range", nargs=2, type=float, default=(0.12, 1.4))
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    options = parser.parse_args()
    files = sorted(p for p in options.folder.iterdir() if p.suffix.lower() in SUFFIXES)

    def ours(image: Image.Image, quality: int) -> tuple[int, np.ndarray]:
        data = texcodec.encode(image, quality=quality, models=options.models, metadata=False)
        return len(data), np.asarray(texcodec.decode(data, models=options.models))

    name = f"texcodec ({options.models or 'std-1'})"
    curves = {name: measure(ours, [1, 5, *range(10, 101, 5)], files)}
    wanted = tuple(part.strip().lower() for part in options.against.split(",") if part.strip())
    for codec, (code, qualities) in CODECS.items():
        if wanted and codec.lower().startswith(wanted):
            curves[codec] = measure(code, qualities, files)
    for given in options.curve:
        label, file = given.split("=", 1)
        results = json.loads(Path(file).read_text("utf-8"))["results"]
        key = next(k for k in results if k.startswith("psnr"))
        curves[label] = {"bpp": results["bpp"], "psnr-rgb": results[key]}
    test = curves[name]
    low, high = options.range
    rows = {k: bd_rate(c, test, low, high) for k, c in curves.items() if k != name}
    options.out.mkdir(parents=True, exist_ok=True)
    report = {"pictures": len(files), "range": [low, high], "bd_rate": rows, "curves": curves}
    (options.out / "kodak.json").write_text(json.dumps(report, indent=1), "utf-8")
    plot(curves, options.out / "kodak.png")
    lines = ["| quality | bits a pixel | PSNR |", "| --- | --- | --- |"]
    for q, r, d in zip(test["qualities"], test["bpp"], test["psnr-rgb"]):
        lines.append(f"| {q:g} | {r:.3f} | {d:.2f} dB |")
    lines += ["", f"| BD-rate of texcodec, {low:g} to {high:g} bits a pixel, against | |", "| --- | --- |"]
    lines += [f"| {k} | {v:+.1f} % |" for k, v in rows.items()]
    lines += [
        "",
        f"Rate and PSNR rise at every step of quality on every picture: {'yes' if test['rising'] else 'no'}.",
        "",
    ]
    print("\n".join(lines))
    (options.out / "kodak.md").write_text("\n".join(lines), "utf-8")


if __name__ == "__main__":
    main()
