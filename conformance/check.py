"""Checks a decoder of .tcx files against this archive.

    python check.py --decode "mydecoder {file} {out} {set}" [--symbols "mydecoder --hash {file} {set}"] [NAME...]

Commands are split as a shell does and run without one. ``{file}`` is a .tcx file, ``{out}`` a PNG file to be written,
``{set}`` the folder of the model set that the file needs, or "-" if it needs none. README.md says what is expected of
them. Needs Python 3.10, numpy and Pillow, and nothing of the reference implementation.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SECONDS = 120
"""Of a command; longer counts as a failure."""

Decode = Callable[[Path, str], "np.ndarray | None"]
"""From a file and the folder of its set (or "-") to uint8 samples, height x width (x channels); None if refused."""
Symbols = Callable[[Path, str], str]
"""From the same to the symbols hash, hexadecimal."""


def failures(
    folder: Path, decode: Decode | None, symbols: Symbols | None, names: list[str] | None = None
) -> dict[str, str]:
    """What does not conform: a sentence by the name of the file."""
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    found = {}
    for part, check in (("pictures", _picture), ("features", _features), ("refuse", _refused)):
        for entry in expected[part]:
            if names and Path(entry["file"]).stem not in names:
                continue
            if hashlib.sha256((folder / entry["file"]).read_bytes()).hexdigest() != entry["sha256"]:
                raise SystemExit(f"{entry['file']} is not as it was: unpack the archive again")
            fault = check(folder, entry, decode, symbols)
            if fault:
                found[entry["file"]] = fault
    return found


def _set(folder: Path, entry: dict[str, Any]) -> str:
    return str(folder / entry["set"]) if entry["set"] else "-"


def _picture(folder: Path, entry: dict[str, Any], decode: Decode | None, symbols: Symbols | None) -> str:
    faults = [_features(folder, entry, decode, symbols)]
    if decode is not None:
        with Image.open(folder / entry["picture"]) as image:
            wanted = np.asarray(image)
        assert f"{zlib.crc32(wanted.tobytes()):08x}" == entry["samples"]
        samples = decode(folder / entry["file"], _set(folder, entry))
        if samples is None:
            faults.append("was refused")
        elif samples.shape != wanted.shape:
            faults.append(f"decodes to {samples.shape} instead of {wanted.shape}")
        else:
            apart = int(np.abs(samples.astype(int) - wanted.astype(int)).max())
            if apart > entry["tolerance"]:
                faults.append(f"is {apart} levels apart, with {entry['tolerance']} allowed")
    return "; ".join(filter(None, faults))


def _features(folder: Path, entry: dict[str, Any], decode: Decode | None, symbols: Symbols | None) -> str:
    if symbols is None:
        return ""
    found = symbols(folder / entry["file"], _set(folder, entry))
    return (
        ""
        if found == entry["symbols"]
        else f"has the symbols {found or 'none'} instead of {entry['symbols']}"
    )


def _refused(folder: Path, entry: dict[str, Any], decode: Decode | None, symbols: Symbols | None) -> str:
    if decode is None or decode(folder / entry["file"], _set(folder, entry)) is None:
        return ""
    return f"was decoded, but {entry['why']}"


def _run(command: str, **places: str) -> subprocess.CompletedProcess[str]:
    words = [word.format(**places) for word in shlex.split(command)]
    return subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False)


def _decode_by(command: str) -> Decode:
    def decode(file: Path, models: str) -> np.ndarray | None:
        with tempfile.TemporaryDirectory() as name:
            out = Path(name, "out.png")
            done = _run(command, file=str(file), out=str(out), set=models)
            if done.returncode:
                if out.exists():
                    raise SystemExit(f"{file.name}: the command failed and left an output")
                return None
            with Image.open(out) as image:
                return np.asarray(image)

    return decode


def _symbols_by(command: str) -> Symbols:
    def symbols(file: Path, models: str) -> str:
        return (_run(command, file=str(file), out="", set=models).stdout.split() or [""])[0]

    return symbols


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="files to check, without .tcx; all by default")
    parser.add_argument("--decode", help="command that decodes a file to PNG")
    parser.add_argument("--symbols", help="command that prints the symbols hash of a file, as its first word")
    arguments = parser.parse_args()
    if not arguments.decode and not arguments.symbols:
        parser.error("give --decode, --symbols or both")
    decode = _decode_by(arguments.decode) if arguments.decode else None
    symbols = _symbols_by(arguments.symbols) if arguments.symbols else None
    found = failures(Path(__file__).resolve().parent, decode, symbols, arguments.names)
    for name, fault in found.items():
        print(f"{name} {fault}")
    print(f"{len(found)} files do not conform" if found else "all files conform")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
