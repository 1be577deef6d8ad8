"""Metrics of the eye beside PSNR, for sets of texcodec, AVIF with both tunings, JPEG XL and WebP.

    python benchmarks/eyes.py KODAK [--models SET ...] [--every 3 --most 8] [--out docs/results/eyes.json]

measures whole files and writes BD-rates against AVIF as it is by default, by metric. It needs `pip install ssimulacra2
pillow-jxl-plugin` and libjxl's program butteraugli_main (Debian: libjxl-devtools). Points are kept in the folder
--work: with another set, or more pictures, only what is new is measured.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from provenance import provenance

from texcodec.evaluation.adapters import Codec
from texcodec.evaluation.bdrate import bd_rate
from texcodec.evaluation.curves import Curve
from texcodec.evaluation.journal import Point
from texcodec.evaluation.metrics import ALL
from texcodec.evaluation.pictures import Source
from texcodec.evaluation.report import to_json
from texcodec.evaluation.run import Task, evaluate

ROOT = Path(__file__).resolve().parents[1]
ANCHOR = "AVIF"
QUALITIES: dict[str, tuple[float, ...]] = {
    "texcodec": (10, 20, 30, 45, 60, 75, 90),
    "avif": (15, 30, 45, 60, 75),
    "avif-psnr": (15, 30, 45, 60, 75),
    "jxl": (5, 20, 40, 60, 75, 85),
    "webp": (1, 10, 30, 50, 70, 85),
}
TIMES = ("encode_s", "decode_s")
"""Of the points: several programs may share the machine while this one runs, so seconds say nothing."""


class Told:
    """Prints what happens to standard error."""

    def warn(self, name: str | None, sentence: str) -> None:
        print(name or "", sentence, file=sys.stderr)

    failed = warn

    def measured(self, codec: Codec, source: Source, point: Point) -> None:
        print(source.name, codec.name, point.quality, point.bytes, point.metrics, file=sys.stderr, flush=True)

    def progress(self, done: int, total: int) -> None:
        pass


def against(report: dict[str, Any], anchor: str) -> dict[str, dict[str, float | None]]:
    """BD-rates of every other curve of a report against one of them: by name, then by metric; per cent."""
    curves = {c["name"]: Curve(c["name"], c["results"]["bpp"], c["results"]) for c in report["curves"]}
    metrics = {metric.key: metric for metric in ALL.values()}
    found: dict[str, dict[str, float | None]] = {}
    for name, curve in curves.items():
        if name != anchor:
            rates = {
                m["key"]: bd_rate(curves[anchor], curve, metrics[m["key"]], report["range"])
                for m in report["metrics"]
            }
            found[name] = {key: value if value is None else round(value, 2) for key, value in rates.items()}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", type=Path, help="a folder")
    parser.add_argument("--models", action="append", help="a set's name or folder; may be repeated")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take every N-th picture")
    parser.add_argument("--most", type=int, metavar="N", help="of those, the first N")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "eyes")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "eyes.json")
    options = parser.parse_args()
    pictures = sorted(p for p in options.pictures.iterdir() if p.suffix == ".png")[:: options.every]
    pictures = pictures[: options.most]
    task = Task(
        [str(p) for p in pictures],
        against=[key for key in QUALITIES if key != "texcodec"],
        sets=options.models or (None,),
        qualities=QUALITIES,
        metrics=list(ALL),
        out=options.work,
        crops=False,
    )
    report = evaluate(task, Told())
    for curve in report["curves"]:
        curve.pop("seconds_per_megapixel")
        for row in curve["per_picture"].values():
            for key in TIMES:
                row.pop(key)
    report["against"] = {"anchor": ANCHOR, "bd_rate": against(report, ANCHOR)}
    report["provenance"] = provenance(
        [options.pictures],
        note=f"Metrics: ssimulacra2 of PyPI {installed('ssimulacra2')}, butteraugli_main of "
        f"libjxl-devtools {installed_by_debian('libjxl-devtools')}.",
    )
    options.out.write_text(to_json(report), "utf-8")
    print(json.dumps(report["against"], indent=1))


def installed(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


def installed_by_debian(package: str) -> str:
    try:
        done = subprocess.run(["dpkg-query", "-W", "-f=${Version}", package], capture_output=True, text=True)
    except OSError:
        return "(version unknown)"
    return done.stdout or "(version unknown)"


if __name__ == "__main__":
    main()
