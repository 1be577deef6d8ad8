"""texcodec against the second decoder with every released model set for pictures, and what entropy profile 2 adds."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import second_decoder
from golden.make import noise, scene
from second_decoder.entropy import TileSymbols
from second_decoder.fields import Refused
from second_decoder.pyramid import PASSES, join_block_means
from second_decoder.pyramid import predict as predict_everywhere

import texcodec
from texcodec.codec import pyramid_coder
from texcodec.container import ABSENT, DRAWN, Reader, TileEntry, tile_entry, write
from texcodec.entropy import lifting, pyramid

ROOT = Path(__file__).parents[1]


def folder_of(name: str) -> Path:
    """A released set, or one that the tests bring."""
    return ROOT / ("models" if name in RELEASED else "tests/data") / name


def _manifest(name: str) -> dict[str, object]:
    manifest: dict[str, object] = json.loads((folder_of(name) / "manifest.json").read_text("utf-8"))
    return manifest


RELEASED = [
    line.split()[0]
    for line in (ROOT / "models" / "RELEASED").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]
PICTURES = [
    name
    for name in dict.fromkeys([*RELEASED, "tiny-2"])
    if _manifest(name).get("kind", "pictures") == "pictures"
]
PROFILE_2 = [name for name in PICTURES if _manifest(name)["entropy_profile"] == 2]


@cache
def second_set(name: str) -> second_decoder.ModelSet:
    return second_decoder.ModelSet(folder_of(name))


def encode(name: str, picture: np.ndarray, **settings: object) -> bytes:
    # noise comes out far from the picture, of which the encoder warns
    quiet = {"warn": lambda sentence: None}
    return texcodec.encode(picture, models=folder_of(name), threads=1, **quiet, **settings)  # type: ignore[arg-type]


def soft(height: int, width: int) -> np.ndarray:
    """A picture with little detail; its faint grain keeps encoders from taking it for a drawing."""
    y, x = np.mgrid[:height, :width]
    return (90 + x + y + noise(height, width, 1)[..., 0] // 64)[..., None].repeat(3, -1).astype(np.uint8)


def agreed(data: bytes, name: str) -> second_decoder.Decoded:
    """Symbols are equal, pixels within one level; what the second decoder made of the file."""
    second, folder = second_decoder.decode(data, second_set(name)), folder_of(name)
    with texcodec.open(data) as file:
        assert file.symbols_hash(models=folder) == second.symbols_hash()
        pixels = file.decode_picture(models=folder).pixels
    assert pixels.shape == second.pixels.shape
    assert np.abs(pixels.astype(int) - second.pixels).max() <= 1
    return second


@pytest.mark.parametrize("name", PICTURES)
def test_identity_is_that_of_the_manifest(name: str) -> None:
    assert second_set(name).identity.hex() == _manifest(name)["identity"]


@pytest.mark.parametrize(
    ("height", "width", "tile", "quality"),
    [
        (1, 1, None, 50),
        (33, 17, None, 1),
        (16, 65, None, 100),
        (90, 70, None, 72.5),
        (150, 140, 128, 8),
        (129, 145, 128, 60),
    ],
)
@pytest.mark.parametrize("name", PICTURES)
def test_decoders_agree_with_every_released_set(
    name: str, height: int, width: int, tile: int | None, quality: float
) -> None:
    agreed(encode(name, scene(height, width), quality=quality, tile=tile), name)


@pytest.mark.parametrize("name", PICTURES)
def test_decoders_agree_on_noise_and_on_soft_pictures(name: str) -> None:
    for picture, quality in ((noise(40, 48), 85), (soft(40, 48), 30)):
        (tile,) = agreed(encode(name, picture, quality=quality), name).symbols
        assert isinstance(tile, TileSymbols)


@pytest.mark.parametrize("name", PICTURES)
def test_decoders_agree_on_grids_with_an_origin(name: str) -> None:
    data = encode(name, scene(150, 170), quality=40, crop=(37, 41, 100, 90), outside="coarse")
    second = agreed(data, name)
    assert second.file.header.origin != (0, 0)
    assert len({tile.rate for tile in second.file.tiles}) > 1


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("missing", [{1, 3}, {0}, {4}])
def test_decoders_agree_beside_absent_tiles(name: str, missing: set[int]) -> None:
    reader = Reader(encode(name, scene(140, 270), quality=50, tile=128))
    payloads = [b"" if i in missing else reader.tile_bytes(i) for i in range(6)]
    entries = [TileEntry(0, ABSENT) if i in missing else entry for i, entry in enumerate(reader.tiles)]
    agreed(write(reader.header, payloads, entries), name)


@pytest.mark.parametrize("name", PROFILE_2)
@pytest.mark.parametrize("place", [0, 1])
def test_lapped_transforms_of_both_decoders_stop_at_drawn_tiles(name: str, place: int) -> None:
    reader = Reader(encode(name, noise(128, 384), quality=80, tile=128))
    page = Reader(texcodec.encode(scene(128, 128), lossless=True, threads=1))
    assert page.tiles[0].drawn
    payloads, entries = [reader.tile_bytes(i) for i in range(3)], list(reader.tiles)
    payloads[place] = page.tile_bytes(0)
    entries[place] = tile_entry(
        place, payloads[place], class_index=DRAWN, symbols_crc=page.tiles[0].symbols_crc
    )
    second = agreed(write(replace(reader.header, drawn=True), payloads, entries), name)
    assert [isinstance(tile, TileSymbols) for tile in second.symbols] == [i != place for i in range(3)]
    assert np.array_equal(second.pixels[:, 128 * place : 128 * place + 128], scene(128, 128))


@pytest.mark.parametrize("name", PROFILE_2)
def test_slices_that_a_tile_does_not_need_are_not_coded(name: str) -> None:
    count = len(second_set(name).slices)
    (coarse,) = agreed(encode(name, soft(64, 64), quality=5), name).symbols
    (noisy,) = agreed(encode(name, noise(64, 64), quality=85), name).symbols
    assert isinstance(coarse, TileSymbols)
    assert isinstance(noisy, TileSymbols)
    assert 1 <= coarse.slices < noisy.slices == count
    coded = sum(second_set(name).slices[: coarse.slices])
    assert not coarse.values[coded:].any()


@pytest.mark.parametrize("name", [n for n in PROFILE_2 if _manifest(n).get("gains")])
def test_gains_are_not_all_one(name: str) -> None:
    (tile,) = agreed(encode(name, scene(64, 80), quality=60), name).symbols
    assert isinstance(tile, TileSymbols)
    assert (tile.gains != 1).any()


@pytest.mark.parametrize("name", PROFILE_2)
@pytest.mark.parametrize("state", [0, 1, (1 << 24) - 1])
def test_stream_that_does_not_end_in_its_checksum_is_refused(
    name: str, state: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = scene(64, 80)
    agreed(encode(name, picture, quality=60), name)
    with monkeypatch.context() as patch:
        patch.setattr(pyramid_coder, "checksum", lambda tile, index: state)
        data = encode(name, picture, quality=60)
    with pytest.raises(Refused, match="the state is"):
        second_decoder.decode(data, second_set(name))
    with pytest.raises(texcodec.FormatError):
        texcodec.decode(data, models=folder_of(name))


@pytest.mark.parametrize("name", PROFILE_2)
def test_profile_that_is_not_that_of_the_set_is_refused(name: str) -> None:
    reader = Reader(encode(name, scene(20, 30), quality=60))
    header = replace(reader.header, entropy_profile=1, identity=second_set(name).identity)
    payload = reader.tile_bytes(0)
    data = write(header, [payload], [tile_entry(0, payload, class_index=0, symbols_crc=0)])
    with pytest.raises(Refused, match="the entropy profile is that of the model set"):
        second_decoder.decode(data, second_set(name))
    with pytest.raises(texcodec.FormatError, match="entropy profile"):
        texcodec.decode(data, models=folder_of(name))


@pytest.mark.parametrize("largest", [3, 1 << 12, 786_000])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (2, 2), (3, 5), (8, 1), (16, 16), (7, 12)])
def test_block_means_of_both_decoders_are_equal(height: int, width: int, largest: int) -> None:
    coefficients = np.random.default_rng(height).integers(-largest, largest + 1, (3, height, width), np.int32)
    assert np.array_equal(lifting.inverse(coefficients), join_block_means(coefficients))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (2, 2), (3, 5), (8, 1), (16, 15)])
def test_predictions_of_both_decoders_are_equal_at_every_offset(height: int, width: int) -> None:
    source = np.random.default_rng(width)
    weights = source.integers(-(1 << 15), 1 << 15, (4, 7, 3, 3)).astype(np.int16)
    planes = source.integers(-(1 << 22), (1 << 22) + 1, (7, height, width), np.int32)
    everywhere = predict_everywhere(weights, planes)
    for places, (spacing, offsets) in zip(pyramid.PASSES, PASSES, strict=True):
        assert (places.spacing, places.offsets) == (spacing, offsets)
        for a, b in offsets:
            assert np.array_equal(pyramid.predict(weights, planes, (a, b)), everywhere[:, a::2, b::2])
