"""What stands in files beside the symbols of their tiles: header, index, checksums, and what coders add.

    python benchmarks/container_bytes.py PICTURES --models SET [--models SET ...] [--bpp 0.1 --bpp 0.3]
        [--out docs/results/container-bytes.json]

The symbols of a tile cost what the probability tables say of them, in bits; all else in a file is overhead. Prints a
table of means over the pictures, and the largest overhead of one.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from provenance import provenance

import texcodec
from texcodec.codec.coders import coders_of
from texcodec.container import Reader
from texcodec.registry import ModelSet

ROOT = Path(__file__).resolve().parents[1]
KEYS = ("file", "frame", "streams", "overhead")


def measured(picture: Path, models: ModelSet, bpp: float) -> dict[str, Any]:
    """Bytes of one file: all, those that are no payloads, those of payloads beyond the symbols, and the last two."""
    data = texcodec.encode(picture, bpp=bpp, models=models, threads=1)
    reader = Reader(data)
    header, coders = reader.header, coders_of(models, models.manifest.entropy_profile)
    symbols = 0.0
    for index, entry in enumerate(reader.tiles):
        if entry.absent or entry.drawn:
            raise SystemExit(f"{picture} has tiles that are not coded by networks; leave it out.")
        coder, rate = coders[entry.class_index], header.rate_index + entry.offset
        tile = coder.read(reader.tile_bytes(index), entry.class_index, rate, header.grid, index)
        symbols += (coder.bits(tile) - coder.start_bits) / 8
    return {
        "picture": picture.name,
        "tiles": len(reader.tiles),
        "file": len(data),
        "frame": reader.container_bytes,
        "streams": round(len(data) - reader.container_bytes - symbols, 3),
        "overhead": round(len(data) - symbols, 3),
    }


def mean(rows: list[dict[str, Any]], key: str) -> float:
    return sum(row[key] for row in rows) / len(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--models", action="append", required=True, help="name or folder of a set")
    parser.add_argument("--bpp", type=float, action="append", help="bits per pixel of whole files")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    pictures = sorted(path for path in options.pictures.iterdir() if path.suffix == ".png")
    runs = []
    print(
        "| set | bits per pixel | file | beside payloads | in payloads | together | share | largest share |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in options.models:
        models = texcodec.load_models(name)
        for bpp in options.bpp or (0.1, 0.3):
            rows = [measured(picture, models, bpp) for picture in pictures]
            means = {key: mean(rows, key) for key in KEYS}
            worst = max(row["overhead"] / row["file"] for row in rows)
            share = means["overhead"] / means["file"]
            print(
                f"| {models.name} | {bpp:g} | {means['file']:.0f} | {means['frame']:.1f} | {means['streams']:.1f} | "
                f"{means['overhead']:.1f} | {share:.2%} | {worst:.2%} |",
                flush=True,
            )
            runs.append(
                {"models": models.name, "bpp": bpp, "share": share, "largest": worst, "pictures": rows}
            )
    if options.out:
        result = {"runs": runs, "provenance": provenance([options.pictures])}
        options.out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
