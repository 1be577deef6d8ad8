"""Coding a region: grids with an origin, tiles left out or coarse, and what decoders make of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import second_decoder
from container_samples import join, split
from golden.make import noise
from pictures import photograph

import texcodec
from texcodec.codec.padding import fade_out
from texcodec.container import CROP, Crop, Reader, pack_crop, unpack_crop, write
from texcodec.crop import Profile, write_profile
from texcodec.errors import CorruptError, ParameterError
from texcodec.fusion import REACH, WINDOW, seam_blocks
from texcodec.tiles import Box, Grid

SET = Path(__file__).parents[1] / "models" / "tiny-1"
REGION = (101, 77, 150, 100)
INSIDE = slice(77, 177), slice(101, 251)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return photograph(420, 330, seed=3)


@pytest.fixture(scope="module", params=["drop", "coarse"])
def coded(request: pytest.FixtureRequest, picture: np.ndarray) -> bytes:
    return texcodec.encode(picture, models=SET, tile=128, quality=60, crop=REGION, outside=request.param)


@pytest.mark.parametrize("extent", [(1, 1), (5, 40), (128, 129), (300, 257)])
@pytest.mark.parametrize("origin", [(0, 0), (1, 5), (16, 127), (127, 0), (70, 100)])
def test_tiles_of_any_grid_cover_every_pixel_once(extent: tuple[int, int], origin: tuple[int, int]) -> None:
    grid = Grid(*extent, 7, *origin)
    count = np.zeros((extent[1], extent[0]), int)
    for index in range(len(grid)):
        box, latents = grid.box(index), grid.latent_box(index)
        box.cut(count)[...] += 1
        assert grid.touching(box) == [index]
        assert latents.left <= box.left < latents.left + 16
        assert latents.right - 16 < box.right <= latents.right
        assert (latents.left - origin[0]) % 16 == (latents.bottom - origin[1]) % 16 == 0
    assert (count == 1).all()
    assert grid.touching(grid.picture) == list(range(len(grid)))


@pytest.mark.parametrize("extent", [(40, 40), (129, 257), (300, 140)])
@pytest.mark.parametrize("origin", [(0, 0), (1, 5), (16, 127), (70, 100)])
def test_fusion_blocks_cover_all_seams_once_and_lie_between_two_tiles(
    extent: tuple[int, int], origin: tuple[int, int]
) -> None:
    grid = Grid(*extent, 7, *origin)
    expected, count = np.zeros((extent[1], extent[0]), int), np.zeros((extent[1], extent[0]), int)
    for x in grid.seams()[0]:
        expected[:, max(x - REACH, 0) : x + REACH] = 1
    for y in grid.seams()[1]:
        expected[max(y - REACH, 0) : y + REACH] = 1
    for block in seam_blocks(grid):
        block.box.cut(count)[...] += 1
        assert len(grid.touching(block.box)) == 2
        first, n = (
            (block.box.top, block.box.height) if block.horizontal else (block.box.left, block.box.width)
        )
        window = 1 - ((np.arange(first, first + n) - block.seam + 0.5) / REACH) ** 2
        np.testing.assert_allclose(WINDOW[block.cut_before :][:n], window, atol=1e-6)
    np.testing.assert_array_equal(count, expected)


def test_grid_starts_at_the_corner_of_the_region(coded: bytes) -> None:
    with texcodec.open(coded) as file:
        assert (file.header.origin_x, file.header.origin_y) == (101, 77)
        assert file.header.minor == 1
        assert file.crop is not None
        assert file.crop.region == REGION
        inside = Grid(420, 330, 7, 101, 77).touching(Box(101, 77, 251, 177))
        outside = [entry for i, entry in enumerate(file.tiles) if i not in inside]
        if file.crop.outside == "drop":
            assert all(entry.absent for entry in outside)
        else:
            assert {file.header.rate_index + entry.offset for entry in outside} == {0}
        assert not any(file.tiles[i].absent for i in inside)


def test_region_is_close_and_the_rest_is_neutral_or_coarse(coded: bytes, picture: np.ndarray) -> None:
    with texcodec.open(coded) as file:
        whole = np.asarray(file.decode(models=SET)).astype(int)
        assert file.crop is not None
        dropped = file.crop.outside == "drop"
    error = np.abs(whole - picture)
    assert error[INSIDE].mean() < 6
    assert whole.shape == picture.shape
    if dropped:
        assert (whole[:60] == 128).all()
        assert (whole[:, :80] == 128).all()
    else:
        assert error[:60].mean() < 40


def test_crop_only_is_the_crop_of_the_whole(coded: bytes) -> None:
    whole = np.asarray(texcodec.decode(coded, models=SET))
    part = np.asarray(texcodec.decode(coded, models=SET, crop_only=True))
    np.testing.assert_array_equal(part, whole[INSIDE])


@pytest.mark.parametrize("region", [(0, 0, 1, 1), (90, 60, 40, 40), (240, 190, 180, 140), (0, 70, 420, 20)])
def test_any_region_of_a_grid_with_an_origin_equals_the_crop(
    region: tuple[int, int, int, int], coded: bytes
) -> None:
    whole = np.asarray(texcodec.decode(coded, models=SET))
    x, y, w, h = region
    part = np.asarray(texcodec.decode(coded, models=SET, region=region, threads=1))
    np.testing.assert_array_equal(part, whole[y : y + h, x : x + w])


def test_second_decoder_agrees(coded: bytes) -> None:
    second = second_decoder.decode(coded, second_decoder.ModelSet(SET))
    with texcodec.open(coded) as file:
        assert file.symbols_hash(models=SET) == second.symbols_hash()
        pixels = np.asarray(file.decode(models=SET)).astype(int)
    assert np.abs(pixels - second.pixels).max() <= 1


@pytest.mark.parametrize("origin", [(3, 127), (15, 1), (120, 16)])
@pytest.mark.parametrize("outside", ["drop", "coarse"])
def test_decoders_agree_where_the_first_tiles_are_narrow(origin: tuple[int, int], outside: str) -> None:
    data = texcodec.encode(
        photograph(170, 150), models=SET, tile=128, crop=(*origin, 40, 20), outside=outside, threads=1
    )
    second = second_decoder.decode(data, second_decoder.ModelSet(SET))
    with texcodec.open(data) as file:
        assert file.symbols_hash(models=SET) == second.symbols_hash()
        assert np.abs(np.asarray(file.decode(models=SET)).astype(int) - second.pixels).max() <= 1


def test_dropped_file_holds_nothing_of_what_is_outside(picture: np.ndarray) -> None:
    other = np.full_like(picture, 7)
    other[INSIDE] = picture[INSIDE]
    first, second = (texcodec.encode(p, models=SET, tile=128, crop=REGION) for p in (picture, other))
    assert first == second


def test_dropping_saves_what_lies_outside(picture: np.ndarray) -> None:
    sizes = {
        outside: len(texcodec.encode(picture, models=SET, crop=REGION, outside=outside, quality=60))
        for outside in ("drop", "coarse")
    }
    assert sizes["drop"] < sizes["coarse"] < len(texcodec.encode(picture, models=SET, quality=60))


def test_region_costs_little_more_than_the_cropped_picture() -> None:
    picture = noise(260, 300)
    alone = texcodec.encode(np.ascontiguousarray(picture[40:180, 70:240]), models=SET, quality=60)
    data = texcodec.encode(picture, models=SET, crop=(70, 40, 170, 140), quality=60)
    assert len(alone) * 3 < len(texcodec.encode(picture, models=SET, quality=60)) * 1.1
    assert len(data) < 1.15 * len(alone)


@pytest.mark.parametrize(
    ("size", "tile"), [((200, 200), 256), ((300, 130), 128), ((90, 90), 128), ((500, 250), 256)]
)
def test_tiles_are_small_where_large_ones_reach_far_beyond_the_region(
    size: tuple[int, int], tile: int
) -> None:
    data = texcodec.encode(photograph(560, 300), models=SET, crop=(20, 10, *size), quality=30)
    assert Reader(data).header.tile == tile


def test_fine_region_in_a_coarse_picture_has_its_rate(picture: np.ndarray) -> None:
    data = texcodec.encode(picture, models=SET, tile=128, crop=REGION, outside="coarse", quality=100)
    with texcodec.open(data) as file:
        rates = {file.header.rate_index + entry.offset for entry in file.tiles}
        assert min(rates) == 0
        assert max(rates) > 128 + file.header.rate_index // 2
        assert not file.header.fusion


def test_alpha_is_transparent_where_the_picture_was_left_out(picture: np.ndarray) -> None:
    opaque = np.concatenate([picture, np.full((*picture.shape[:2], 1), 200, np.uint8)], -1)
    data = texcodec.encode(opaque, models=SET, crop=REGION)
    alpha = np.asarray(texcodec.decode(data, models=SET))[..., 3]
    assert (alpha[INSIDE] == 200).all()
    assert alpha.astype(int).sum() == 200 * 150 * 100


@pytest.mark.parametrize("target", [{"psnr": 30.0}, {"size": 900}, {"bpp": 0.08}])
def test_targets_are_those_of_region_and_file(target: dict[str, float], picture: np.ndarray) -> None:
    warned: list[str] = []
    data = texcodec.encode(picture, models=SET, tile=128, crop=REGION, warn=warned.append, **target)  # type: ignore[arg-type]
    part = np.asarray(texcodec.decode(data, models=SET, crop_only=True)).astype(float)
    psnr = 10 * np.log10(255**2 / np.square(part - picture[INSIDE]).mean())
    assert not warned
    assert "psnr" not in target or abs(psnr - target["psnr"]) <= 0.1
    assert "size" not in target or len(data) <= target["size"]
    assert "bpp" not in target or len(data) * 8 / (420 * 330) == pytest.approx(0.08, rel=0.02)


def test_profile_its_file_and_its_rectangle_give_the_same_bytes(tmp_path: Path, picture: np.ndarray) -> None:
    profile = Profile(region=(0.25, 0.3, 0.5, 0.2))
    write_profile(profile, tmp_path / "p.json")
    box = profile.box(420, 330)
    crops = (profile, tmp_path / "p.json", (box.left, box.top, box.width, box.height))
    assert len({texcodec.encode(picture, models=SET, crop=crop) for crop in crops}) == 1


def test_picture_that_is_cropped_to_the_whole_is_the_whole(picture: np.ndarray) -> None:
    data = texcodec.encode(picture, models=SET, tile=256, crop=(0, 0, 420, 330))
    plain = texcodec.encode(picture, models=SET)
    np.testing.assert_array_equal(texcodec.decode(data, models=SET), texcodec.decode(plain, models=SET))


@pytest.mark.parametrize(
    ("crop", "outside", "says"),
    [
        ((0, 0, 0, 5), None, "empty"),
        ((0, 0, 421, 5), None, "not inside"),
        ((-1, 0, 5, 5), None, "not inside"),
        ((0, 0, 5), None, "four whole numbers"),
        (REGION, "blur", "'drop' or 'coarse'"),
        (None, "drop", "needs a crop"),
    ],
)
def test_crops_that_cannot_be_are_refused(
    crop: tuple[int, ...] | None, outside: str | None, says: str, picture: np.ndarray
) -> None:
    with pytest.raises(ParameterError, match=says):
        texcodec.encode(picture, models=SET, crop=crop, outside=outside)


def test_file_without_a_crop_has_none_to_decode(picture: np.ndarray) -> None:
    data = texcodec.encode(picture[:20, :20], models=SET)
    with pytest.raises(ParameterError, match="no crop"):
        texcodec.decode(data, models=SET, crop_only=True)
    with pytest.raises(ParameterError, match="exclude each other"):
        texcodec.decode(data, models=SET, crop_only=True, region=(0, 0, 1, 1))


def test_crop_chunk_that_lies_spoils_nothing_but_the_crop(coded: bytes) -> None:
    chunks = [
        (kind, b"\x00\x00\x00\x80\x80\x01\x01" if kind == CROP else data) for kind, data in split(coded)
    ]
    lying = join(chunks)
    with pytest.raises(CorruptError, match="does not fit"):
        texcodec.decode(lying, models=SET, crop_only=True)
    np.testing.assert_array_equal(
        np.asarray(texcodec.decode(lying, models=SET)), np.asarray(texcodec.decode(coded, models=SET))
    )


def test_crop_chunk_survives_and_checks_its_fields() -> None:
    crop = Crop(3, 200, 1, 40, "coarse")
    assert unpack_crop(pack_crop(crop), 4, 240) == crop
    for payload in (pack_crop(crop)[:-1], pack_crop(crop) + b"\0", b"\x02" + pack_crop(crop)[1:], b""):
        with pytest.raises(CorruptError):
            unpack_crop(payload, 4, 240)
    for width, height in ((3, 240), (4, 239)):
        with pytest.raises(CorruptError):
            unpack_crop(pack_crop(crop), width, height)


def test_damaged_tile_of_a_region_is_salvaged_like_any_other(picture: np.ndarray) -> None:
    data = bytearray(texcodec.encode(picture, models=SET, tile=128, crop=(101, 77, 200, 100)))
    reader = Reader(bytes(data))
    present = [i for i, entry in enumerate(reader.tiles) if not entry.absent]
    data[reader.tile_offset(present[0]) + 3] ^= 1
    warned: list[str] = []
    with texcodec.open(bytes(data), salvage=True) as file:
        pixels = np.asarray(file.decode(models=SET, warn=warned.append))
        assert file.damaged == present[:1] and len(warned) == 1
    assert (pixels[77:177, 101:200] == 128).all()
    assert (pixels[77:177, 260:300] != 128).any()


def test_old_readers_see_a_field_they_refuse(coded: bytes) -> None:
    """Version 1.0 defined flag 4 and told decoders to refuse an origin other than 0, 0."""
    header = Reader(coded).header
    assert header.origin_x or header.origin_y
    thdr = coded[8 + 8 :]
    assert thdr[:3] == bytes([1, 1, thdr[2]])
    assert thdr[2] & 0x10


def test_second_crop_chunk_is_refused(coded: bytes) -> None:
    reader = Reader(coded)
    payloads = [reader.tile_bytes(i) for i in range(len(reader.tiles))]
    twice = [*reader.ancillary, (CROP, reader.chunks[CROP])]
    with pytest.raises(ParameterError, match="only once"):
        write(replace(reader.header), payloads, reader.tiles, twice)


def test_fade_continues_the_region_and_ends_in_one_colour() -> None:
    region = photograph(20, 12)
    out = fade_out(region.transpose(2, 0, 1), 90, 60).transpose(1, 2, 0)
    np.testing.assert_array_equal(out[:12, :20], region)
    assert np.abs(out[:12, 20].astype(int) - region[:, 19]).max() <= 16
    assert (out[:12, 28:] == out[0, 28]).all()
    assert (out[20:] == out[20, 0]).all()
