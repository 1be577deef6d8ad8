"""Is the codebook hyperprior worth it? Deep features of small task networks, coded with four priors and as pixels.

    python benchmarks/features/run.py --data FOLDER [--jobs 2] [--work features.work] [--out docs/results] [--quick]

FOLDER holds camvid/ (train and test, each with images/ and labels/) and tiny20/ (train and val with a folder a
class); without --data only the renderer's tasks run. Does what protocol.json fixes: about half an hour on two quiet
cores, after the task networks are trained (networks.py, about a quarter of an hour more). Each piece leaves a file in
the work folder; stopped with Ctrl-C, the same command goes on. Writes features.json, features.md and features.png.
With --quick, a tiny version of everything runs in about a minute and prints its report instead: a check of the code,
not a result.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import os
import sys
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import report
import torch
from items import Item, all_items, compute, needs

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def quick_version(protocol: dict[str, Any], *, large: bool) -> dict[str, Any]:
    """The protocol with sizes that run in seconds."""
    quick = copy.deepcopy(protocol)
    quick["seeds"] = [0]
    for plan in quick["plans"].values():
        plan |= {"steps": 3, "batch": 4}
        plan["settings"] |= {"latent_channels": 8, "width": 8, "blocks": 0}
    return quick if large else without_data(quick)


def without_data(protocol: dict[str, Any]) -> dict[str, Any]:
    """Only what needs no pictures from elsewhere."""
    return {**protocol, "plans": {"shapes": protocol["plans"]["shapes"]}}


def run_all(
    protocol: dict[str, Any], folder: Path | None, work: Path, jobs: int, *, quick: bool = False
) -> dict[str, dict[str, Any]]:
    """Do all pieces that have no file yet; returns the contents of all files by name."""
    work.mkdir(parents=True, exist_ok=True)
    text = json.dumps(protocol, sort_keys=True)
    mark, identity = work / "protocol.sha256", hashlib.sha256(text.encode()).hexdigest()
    if mark.exists() and mark.read_text("utf-8") != identity:
        sys.exit(f"The pieces in {work} follow another protocol; name another folder with --work.")
    mark.write_text(identity, "utf-8")
    items = all_items(protocol)
    waiting = [item for item in items if not (work / f"{item.name}.json").exists()]
    os.environ["OMP_NUM_THREADS"] = (
        "1"  # of the processes: a piece is one thread, so that its time is its own
    )
    with ProcessPoolExecutor(jobs, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        going: dict[Any, Item] = {}

        def start_some() -> None:
            for item in [i for i in waiting if all((work / f"{n.name}.json").exists() for n in needs(i))][
                : jobs - len(going)
            ]:
                waiting.remove(item)
                going[pool.submit(compute, item, text, folder, work, quick)] = item

        start_some()
        while going:
            for done in wait(going, return_when=FIRST_COMPLETED).done:
                del going[done]
                left = len(waiting) + len(going)
                print(f"{len(items) - left}/{len(items)}  {done.result()}", file=sys.stderr, flush=True)
            start_some()
    return {item.name: json.loads((work / f"{item.name}.json").read_text("utf-8")) for item in items}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder with camvid/ and tiny20/")
    parser.add_argument("--jobs", type=int, default=2, help="processes, each of one thread")
    parser.add_argument("--work", type=Path, default=Path("features.work"))
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    protocol = json.loads((HERE / "protocol.json").read_text("utf-8"))
    if options.quick:
        with TemporaryDirectory() as folder:
            protocol = quick_version(protocol, large=options.data is not None)
            pieces = run_all(protocol, options.data, Path(folder), options.jobs, quick=True)
            print(report.markdown(report.collect(protocol, pieces)))
        return
    if options.data is None:
        protocol = without_data(protocol)
    pieces = run_all(protocol, options.data, options.work, options.jobs)
    facts = report.collect(protocol, pieces)
    facts["tuning"] = json.loads((HERE / "tuning.json").read_text("utf-8"))
    sys.path.append(str(HERE.parent))
    from provenance import provenance

    folders = [options.data / name for name in ("camvid", "tiny20")] if options.data else []
    facts["provenance"] = provenance(folders)
    report.write(facts, options.out)
    print(f"{options.out / 'features.md'}: {len(pieces)} pieces")


if __name__ == "__main__":
    main()
