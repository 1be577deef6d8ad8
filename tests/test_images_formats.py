"""What each format keeps is found out by trying; what it cannot keep is said or refused."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from texcodec.errors import ImageError, ParameterError
from texcodec.images import Picture, format_for, read_picture, save_picture
from texcodec.images.formats import load_plugin
from texcodec.images.jxl import read_jxl_header


def picture(channels: int = 3, alpha: str | None = None, side: tuple[int, int] = (100, 150)) -> Picture:
    y, x = np.mgrid[: side[0], : side[1]]
    pixels = np.stack([x, y * 2, x + y], axis=2).clip(0, 255).astype(np.uint8)[:, :, :channels]
    planes = {"soft": (x * 3).clip(0, 255), "hard": np.where(x > 40, 255, 0)}
    plane = planes[alpha].astype(np.uint8) if alpha else None
    return Picture(np.ascontiguousarray(pixels), plane)


def saved(source: Picture, image_format: str, **options: Any) -> tuple[Picture, list[str]]:
    buffer = io.BytesIO()
    notices = save_picture(source, buffer, image_format, **options)
    return read_picture(buffer.getvalue()), notices


@pytest.mark.parametrize("extension", ["png", "webp", "tif", "qoi", "im", "tga", "sgi", "dds", "ico"])
@pytest.mark.parametrize("channels", [1, 3])
def test_soft_alpha_is_kept_where_it_comes_back(extension: str, channels: int) -> None:
    source = picture(channels, "soft")
    back, notices = saved(source, format_for(f"a.{extension}"))
    assert notices == []
    assert back.alpha is not None
    assert source.alpha is not None
    assert np.array_equal(back.alpha, source.alpha)
    assert (back.pixels == source.pixels).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_gif_keeps_hard_edges_and_says_what_becomes_of_soft_ones(channels: int) -> None:
    source = picture(channels, "hard")
    back, notices = saved(source, "GIF")
    assert source.alpha is not None
    assert back.alpha is not None
    assert np.array_equal(back.alpha, source.alpha)
    assert not any("transparen" in notice for notice in notices)
    source = picture(channels, "soft")
    back, notices = saved(source, "GIF")
    assert source.alpha is not None
    assert back.alpha is not None
    assert np.array_equal(back.alpha, np.where(source.alpha < 128, 0, 255))
    assert any("half transparency" in notice for notice in notices)


@pytest.mark.parametrize("extension", ["bmp", "jpg", "ppm", "pcx"])
def test_alpha_that_would_be_lost_is_named(extension: str) -> None:
    back, notices = saved(picture(3, "soft"), format_for(f"a.{extension}"))
    assert back.alpha is None
    assert ["transparency" in notice for notice in notices] == [True]


@pytest.mark.skipif(not features.check("jpg_2000"), reason="Pillow without JPEG 2000")
def test_a_pdf_keeps_transparency() -> None:
    buffer = io.BytesIO()
    assert save_picture(picture(3, "soft"), buffer, "PDF") == []
    assert b"/SMask" in buffer.getvalue()


@pytest.mark.parametrize("alpha", [None, "soft"])
@pytest.mark.parametrize("side", [(100, 150), (1, 1), (256, 3)])
def test_an_icon_has_the_size_of_the_picture(side: tuple[int, int], alpha: str | None) -> None:
    source = picture(3, alpha, side)
    back, _ = saved(source, "ICO")
    assert np.array_equal(back.pixels, source.pixels)


@pytest.mark.parametrize(
    ("image_format", "side"), [("ICO", (300, 300)), ("ICNS", (100, 150)), ("ICNS", (128, 128))]
)
def test_a_format_that_would_change_the_size_is_refused(image_format: str, side: tuple[int, int]) -> None:
    buffer = io.BytesIO()
    with pytest.raises(ImageError, match=f"{image_format}.*another format"):
        save_picture(picture(side=side), buffer, image_format)
    assert buffer.getvalue() == b""


def test_pgm_is_grey_and_pbm_black_and_white_with_a_notice() -> None:
    buffer = io.BytesIO()
    assert any("no colour" in notice for notice in save_picture(picture(), buffer, format_for("a.pgm")))
    assert buffer.getvalue().startswith(b"P5")
    buffer = io.BytesIO()
    assert save_picture(picture(1), buffer, format_for("a.pgm")) == []
    assert (read_picture(buffer.getvalue()).pixels == picture(1).pixels).all()
    buffer = io.BytesIO()
    assert any("black and white" in notice for notice in save_picture(picture(), buffer, format_for("a.pbm")))
    assert buffer.getvalue().startswith(b"P4")


def test_a_format_that_makes_grey_of_colours_is_refused() -> None:
    with pytest.raises(ImageError, match="colour"):
        save_picture(picture(), io.BytesIO(), "SPIDER")


@pytest.mark.parametrize(("extension", "plugin"), [("heic", "pillow_heif"), ("jxl", "pillow_jxl")])
@pytest.mark.parametrize("alpha", [None, "soft"])
def test_formats_of_plugins_are_written_and_read(extension: str, plugin: str, alpha: str | None) -> None:
    pytest.importorskip(plugin)
    source = picture(3, alpha)
    back, notices = saved(source, format_for(f"a.{extension}"))
    assert notices == []
    assert np.abs(back.pixels.astype(int) - source.pixels)[:, 60:].mean() < 3
    assert back.notices == []
    if alpha:
        assert back.alpha is not None
        assert np.abs(back.alpha.astype(int) - source.alpha).max() <= 8


@pytest.mark.parametrize("orientation", [3, 6])
def test_a_turned_heic_is_upright(orientation: int) -> None:
    pytest.importorskip("pillow_heif")
    load_plugin("HEIF")
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(picture().pixels).save(buffer, "HEIF", exif=exif.tobytes(), quality=95)
    back = read_picture(buffer.getvalue())
    turned = np.rot90(picture().pixels, {3: 2, 6: 3}[orientation])
    assert back.pixels.shape == turned.shape
    assert np.abs(back.pixels.astype(int) - turned).mean() < 3


@pytest.mark.parametrize(
    ("header", "name"),
    [(b"\0\0\0\x18ftypheic" + bytes(40), "HEIF"), (b"\xff\x0a" + bytes(40), "JXL")],
)
def test_a_missing_plugin_is_named(header: bytes, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("texcodec.images.formats", "texcodec.images.faults"):
        monkeypatch.setattr(f"{module}.load_plugin", lambda _: False)
    opened = [known for known in Image.ID if known not in ("HEIF", "JXL")]
    monkeypatch.setattr(Image, "ID", opened)
    with pytest.raises(ImageError, match=rf"is {name}, which needs a plugin.*texcodec\[formats\]"):
        read_picture(header)
    monkeypatch.delitem(Image.SAVE, name, raising=False)
    with pytest.raises(ParameterError, match=rf"{name} needs a plugin.*texcodec\[formats\]"):
        save_picture(picture(), io.BytesIO(), name)


@pytest.mark.parametrize("side", [(48, 64), (40, 40), (100, 33), (1, 300)])
def test_the_size_of_a_jxl_is_known_before_its_pixels_are_decoded(side: tuple[int, int]) -> None:
    pytest.importorskip("pillow_jxl")
    load_plugin("JXL")
    buffer = io.BytesIO()
    Image.fromarray(picture(side=side).pixels).save(buffer, "JXL", lossless=True)
    header = read_jxl_header(buffer.getvalue())
    assert header is not None
    assert (header.height, header.width, header.bits) == (*side, 8)
    assert read_jxl_header(buffer.getvalue()[:3]) is None
