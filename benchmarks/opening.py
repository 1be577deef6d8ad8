"""What ``PIL.Image.open`` of a .tcx file costs beside a PNG: a process that opens one file, and a call in a warm one.

    python benchmarks/opening.py [--times N] [--out opening.json]

The two are timed in turn, so that a busy machine slows both; the ratio is the median of the ratios of neighbours. Both
files hold the same picture, the .tcx with EXIF and a colour profile as well.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

import texcodec
import texcodec.pillow

SET = "tiny-1"
CALLS = 300


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=31, metavar="N", help="runs of each process")
    parser.add_argument("--out", type=Path, help="where to write the numbers as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        png, tcx = Path(folder) / "a.png", Path(folder) / "a.tcx"
        _write(png, tcx)
        found = {
            "processes": options.times,
            **_ratio("process", lambda p: _process(p), png, tcx, options.times),
        }
        found |= _ratio("call", lambda p: _calls(p), png, tcx, max(5, options.times // 3))
    print(json.dumps(found, indent=1))
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")


def _write(png: Path, tcx: Path) -> None:
    image = Image.effect_mandelbrot((300, 200), (-2, -1, 1, 1), 40).convert("RGB")
    image.save(png)
    exif = Image.Exif()
    exif[0x010E] = "A scene"
    image.info.update(icc_profile=b"profile bytes", exif=exif.tobytes(), dpi=(300, 300))
    tcx.write_bytes(texcodec.encode(image, models=SET, quality=40, tile=128))


def _ratio(name: str, run: Callable[[Path], float], png: Path, tcx: Path, times: int) -> dict[str, float]:
    pairs = [(run(png), run(tcx)) for _ in range(times)]
    return {
        f"{name}_png_ms": round(1000 * statistics.median(a for a, _ in pairs), 3),
        f"{name}_tcx_ms": round(1000 * statistics.median(b for _, b in pairs), 3),
        f"{name}_ratio": round(statistics.median(b / a for a, b in pairs), 3),
    }


def _process(path: Path) -> float:
    plugin = "import texcodec.pillow; " if path.suffix == ".tcx" else ""
    code = f"{plugin}from PIL import Image; Image.open({str(path)!r})"
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


def _calls(path: Path) -> float:
    """Seconds of a call, of a file in memory."""
    data = path.read_bytes()
    start = time.perf_counter()
    for _ in range(CALLS):
        Image.open(io.BytesIO(data))
    return (time.perf_counter() - start) / CALLS


if __name__ == "__main__":
    main()
