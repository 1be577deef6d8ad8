"""Colours that are not plain sRGB: converted by their profile, carried as one, or said to be lost."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, features

from texcodec.errors import ImageError
from texcodec.images import Picture, read_picture, save_picture
from texcodec.images.profiles import colour_space, describes_srgb, make_profile, to_srgb

D65 = (0.3127, 0.3290)
BT709 = (D65, (0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
P3 = (D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
pytestmark = pytest.mark.skipif(not features.check("littlecms2"), reason="Pillow without LittleCMS")


def smooth(channels: int = 3) -> np.ndarray:
    y, x = np.mgrid[:48, :64]
    return np.stack([x * 3, y * 4, x + y, 60 + x], axis=2).clip(0, 255).astype(np.uint8)[:, :, :channels]


def cmyk_profile() -> bytes:
    """A printer whose inks are weak: the lightness of full ink is 60 for each of C, M and Y and 40 for K."""

    def lut() -> bytes:
        ramp = bytes(range(256))
        grid = bytearray()
        for corner in range(16):
            inks = [corner >> shift & 1 for shift in (3, 2, 1, 0)]
            lightness = 100 - 25 * sum(inks[:3]) - 20 * inks[3]
            grid += bytes([round(lightness * 2.55), 128, 128])
        identity = b"".join(struct.pack(">i", 65536 * (i in (0, 4, 8))) for i in range(9))
        return b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + ramp * 4 + bytes(grid) + ramp * 3

    def text(kind: bytes, value: bytes) -> bytes:
        if kind == b"text":
            return kind + bytes(4) + value + b"\0"
        return kind + bytes(4) + struct.pack(">I", len(value) + 1) + value + b"\0" + bytes(78)

    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    tags = {b"desc": text(b"desc", b"weak"), b"cprt": text(b"text", b"-"), b"wtpt": white, b"A2B0": lut()}
    table, data, start = b"", b"", 128 + 4 + 12 * len(tags)
    for tag, value in tags.items():
        table += tag + struct.pack(">II", start + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    head = struct.pack(">I4sI4s4s4s", start + len(data), b"", 0x02400000, b"prtr", b"CMYK", b"Lab ")
    head += struct.pack(">6H4s", 2000, 1, 1, 0, 0, 0, b"acsp")
    head = head.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data


def file_of(image: Image.Image, image_format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def with_chunks(data: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG with chunks put behind its header."""
    packed = b"".join(
        struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))
        for kind, payload in chunks
    )
    return data[:33] + packed + data[33:]


def shown(picture: Picture) -> np.ndarray:
    """The picture as a colour-managed viewer shows it."""
    image = Image.fromarray(picture.pixels.squeeze())
    if picture.icc is None:
        return np.asarray(image.convert("RGB")).astype(int)
    converted = to_srgb(image, picture.icc)
    assert converted is not None
    return np.asarray(converted).astype(int)


def saved(picture: Picture, image_format: str, **options: Any) -> tuple[Picture, list[str]]:
    buffer = io.BytesIO()
    notices = save_picture(picture, buffer, image_format, **options)
    return read_picture(buffer.getvalue()), notices


@pytest.mark.parametrize("image_format", ["TIFF", "JPEG"])
def test_cmyk_is_converted_by_its_profile(image_format: str) -> None:
    image = Image.frombytes("CMYK", (64, 48), smooth(4).tobytes())
    options = {"quality": 100, "subsampling": 0} if image_format == "JPEG" else {}
    data = file_of(image, image_format, icc_profile=cmyk_profile(), **options)
    picture = read_picture(data)
    profile = ImageCms.ImageCmsProfile(io.BytesIO(cmyk_profile()))
    expected = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert np.abs(picture.pixels.astype(int) - np.asarray(expected)).max() <= 3
    assert np.abs(picture.pixels.astype(int) - np.asarray(image.convert("RGB"))).mean() > 10
    assert picture.icc is None
    assert picture.notices == ["The picture is CMYK and was converted to sRGB by its colour profile."]


@pytest.mark.parametrize("icc", [None, b"junk" * 50, SRGB])
def test_cmyk_without_a_usable_profile_says_how_it_was_converted(icc: bytes | None) -> None:
    image = Image.frombytes("CMYK", (64, 48), smooth(4).tobytes())
    picture = read_picture(file_of(image, "TIFF", **({"icc_profile": icc} if icc else {})))
    assert np.array_equal(picture.pixels, np.asarray(image.convert("RGB")))
    assert picture.icc is None
    assert len(picture.notices) == 1
    assert ("plain formula" if icc is None else "profile, which cannot be used") in picture.notices[0]


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("gamma", [1.0, 0.5556])
def test_the_gamma_of_a_png_shows_as_before(gamma: float, grey: bool) -> None:
    samples = smooth()[:, :, 0] if grey else smooth()
    data = with_chunks(file_of(Image.fromarray(samples)), (b"gAMA", struct.pack(">I", round(gamma * 1e5))))
    picture = read_picture(data)
    assert np.array_equal(picture.pixels.squeeze(), samples)
    linear = (samples / 255) ** (1 / gamma)
    expected = 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    expected = np.dstack([expected] * 3) if grey else expected
    assert np.abs(shown(picture) - expected).max() <= 2
    assert [f"gamma of {gamma:g}" in notice for notice in picture.notices] == [True]
    assert colour_space(picture.icc or b"") == ("GRAY" if grey else "RGB")
    for image_format in ("PNG", "WEBP", "BMP"):
        back, _ = saved(picture, image_format)
        assert np.abs(shown(back) - shown(picture)).max() <= 1


def test_the_gamma_and_colours_of_srgb_need_no_words() -> None:
    points = [31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000]
    plain = file_of(Image.fromarray(smooth()))
    for chunks in (
        [(b"gAMA", struct.pack(">I", 45455))],
        [(b"gAMA", struct.pack(">I", 45455)), (b"cHRM", struct.pack(">8I", *points))],
        [(b"gAMA", struct.pack(">I", 100000)), (b"sRGB", b"\0")],
        [(b"cICP", bytes([1, 13, 0, 1]))],
        [(b"gAMA", bytes(4))],
    ):
        picture = read_picture(with_chunks(plain, *chunks))
        assert (picture.icc, picture.notices) == (None, [])


def test_code_points_become_a_profile() -> None:
    data = with_chunks(file_of(Image.fromarray(smooth())), (b"cICP", bytes([12, 13, 0, 1])))
    picture = read_picture(data)
    assert np.array_equal(picture.pixels, smooth())
    assert picture.icc is not None
    expected = to_srgb(Image.fromarray(smooth()), make_profile("P3", P3, None, grey=False))
    assert np.array_equal(shown(picture), np.asarray(expected))
    assert len(picture.notices) == 1


def test_chromaticities_become_a_profile() -> None:
    points = struct.pack(">8I", *(round(value * 1e5) for pair in P3 for value in pair))
    picture = read_picture(with_chunks(file_of(Image.fromarray(smooth())), (b"cHRM", points)))
    expected = to_srgb(Image.fromarray(smooth()), make_profile("P3", P3, None, grey=False))
    assert np.abs(shown(picture) - np.asarray(expected)).max() <= 1
    nonsense = read_picture(with_chunks(file_of(Image.fromarray(smooth())), (b"cHRM", bytes(32))))
    assert nonsense.icc is None
    assert ["cannot be true" in notice for notice in nonsense.notices] == [True]


@pytest.mark.parametrize(("transfer", "word"), [(16, "PQ"), (18, "HLG")])
def test_high_dynamic_range_is_said_to_be_lost(transfer: int, word: str) -> None:
    picture = read_picture(
        with_chunks(file_of(Image.fromarray(smooth())), (b"cICP", bytes([9, transfer, 0, 1])))
    )
    assert picture.icc is None
    assert [word in notice and "different" in notice for notice in picture.notices] == [True]


@pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF")
def test_the_code_points_of_an_avif_are_read() -> None:
    data = bytearray(file_of(Image.fromarray(smooth()), "AVIF"))
    assert read_picture(bytes(data)).icc is None
    at = data.index(b"colrnclx") + 8
    data[at : at + 2] = (12).to_bytes(2, "big")
    assert describes_srgb(read_picture(bytes(data)).icc or b"") is False


@pytest.mark.parametrize("image_format", ["BMP", "PPM", "TGA", "GIF"])
@pytest.mark.parametrize("grey", [False, True])
def test_a_format_without_profiles_gets_srgb(image_format: str, grey: bool) -> None:
    icc = make_profile("wide", P3, 1.8, grey=grey)
    pixels = np.ascontiguousarray(smooth()[:, :, :1] if grey else smooth())
    picture = Picture(pixels, icc=icc)
    back, notices = saved(picture, image_format)
    assert np.abs(back.pixels.astype(int) - shown(picture)).mean() < (6 if image_format == "GIF" else 0.01)
    assert any("converted to sRGB" in notice for notice in notices)
    assert back.icc is None


def test_srgb_is_left_out_without_touching_a_sample() -> None:
    back, notices = saved(Picture(smooth(), icc=SRGB), "BMP")
    assert np.array_equal(back.pixels, smooth())
    assert ["left out" in notice for notice in notices] == [True]


@pytest.mark.parametrize("image_format", ["WEBP", "AVIF", "PNG", "JPEG", "TIFF"])
def test_a_grey_profile_stays_with_grey_samples_only(image_format: str) -> None:
    if image_format == "AVIF" and not features.check("avif"):
        pytest.skip("Pillow without AVIF")
    picture = Picture(np.ascontiguousarray(smooth()[:, :, :1]), icc=make_profile("g", BT709, 1.0, grey=True))
    buffer = io.BytesIO()
    notices = save_picture(picture, buffer, image_format)
    stored = Image.open(buffer)
    if stored.mode == "L":
        assert stored.info["icc_profile"] == picture.icc
        assert notices == []
    else:
        assert "icc_profile" not in stored.info
        assert ["sRGB" in notice for notice in notices] == [True]
    back = read_picture(buffer.getvalue())
    assert np.abs(shown(back) - shown(picture)).mean() < 4


def test_a_grey_profile_of_colours_is_left_out_with_a_notice() -> None:
    picture = read_picture(
        file_of(Image.fromarray(smooth()), icc_profile=make_profile("g", BT709, 1.0, grey=True))
    )
    assert picture.icc is None
    assert ["GRAY" in notice for notice in picture.notices] == [True]


def test_strict_writes_nothing_that_would_lose() -> None:
    buffer = io.BytesIO()
    with pytest.raises(ImageError, match="cannot be written as it is.*sRGB"):
        save_picture(
            Picture(smooth(), icc=make_profile("w", P3, 1.8, grey=False)), buffer, "BMP", strict=True
        )
    assert buffer.getvalue() == b""
    assert save_picture(Picture(smooth(), icc=SRGB), buffer, "PNG", strict=True) == []
