"""The learned crop on drawn faces: everything that docs/results.md says about it.

    python benchmarks/crop/run.py [--work FOLDER] [--out docs/results] [--quick]

Learns profiles on some people's faces and scores them on others': against the whole picture, the square centre crop
of the same area, and every centre rectangle of a grid; hard against soft; in real files of large frames; and on a
control whose signal is everywhere. Writes crop.json, crop.md and pictures. A stopped run goes on where it was: every
result is a file in the work folder (delete it after changing
code or sizes). Needs torch. --quick goes the same way in seconds with numbers that mean nothing.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import frames
import regions
import report
import torch

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Sizes:
    """How large the experiment is."""

    width: int = 97
    height: int = 73
    learned: int = 2000
    scored: int = 600
    people: int = 80
    warm_up: int = 200
    joint: int = 1000
    fixed: int = 1200
    batch: int = 64
    cells: int = 12
    frame: int = 1280
    frame_count: int = 16
    qualities: tuple[int, ...] = (10, 25, 40, 55, 70)
    models: str = "std-1"
    seeds: tuple[int, ...] = (1, 2)
    budget: float = 0.15


QUICK = Sizes(33, 25, 40, 20, 4, 3, 12, 4, 8, 3, 320, 2, (30, 60), "tiny-1", (1,))


class Items:
    """Results by name, each computed once and kept in a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, name: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        path = self.folder / f"{name}.json"
        if not path.exists():
            start = time.perf_counter()
            result = compute()
            result["seconds"] = round(time.perf_counter() - start, 2)
            path.with_suffix(".part").write_text(json.dumps(result))
            path.with_suffix(".part").rename(path)
            print(f"{name}: {result['seconds']} s", flush=True)
        return dict(json.loads(path.read_text()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=ROOT / "benchmarks" / "crop" / "crop.work")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    sizes = QUICK if options.quick else Sizes()
    work = options.work / ("quick" if options.quick else "full")
    items = Items(work)
    facts = {
        "sizes": vars(sizes),
        "faces": regions.measure(sizes, "faces", items, work),
        "control": regions.measure(sizes, "fields", items, work),
        "frames": frames.measure(sizes, items, work),
        "threads": torch.get_num_threads(),
    }
    report.write(facts, options.out, work)


if __name__ == "__main__":
    main()
