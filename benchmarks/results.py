"""Writes docs/results.md from what was measured: JSON files in docs/results, each one a section if it is there.

    python benchmarks/results.py [--pieces docs/results] [--out docs/results.md]

    notes.md            free text for the top; its links are relative to its own folder
    kodak.json          report.json of `texcodec evaluate`, against codecs and curves
    eyes.json           of benchmarks/eyes.py
    multi-single.json   report.json of two sets, the multi-model one first, and "training": {name of the set:
                        {"steps": N, "minutes": M}}, where either number may be missing
    fusion.json         of benchmarks/seams.py
    training.json       {"what": "BD-rate against ..., %", "hardware": "...", "points": [{"minutes": M, "bd" or
                        "cost": X}, ...]}, or the list of points alone
    choices.json        of benchmarks/choices.py
    entropy-model.json  of benchmarks/entropy_model.py
    tuning.json         report.json of two sets, the tuned one first, and "tuning": {"domain": "...", "minutes": M,
                        "hardware": "..."}
    crop.json           of benchmarks/crop/run.py, with pictures beside it
    quantisation.json   of benchmarks/quantisation/run.py
    features.json       of benchmarks/features/run.py, with a plot beside it
    byte-weights.json   of benchmarks/byte_weights.py: report.json of two sets, the one of bytes first,
                        and "bytes": {"synthesis": {set: % of float32}, "decoder": {set: MB}}
    drawn.json          of benchmarks/drawn.py
    cost.json           {"hardware": "...", "rows": [{"name": "...", "any column": number or text, ...}, ...]}

Every piece may have a "provenance" (benchmarks/provenance.py), which its section ends with. Tables of
docs/performance.md are quoted, and pages of docs/decisions listed.
"""

from __future__ import annotations

import argparse
import json
import posixpath
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from provenance import sentence
from sections import comparisons, measurements

ROOT = Path(__file__).resolve().parents[1]

SECTIONS: dict[str, Callable[[Any, dict[str, bytes]], list[str]]] = {
    "kodak": comparisons.kodak,
    "eyes": comparisons.eyes,
    "multi-single": comparisons.multi_single,
    "fusion": measurements.fusion,
    "training": measurements.training,
    "choices": measurements.choices,
    "entropy-model": measurements.entropy_model,
    "tuning": comparisons.tuning,
    "crop": measurements.crop,
    "quantisation": measurements.quantisation,
    "features": measurements.features,
    "byte-weights": comparisons.byte_weights,
    "drawn": comparisons.drawn,
    "cost": measurements.cost,
}


def performance(document: Path) -> list[str]:
    """The tables of docs/performance.md."""
    if not document.exists():
        return []
    blocks = [block for block in document.read_text("utf-8").split("\n\n") if block.startswith("|")]
    return [
        "## Time and memory",
        "From [Speed and memory](performance.md), which names the machine.",
        *blocks,
    ]


def decisions(folder: Path) -> list[str]:
    """Links to what was decided by measurement."""
    pages = [page for page in sorted(folder.glob("*.md")) if page.name != "README.md"]
    links = [
        f"- [{page.read_text('utf-8').splitlines()[0].lstrip('# ')}](decisions/{page.name})" for page in pages
    ]
    return ["## Decisions", "Each with its tables:", "\n".join(links)] if links else []


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pieces", type=Path, default=ROOT / "docs" / "results")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results.md")
    options = parser.parse_args()
    plots: dict[str, bytes] = {}
    notes = options.pieces / "notes.md"
    parts = [
        "# Results",
        "Written by `benchmarks/results.py` from the measurements in `docs/results`. Each section ends with the "
        "commit, the command and the data of its figures.",
    ]
    if notes.exists():
        # a path of its own folder becomes one of the document's
        parts.append(
            re.sub(
                r"\]\((?!\w+:|#)([^)]*)\)",
                lambda link: f"]({posixpath.normpath(f'{options.pieces.name}/{link[1]}')})",
                notes.read_text("utf-8").strip(),
            )
        )
    for name, section in SECTIONS.items():
        file = options.pieces / f"{name}.json"
        if not file.exists():
            continue
        try:
            piece = json.loads(file.read_text("utf-8"))
            parts += [*section(piece, plots), *sentence(piece)]
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, StopIteration) as error:
            sys.exit(
                f"{file} is not what benchmarks/results.py expects there ({error!r}); see its first lines."
            )
    docs = options.out.parent
    parts += performance(docs / "performance.md") + decisions(docs / "decisions")
    for name, data in plots.items():
        (options.pieces / name).write_bytes(data)
    options.out.write_text("\n\n".join(parts) + "\n", "utf-8")
    print(f"{options.out}: {len(parts)} parts, {len(plots)} plots")


if __name__ == "__main__":
    main()
