"""Golden files decode for ever: symbols exactly, pixels within one level of what they were at first."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import second_decoder
from PIL import Image

import texcodec

FOLDER = Path(__file__).parent / "golden"
SET = Path(__file__).parents[1] / "models" / "tiny-1"


class Golden(NamedTuple):
    """A line of golden.txt."""

    name: str
    sha256: str
    symbols: str
    pixels: str


def listed() -> list[Golden]:
    path = FOLDER / "golden.txt"
    text = (
        path.read_text("ascii") if path.is_file() else ""
    )  # without it, one test fails rather than the collection
    return [Golden(*line.split()) for line in text.splitlines() if not line.startswith("#")]


def stored(golden: Golden) -> np.ndarray:
    """What the file decoded to where it was made: int, height x width x channels (alpha last, if any)."""
    with Image.open(FOLDER / f"{golden.name}.png") as image:
        samples = np.asarray(image)
    assert f"{zlib.crc32(samples.tobytes()):08x}" == golden.pixels
    return np.atleast_3d(samples).astype(int)


@pytest.fixture(scope="module")
def models() -> second_decoder.ModelSet:
    return second_decoder.ModelSet(SET)


def test_golden_files_are_those_listed() -> None:
    goldens = listed()
    assert len(goldens) >= 11
    assert {path.stem for path in FOLDER.glob("*.tcx")} == {golden.name for golden in goldens}
    for golden in goldens:
        assert hashlib.sha256((FOLDER / f"{golden.name}.tcx").read_bytes()).hexdigest() == golden.sha256, (
            golden.name
        )


@pytest.mark.parametrize("golden", listed(), ids=lambda golden: golden.name)
def test_texcodec_decodes_golden_file(golden: Golden) -> None:
    with texcodec.open(FOLDER / f"{golden.name}.tcx") as file:
        assert file.symbols_hash(models=SET) == golden.symbols
        pixels = np.atleast_3d(np.asarray(file.decode(models=SET))).astype(int)
    expected = stored(golden)
    assert pixels.shape == expected.shape
    assert np.abs(pixels - expected).max() <= 1


@pytest.mark.parametrize("golden", listed(), ids=lambda golden: golden.name)
def test_second_decoder_decodes_golden_file(golden: Golden, models: second_decoder.ModelSet) -> None:
    decoded = second_decoder.decode((FOLDER / f"{golden.name}.tcx").read_bytes(), models)
    assert decoded.symbols_hash() == golden.symbols
    expected = stored(golden)
    channels = decoded.pixels.shape[2]
    assert np.abs(decoded.pixels - expected[..., :channels]).max() <= 1
    if decoded.alpha is None:
        assert expected.shape[2] == channels
    else:
        assert np.array_equal(decoded.alpha, expected[..., -1])
