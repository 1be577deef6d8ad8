"""Decode the same files on many processors and hold the symbols against each other.

    python benchmarks/exactness/run.py [--only Nehalem --only aarch64:max] [--release lowest] [--write]

Needs Debian's packages qemu-user and mmdebstrap, and scikit-image for its pictures; see docs/trust.md. What was
measured is kept in build/exactness and not measured again while files, code and releases are the same. Prints the
table; ``--write`` puts it into docs/trust.md and the results into docs/results/exactness.json, where rows of other
processors and releases stay.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from processors import PROCESSORS, Processor, emulator
from roots import RELEASES, place

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
from provenance import provenance  # noqa: E402

BUILD = ROOT / "build" / "exactness"
FILES = BUILD / "files"
PAGE = ROOT / "docs" / "trust.md"
RESULT = ROOT / "docs" / "results" / "exactness.json"
START, END = "<!-- exactness: written by benchmarks/exactness/run.py -->", "<!-- /exactness -->"


def measured(processor: Processor, release: str) -> dict[str, Any]:
    """What ``decode.py`` says on a processor."""
    where = place(processor, release, BUILD)
    key = hashlib.sha256(f"{processor.name} {processor.machine} {release} {_state()}".encode()).hexdigest()[
        :16
    ]
    kept = BUILD / "results" / f"{key}.json"
    if not kept.exists():
        command = [
            *processor.command(where.root),
            str(where.python),
            str(ROOT / "benchmarks/exactness/decode.py"),
        ]
        command += [str(FILES), *([] if processor.emulated else ["--all"])]
        path = os.pathsep.join([str(ROOT), *([where.path] if where.path else [])])
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{processor.name}, {release}: exit code {done.returncode}\n{done.stderr[-3000:]}")
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(done.stdout, "ascii")
    about = {"processor": processor.name, "what": processor.what, "release": release}
    return about | json.loads(kept.read_text("ascii"))


def _state() -> str:
    """A hash of the files and of all code that decodes them."""
    sha = hashlib.sha256()
    code = [*ROOT.glob("texcodec/**/*.py"), ROOT / "benchmarks/exactness/decode.py"]
    for path in sorted([*FILES.iterdir(), *code]):
        sha.update(path.read_bytes())
    return sha.hexdigest()


def table(results: list[dict[str, Any]]) -> Iterator[str]:
    """The lines of the table in Markdown."""
    yield "| processor | onnxruntime | numpy | rANS | hashes of symbols | wrong | samples | other | by at most |"
    yield "| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: |"
    for r in results:
        yield (
            f"| {r['machine']} {r['processor']} ({r['what']}) | {r['onnxruntime']} | {r['numpy']} | {r['rans']} | "
            f"{r['hashes']} | {len(r['wrong'])} | {r['samples']} | {r['changed']} | {r['largest']} |"
        )


def with_earlier(results: list[dict[str, Any]], now: dict[str, Any]) -> list[dict[str, Any]]:
    """The results with those of earlier runs that they do not replace, each with where it comes from.

    Args:
        now: provenance of ``results``.
    """
    found = {_cell(r): r | {"provenance": now} for r in results}
    if RESULT.exists():
        kept = json.loads(RESULT.read_text("utf-8"))
        for r in kept["results"]:
            found.setdefault(_cell(r), r if "provenance" in r else r | {"provenance": kept["provenance"]})
    order = [(p.machine, p.name, release) for p in PROCESSORS for release in RELEASES]
    return sorted(found.values(), key=lambda r: order.index(_cell(r)))


def _cell(result: dict[str, Any]) -> tuple[str, str, str]:
    return result["machine"], result["processor"], result["release"]


def summary(results: list[dict[str, Any]]) -> str:
    """What a table says all in all."""
    floats = {result for r in results for result in r["floats"].values()}
    hashes, cells = (sum(r[key] for r in results) for key in ("hashes", "cells"))
    return (
        f"{hashes} hashes of symbols in {cells} cells (processor, release, level of optimisation, number of threads): "
        f"{sum(len(r['wrong']) for r in results)} differ. Largest difference of a sample of the pictures: "
        f"{max(r['largest'] for r in results)}. Different results of one network in floating point, before rounding: "
        f"{len(floats)}. QEMU {emulator()}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", help="name of a processor")
    parser.add_argument("--release", action="append", choices=RELEASES)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if not (FILES / "files.json").exists():
        import files

        files.make(FILES)
    results = []
    for processor in PROCESSORS:
        for release in options.release or RELEASES:
            if not options.only or {processor.name, f"{processor.machine}:{processor.name}"} & {
                *options.only
            }:
                results.append(measured(processor, release))
                print(list(table(results))[-1], flush=True)
    if options.write:
        results = with_earlier(results, provenance([FILES]))
    lines = [*table(results), "", summary(results)]
    print("\n".join(lines))
    if options.write:
        page = PAGE.read_text("utf-8")
        before, after = page.split(START)[0], page.split(END)[1]
        PAGE.write_text(before + "\n".join([START, "", *lines, "", END]) + after, "utf-8")
        found = {"provenance": provenance([FILES]), "qemu": emulator(), "results": results}
        RESULT.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    for r in results:
        for wrong in r["wrong"]:
            print(f"DIFFERS {r['machine']} {r['processor']} {r['release']}: {wrong}")
    sys.exit(1 if any(r["wrong"] for r in results) else 0)


if __name__ == "__main__":
    main()
