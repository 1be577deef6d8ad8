"""EXIF: what must not pass into another file, what is damaged, and the resolution."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from texcodec.images import Picture, format_for, from_image, read_picture, save_picture, to_image
from texcodec.images import exif as exif_stream

Entry = tuple[int, int, int, int]  # tag, type, count, value or place


def smooth(height: int = 48, width: int = 64) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 3, y * 4, x + y], axis=2).clip(0, 255).astype(np.uint8)


def stream(
    entries: Sequence[Entry], *, claimed: int | None = None, rest: bytes = b"", link: int = 0
) -> bytes:
    def packed(tag: int, kind: int, count: int, value: int) -> bytes:
        return struct.pack("<HHI", tag, kind, count) + struct.pack("<I", value)

    count = len(entries) if claimed is None else claimed
    body = b"".join(packed(*entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, count) + body + struct.pack("<I", link) + rest


def short(tag: int, value: int) -> Entry:
    return tag, 3, 1, value


# A camera's file, as a TIFF has it: everything about its samples is wrong for any other file.
STRUCTURAL = [
    short(254, 1), (256, 4, 1, 9), (257, 4, 1, 7), short(258, 16), short(259, 6), short(262, 0), short(266, 2),
    (273, 4, 1, 8), short(277, 1), (278, 4, 1, 7), (279, 4, 1, 63), short(284, 2), short(317, 2), short(338, 1),
    short(339, 3),
]  # fmt: skip
LYING = stream(sorted([*STRUCTURAL, (271, 2, 4, int.from_bytes(b"cam\0", "little")), short(274, 6)]))
EXTENSIONS = [
    "png", "jpg", "webp", "tif", "gif", "bmp", "ppm", "tga", "sgi", "pcx", "qoi", "im", "dds",
    pytest.param("avif", marks=pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF")),
    pytest.param("jp2", marks=pytest.mark.skipif(not features.check("jpg_2000"), reason="no JPEG 2000")),
    "heic", "jxl",
]  # fmt: skip


def jpeg(exif: bytes, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(smooth()).save(buffer, "JPEG", quality=95, exif=exif_stream.PREFIX + exif, **options)
    return buffer.getvalue()


def saved(picture: Picture, image_format: str) -> tuple[bytes, list[str]]:
    buffer = io.BytesIO()
    notices = save_picture(picture, buffer, image_format)
    return buffer.getvalue(), notices


def tags_of(exif: bytes | None) -> Image.Exif:
    tags = Image.Exif()
    tags.load(exif or b"")
    return tags


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("from_an_old_file", [False, True])
def test_every_format_is_read_back_as_png_is(extension: str, from_an_old_file: bool) -> None:
    if extension in ("heic", "jxl"):
        pytest.importorskip({"heic": "pillow_heif", "jxl": "pillow_jxl"}[extension])
    picture = read_picture(jpeg(LYING))
    assert picture.pixels.shape == (64, 48, 3)
    if from_an_old_file:
        picture.exif = LYING.replace(struct.pack("<HHII", 274, 3, 1, 6), struct.pack("<HHII", 274, 3, 1, 1))
    reference = read_picture(saved(picture, "PNG")[0])
    back = read_picture(saved(picture, format_for(f"a.{extension}"))[0])
    assert np.array_equal(reference.pixels, picture.pixels)
    assert back.pixels.shape == reference.pixels.shape
    difference = np.abs(back.pixels.astype(int) - reference.pixels)
    assert difference.mean() < (8 if extension == "gif" else 2)
    for exif in (reference.exif, back.exif):
        if exif is not None and not exif_stream.says_only_resolution(exif):
            assert tags_of(exif)[271] == "cam"
            assert not set(tags_of(exif)) & {entry[0] for entry in STRUCTURAL}


def test_other_bytes_stay_where_they_are() -> None:
    maker_note = b"maker note with offsets"
    exif = stream([(0x010F, 2, 7, 38), short(0x0112, 8)], rest=b"camera\0\0" + maker_note)
    assert exif_stream.clean(exif).data == exif.replace(b"\x08\0\0\0\0\0\0\0cam", b"\x01\0\0\0\0\0\0\0cam")
    assert exif_stream.clean(exif).orientation == 8


def test_cleaning_twice_is_cleaning_once() -> None:
    once = exif_stream.clean(LYING).data
    assert once is not None
    assert exif_stream.clean(once).data == once


def test_a_thumbnail_and_its_directory_are_left_out() -> None:
    thumbnail = b"\xff\xd8 a stale picture \xff\xd9"
    second = 8 + 2 + 12 * 2 + 4 + 8
    inner = struct.pack("<H", 3) + b"".join(
        struct.pack("<HHII", *entry)
        for entry in (short(0x0112, 6), (0x0201, 4, 1, second + 42), (0x0202, 4, 1, len(thumbnail)))
    )
    exif = stream(
        [(0x010F, 2, 7, 38), short(0x0112, 1)], link=second, rest=b"camera\0\0" + inner + bytes(4) + thumbnail
    )
    picture = read_picture(jpeg(exif))
    assert picture.exif is not None
    assert b"stale" not in picture.exif
    assert len(picture.exif) == second
    assert tags_of(picture.exif)[0x010F] == "camera"
    assert not tags_of(picture.exif).get_ifd(1)
    assert picture.notices == []


def with_inner(inner: Sequence[Entry], *, orientation: int = 8, more: bytes = b"") -> bytes:
    """A stream whose inner directory lies behind the first one."""
    at = 8 + 2 + 12 * 2 + 4
    packed = b"".join(struct.pack("<HHII", *entry) for entry in inner)
    rest = struct.pack("<H", len(inner)) + packed + bytes(4) + more
    return stream([short(0x0112, orientation), (0x8769, 4, 1, at)], rest=rest)


@pytest.mark.parametrize("orientation", [1, 8])
def test_the_size_in_exif_is_left_out_and_other_bytes_stay_where_they_are(orientation: int) -> None:
    date = 8 + 2 + 12 * 2 + 4 + 2 + 12 * 4 + 4
    inner = [(0x9003, 2, 20, date), (0xA002, 4, 1, 64), short(0xA003, 48), short(0xA406, 2)]
    exif = with_inner(inner, orientation=orientation, more=b"2020:01:01 00:00:00\0 and offsets")
    picture = read_picture(jpeg(exif))
    assert picture.pixels.shape[:2] == ((64, 48) if orientation == 8 else (48, 64))
    assert tags_of(picture.exif).get_ifd(0x8769) == {0x9003: "2020:01:01 00:00:00", 0xA406: 2}
    assert picture.exif is not None and len(picture.exif) == len(exif)
    assert picture.exif[date:] == exif[date:]
    assert picture.notices == []
    assert exif_stream.clean(picture.exif).data == picture.exif
    data, _ = saved(Picture(smooth(), exif=exif), "PNG")  # of a file that an earlier version made
    assert set(Image.open(io.BytesIO(data)).getexif().get_ifd(0x8769)) == {0x9003, 0xA406}


def test_a_directory_that_holds_the_size_alone_is_left_out() -> None:
    exif = with_inner([(0xA002, 4, 1, 64), (0xA003, 4, 1, 48)])
    picture = read_picture(jpeg(exif))
    assert dict(tags_of(picture.exif)) == {0x0112: 1}


def test_the_size_in_exif_of_a_tiff_is_left_out() -> None:
    tags = Image.Exif()
    tags[0x8769] = {0x9003: "2020:01:01 00:00:00", 0xA002: 1, 0xA003: 2}
    buffer = io.BytesIO()
    Image.fromarray(smooth()).save(buffer, "TIFF", exif=tags_of(tags.tobytes()))
    assert set(tags_of(read_picture(buffer.getvalue()).exif).get_ifd(0x8769)) == {0x9003}


def test_directories_that_overlap_are_left_alone() -> None:
    for at in (8, 12, 20, 4, 1 << 30):
        exif = stream([(0x8769, 4, 1, at), (0xA002, 4, 1, 64)])
        assert exif_stream.clean(exif).data == exif


def test_a_directory_that_claims_too_many_entries_keeps_those_it_has() -> None:
    whole = stream([(271, 2, 4, int.from_bytes(b"cam\0", "little")), short(274, 6)], claimed=60)
    picture = read_picture(jpeg(whole))
    assert picture.pixels.shape == (64, 48, 3)
    assert tags_of(picture.exif)[271] == "cam"
    assert len(tags_of(picture.exif)) == 2
    assert ["damaged in part" in notice for notice in picture.notices] == [True]
    assert "orientation" not in picture.notices[0]


def test_a_notice_says_when_the_orientation_is_lost() -> None:
    picture = read_picture(jpeg(stream([(271, 2, 4, int.from_bytes(b"cam\0", "little"))], claimed=60)))
    assert any("orientation, that is lost" in notice for notice in picture.notices)
    image = Image.fromarray(smooth())
    image.info["exif"] = exif_stream.PREFIX + b"II*\0\xff\xff\xff\xff"
    assert any("orientation" in notice for notice in from_image(image).notices)


@pytest.mark.parametrize("prefixes", [1, 2])
def test_the_prefix_of_jpeg_in_a_png_does_no_harm(prefixes: int) -> None:
    image = Image.fromarray(smooth())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", exif=exif_stream.PREFIX * (prefixes + 1) + stream([short(0x0112, 6)]))
    picture = read_picture(buffer.getvalue())
    assert picture.pixels.shape == (64, 48, 3)
    assert picture.notices == []


def test_exif_in_a_text_chunk_is_read() -> None:
    from PIL.PngImagePlugin import PngInfo

    exif = exif_stream.PREFIX + stream([short(0x0112, 6)])
    text = PngInfo()
    text.add_text("Raw profile type exif", f"\nexif\n{len(exif):8}\n{exif.hex()}\n")
    buffer = io.BytesIO()
    Image.fromarray(smooth()).save(buffer, "PNG", pnginfo=text)
    assert read_picture(buffer.getvalue()).pixels.shape == (64, 48, 3)


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "TIFF", "BMP"])
@pytest.mark.parametrize("dpi", [(300, 300), (72, 72), (203.2, 98.5)])
def test_the_resolution_survives(image_format: str, dpi: tuple[float, float]) -> None:
    buffer = io.BytesIO()
    Image.fromarray(smooth()).save(buffer, image_format, dpi=dpi)
    before = Image.open(buffer).info["dpi"]
    picture = read_picture(buffer.getvalue())
    assert picture.notices == []
    assert to_image(picture).info["dpi"] == pytest.approx(before, abs=0.02)
    for target in ("PNG", "JPEG", "TIFF", "BMP", "WEBP"):
        data, notices = saved(picture, target)
        assert notices == []
        again = read_picture(data)
        assert to_image(again).info["dpi"] == pytest.approx(before, abs=0.6 if target == "JPEG" else 0.02)
        if target == image_format:
            assert Image.open(io.BytesIO(data)).info["dpi"] == pytest.approx(before, abs=0.02)


def test_a_file_that_states_no_resolution_gets_none() -> None:
    for image_format in ("PNG", "JPEG", "TIFF", "BMP", "WEBP"):
        data, _ = saved(Picture(smooth()), image_format)
        exif = read_picture(data).exif
        assert exif is None or image_format == "BMP"  # BMP always states one


def test_the_resolution_of_the_file_replaces_a_stale_one_in_exif() -> None:
    exif = exif_stream.with_resolution(
        stream([short(0x0112, 1), (0x010F, 2, 7, 38)], rest=b"camera\0\0"), (72, 72)
    )
    picture = read_picture(jpeg(exif, dpi=(600, 600)))
    assert picture.exif is not None
    assert exif_stream.resolution_of(picture.exif) == (600, 600)
    assert tags_of(picture.exif)[0x010F] == "camera"
    assert exif_stream.with_resolution(picture.exif, (600, 600)) == picture.exif


def test_exif_of_a_tiff_is_descriptive_and_holds_its_directories() -> None:
    tags = Image.Exif()
    tags[0x010F] = "maker"
    tags[0x8769] = {0x9003: "2020:01:01 00:00:00"}
    buffer = io.BytesIO()
    Image.fromarray(smooth()).save(buffer, "TIFF", exif=tags_of(tags.tobytes()))
    back = tags_of(read_picture(saved(read_picture(buffer.getvalue()), "TIFF")[0]).exif)
    assert back[0x010F] == "maker"
    assert back.get_ifd(0x8769)[0x9003] == "2020:01:01 00:00:00"
    assert not set(back) & {256, 257, 258, 259, 262, 273, 277, 278, 279}


def test_xmp_alone_goes_into_a_tiff() -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"></x:xmpmeta>'
    assert read_picture(saved(Picture(smooth(), xmp=xmp), "TIFF")[0]).xmp == xmp


@pytest.mark.parametrize("seed", range(40))
def test_no_damage_is_worse_than_a_lost_directory(seed: int) -> None:
    random = np.random.default_rng(seed)
    data = np.frombuffer(exif_stream.with_resolution(LYING, (300, 300)), np.uint8).copy()
    data[random.integers(0, len(data), 6)] = random.integers(0, 256, 6)
    image = Image.fromarray(smooth())
    image.info["exif"] = exif_stream.PREFIX + data.tobytes()
    picture = from_image(image)
    for target in ("PNG", "TIFF", "JPEG"):
        assert read_picture(saved(picture, target)[0]).pixels.shape == picture.pixels.shape
