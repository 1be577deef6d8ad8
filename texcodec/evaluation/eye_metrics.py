"""Metrics that model the eye, computed by libraries that need not be installed."""

from __future__ import annotations

import io
import math
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

BUTTERAUGLI = "butteraugli_main"
"""The program of libjxl."""
_NORM = "3-norm:"
SMALLEST_SIDE = 8
"""Pixels that both metrics need at least."""


def has_ssimulacra2() -> bool:
    """Whether the package ssimulacra2 is installed."""
    try:
        import ssimulacra2  # noqa: F401
    except ImportError:
        return False
    return True


def ssimulacra2(original: np.ndarray, decoded: np.ndarray) -> float:
    """SSIMULACRA 2 by the package of that name: uint8 height x width x 3 to a score, 100 for equal pictures."""
    from ssimulacra2 import compute_ssimulacra2

    def png(pixels: np.ndarray) -> io.BytesIO:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG", compress_level=0)
        buffer.seek(0)
        return buffer

    return float(compute_ssimulacra2(png(original), png(decoded)))


def has_butteraugli() -> bool:
    """Whether libjxl's program is installed."""
    return shutil.which(BUTTERAUGLI) is not None


def butteraugli(original: np.ndarray, decoded: np.ndarray) -> float:
    """Butteraugli by libjxl's program: uint8 height x width x 3 to a distance, 0 for equal pictures.

    The distance is the 3-norm over the picture on a screen of 80 cd/m2; the largest distance of a single place, which
    the program prints too, says little of the rest.

    Raises:
        ValueError: the program fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("original.ppm", "decoded.ppm")]
        for file, pixels in zip(files, (original, decoded)):
            Image.fromarray(pixels).save(file)
        done = subprocess.run([BUTTERAUGLI, *map(str, files)], capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith(_NORM)]
    if done.returncode or not lines:
        raise ValueError(f"{BUTTERAUGLI} failed: {' '.join(done.stderr.split()) or done.stdout!r}")
    return float(lines[0].removeprefix(_NORM))


def nearness(distance: float) -> float:
    """A distance, smaller for nearer pictures, as -10 log10 of it; infinite at 0."""
    return math.inf if distance <= 0 else -10 * math.log10(distance)
