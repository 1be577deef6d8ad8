"""What one processor makes of the files: runs within the emulated Python and prints one JSON object.

    python decode.py FOLDER [--all]

A cell is a level of graph optimisation and a number of threads. With ``--all`` the symbols of all files are decoded in
every cell, and the pixels at every level. Without it, which emulation needs, each file is decoded in four cells of
sixteen, at each level and each number of threads once, and the pixels of small pictures at one level.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import PIL

import texcodec
from texcodec.container import Reader
from texcodec.entropy import ans, portable
from texcodec.features.decode import streams_hash
from texcodec.networks import sessions
from texcodec.registry import FeatureSet, ModelSet, read_model_set

LEVELS = "none", "basic", "extended", "all"
THREADS = 1, 2, 3, 4
ONES = "chelsea-std-1", "golden-std-3-fine"
ROOT = Path(__file__).resolve().parents[2]
SEEN = ["SSE42", "AVX", "FMA3", "AVX2", "AVX512F", "AVX512_SPR", "ASIMD", "ASIMDHP", "ASIMDDP", "SVE"]


def processor_features() -> list[str]:
    """What numpy found of the processor, as this process sees it."""
    from numpy._core._multiarray_umath import __cpu_features__ as found

    return [name for name in SEEN if found.get(name)]


class Sets:
    """The sets of the files, with networks built at one level of optimisation."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def of(self, folder: str, kind: Callable[[Path], Any]) -> Any:
        if folder not in self._loaded:
            self._loaded[folder] = kind(ROOT / folder)
        return self._loaded[folder]


def symbols_of(data: bytes, entry: dict[str, str], sets: Sets, threads: int) -> str:
    if "pixels" not in entry:
        reader = Reader(data)
        return streams_hash(reader.header, reader.ancillary, sets.of(entry["set"], FeatureSet))
    models = sets.of(entry["set"], read_model_set)
    return texcodec.open(data).symbols_hash(models=models, threads=threads)


def float_results(models: ModelSet) -> str:
    """A hash of what the synthesis network computes in floating point, before anything is rounded.

    It is expected to differ between processors: it shows that they compute in different ways.
    """
    random = np.random.default_rng(7)
    network = models.synthesis(0)
    inputs = [
        random.uniform(0.5, 4, [n if isinstance(n, int) else 10 for n in argument.shape]).astype(np.float32)
        for argument in network._session.get_inputs()
    ]
    return hashlib.sha256(network.ordered(None, *inputs).tobytes()).hexdigest()[:16]


def _is_small(entry: dict[str, str]) -> bool:
    """Whether the pixels of a file take less than a second emulated, or it is one that is taken all the same."""
    return "tiny" in entry["set"] or entry["name"] in ONES


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--all", action="store_true", help="every file in every cell, which takes long emulated"
    )
    options = parser.parse_args()
    folder: Path = options.folder
    entries = json.loads((folder / "files.json").read_text("ascii"))
    entries = [entry for entry in entries if options.all or "more" not in entry]
    contents = {entry["name"]: (folder / entry["file"]).read_bytes() for entry in entries}
    wrong, worst, changed, samples, floats, start = [], 0, 0, 0, {}, time.process_time()
    cells = decoded = 0
    for row, level in enumerate(LEVELS):
        sessions.optimisation_level = level
        sets = Sets()
        for column, threads in enumerate(THREADS):
            cells += 1
            for number, entry in enumerate(entries):
                # a Latin square: each file once a level and once a number of threads
                if not options.all and (number + row + column) % len(LEVELS):
                    continue
                decoded += 1
                try:
                    found = symbols_of(contents[entry["name"]], entry, sets, threads)
                except texcodec.TexcodecError as error:
                    found = f"{type(error).__name__}: {error}"
                if found != entry["symbols"]:
                    wrong.append({"file": entry["name"], "level": level, "threads": threads, "found": found})
        for number, entry in enumerate(entries):
            if "pixels" not in entry or not (
                options.all or (number % len(LEVELS) == row and _is_small(entry))
            ):
                continue
            with texcodec.open(contents[entry["name"]]) as file:
                models = sets.of(entry["set"], read_model_set)
                pixels = file.decode_picture(models=models, threads=2, warn=lambda _: None).pixels
            difference = np.abs(pixels.astype(int) - np.load(folder / entry["pixels"]))
            worst, samples = max(worst, int(difference.max())), samples + difference.size
            changed += int(np.count_nonzero(difference))
        standard = next((e["set"] for e in entries if Path(e["set"]).name == "std-2"), entries[0]["set"])
        floats[level] = float_results(sets.of(standard, read_model_set))
    print(
        json.dumps(
            {
                "machine": platform.machine(),
                "features": processor_features(),
                "python": platform.python_version(),
                "onnxruntime": onnxruntime.__version__,
                "numpy": np.__version__,
                "pillow": PIL.__version__,
                "rans": "Python" if ans.AnsCoder is portable.AnsCoder else "constriction",
                "cells": cells,
                "hashes": decoded,
                "wrong": wrong,
                "largest": worst,
                "changed": changed,
                "samples": samples,
                "floats": floats,
                "seconds": round(time.process_time() - start, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
