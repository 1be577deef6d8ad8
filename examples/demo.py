"""Encode and decode a real picture at several qualities; prints a table and leaves pictures to look at in
demo/.
"""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

import texcodec
from texcodec.codec.rate_control import psnr

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "demo"


def jpeg_of_size(image: Image.Image, size: int) -> tuple[int, np.ndarray]:
    """The best JPEG (4:2:0, optimised, progressive) of at most ``size`` bytes, or the smallest there is."""
    best = None
    for quality in range(1, 96):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality, optimize=True, progressive=True)
        if best is None or len(buffer.getvalue()) <= size:
            best = buffer.getvalue()
    assert best is not None
    return len(best), np.asarray(Image.open(io.BytesIO(best)))


def main() -> None:
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "cat.png"
    image = Image.open(source).convert("RGB")
    pixels = np.asarray(image)
    OUT.mkdir(exist_ok=True)
    image.save(OUT / "original.png")
    print(f"{source.name}: {image.width} x {image.height}\n")
    print(
        f"{'quality':>7} {'bytes':>7} {'bpp':>6} {'PSNR':>6} {'encode':>8} {'decode':>8}   JPEG of that size"
    )
    strips = [pixels]
    for quality in (5, 20, 50, 80):
        start = time.perf_counter()
        data = texcodec.encode(image, quality=quality)
        middle = time.perf_counter()
        decoded = texcodec.decode(data)
        end = time.perf_counter()
        name = f"quality-{quality:02d}"
        (OUT / f"{name}.tcx").write_bytes(data)
        decoded.save(OUT / f"{name}.png")
        strips.append(np.asarray(decoded))
        jpeg_size, jpeg = jpeg_of_size(image, len(data))
        bpp, reached = 8 * len(data) / (image.width * image.height), psnr(pixels, np.asarray(decoded))
        print(
            f"{quality:>7} {len(data):>7} {bpp:>6.3f} {reached:>6.2f}"
            f" {middle - start:>6.2f} s {end - middle:>6.2f} s   {jpeg_size} bytes, {psnr(pixels, jpeg):.2f} dB"
        )
    Image.fromarray(np.concatenate(strips, 1)).save(OUT / "side-by-side.png")
    print(f"\npictures are in {OUT}: side-by-side.png shows the original and all qualities")


if __name__ == "__main__":
    main()
