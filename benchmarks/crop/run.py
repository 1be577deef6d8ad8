"""The learned crop on drawn faces: everything that docs/results.md says about it.

    python benchmarks/crop/run.py [--work FOLDER] [--out docs/results] [--processes N] [--quick]

Learns profiles on some people's faces and scores them on others': against the whole picture, the square centre crop
of the same area, and every centre rectangle of a grid; hard against soft; in real files of large frames; and on a
control whose signal is everywhere. Writes crop.json, crop.md and pictures. A stopped run goes on where it was: every
result is a file in the work folder (delete it after changing code or sizes). Needs torch, and a system that can fork.
--quick goes the same way in seconds with numbers that mean nothing.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing.connection
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import frames
import regions
import report
import torch

from texcodec.registry import DEFAULT_SET

ROOT = Path(__file__).resolve().parents[2]
Compute = Callable[[], dict[str, Any]]


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
    qualities: tuple[int, ...] = (10, 25, 40, 60)
    models: str = DEFAULT_SET
    seeds: tuple[int, ...] = (1, 2)
    budget: float = 0.15
    squares: tuple[float, ...] = (0.7, 0.85)
    """Sides, in parts of the height, of the squares that are cut out before encoding."""


QUICK = Sizes(33, 25, 40, 20, 4, 3, 12, 4, 8, 3, 320, 2, (30, 60), "tiny-1", (1,), squares=(0.6, 1.0))


class Items:
    """Results by name, each computed once and kept in a file, several at a time in processes of their own."""

    def __init__(self, folder: Path, processes: int) -> None:
        self.folder, self.processes = folder, processes
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, jobs: Mapping[str, Compute]) -> list[dict[str, Any]]:
        """The results of all jobs, by their names; jobs must not depend on each other."""
        waiting = [name for name in jobs if not self._path(name).exists()]
        # forked, so that jobs can be closures; libraries' threads do not survive that, so there are none before
        context, running = multiprocessing.get_context("fork"), {}
        while waiting or running:
            while waiting and len(running) < self.processes:
                name = waiting.pop(0)
                process = context.Process(target=self._compute, args=(name, jobs[name]))
                process.start()
                running[process.sentinel] = process, name
            for sentinel in multiprocessing.connection.wait(running):
                process, name = running.pop(sentinel)
                process.join()
                if process.exitcode:
                    sys.exit(f"{name} failed; what is finished is kept.")
        return [json.loads(self._path(name).read_text()) for name in jobs]

    def spent(self) -> tuple[float, int]:
        """Processor time in seconds of everything that was computed, and how many results that is."""
        spent = [json.loads(file.read_text()).get("cpu") for file in self.folder.glob("*.json")]
        found = [seconds for seconds in spent if seconds is not None]
        return sum(found), len(found)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _compute(self, name: str, compute: Compute) -> None:
        start, before = time.perf_counter(), time.process_time()
        result = compute()
        seconds, result["cpu"] = time.perf_counter() - start, round(time.process_time() - before, 2)
        part = self._path(name).with_suffix(".part")
        part.write_text(json.dumps(result))
        part.rename(self._path(name))
        print(f"{name}: {seconds:.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=ROOT / "benchmarks" / "crop" / "crop.work")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    sizes = QUICK if options.quick else Sizes()
    work = options.work / ("quick" if options.quick else "full")
    items = Items(work, options.processes)
    facts: dict[str, Any] = {"sizes": vars(sizes)}
    facts["faces"] = regions.measure(sizes, "faces", items, work)
    facts["control"] = regions.measure(sizes, "fields", items, work)
    facts["frames"] = frames.measure(sizes, items, work)
    facts["cpu"], facts["results"] = items.spent()
    sys.path.append(str(ROOT / "benchmarks"))
    from provenance import provenance

    report.write(facts | {"provenance": provenance()}, options.out, work)


if __name__ == "__main__":
    main()
