"""Does training with full-precision helpers make better quantised networks? (docs/guides/quantise.md)

    python benchmarks/quantisation/run.py [--jobs 2] [--work quantisation.work] [--out docs/results] [--quick]

Runs what protocol.json fixes: 33 minutes of processor time, half of that on two quiet cores. Each finished run leaves
a file in the work folder; stopped with Ctrl-C, the same command goes on. Writes docs/results/quantisation.json and
.md. With --quick, a tiny version of everything runs in less than a minute and prints its report instead: a check of
the code, not a result.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from report import collect, markdown
from runs import Run, all_runs, train, train_float
from task import Task

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

QUICK = {
    "task": {"training_pictures": 3, "training_side": 40, "test_pictures": 2, "test_side": 24, "channels": 4},
    "training": {"batch": 2, "crop": 16, "float_steps": 6, "steps": 4},
    "seeds": [0, 1],
}


def quick_version(protocol: dict[str, Any]) -> dict[str, Any]:
    """The protocol with sizes that run in seconds."""
    return {
        key: {**value, **QUICK[key]} if key in ("task", "training") else value
        for key, value in protocol.items()
    } | {"seeds": QUICK["seeds"]}


@lru_cache(maxsize=1)
def task_of(protocol: str, seed: int) -> Task:
    """The task of one seed; a process that goes on with a seed keeps its pictures."""
    return Task(json.loads(protocol), seed)


def do(run: Run, protocol: str, work: Path) -> str:
    """One run, in a process of its own; its result goes to the work folder last, so that it is there or not."""
    task = task_of(protocol, run.seed)
    start = work / f"float_seed{run.seed}.pt"
    if run.bits == 32:
        network, found = train_float(task)
        save(start, lambda path: torch.save(network.state_dict(), path))
    else:
        network = task.network()
        network.load_state_dict(torch.load(start, weights_only=True))
        limit = (
            json.loads((work / f"{run.as_long_as}.json").read_text("utf-8"))["seconds"]
            if run.as_long_as
            else None
        )
        found = train(run, task, network, limit)
    save(work / f"{run.name}.json", lambda path: path.write_text(json.dumps(found, indent=1) + "\n", "utf-8"))
    return f"{run.kind}, seed {run.seed}: {found['psnr']:.3f} dB, {found['steps']} steps"


def save(path: Path, write: Any) -> None:
    """Whole or not at all."""
    beside = path.with_name(path.name + ".part")
    write(beside)
    beside.replace(path)


def run_all(protocol: dict[str, Any], work: Path, jobs: int) -> dict[str, dict[str, Any]]:
    """Do all runs that have no result yet; returns the results by name."""
    work.mkdir(parents=True, exist_ok=True)
    text = json.dumps(protocol, sort_keys=True)
    mark, identity = work / "protocol.sha256", hashlib.sha256(text.encode()).hexdigest()
    if mark.exists() and mark.read_text("utf-8") != identity:
        sys.exit(f"The runs in {work} follow another protocol; name another folder with --work.")
    mark.write_text(identity, "utf-8")
    runs = all_runs(protocol)
    waiting = [run for run in runs if not (work / f"{run.name}.json").exists()]
    waiting.sort(
        key=lambda run: run.width > protocol["main"]["width"]
    )  # what the claims are about comes first
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes: a run is one thread, so that its time is its own
    with ProcessPoolExecutor(jobs, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        going: dict[Any, Run] = {}

        def ready(run: Run) -> bool:
            needed = (
                [] if run.bits == 32 else [Run(run.seed, 32).name] + [run.as_long_as] * bool(run.as_long_as)
            )
            return all((work / f"{name}.json").exists() for name in needed)

        def start_some() -> None:
            for run in [r for r in waiting if ready(r)][: jobs - len(going)]:
                waiting.remove(run)
                going[pool.submit(do, run, text, work)] = run

        start_some()
        while going:
            done = next(as_completed(going))
            del going[done]
            left = len(waiting) + len(going)
            print(f"{len(runs) - left}/{len(runs)}  {done.result()}", file=sys.stderr, flush=True)
            start_some()
    return {run.name: json.loads((work / f"{run.name}.json").read_text("utf-8")) for run in runs}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes, each of one thread")
    parser.add_argument("--work", type=Path, default=Path("quantisation.work"))
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    parser.add_argument(
        "--protocol", type=Path, help="another one, to try things out: the report is only printed"
    )
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    protocol = json.loads((options.protocol or HERE / "protocol.json").read_text("utf-8"))
    if options.quick:
        with TemporaryDirectory() as folder:
            protocol = quick_version(protocol)
            print(markdown(collect(protocol, run_all(protocol, Path(folder), options.jobs))))
        return
    report = collect(protocol, run_all(protocol, options.work, options.jobs))
    if options.protocol:
        print(markdown(report))
        return
    sys.path.append(str(HERE.parent))
    from provenance import provenance

    report["provenance"] = provenance()
    (options.out / "quantisation.json").write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    (options.out / "quantisation.md").write_text(markdown(report), "utf-8")
    print(f"{options.out / 'quantisation.md'}: {len(report['runs'])} runs")


if __name__ == "__main__":
    main()
