"""Pictures per second of many small files: ``encode`` and ``decode`` in one process and in two, ``batch``, and Ray.

    python benchmarks/batch_throughput.py FOLDER [--pictures 2000] [--out docs/results/batch.json]

FOLDER holds pictures, from which crops of 256 x 192 pixels are cut as JPEG files. Each command is a process of its own,
start included, with one thread per process.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image


def crops(folder: Path, out: Path, count: int) -> None:
    """Cut small pictures."""
    sources = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".png", ".jpg"))
    out.mkdir()
    for i in range(count):
        with Image.open(sources[i % len(sources)]) as image:
            x, y = (i * 37) % max(1, image.width - 256), (i * 53) % max(1, image.height - 192)
            image.convert("RGB").crop((x, y, x + 256, y + 192)).save(out / f"{i:05}.jpg", quality=90)


def seconds(*arguments: object) -> float:
    """Of a command."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "texcodec", *map(str, arguments)], check=True, stderr=subprocess.DEVNULL
    )
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--ray", action="store_true", help="with a Ray cluster of this machine")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        at = Path(name)
        crops(arguments.folder, at / "in", arguments.pictures)
        times = {
            "encode, one process": seconds("encode", at / "in", "--out-dir", at / "e1", "--threads", 1),
            "encode, two processes": seconds("encode", at / "in", "--out-dir", at / "e2", "--jobs", 2),
            "decode, one process": seconds("decode", at / "e1", "--out-dir", at / "d1", "--threads", 1),
            "decode, two processes": seconds("decode", at / "e1", "--out-dir", at / "d2", "--jobs", 2),
            "batch, two processes": seconds("batch", at / "in", at / "b2", "--jobs", 2, "--shard-size", 500),
        }
        if arguments.ray:
            times["batch, Ray, two processors"] = seconds(
                "batch", at / "in", at / "br", "--engine", "ray", "--address", "local", "--shard-size", 100
            )
    rows = {
        k: {"seconds": round(s, 1), "per_second": round(arguments.pictures / s, 1)} for k, s in times.items()
    }
    for what, row in rows.items():
        hours = 1e6 / row["per_second"] / 3600
        print(
            f"{what:28} {row['seconds']:7.1f} s {row['per_second']:7.1f} pictures/s {hours:6.1f} h per million"
        )
    for what in ("encode", "decode"):
        print(
            f"{what}: {times[f'{what}, one process'] / times[f'{what}, two processes']:.2f} times one process"
        )
    if arguments.out:
        arguments.out.write_text(json.dumps({"pictures": arguments.pictures, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
