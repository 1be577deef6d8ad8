"""The conformance archive: the same bytes every time, and both decoders conform."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import second_decoder
from cli_runs import environment

import texcodec
from texcodec.errors import FormatError, LimitError

sys.path.append(str(Path(__file__).resolve().parents[1] / "conformance"))
import archive
import check


@pytest.fixture(scope="module")
def packed() -> bytes:
    return archive.archive(archive.contents())


@pytest.fixture(scope="module")
def folder(packed: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive, unpacked."""
    place = tmp_path_factory.mktemp("archive")
    with zipfile.ZipFile(io.BytesIO(packed)) as opened:
        opened.extractall(place)
    return place / archive.TOP


def decode(file: Path, models: str) -> np.ndarray | None:
    try:
        return texcodec.decode(file, models=None if models == "-" else models, threads=1, output="numpy")
    except (FormatError, LimitError):
        return None


def symbols(file: Path, models: str) -> str:
    from texcodec.features.decode import streams_hash

    with texcodec.open(file) as opened:
        if opened.header.has_pixels:
            return opened.symbols_hash(models=None if models == "-" else models)
        return streams_hash(opened.header, opened.chunks, models)


def test_it_holds_what_it_promises(folder: Path, packed: bytes) -> None:
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    named = {entry["file"] for part in ("pictures", "features", "refuse") for entry in expected[part]}
    assert named == {p.relative_to(folder).as_posix() for p in folder.rglob("*.tcx")}
    assert (
        len(expected["pictures"]) >= 29 and len(expected["features"]) >= 8 and len(expected["refuse"]) >= 70
    )
    assert {entry["kind"] for entry in expected["refuse"]} == {"damaged", "newer", "limits"}
    assert all(entry["tolerance"] == 0 for entry in expected["pictures"] if entry["set"] is None)
    assert not list(folder.rglob("encoder.safetensors"))
    with zipfile.ZipFile(io.BytesIO(packed)) as opened:
        assert {(i.date_time, i.compress_type) for i in opened.infolist()} == {((1980, 1, 1, 0, 0, 0), 0)}
        assert opened.namelist() == sorted(opened.namelist())


def test_the_same_files_give_the_same_archive(packed: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(packed)) as opened:
        files = {i.filename.partition("/")[2]: opened.read(i) for i in opened.infolist()}
    assert archive.archive(dict(reversed(files.items()))) == packed


def test_texcodec_conforms(folder: Path) -> None:
    assert check.failures(folder, decode, symbols) == {}


def test_the_second_decoder_refuses_what_must_be_refused(folder: Path) -> None:
    sets = {name: second_decoder.ModelSet(folder / "sets" / name) for name in ("tiny-1", "tiny-2")}
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    for entry in expected["refuse"]:
        with pytest.raises(second_decoder.Refused):
            second_decoder.decode((folder / entry["file"]).read_bytes(), sets[Path(entry["set"]).name])
            pytest.fail(f"{entry['file']} was decoded, but {entry['why']}")


def test_what_does_not_conform_is_named(folder: Path) -> None:
    names = ["lossless-pixel", "pixel", "cut-half"]

    def wrong(file: Path, models: str) -> np.ndarray | None:
        return np.zeros((1, 1), np.uint8)

    found = check.failures(folder, wrong, lambda file, models: "0" * 64, names)
    assert set(found) == {
        "pictures/lossless-pixel.tcx",
        "pictures/pixel.tcx",
        "profile-2/pixel.tcx",
        "features/pixel.tcx",
        "refuse/cut-half.tcx",
    }
    assert "9 levels apart" in found["pictures/lossless-pixel.tcx"]
    assert "decodes to (1, 1) instead of (1, 1, 3)" in found["pictures/pixel.tcx"]
    assert "was decoded, but it is cut short" in found["refuse/cut-half.tcx"]
    assert check.failures(folder, lambda file, models: None, None, ["pixel"]) == {
        "pictures/pixel.tcx": "was refused",
        "profile-2/pixel.tcx": "was refused",
    }


def test_the_checker_runs_commands(folder: Path) -> None:
    program = f"{sys.executable} -m texcodec"
    commands = [
        "--decode",
        f"{program} decode {{file}} {{out}}",
        "--symbols",
        f"{program} verify --symbols {{file}}",
    ]
    done = subprocess.run(
        [sys.executable, str(folder / "check.py"), *commands, "lossless-pixel", "cut-half"],
        capture_output=True,
        env={**environment(), "TEXCODEC_MODELS": str(folder / "sets")},
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stdout.strip()) == (0, b"all files conform"), done.stderr
