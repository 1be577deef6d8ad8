"""Runs all attacks, and fails if one of them succeeds.

python attacks/run_attacks.py [NAME...] [--table]

Every attack is a file here: its docstring says what it tries and what stops it, its function ``attack`` tries it. Each
runs in a process of its own, which is ended after five minutes. The tests run those that are not ``SLOW``.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
SHARED = {"room", "run_attacks"}
LONGEST = 300


def names() -> list[str]:
    """Of all attacks."""
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem not in SHARED)


def load(name: str) -> ModuleType:
    """The module of an attack."""
    importlib.import_module("room")  # it makes texcodec and what tests share importable
    return importlib.import_module(name)


def sentences(name: str) -> tuple[str, str]:
    """What an attack tries, and what stops it."""
    text = " ".join((load(name).__doc__ or "").split())
    tries, found, stops = text.partition(" Stopped by ")
    if not found or not tries.startswith("Tries "):
        raise ValueError(f"the docstring of {name} does not say what it tries and what it is stopped by")
    return tries.removeprefix("Tries "), stops


def attempt(name: str, folder: Path) -> dict[str, float]:
    """Try an attack here; what it cost.

    Raises:
        Exception: it succeeded, or something unforeseen happened, which counts as success.
    """
    from room import Room, budget

    module = load(name)
    with budget(*getattr(module, "BUDGET", ())) as cost:
        module.attack(Room(folder))
    return cost


def _alone(name: str) -> tuple[bool, str]:
    command = [sys.executable, str(HERE / "run_attacks.py"), "--here", name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=False)
    except subprocess.TimeoutExpired:
        return False, f"it went on for {LONGEST} s"
    last = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    return done.returncode == 0, last[-1] if last else f"exit code {done.returncode}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--here", help=argparse.SUPPRESS)
    parser.add_argument("--table", action="store_true", help="print a table for the documentation")
    arguments = parser.parse_args()
    if arguments.here:
        with tempfile.TemporaryDirectory() as folder:
            cost = attempt(arguments.here, Path(folder))
        print(f"stopped: {cost['seconds']:.2f} s, {cost['megabytes']:.0f} MB")
        return 0
    failed = 0
    if arguments.table:
        print("| attack | tries | is stopped by | costs |\n| --- | --- | --- | --- |")
    for name in arguments.names or names():
        stopped, outcome = _alone(name)
        failed += not stopped
        if arguments.table:
            cost = outcome.removeprefix("stopped: ")
            print(
                "| " + " | ".join([f"`{name}`", *sentences(name), cost if stopped else "**succeeds**"]) + " |"
            )
        else:
            print(f"{name}: {outcome if stopped else 'SUCCEEDED: ' + outcome}", flush=True)
    if not arguments.table:
        print(f"{len(arguments.names or names()) - failed} attacks stopped, {failed} succeeded")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
