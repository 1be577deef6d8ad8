"""Codes thousands of small pictures in one process, and shows whether memory, files and threads stay flat.

python benchmarks/load.py [--steps 10000] [--models tiny-1]

Each step encodes a picture into a file, opens, checks and decodes it, and removes it. Sizes, kinds (photographs,
drawings, grey, alpha, without loss) and threads take turns; every tenth step is one that must fail: a damaged file, an
output that exists, a picture over a limit. Linux only, as it reads /proc.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from provenance import provenance

import texcodec
from texcodec.errors import FormatError, LimitError, OutputExistsError
from texcodec.files import write_atomically

ROWS = 10
FLAT = 1.05
"""Growth of memory after the first tenth that is called flat: pools of the allocators fill up at first."""


def picture(step: int) -> np.ndarray:
    """uint8 height x width x 1 to 4, of another size and kind at every step."""
    chance = np.random.default_rng(step)
    height, width = int(chance.integers(1, 64)), int(chance.integers(1, 64))
    channels = (3, 1, 4, 3, 2)[step % 5]
    if step % 4 == 3:  # drawn
        return np.repeat(chance.integers(0, 2, (height, width, 1), np.uint8) * 200, channels, 2)
    y, x = np.mgrid[:height, :width]
    waves = [
        128 + 90 * np.sin(x / chance.uniform(2, 20) + y / chance.uniform(2, 20)) for _ in range(channels)
    ]
    return (
        (np.stack(waves, -1) + chance.normal(0, 5, (height, width, channels))).clip(0, 255).astype(np.uint8)
    )


def step_of(step: int, folder: Path, models: str) -> None:
    """Encode, write, verify, decode, compare, remove."""
    pixels, path = picture(step), folder / "picture.tcx"
    threads = 1 + step % 2
    if step % 3 == 2:
        data = texcodec.encode(pixels, lossless=True, threads=threads)
    else:
        data = texcodec.encode(pixels, models=models, quality=1 + step % 100, threads=threads)
    write_atomically(path, data, sync=False)
    with texcodec.open(path) as file:
        file.verify()
        decoded = file.decode(output="numpy", models=models, threads=threads)
    expected = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    assert decoded.shape == expected.shape
    if step % 3 == 2:
        assert np.array_equal(decoded[..., :3], expected[..., :3]) or pixels.shape[2] in (2, 4)
    if step % 10 == 9:
        fail(step, path, data, pixels)
    path.unlink()


def fail(step: int, path: Path, data: bytes, pixels: np.ndarray) -> None:
    """One step that must end in an error."""
    try:
        if step % 30 == 9:
            write_atomically(path, data)
        elif step % 30 == 19:
            texcodec.decode(data[:-1], threads=2)
        else:
            texcodec.encode(pixels, lossless=True, limits=texcodec.Limits(memory=1))
    except (FormatError, LimitError, OutputExistsError):
        return
    raise AssertionError("a step that must fail did not")


def state() -> dict[str, int]:
    """Resident memory in KiB, open files, threads."""
    status = Path("/proc/self/status").read_text("ascii", "replace")
    resident = int(status.split("VmRSS:")[1].split()[0])
    return {
        "rss_kib": resident,
        "files": len(os.listdir("/proc/self/fd")),
        "threads": len(os.listdir("/proc/self/task")),
        "objects": len(gc.get_objects()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--models", default="tiny-1")
    parser.add_argument("--out", type=Path, help="a JSON file for the table")
    arguments = parser.parse_args()
    rows, start = [], time.monotonic()
    print(
        "| steps | resident, MiB | open files | threads | objects of Python |\n| --- | --- | --- | --- | --- |"
    )
    with tempfile.TemporaryDirectory() as name:
        for step in range(arguments.steps):
            step_of(step, Path(name), arguments.models)
            if (step + 1) % (arguments.steps // ROWS) == 0:
                gc.collect()
                row = {"steps": step + 1, **state()}
                rows.append(row)
                cells = [
                    row["steps"],
                    f"{row['rss_kib'] / 1024:.1f}",
                    row["files"],
                    row["threads"],
                    row["objects"],
                ]
                print(f"| {' | '.join(map(str, cells))} |", flush=True)
        left = os.listdir(name)
    print(f"{time.monotonic() - start:.0f} s; left in the folder: {left or 'nothing'}")
    first, last = rows[0], rows[-1]
    flat = last["rss_kib"] <= FLAT * first["rss_kib"] and last["files"] == first["files"] and not left
    if arguments.out:
        found = {"provenance": provenance(), "rows": rows, "flat": flat}
        arguments.out.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    sys.exit(0 if flat else "memory or files are not flat")


if __name__ == "__main__":
    main()
