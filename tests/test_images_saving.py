"""Pictures out: samples, transparency and metadata in each format, and what cannot be kept."""

from __future__ import annotations

import io
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, features

from texcodec.errors import ImageError, ParameterError, StreamError
from texcodec.images import Picture, format_for, from_image, read_picture, save_picture, to_image

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/">café</x:xmpmeta>'.encode()
RICH_FORMATS = [
    "PNG",
    "JPEG",
    "WEBP",
    "TIFF",
    pytest.param("AVIF", marks=pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF")),
]


def exif() -> bytes:
    tags = Image.Exif()
    tags[0x010F] = "maker"
    tags[0x0112] = 1
    tags[0x8769] = {0x9003: "2020:01:01 00:00:00", 0x829A: 0.01}
    tags[0x8825] = {1: "N"}
    return tags.tobytes().removeprefix(b"Exif\0\0")


def picture(channels: int = 3, alpha: bool = False, **metadata: Any) -> Picture:
    y, x = np.mgrid[:40, :56]
    pixels = np.stack([x * 3, y * 4, x + y], axis=2).clip(0, 255).astype(np.uint8)[:, :, :channels]
    plane = (x * 4).clip(0, 255).astype(np.uint8) if alpha else None
    return Picture(np.ascontiguousarray(pixels), plane, **metadata)


def saved(source: Picture, image_format: str, **options: Any) -> tuple[Picture, list[str]]:
    buffer = io.BytesIO()
    notices = save_picture(source, buffer, image_format, **options)
    return read_picture(buffer.getvalue()), notices


@pytest.mark.parametrize("image_format", RICH_FORMATS)
@pytest.mark.parametrize("channels", [1, 3])
def test_metadata_survives(image_format: str, channels: int) -> None:
    source = picture(channels, icc=ICC, exif=exif(), xmp=XMP)
    back, notices = saved(source, image_format)
    assert notices == []
    assert back.icc == ICC
    assert back.xmp == XMP
    assert back.exif is not None
    tags = Image.Exif()
    tags.load(back.exif)
    assert tags[0x010F] == "maker"
    assert tags.get_ifd(0x8769)[0x9003] == "2020:01:01 00:00:00"
    assert tags.get_ifd(0x8825)[1] == "N"
    assert back.notices == []


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
def test_exif_survives_to_the_byte(image_format: str) -> None:
    back, _ = saved(picture(exif=exif()), image_format)
    assert back.exif == exif()


@pytest.mark.parametrize("image_format", ["PNG", "WEBP", "TIFF", "BMP", "PPM", "TGA"])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossless_formats_keep_every_sample(image_format: str, channels: int) -> None:
    source = picture(channels)
    back, notices = saved(source, image_format)
    assert (back.pixels == source.pixels).all()
    assert notices == []


@pytest.mark.parametrize("image_format", ["PNG", "WEBP", "TIFF", "TGA"])
@pytest.mark.parametrize("channels", [1, 3])
def test_transparency_is_kept_with_the_colours_under_it(image_format: str, channels: int) -> None:
    source = picture(channels, alpha=True)
    back, notices = saved(source, image_format)
    assert back.alpha is not None
    assert source.alpha is not None
    assert np.array_equal(back.alpha, source.alpha)
    assert (back.pixels == source.pixels).all()
    assert notices == []


@pytest.mark.parametrize("image_format", ["JPEG", "PPM"])
@pytest.mark.parametrize("channels", [1, 3])
def test_transparency_that_cannot_be_kept_is_named(image_format: str, channels: int) -> None:
    back, notices = saved(picture(channels, alpha=True), image_format)
    assert back.alpha is None
    assert len(notices) == 1
    assert "transparency" in notices[0]


def test_metadata_that_cannot_be_kept_is_named() -> None:
    _, notices = saved(picture(icc=ICC, exif=exif(), xmp=XMP), "PPM")
    assert len(notices) == 3


def test_metadata_too_long_for_jpeg_is_named() -> None:
    back, notices = saved(picture(exif=exif() + bytes(70_000), xmp=b"x" * 70_000), "JPEG")
    assert back.exif is None
    assert back.xmp is None
    assert len(notices) == 2


def test_xmp_that_is_not_utf8_is_named() -> None:
    back, notices = saved(picture(xmp=b"\xff\xfe"), "PNG")
    assert back.xmp is None
    assert len(notices) == 1


def test_nothing_is_written_that_the_picture_does_not_have() -> None:
    for image_format in ("PNG", "JPEG", "WEBP", "TIFF"):
        back, _ = saved(picture(), image_format)
        assert (back.icc, back.exif, back.xmp) == (None, None, None)


def test_a_jpeg_is_written_gently() -> None:
    back, _ = saved(picture(), "JPEG")
    assert np.abs(back.pixels.astype(int) - picture().pixels).mean() < 2


def test_options_go_to_the_writer() -> None:
    small, large = io.BytesIO(), io.BytesIO()
    save_picture(picture(), small, "JPEG", quality=10)
    save_picture(picture(), large, "JPEG")
    assert len(small.getvalue()) < len(large.getvalue())


def test_a_png_looks_for_repetitions_where_there_are_some(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[int | None] = []

    def recorded(image: Image.Image, *arguments: Any, **options: Any) -> None:
        chosen.append(options.get("compress_type"))
        plain(image, *arguments, **options)

    plain = Image.Image.save
    monkeypatch.setattr(Image.Image, "save", recorded)
    noise = np.random.default_rng(1).integers(0, 256, (64, 80, 3), dtype=np.uint8)
    stripes = np.repeat(np.repeat(noise[:8, :10], 8, 0), 8, 1)
    for pixels in (noise, stripes, noise[:, :1]):
        save_picture(Picture(np.ascontiguousarray(pixels)), io.BytesIO())
    save_picture(Picture(noise), io.BytesIO(), compress_type=zlib.Z_FIXED)
    assert chosen == [zlib.Z_RLE, None, None, zlib.Z_FIXED]


def test_gif_says_that_it_reduces_colours() -> None:
    _, notices = saved(picture(), "GIF")
    assert any("256" in notice for notice in notices)


@pytest.mark.parametrize(
    ("channels", "alpha", "mode"), [(1, 0, "L"), (1, 1, "LA"), (3, 0, "RGB"), (3, 1, "RGBA")]
)
def test_to_image_and_back_is_the_same_picture(channels: int, alpha: int, mode: str) -> None:
    source = picture(channels, bool(alpha), icc=ICC, exif=exif(), xmp=XMP)
    image = to_image(source)
    assert image.mode == mode
    back = from_image(image)
    assert (back.pixels == source.pixels).all()
    assert (back.icc, back.exif, back.xmp) == (ICC, exif(), XMP)
    assert (back.alpha is None) == (source.alpha is None)
    if back.alpha is not None and source.alpha is not None:
        assert np.array_equal(back.alpha, source.alpha)


def test_formats_come_from_extensions() -> None:
    assert [format_for(f"a.{ext}") for ext in ("png", "JPG", "jpeg", "webp", "tif", "j2k")] == [
        "PNG",
        "JPEG",
        "JPEG",
        "WEBP",
        "TIFF",
        "JPEG2000",
    ]


@pytest.mark.parametrize("name", ["a", "a.xyz", "a.tcx", "a.psd"])
def test_extensions_that_cannot_be_written_are_refused(name: str) -> None:
    with pytest.raises(ParameterError):
        format_for(name)


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ParameterError, match="NOSUCH"):
        save_picture(picture(), io.BytesIO(), "nosuch")


def test_a_picture_that_the_format_cannot_hold_is_refused_before_anything_is_written() -> None:
    buffer = io.BytesIO()
    with pytest.raises(ImageError, match="WEBP"):
        save_picture(Picture(np.zeros((1, 20_000, 1), np.uint8)), buffer, "WEBP")
    assert buffer.getvalue() == b""


def test_a_file_that_cannot_be_written_is_a_stream_error() -> None:
    class Full(io.BytesIO):
        def write(self, _: Any) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(StreamError, match="space"):
        save_picture(picture(), Full())
