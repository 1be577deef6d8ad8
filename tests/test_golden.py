"""Golden files decode for ever: symbols exactly, pixels within one level of what they were at first."""

from __future__ import annotations

import hashlib
import zlib
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import second_decoder
from golden.make import FOLDERS, HERE
from PIL import Image

import texcodec


class Golden(NamedTuple):
    """A line of a golden.txt, after the folder it lies in."""

    folder: Path
    name: str
    sha256: str
    symbols: str
    pixels: str

    @property
    def file(self) -> Path:
        return self.folder / f"{self.name}.tcx"

    @property
    def models(self) -> Path:
        return MODELS[self.folder]


MODELS = {HERE / name: models for name, (models, _) in FOLDERS.items()}


def listed() -> list[Golden]:
    found = []
    for folder in MODELS:
        path = folder / "golden.txt"
        # without it, one test fails rather than the collection
        lines = path.read_text("ascii").splitlines() if path.is_file() else []
        found += [Golden(folder, *line.split()) for line in lines if not line.startswith("#")]
    return found


def named(golden: Golden) -> str:
    return (golden.folder / golden.name).relative_to(HERE).as_posix()


def stored(golden: Golden) -> np.ndarray:
    """What the file decoded to where it was made: int, height x width x channels (alpha last, if any)."""
    with Image.open(golden.file.with_suffix(".png")) as image:
        samples = np.asarray(image)
    assert f"{zlib.crc32(samples.tobytes()):08x}" == golden.pixels
    return np.atleast_3d(samples).astype(int)


@lru_cache
def reference(models: Path) -> second_decoder.ModelSet:
    return second_decoder.ModelSet(models)


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.name)
def test_golden_files_are_those_listed(folder: Path) -> None:
    goldens = [golden for golden in listed() if golden.folder == folder]
    fewest = {"golden": 21, "profile-2": 9, "std-4": 4, "std-5": 4, "std-5-ssim": 4, "std-6": 4}
    assert len(goldens) >= fewest.get(folder.name, 3)
    assert {path.stem for path in folder.glob("*.tcx")} == {golden.name for golden in goldens}
    for golden in goldens:
        assert hashlib.sha256(golden.file.read_bytes()).hexdigest() == golden.sha256, golden.name


@pytest.mark.parametrize("golden", listed(), ids=named)
def test_texcodec_decodes_golden_file(golden: Golden) -> None:
    with texcodec.open(golden.file) as file:
        assert file.symbols_hash(models=golden.models) == golden.symbols
        pixels = np.atleast_3d(np.asarray(file.decode(models=golden.models))).astype(int)
    expected = stored(golden)
    assert pixels.shape == expected.shape
    assert np.abs(pixels - expected).max() <= 1


@pytest.mark.parametrize("golden", listed(), ids=named)
def test_second_decoder_decodes_golden_file(golden: Golden) -> None:
    decoded = second_decoder.decode(golden.file.read_bytes(), reference(golden.models))
    assert decoded.symbols_hash() == golden.symbols
    expected = stored(golden)
    channels = decoded.pixels.shape[2]
    assert np.abs(decoded.pixels - expected[..., :channels]).max() <= 1
    if decoded.alpha is None:
        assert expected.shape[2] == channels
    else:
        assert np.array_equal(decoded.alpha, expected[..., -1])
