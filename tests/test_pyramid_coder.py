"""Entropy profile 2, end to end, with a small set of the tests' own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from golden.make import scene

import texcodec
from texcodec.codec.pyramid_coder import PyramidCoder
from texcodec.codec.tile import AnalysedTile
from texcodec.container import Reader
from texcodec.errors import CorruptError, FormatError
from texcodec.networks import sessions
from texcodec.registry import PyramidSet
from texcodec.tiles import Grid

SET = Path(__file__).parent / "data" / "tiny-2"


@pytest.fixture(scope="module")
def models() -> PyramidSet:
    return PyramidSet(SET)


def latents(models: PyramidSet, height: int, width: int, spread: float = 300.0) -> AnalysedTile:
    random = np.random.default_rng([height, width])
    size = models.manifest.latent_channels, height, width
    return AnalysedTile(1, random.normal(0, spread, size).astype(np.float32))


def tile_grid(height: int, width: int) -> Grid:
    return Grid(16 * width, 16 * height, 8)


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (3, 3), (4, 5), (5, 16), (15, 13), (16, 16)])
@pytest.mark.parametrize("rate", [0, 130, 255])
def test_tiles_of_every_shape_come_back(models: PyramidSet, shape: tuple[int, int], rate: int) -> None:
    coder = PyramidCoder(models)
    tile = coder.quantise(latents(models, *shape), rate)
    payload = coder.write(tile, 0)
    found = coder.read(payload, 1, rate, tile_grid(*shape), 0)
    for name in ("hyper", "symbols", "values", "scales", "gains"):
        np.testing.assert_array_equal(getattr(found, name), getattr(tile, name), err_msg=name)
    assert found.slices == tile.slices
    # what stands beside the symbols: their checksum, half a word of the state, rounding
    assert coder.bits(tile) - 8 <= 8 * len(payload) <= 1.01 * coder.bits(tile) + 64


def test_slices_without_symbols_are_left_out(models: PyramidSet) -> None:
    coder = PyramidCoder(models)
    flat = AnalysedTile(0, np.zeros((models.manifest.latent_channels, 8, 8), np.float32))
    tile = coder.quantise(flat, 20)
    first = models.manifest.slices[0]
    assert tile.slices == 1
    assert not tile.values[first:].any()
    busy = coder.quantise(latents(models, 8, 8), 255)
    assert busy.slices == len(models.manifest.slices)


def test_gains_differ_between_blocks_and_spare_the_means(models: PyramidSet) -> None:
    gains = PyramidCoder(models).quantise(latents(models, 8, 8), 100).gains
    assert gains is not None
    means = models.gain_planes == 0
    assert (gains[means] == 1).all()
    assert len(np.unique(gains[~means])) > 4


def test_another_number_of_slices_is_refused(models: PyramidSet) -> None:
    coder = PyramidCoder(models)
    tile = coder.quantise(latents(models, 4, 4), 128)
    object.__setattr__(tile, "slices", 0)
    with pytest.raises(CorruptError, match="slices"):
        coder.read(coder.write(tile, 0), 1, 128, tile_grid(4, 4), 0)


def test_every_changed_byte_is_noticed(models: PyramidSet) -> None:
    coder = PyramidCoder(models)
    payload = coder.write(coder.quantise(latents(models, 2, 3), 90), 0)
    for place in range(len(payload)):
        changed = bytearray(payload)
        changed[place] ^= 0x24
        with pytest.raises(CorruptError):
            coder.read(bytes(changed), 1, 90, tile_grid(2, 3), 0)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (17, 3), (16, 16), (33, 40)])
def test_small_pictures_come_back(models: PyramidSet, size: tuple[int, int]) -> None:
    picture = scene(*size) if min(size) > 4 else np.full((*size, 3), 90, np.uint8)
    data = texcodec.encode(picture, quality=60, models=models)
    found = np.asarray(texcodec.decode(data, models=models)).astype(int)
    assert found.shape == picture.shape
    assert np.square(found - picture).mean() < 300


def test_regions_equal_the_whole_and_threads_change_nothing(models: PyramidSet) -> None:
    picture = scene(150, 300)
    data = texcodec.encode(picture, quality=50, models=models, tile=128, threads=1)
    assert data == texcodec.encode(picture, quality=50, models=models, tile=128, threads=2)
    whole = np.asarray(texcodec.decode(data, models=models))
    for x, y, w, h in ((0, 0, 300, 150), (120, 100, 20, 40), (250, 0, 50, 30), (127, 127, 2, 2)):
        part = np.asarray(texcodec.decode(data, models=models, region=(x, y, w, h)))
        np.testing.assert_array_equal(part, whole[y : y + h, x : x + w])


@pytest.mark.parametrize("level", ["none", "all"])
def test_symbols_do_not_depend_on_how_networks_are_optimised(
    models: PyramidSet, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = texcodec.encode(scene(70, 90), quality=40, models=models)
    with texcodec.open(data) as file:
        expected = file.symbols_hash(models=models)
        monkeypatch.setattr(sessions, "optimisation_level", level)
        assert file.symbols_hash(models=PyramidSet(SET)) == expected


def test_damaged_tile_is_salvaged_around(models: PyramidSet) -> None:
    data = texcodec.encode(scene(150, 300), quality=50, models=models, tile=128)
    reader = Reader(data)
    payload = reader.tile_bytes(1)
    place = data.index(payload) + len(payload) // 2
    damaged = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    with pytest.raises(FormatError):
        texcodec.decode(damaged, models=models)
    warnings: list[str] = []
    found = np.asarray(texcodec.decode(damaged, models=models, salvage=True, warn=warnings.append))
    whole = np.asarray(texcodec.decode(data, models=models))
    assert any("Tile 1" in sentence for sentence in warnings)
    np.testing.assert_array_equal(found[:, :100], whole[:, :100])
