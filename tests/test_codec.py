"""Encoding and decoding with the codec: sizes, rates, regions, and what a file holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import photograph
from PIL import Image

import texcodec
from texcodec.codec.rate_control import psnr
from texcodec.container import Reader

SET = "tiny-1"


def round_trip(pixels: np.ndarray, **options: object) -> np.ndarray:
    return np.asarray(texcodec.decode(texcodec.encode(pixels, models=SET, **options)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 40), (40, 1), (15, 17), (16, 16), (255, 257), (256, 256), (272, 300), (513, 30)]
)
def test_every_size_comes_back_with_its_size_and_close(size: tuple[int, int]) -> None:
    pixels = photograph(*size)
    decoded = round_trip(pixels, quality=80)
    assert decoded.shape == pixels.shape
    assert psnr(pixels, decoded) > 20  # the small set keeps few coefficients


def test_grey_picture_stays_grey() -> None:
    pixels = photograph(70, 50)[:, :, 1]
    image = texcodec.decode(texcodec.encode(pixels, models=SET, quality=80))
    assert image.mode == "L"
    assert psnr(pixels[..., None], np.asarray(image)[..., None]) > 27


def test_alpha_is_lossless_and_colour_is_coded() -> None:
    pixels = np.dstack([photograph(90, 60), np.arange(90 * 60).reshape(60, 90).astype(np.uint8)])
    image = texcodec.decode(texcodec.encode(pixels, models=SET))
    assert image.mode == "RGBA"
    np.testing.assert_array_equal(np.asarray(image)[:, :, 3], pixels[:, :, 3])


def test_metadata_travels_and_can_be_left_out() -> None:
    image = Image.fromarray(photograph(40, 30))
    image.info["icc_profile"] = b"profile bytes"
    kept = texcodec.open(texcodec.encode(image, models=SET))
    assert kept.metadata["icc"] == b"profile bytes"
    assert kept.decode().info["icc_profile"] == b"profile bytes"
    assert not texcodec.open(texcodec.encode(image, models=SET, metadata=False)).metadata


def test_rate_and_psnr_rise_with_quality() -> None:
    pixels = photograph(400, 300)
    files = [texcodec.encode(pixels, quality=q, models=SET) for q in range(1, 101, 9)]
    sizes = [len(f) for f in files]
    quality = [psnr(pixels, np.asarray(texcodec.decode(f))) for f in files]
    assert sizes == sorted(set(sizes))
    assert quality == sorted(set(quality))


@pytest.mark.parametrize("bpp", [0.08, 0.15, 0.3])
def test_bits_a_pixel_are_met_within_two_percent(bpp: float) -> None:
    pixels = photograph(400, 300)
    data = texcodec.encode(pixels, bpp=bpp, models=SET)
    assert len(data) * 8 / (400 * 300) == pytest.approx(bpp, rel=0.02)


@pytest.mark.parametrize("size", [1000, 2000, 4011])
def test_size_is_never_exceeded_and_nearly_used(size: int) -> None:
    data = texcodec.encode(photograph(400, 300), size=size, models=SET)
    assert 0.96 * size <= len(data) <= size


@pytest.mark.parametrize("target", [31.0, 34.0])
def test_psnr_is_met_within_a_tenth_of_a_decibel(target: float) -> None:
    pixels = photograph(400, 300)
    data = texcodec.encode(pixels, psnr=target, models=SET)
    assert psnr(pixels, np.asarray(texcodec.decode(data))) == pytest.approx(target, abs=0.1)


def test_targets_out_of_reach_use_the_nearest_end_and_say_so() -> None:
    said: list[str] = []
    pixels = photograph(64, 64)
    smallest = texcodec.encode(pixels, size=10, models=SET, notice=said.append)
    best = texcodec.encode(pixels, psnr=99.0, models=SET, notice=said.append)
    assert len(said) == 2 and all("out of" in s for s in said)
    assert len(smallest) < len(best)


def test_two_targets_are_refused() -> None:
    with pytest.raises(texcodec.ParameterError, match="at most one"):
        texcodec.encode(photograph(20, 20), quality=50, bpp=1.0)


@pytest.mark.parametrize("quality", [0, 101, float("nan")])
def test_quality_out_of_range_is_refused(quality: float) -> None:
    with pytest.raises(texcodec.ParameterError, match="quality"):
        texcodec.encode(photograph(20, 20), quality=quality)


@pytest.fixture(scope="module")
def large() -> tuple[bytes, np.ndarray]:
    data = texcodec.encode(photograph(600, 560), quality=35, models=SET)
    return data, np.asarray(texcodec.decode(data))


CORNERS = [
    (0, 0, 1, 1),
    (599, 559, 1, 1),
    (250, 250, 12, 12),
    (240, 0, 40, 560),
    (0, 500, 600, 60),
    (10, 20, 100, 30),
]


@pytest.mark.parametrize("region", CORNERS)
def test_region_equals_the_crop_of_the_whole(
    region: tuple[int, int, int, int], large: tuple[bytes, np.ndarray]
) -> None:
    data, whole = large
    x, y, w, h = region
    np.testing.assert_array_equal(
        np.asarray(texcodec.decode(data, region=region)), whole[y : y + h, x : x + w]
    )


@given(st.integers(0, 599), st.integers(0, 559), st.integers(1, 90), st.integers(1, 90))
@settings(max_examples=12, deadline=None, derandomize=True)
def test_any_region_equals_the_crop(x: int, y: int, w: int, h: int) -> None:
    data = texcodec.encode(photograph(600, 560), quality=35, models=SET) if not CACHE else CACHE[0]
    whole = np.asarray(texcodec.decode(data)) if not CACHE else CACHE[1]
    CACHE[:] = [data, whole]
    w, h = min(w, 600 - x), min(h, 560 - y)
    np.testing.assert_array_equal(
        np.asarray(texcodec.decode(data, region=(x, y, w, h))), whole[y : y + h, x : x + w]
    )


CACHE: list = []


def test_region_decodes_although_a_tile_outside_is_damaged(large: tuple[bytes, np.ndarray]) -> None:
    data, whole = large
    damaged = bytearray(data)
    reader = Reader(data)
    damaged[reader.tile_offset(8) + 5] ^= 0x40
    np.testing.assert_array_equal(
        np.asarray(texcodec.decode(bytes(damaged), region=(0, 0, 200, 200))), whole[:200, :200]
    )
    with pytest.raises(texcodec.ChecksumError, match="8"):
        texcodec.decode(bytes(damaged))


def test_region_reads_only_the_tiles_it_needs(
    large: tuple[bytes, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    original = Reader.tile_bytes

    def counting(self: Reader, index: int) -> bytes:
        read.append(index)
        return original(self, index)

    monkeypatch.setattr(Reader, "tile_bytes", counting)
    texcodec.decode(large[0], region=(0, 0, 100, 100))
    assert sorted(read) == [0, 1, 3, 4]


@pytest.mark.parametrize("region", [(0, 0, 0, 5), (-1, 0, 5, 5), (590, 0, 20, 5), (0, 0, 5), (0, 555, 5, 6)])
def test_region_outside_the_picture_is_refused(
    region: tuple[int, ...], large: tuple[bytes, np.ndarray]
) -> None:
    with pytest.raises(texcodec.ParameterError, match="region"):
        texcodec.decode(large[0], region=region)


def test_small_tiles_work_too() -> None:
    pixels = photograph(300, 200)
    data = texcodec.encode(pixels, tile=128, quality=60, models=SET)
    assert len(texcodec.open(data).tiles) == 6
    whole = np.asarray(texcodec.decode(data))
    assert psnr(pixels, whole) > 25
    np.testing.assert_array_equal(
        np.asarray(texcodec.decode(data, region=(100, 90, 70, 80))), whole[90:170, 100:170]
    )


def test_classes_follow_texture() -> None:
    flat, busy = np.full((256, 256, 3), 90, np.uint8), photograph(256, 256)
    busy = np.random.default_rng(0).integers(0, 255, busy.shape, dtype=np.uint8)
    data = texcodec.encode(np.concatenate([flat, busy], 1), models=SET)
    assert [t.cls for t in texcodec.open(data).tiles] == [0, 2]


def test_estimate_is_within_one_percent_of_the_bytes() -> None:
    from texcodec.codec.analysis import analyse
    from texcodec.codec.tile_coder import TileCoder
    from texcodec.codec.workers import Workers
    from texcodec.images import from_array
    from texcodec.registry import load_set

    models = load_set(SET)
    coder = TileCoder(models)
    with Workers(1) as workers:
        analysed = analyse(from_array(photograph(256, 256)), models, workers, tile_log2=8)
    for rate in (30, 120, 220):
        tile = coder.quantise(analysed.latents[0], analysed.classes[0], rate)
        assert coder.bits(tile, rate) == pytest.approx(8 * len(coder.write(tile, rate)), rel=0.01, abs=40)
