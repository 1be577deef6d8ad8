"""Draws the picture of README.md: a region of a photograph as each codec leaves it in equal bytes.

    python benchmarks/side_by_side.py [PICTURE] [--quality Q] [--region X,Y,W,H] [--out docs/results/side-by-side.png]

Every other codec gets its best quality whose file has at most as many bytes as that of texcodec, or its smallest file.
Bytes are of whole files, PSNR of the whole picture.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import texcodec

ROOT = Path(__file__).resolve().parents[1]
OTHERS = {
    "JPEG": ("JPEG", {"optimize": True, "progressive": True}),
    "WebP": ("WEBP", {"method": 6}),
    "AVIF": ("AVIF", {"subsampling": "4:4:4", "speed": 4}),
}
SCALE, GAP, CAPTION = 2, 8, 44


def in_bytes(image: Image.Image, form: str, settings: dict[str, object], size: int) -> bytes:
    """The file of best quality with at most ``size`` bytes, or the smallest one."""
    best = b""
    for quality in range(1, 96):
        buffer = io.BytesIO()
        image.save(buffer, form, quality=quality, **settings)
        if best and len(buffer.getvalue()) > size:
            break
        best = buffer.getvalue()
    return best


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10 * np.log10(np.square(a.astype(float) - b).mean() / 255**2))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", nargs="?", type=Path, default=ROOT / "examples" / "cat.png")
    parser.add_argument("--quality", type=float, default=30)
    parser.add_argument("--region", default="110,60,130,150")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "side-by-side.png")
    options = parser.parse_args()
    image = Image.open(options.picture).convert("RGB")
    x, y, width, height = map(int, options.region.split(","))
    data = texcodec.encode(image, quality=options.quality)
    panels = {"original": (0, image), "texcodec": (len(data), texcodec.decode(data))}
    for name, (form, settings) in OTHERS.items():
        coded = in_bytes(image, form, settings, len(data))
        panels[name] = len(coded), Image.open(io.BytesIO(coded)).convert("RGB")
    step = SCALE * width + GAP
    sheet = Image.new("RGB", (step * len(panels) - GAP, SCALE * height + CAPTION), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    pixels = np.asarray(image)
    for i, (name, (size, shown)) in enumerate(panels.items()):
        part = shown.crop((x, y, x + width, y + height))
        sheet.paste(
            part.resize((SCALE * width, SCALE * height), Image.Resampling.NEAREST), (i * step, CAPTION)
        )
        facts = f"{size:,} bytes, {psnr(pixels, np.asarray(shown)):.2f} dB" if size else ""
        draw.text((i * step, 2), name, "black", font)
        draw.text((i * step, 21), facts, "black", font)
        print(name, facts)
    sheet.save(options.out, optimize=True)


if __name__ == "__main__":
    main()
