"""Inputs that earlier runs found worth keeping: ``corpus/TARGET.zip``, and files in ``regressions/TARGET``.

    cd tests && PYTHONPATH=.. python -m fuzz.kept TARGET FOLDER

writes the corpus of a target from a folder that libFuzzer has made: inputs of all sizes, as many as fit.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
LARGEST_INPUT, LARGEST_CORPUS = 2048, 20 << 10
"""Bytes of an input that is kept, and of all inputs of a target together."""
LONG_AGO = (1980, 1, 1, 0, 0, 0)


def kept(target: str) -> list[bytes]:
    """The corpus of a target, then its regressions."""
    return [*corpus(target).values(), *regressions(target).values()]


def corpus(target: str) -> dict[str, bytes]:
    """Inputs by name."""
    path = HERE / "corpus" / f"{target}.zip"
    if not path.exists():
        return {}
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def regressions(target: str) -> dict[str, bytes]:
    """Inputs that once broke a rule, by name."""
    folder = HERE / "regressions" / target
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*"))} if folder.is_dir() else {}


def write_corpus(target: str, folder: Path) -> int:
    """The number of inputs that were kept of a folder."""
    found = sorted((path.read_bytes() for path in folder.iterdir()), key=lambda data: (len(data), data))
    found = [data for data in found if len(data) <= LARGEST_INPUT]
    step = next(n for n in range(1, len(found) + 2) if sum(map(len, found[::n])) <= LARGEST_CORPUS)
    path = HERE / "corpus" / f"{target}.zip"
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, data in enumerate(found[::step]):
            archive.writestr(zipfile.ZipInfo(f"{number:04}", LONG_AGO), data)
    return len(found[::step])


if __name__ == "__main__":
    print(write_corpus(sys.argv[1], Path(sys.argv[2])), "inputs")
