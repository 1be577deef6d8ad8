"""Sizes and speed of a set with synthesis weights of a byte against the set it was made from.

    texcodec evaluate kodak --models std-2-w8 --models std-2 --against none --metrics psnr --out report
    python benchmarks/byte_weights.py report/report.json [--data PICTURES] [--out docs/results/byte-weights.json]

Adds to the report how many bytes synthesis and decoder take, and prints the ratio of decoding times: one thread, the
sets in turn, medians of processor time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from provenance import provenance

import texcodec
from texcodec.registry import find_set
from texcodec.registry.scaled import SUFFIX
from texcodec.registry.stored_arrays import pack_arrays, read_arrays

ROOT = Path(__file__).resolve().parents[1]


def synthesis_bytes(arrays: Mapping[str, np.ndarray]) -> tuple[int, int]:
    """Bytes of all arrays of synthesis (scales, biases and rates too), and of the same numbers as float32."""
    mine = {k: v for k, v in arrays.items() if k.startswith(("synthesis.", "linear.synthesis"))}
    return (
        sum(v.nbytes for v in mine.values()),
        sum(4 * v.size for k, v in mine.items() if not k.endswith(SUFFIX)),
    )


def decoding_seconds(sets: list[str], picture: Path, runs: int = 8) -> dict[str, float]:
    """Median processor time of decoding the picture at quality 50, by set."""
    with Image.open(picture) as image:
        files = {name: texcodec.encode(image, quality=50, models=name) for name in sets}
    found: dict[str, list[float]] = {name: [] for name in sets}
    for run in range(runs + 1):
        for name, data in files.items():
            start = time.process_time()
            texcodec.decode(data, models=name, threads=1)
            if run:  # the first builds the networks
                found[name].append(time.process_time() - start)
    return {name: statistics.median(times) for name, times in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("report", type=Path)
    parser.add_argument("--picture", type=Path, default=ROOT / "examples" / "cat.png")
    parser.add_argument("--data", type=Path, action="append", default=[], help="the pictures of the report")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "byte-weights.json")
    options = parser.parse_args()
    report = json.loads(options.report.read_text("utf-8"))
    sets = [curve["about"]["set"] for curve in report["curves"]]
    synthesis, decoder = {}, {}
    for name in sets:
        path = find_set(name) / "decoder.safetensors"
        stored, floats = synthesis_bytes(read_arrays(path))
        synthesis[name] = round(100 * stored / floats, 1)
        decoder[name] = round(len(pack_arrays(read_arrays(path))) / 1e6, 2)
    report["bytes"] = {"synthesis": synthesis, "decoder": decoder}
    report["provenance"] = provenance(options.data)
    options.out.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    seconds = decoding_seconds(sets, options.picture)
    first, second = (seconds[name] for name in sets)
    print(f"{options.out}: synthesis {synthesis} % of float32, decoder {decoder} MB")
    print(f"decoding: {sets[0]} takes {first / second:.2f} of the time of {sets[1]}")


if __name__ == "__main__":
    main()
