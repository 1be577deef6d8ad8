"""Previews: a pixel for each 16 x 16 pixels, from the first slice alone where the file allows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pictures import photograph
from PIL import Image

import texcodec
from texcodec.cli.app import run
from texcodec.codec.latent_coder import LatentCoder
from texcodec.container import ABSENT, Reader, TileEntry, write
from texcodec.registry import ModelSet

PROFILE_2 = Path(__file__).parent / "data" / "tiny-2"
SETS = ["tiny-1", PROFILE_2]


def preview(data: bytes, models: str | Path, **options: object) -> np.ndarray:
    with texcodec.open(data) as file:
        return np.asarray(file.preview(models=models, threads=1, **options))  # type: ignore[arg-type]


def averages(pixels: np.ndarray, x: int = 0, y: int = 0) -> np.ndarray:
    """Means over squares of 16 x 16 whose lines lie at x and y modulo 16, block by block."""
    rows = [0, *[i for i in range(1, pixels.shape[0]) if i % 16 == y % 16], pixels.shape[0]]
    columns = [0, *[i for i in range(1, pixels.shape[1]) if i % 16 == x % 16], pixels.shape[1]]
    return np.array(
        [
            [pixels[a:b, c:d].reshape(-1, *pixels.shape[2:]).mean(0) for c, d in zip(columns, columns[1:])]
            for a, b in zip(rows, rows[1:])
        ]
    )


@pytest.mark.parametrize("models", SETS, ids=str)
@pytest.mark.parametrize("size", [(1, 1), (16, 17), (150, 300), (257, 40)], ids=str)
def test_preview_is_near_the_averages_of_the_picture(size: tuple[int, int], models: str | Path) -> None:
    pixels = photograph(size[1], size[0])
    data = texcodec.encode(pixels, models=models, quality=80, tile=128, threads=1)
    small = preview(data, models)
    assert small.shape == (-(-size[0] // 16), -(-size[1] // 16), 3)
    decoded = np.asarray(texcodec.decode(data, models=models))
    assert np.abs(small - averages(decoded)).mean() < 4


@pytest.mark.parametrize("models", SETS, ids=str)
def test_preview_of_a_grid_with_an_origin_has_a_pixel_per_lattice_square(models: str | Path) -> None:
    data = texcodec.encode(
        photograph(300, 200),
        models=models,
        quality=80,
        tile=128,
        crop=(37, 21, 150, 90),
        outside="coarse",
        threads=1,
    )
    decoded = np.asarray(texcodec.decode(data, models=models))
    expected = averages(decoded, 37, 21)
    small = preview(data, models)
    assert small.shape == expected.shape == (14, 20, 3)
    assert np.abs(small[2:6, 3:11] - expected[2:6, 3:11]).mean() < 4


def test_preview_of_profile_1_is_the_average_of_what_is_decoded() -> None:
    data = texcodec.encode(photograph(70, 50), models="tiny-1", quality=50)
    expected = np.floor(averages(np.asarray(texcodec.decode(data))) + 0.5)
    assert np.abs(preview(data, "tiny-1") - expected).max() <= 1


def test_preview_decodes_the_first_slice_only_and_makes_no_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    data = texcodec.encode(photograph(200, 100), models=PROFILE_2, quality=95)
    walked: list[int] = []
    original = LatentCoder._walk

    def walk(self: LatentCoder, features: np.ndarray, choose: object, slices: int) -> object:
        walked.append(slices)
        return original(self, features, choose, slices)  # type: ignore[arg-type]

    def refuse(*_: object) -> None:
        raise AssertionError("a preview needs no such network")

    monkeypatch.setattr(LatentCoder, "_walk", walk)
    for name in ("context", "synthesis", "fusion"):
        monkeypatch.setattr(ModelSet, name, refuse)
    assert preview(data, PROFILE_2).shape == (7, 13, 3)
    assert walked == [1]


def test_grey_alpha_metadata_and_drawn_tiles_have_previews() -> None:
    alpha = np.full((40, 50), 90, np.uint8)
    grey = texcodec.encode(np.dstack([photograph(50, 40)[..., 0], alpha]), models=PROFILE_2)
    with texcodec.open(grey) as file:
        small = file.preview(models=PROFILE_2)
    assert small.mode == "LA" and (np.asarray(small)[..., 1] == 90).all()
    pixels = np.kron(np.arange(12, dtype=np.uint8).reshape(3, 4) * 20, np.ones((16, 16), np.uint8))
    lossless = texcodec.encode(pixels, lossless=True)
    np.testing.assert_array_equal(preview(lossless, "tiny-1"), np.arange(12).reshape(3, 4) * 20)


def test_absent_and_damaged_tiles_stay_grey() -> None:
    data = texcodec.encode(photograph(256, 128), models=PROFILE_2, tile=128)
    reader = Reader(data)
    payloads = [reader.tile_bytes(0), b""]
    gap = write(reader.header, payloads, [reader.tiles[0], TileEntry(0, ABSENT)])
    whole = preview(data, PROFILE_2)
    small = preview(gap, PROFILE_2)
    assert (small[:, 8:] == 128).all()
    np.testing.assert_array_equal(small[:, :8], whole[:, :8])
    place = data.index(reader.tile_bytes(1)) + 5
    damaged = data[:place] + bytes([data[place] ^ 8]) + data[place + 1 :]
    with pytest.raises(texcodec.FormatError, match="(?i)tile 1"):
        preview(damaged, PROFILE_2)
    warned: list[str] = []
    with texcodec.open(damaged, salvage=True) as file:
        np.testing.assert_array_equal(np.asarray(file.preview(models=PROFILE_2, warn=warned.append)), small)
        assert file.damaged == [1] and len(warned) == 1


def test_command_writes_a_preview_and_refuses_regions(tmp_path: Path) -> None:
    source, out = tmp_path / "a.tcx", tmp_path / "small.png"
    source.write_bytes(texcodec.encode(photograph(100, 60), models=PROFILE_2))
    arguments = ["decode", str(source), str(out), "--preview", "--models", str(PROFILE_2)]
    assert run(arguments) == 0
    with Image.open(out) as image:
        assert image.size == (7, 4)
    assert run([*arguments, "--force", "--region", "0,0,1,1"]) == 2
    assert run([*arguments, "--force", "--crop-only"]) == 2
