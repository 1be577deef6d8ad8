"""Makes the conformance archive: build/tcx-conformance-1.3.zip, the same bytes from the same files.

python conformance/archive.py [--out FOLDER]
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(HERE)]

from refusals import LIMITS, NEWER, refusals

import texcodec
from texcodec.container import Reader
from texcodec.errors import FormatError, LimitError, UnsupportedError

VERSION = "1.3"
TOP = f"tcx-conformance-{VERSION}"
SETS = {
    "tiny-1": ROOT / "models" / "tiny-1",
    "tiny-2": ROOT / "tests" / "data" / "tiny-2",
    "tiny-features": ROOT / "tests" / "data" / "tiny-features",
    "shapes-1": ROOT / "models" / "shapes-1",
}
ERRORS = {NEWER: UnsupportedError, LIMITS: LimitError}


def contents() -> dict[str, bytes]:
    """All files of the archive by their names in it."""
    golden = ROOT / "tests" / "golden"
    features = golden / "features"
    files = {name: (HERE / name).read_bytes() for name in ("README.md", "check.py", "tcx.ksy")}
    files |= {
        "format.md": (ROOT / "docs" / "format.md").read_bytes(),
        "LICENSE": (ROOT / "LICENSE").read_bytes(),
    }
    expected: dict[str, Any] = {"format": VERSION, "pictures": [], "features": [], "refuse": []}
    for folder, place, models in (
        (golden, "pictures", "tiny-1"),
        (golden / "profile-2", "profile-2", "tiny-2"),
    ):
        for name, _, symbols, samples in _lines(folder / "golden.txt"):
            data = (folder / f"{name}.tcx").read_bytes()
            files[f"{place}/{name}.tcx"] = data
            files[f"{place}/{name}.png"] = (folder / f"{name}.png").read_bytes()
            entry = {"file": f"{place}/{name}.tcx", "sha256": _sha256(data), **_set_of(data, models)}
            entry |= {"symbols": symbols, "picture": f"{place}/{name}.png", "samples": samples}
            entry |= {"tolerance": 0 if entry["set"] is None else 1}
            expected["pictures"].append(entry)
    for name, models, _, symbols in _lines(features / "golden.txt"):
        data = (features / f"{name}.tcx").read_bytes()
        if not Reader(data).header.has_pixels:  # beside pixels, a hash of symbols would be that of the tiles
            files[f"features/{name}.tcx"] = data
            entry = {"file": f"features/{name}.tcx", "sha256": _sha256(data), "set": f"sets/{models}"}
            expected["features"].append(entry | {"symbols": symbols})

    def bytes_of(name: str) -> bytes:
        return files[f"{name}.tcx" if "/" in name else f"pictures/{name}.tcx"]

    for name, refusal in sorted(refusals(bytes_of).items()):
        _check_refused(name, refusal.data, refusal.kind)
        models = "tiny-2" if name.startswith("compact-") else "tiny-1"
        files[f"refuse/{name}.tcx"] = refusal.data
        entry = {"file": f"refuse/{name}.tcx", "sha256": _sha256(refusal.data), "set": f"sets/{models}"}
        expected["refuse"].append(entry | {"kind": refusal.kind, "why": refusal.why})
    for name, folder in SETS.items():
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name not in ("encoder.safetensors", "master.safetensors"):
                files[f"sets/{name}/{path.relative_to(folder).as_posix()}"] = path.read_bytes()
    files["expected.json"] = (json.dumps(expected, indent=1) + "\n").encode()
    return files


def _lines(table: Path) -> list[list[str]]:
    return [line.split() for line in table.read_text("ascii").splitlines() if not line.startswith("#")]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _set_of(data: bytes, models: str) -> dict[str, str | None]:
    return {"set": None if Reader(data).header.needs_no_set else f"sets/{models}"}


def _check_refused(name: str, data: bytes, kind: str) -> None:
    """Texcodec itself refuses it, for the fault that is told."""
    folder = SETS["tiny-2" if name.startswith("compact-") else "tiny-1"]
    try:
        texcodec.decode(data, models=folder, threads=1)
    except (FormatError, LimitError) as error:
        told = ERRORS.get(kind, FormatError)
        if isinstance(error, told) and isinstance(error, UnsupportedError) == (kind == NEWER):
            return
        raise AssertionError(f"{name} is refused as {type(error).__name__}: {error}") from error
    raise AssertionError(f"{name} is decoded")


def archive(files: dict[str, bytes]) -> bytes:
    """The files as a zip, in the order of their names, without dates and without compression."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as packed:
        for name in sorted(files):
            info = zipfile.ZipInfo(f"{TOP}/{name}", (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, 0o644 << 16
            packed.writestr(info, files[name])
    return stream.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "build")
    out = parser.parse_args().out
    files = contents()
    data = archive(files)
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{TOP}.zip"
    path.write_bytes(data)
    kinds = ("pictures", "profile-2", "features", "refuse")
    counts = ", ".join(f"{sum(n.startswith(k) and n.endswith('.tcx') for n in files)} {k}" for k in kinds)
    print(f"{path}: {len(data)} bytes, {counts}\nSHA-256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
