"""Drawn pictures and drawn tiles: chosen by cost, shown as they are, and whole pictures without loss."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import part_drawn, photograph, window
from PIL import Image

import texcodec
from texcodec.container import ABSENT, DRAWN, PSUM, Reader
from texcodec.lossless import unpack_samples
from texcodec.registry import load_set
from texcodec.texture import colour_numbers, evenness, is_drawn

SET = "tiny-1"


def encode(picture: Any, **settings: Any) -> bytes:
    return texcodec.encode(picture, models=SET, **settings)


def pixels_of(data: bytes, **settings: Any) -> np.ndarray:
    return np.asarray(texcodec.decode(data, **settings))


def classes_of(data: bytes) -> list[int]:
    return [entry.class_index for entry in Reader(data).tiles]


@pytest.fixture(scope="module")
def mixed() -> np.ndarray:
    return part_drawn(800, 500)


@pytest.fixture(scope="module")
def mixed_file(mixed: np.ndarray) -> bytes:
    return encode(mixed, quality=60)


# What is drawn


def test_texture_tells_drawings_from_photographs() -> None:
    assert is_drawn(window(256, 256)) and evenness(colour_numbers(window(256, 256))) > 0.5
    assert not is_drawn(photograph(256, 256)) and evenness(colour_numbers(photograph(256, 256))) < 0.5
    chequers = np.indices((64, 64)).sum(0)[:, :, None] % 2 * np.full(3, 255)
    assert evenness(colour_numbers(chequers)) == 0 and is_drawn(chequers.astype(np.uint8))
    assert evenness(colour_numbers(np.zeros((1, 1, 3), np.uint8))) == 1


def test_photograph_has_no_drawn_tile_and_the_bytes_it_always_had() -> None:
    data = encode(photograph(300, 270), quality=50)
    assert not Reader(data).header.drawn and DRAWN not in classes_of(data)
    assert Reader(data).header.minor == 0


def test_drawn_tiles_beside_network_tiles(mixed: np.ndarray, mixed_file: bytes) -> None:
    header, classes = Reader(mixed_file).header, np.array(classes_of(mixed_file)).reshape(2, 4)
    assert header.drawn and header.minor == 3 and header.entropy_profile == 1 and header.fusion
    assert (classes[:, 0] == DRAWN).all() and (classes[:, 1:] < header.classes).all()
    offsets = np.array([entry.offset for entry in Reader(mixed_file).tiles]).reshape(2, 4)[:, 0]
    exact = np.square(pixels_of(mixed_file)[:, :256].astype(int) - mixed[:, :256])
    assert [bool(part.any()) for part in (exact[:256], exact[256:])] == [bool(n) for n in offsets]


def test_samples_of_a_drawn_tile_are_shown_as_they_are(mixed_file: bytes) -> None:
    reader, shown = Reader(mixed_file), pixels_of(mixed_file)
    for index, rows in ((0, slice(0, 256)), (4, slice(256, 500))):
        samples = unpack_samples(reader.tile_bytes(index), rows.stop - rows.start, 256, 3)
        np.testing.assert_array_equal(shown[rows, :256], samples)


@pytest.mark.parametrize("quality", [30, 60])
def test_no_step_between_a_drawn_tile_and_a_network_tile(quality: int) -> None:
    # a grey ramp over both, its left tile made even by coarse steps
    ramp = np.broadcast_to((60 + np.arange(512) // 8)[None, :, None], (256, 512, 3)).astype(np.uint8)
    picture = np.clip(
        ramp + np.where(np.arange(512) < 256, 0, 1)[None, :, None] * (photograph(512, 256) % 5), 0, 255
    )
    data = encode(picture.astype(np.uint8), quality=quality)
    assert classes_of(data)[0] == DRAWN
    shown = pixels_of(data).astype(float)
    before, after = shown[:, 248:256].mean((0, 2)), shown[:, 256:264].mean((0, 2))
    wanted = picture[:, 256:264].mean() - picture[:, 248:256].mean()
    assert abs(after.mean() - before.mean() - wanted) < 1.5


@pytest.mark.parametrize(
    "region", [(250, 10, 12, 300), (0, 0, 256, 256), (200, 200, 300, 120), (799, 499, 1, 1)]
)
def test_region_is_the_part_of_the_whole(mixed_file: bytes, region: tuple[int, int, int, int]) -> None:
    x, y, w, h = region
    whole = pixels_of(mixed_file)
    np.testing.assert_array_equal(pixels_of(mixed_file, region=region), whole[y : y + h, x : x + w])


def test_bytes_do_not_depend_on_threads(mixed: np.ndarray, mixed_file: bytes) -> None:
    assert encode(mixed, quality=60, threads=1) == mixed_file == encode(mixed, quality=60, threads=3)


def test_drawn_picture_needs_no_network_and_no_set(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = window(600, 400)
    data = encode(picture, quality=50)
    header = Reader(data).header
    assert header.needs_no_set and header.identity == bytes(16) and header.tile == 2048
    monkeypatch.setattr("texcodec.codec.requirements.find_identity", None)
    assert np.square(pixels_of(data).astype(float) - picture).mean() < 20


def test_worse_quality_of_a_drawn_picture_is_smaller_and_no_quality_exceeds_lossless() -> None:
    picture = window(400, 300)
    sizes = [len(encode(picture, quality=q)) for q in (1, 30, 60, 100)]
    assert sizes == sorted(sizes)
    assert sizes[-1] <= len(encode(picture, lossless=True))


@pytest.mark.parametrize("kind", ["dithered", "noise", "photograph"])
def test_quality_100_never_exceeds_lossless(kind: str) -> None:
    random = np.random.default_rng(5)
    picture = {
        "dithered": (random.random((200, 300, 1)) < 0.4).astype(np.uint8) * 255,
        "noise": random.integers(0, 256, (70, 60, 3)).astype(np.uint8),
        "photograph": photograph(300, 200),
    }[kind]
    data, lossless = encode(picture, quality=100), encode(picture, lossless=True)
    assert len(data) <= len(lossless)
    if kind == "dithered":
        np.testing.assert_array_equal(pixels_of(data), np.squeeze(picture))


def test_targets_of_drawn_pictures() -> None:
    picture = window(500, 400)
    lossless = len(encode(picture, lossless=True))
    np.testing.assert_array_equal(pixels_of(encode(picture, size=lossless)), picture)
    small = encode(picture, size=lossless * 2 // 3)
    assert len(small) <= lossless * 2 // 3
    near = encode(picture, psnr=38)
    assert np.square(pixels_of(near).astype(float) - picture).mean() <= 255**2 / 10**3.79
    assert len(near) <= lossless
    assert len(encode(picture, bpp=8 * lossless / picture[:, :, 0].size)) <= 1.02 * lossless


def test_mixed_pictures_reach_a_size(mixed: np.ndarray) -> None:
    data = encode(mixed, size=25_000)
    assert len(data) <= 25_000 and DRAWN in classes_of(data)


# Without loss


def saved(image: Image.Image, kind: str = "png") -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, kind)
    return Image.open(stream)


def with_hidden_colours() -> Image.Image:
    random = np.random.default_rng(2)
    samples = random.integers(0, 256, (40, 50, 4)).astype(np.uint8)
    samples[10:30, 10:40, 3] = 0
    return Image.fromarray(samples)


PICTURES = {
    "rgb": lambda: Image.fromarray(photograph(90, 70)),
    "large": lambda: Image.fromarray(photograph(1100, 530)),
    "window": lambda: Image.fromarray(window(500, 300)),
    "grey": lambda: Image.fromarray(photograph(90, 70)[:, :, 1]),
    "palette": lambda: Image.fromarray(window(90, 70)).quantize(20),
    "bilevel": lambda: Image.fromarray(photograph(90, 70)).convert("1"),
    "rgba": with_hidden_colours,
    "grey-alpha": lambda: with_hidden_colours().convert("LA"),
    "one colour": lambda: Image.new("RGB", (300, 200), (1, 2, 3)),
}


@pytest.mark.parametrize("name", PICTURES)
def test_lossless_gives_every_sample_back(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["texcodec.codec.encode"], "load_set", None)  # needs no set
    image = saved(PICTURES[name]())
    data = texcodec.encode(image, lossless=True)
    decoded = texcodec.decode(data)
    wanted = image if decoded.mode == image.mode else image.convert(decoded.mode)
    np.testing.assert_array_equal(np.asarray(decoded), np.asarray(wanted))
    assert all(entry.drawn and entry.offset == 0 for entry in Reader(data).tiles)
    assert PSUM in Reader(data).chunks


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 16), st.integers(1, 16), st.integers(1, 4), st.sampled_from([2, 256]), st.integers(0, 99)
)
def test_lossless_of_tiny_pictures(width: int, height: int, channels: int, levels: int, seed: int) -> None:
    samples = np.random.default_rng(seed).integers(0, levels, (height, width, channels)).astype(np.uint8)
    decoded = pixels_of(texcodec.encode(samples, lossless=True))
    np.testing.assert_array_equal(decoded.reshape(samples.shape), samples)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (16, 1), (1, 16), (5, 7), (16, 16)])
def test_tiny_pictures_of_every_quality(width: int, height: int) -> None:
    picture = window(16, 16, seed=3)[:height, :width]
    for quality in (1, 50, 100):
        data = encode(picture, quality=quality)
        assert pixels_of(data).shape == picture.shape
        assert len(data) <= len(encode(picture, lossless=True))


def test_lossless_keeps_metadata_and_the_symbols_checksum() -> None:
    exif = Image.Exif()
    exif[0x0131] = "drawn"
    stream = io.BytesIO()
    Image.fromarray(window(60, 50)).save(stream, "png", exif=exif, icc_profile=b"profile")
    data = texcodec.encode(Image.open(stream), lossless=True)
    with texcodec.open(data) as file:
        assert set(file.metadata) == {"icc", "exif"}
        file.verify()
        other = texcodec.encode(window(60, 50)[::-1], lossless=True)
        assert file.symbols_hash() != texcodec.open(other).symbols_hash()


def test_lossless_in_regions() -> None:
    picture = photograph(1100, 700)
    data = texcodec.encode(picture, lossless=True)
    assert Reader(data).header.tile == 512 and len(Reader(data).tiles) == 6
    for x, y, w, h in ((0, 0, 1, 1), (500, 500, 30, 20), (1000, 10, 100, 690)):
        np.testing.assert_array_equal(pixels_of(data, region=(x, y, w, h)), picture[y : y + h, x : x + w])


def test_lossless_of_a_crop() -> None:
    picture = photograph(500, 400)
    data = texcodec.encode(picture, lossless=True, crop=(170, 90, 200, 130))
    np.testing.assert_array_equal(pixels_of(data, crop_only=True), picture[90:220, 170:370])
    outside = [entry.class_index == ABSENT for entry in Reader(data).tiles]
    assert any(outside) and not all(outside)
    shown = pixels_of(data)
    assert not np.array_equal(
        shown[90:220, 380:400], picture[90:220, 380:400]
    )  # nothing beyond the region leaks


@pytest.mark.parametrize("tile", [128, 256])
def test_lossless_with_a_tile_side(tile: int) -> None:
    picture = photograph(300, 200)
    data = texcodec.encode(picture, lossless=True, tile=tile)
    assert Reader(data).header.tile == tile
    np.testing.assert_array_equal(pixels_of(data), picture)


@pytest.mark.parametrize("other", [{"quality": 50}, {"size": 100}, {"bpp": 1}, {"psnr": 40}])
def test_lossless_excludes_other_targets(other: dict[str, float]) -> None:
    with pytest.raises(texcodec.ParameterError, match="lossless"):
        texcodec.encode(photograph(20, 20), lossless=True, **other)  # type: ignore[arg-type]


def test_lossless_excludes_coarse_tiles() -> None:
    with pytest.raises(texcodec.ParameterError, match="coarse"):
        texcodec.encode(photograph(20, 20), lossless=True, crop=(1, 1, 5, 5), outside="coarse")


def test_pillow_without_webp(monkeypatch: pytest.MonkeyPatch, mixed_file: bytes) -> None:
    monkeypatch.setattr("texcodec.lossless.webp.features.check", lambda name: False)
    with pytest.raises(texcodec.LibraryError, match="WebP"):
        texcodec.encode(photograph(20, 20), lossless=True)
    for salvage in (False, True):  # nothing of the file is lost: it is only this machine that cannot
        with pytest.raises(texcodec.LibraryError, match="WebP"):
            texcodec.decode(mixed_file, salvage=salvage)
    data = encode(window(300, 200), quality=50)
    assert not Reader(data).header.drawn and pixels_of(data).shape == (200, 300, 3)


def test_distortion_is_worth_more_at_finer_rates() -> None:
    from texcodec.codec.rdoq import error_worth

    models = load_set(SET)
    worths = [error_worth(models, rate) for rate in (0, 100, 255)]
    assert worths == sorted(worths) and worths[0] > 0
