"""Pictures in: every layout, depth and source, and the metadata that comes along."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps, features
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from texcodec.errors import ImageError, ParameterError
from texcodec.images import Picture, from_array, from_image, read_picture

HEIGHT, WIDTH = 5, 7


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def smooth(height: int = 48, width: int = 64) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 3, y * 4, x + y], axis=2).clip(0, 255).astype(np.uint8)


def file_of(image: Image.Image, image_format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    def chunk(kind: bytes, payload: bytes) -> bytes:
        return (
            struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def profile(space: bytes = b"RGB ") -> bytes:
    """sRGB, with the name of its colour space replaced where another one is wanted."""
    icc = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    icc[16:20] = space
    return bytes(icc)


class TestLayouts:
    @pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
    def test_direct_layouts_keep_every_sample(self, mode: str) -> None:
        samples = noise(HEIGHT, WIDTH, len(mode)) if mode != "L" else noise(HEIGHT, WIDTH)
        picture = read_picture(file_of(Image.fromarray(samples)))
        stacked = samples.reshape(HEIGHT, WIDTH, -1)
        colours = 1 if mode in ("L", "LA") else 3
        assert picture.mode == mode
        assert np.array_equal(picture.pixels, stacked[:, :, :colours])
        if picture.alpha is None:
            assert "A" not in mode
        else:
            assert np.array_equal(picture.alpha, stacked[:, :, -1])
        assert picture.notices == []

    def test_a_palette_becomes_rgb(self) -> None:
        image = Image.fromarray(noise(HEIGHT, WIDTH) % 4, "L").convert("P")
        image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30])
        picture = read_picture(file_of(image))
        assert picture.mode == "RGB"
        assert np.array_equal(picture.pixels, np.asarray(image.convert("RGB")))

    def test_a_palette_of_greys_becomes_grey(self) -> None:
        image = Image.fromarray(noise(HEIGHT, WIDTH)).convert("P")
        picture = from_image(image)
        assert picture.mode == "L"
        assert np.array_equal(picture.pixels[:, :, 0], noise(HEIGHT, WIDTH))

    def test_a_palette_of_greys_with_a_profile_stays_rgb(self) -> None:
        image = Image.fromarray(noise(HEIGHT, WIDTH)).convert("P")
        image.info["icc_profile"] = profile()
        assert from_image(image).mode == "RGB"

    @pytest.mark.parametrize("transparency", [1, bytes([0, 128, 255, 7])])
    def test_a_transparent_palette_has_alpha(self, transparency: int | bytes) -> None:
        image = Image.fromarray(noise(HEIGHT, WIDTH) % 4).convert("P")
        image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30])
        picture = read_picture(file_of(image, transparency=transparency))
        table = [255, 0, 255, 255] if transparency == 1 else list(bytes(transparency))
        assert picture.alpha is not None
        assert np.array_equal(picture.alpha, np.array(table, np.uint8)[noise(HEIGHT, WIDTH) % 4])

    def test_bilevel_becomes_grey(self) -> None:
        samples = noise(HEIGHT, WIDTH) > 127
        picture = read_picture(file_of(Image.fromarray(samples)))
        assert picture.mode == "L"
        assert np.array_equal(picture.pixels[:, :, 0], np.where(samples, 255, 0))

    def test_a_transparent_colour_becomes_alpha(self) -> None:
        samples = np.zeros((2, 2, 3), np.uint8)
        samples[0, 0] = (1, 2, 3)
        samples[1, 1] = (1, 2, 4)
        picture = read_picture(file_of(Image.fromarray(samples), transparency=(1, 2, 3)))
        assert picture.alpha is not None
        assert picture.alpha.tolist() == [[0, 255], [255, 255]]
        assert np.array_equal(picture.pixels, samples)

    @pytest.mark.parametrize(("depth", "row"), [(1, 0b01_000000), (2, 0b00_11_0000), (4, 0x0F)])
    def test_a_transparent_grey_is_found_at_every_depth(self, depth: int, row: int) -> None:
        white = struct.pack(">H", (1 << depth) - 1)
        picture = read_picture(png(2, 1, depth, 0, bytes([0, row]), (b"tRNS", white)))
        assert picture.pixels[:, :, 0].tolist() == [[0, 255]]
        assert picture.alpha is not None
        assert picture.alpha.tolist() == [[255, 0]]

    @pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "HSV", "LAB"])
    def test_other_colour_spaces_become_rgb_with_a_notice(self, mode: str) -> None:
        rgb = Image.fromarray(noise(HEIGHT, WIDTH, 3))
        image = rgb.convert(mode) if mode != "LAB" else Image.new("LAB", (WIDTH, HEIGHT), (120, 3, 4))
        picture = from_image(image)
        assert picture.mode == "RGB"
        assert np.array_equal(picture.pixels, np.asarray(image.convert("RGB")))
        assert len(picture.notices) == 1
        assert mode in picture.notices[0]

    def test_a_cmyk_jpeg_loses_its_profile_with_a_notice(self) -> None:
        image = Image.fromarray(smooth()).convert("CMYK")
        picture = read_picture(file_of(image, "JPEG", icc_profile=profile(b"CMYK"), quality=95))
        assert picture.mode == "RGB"
        assert picture.icc is None
        assert any("profile" in notice for notice in picture.notices)
        assert np.abs(picture.pixels.astype(int) - smooth()).mean() < 6

    def test_a_single_pixel(self) -> None:
        assert read_picture(file_of(Image.new("RGB", (1, 1), (1, 2, 3)))).pixels.tolist() == [[[1, 2, 3]]]

    def test_the_image_that_is_given_does_not_change(self) -> None:
        image = Image.open(
            io.BytesIO(file_of(Image.fromarray(smooth()), "TIFF", tiffinfo={270: "a", 274: 6}))
        )
        image.load()
        before = (image.mode, image.size, dict(image.getexif()), dict(image.info))
        from_image(image)
        assert (image.mode, image.size, dict(image.getexif()), dict(image.info)) == before


class TestSeveralPictures:
    @pytest.mark.parametrize("image_format", ["GIF", "PNG", "WEBP", "TIFF"])
    def test_the_first_frame_is_used_with_a_notice(self, image_format: str) -> None:
        frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "lime", "blue")]
        options = {"lossless": True} if image_format == "WEBP" else {}
        data = file_of(frames[0], image_format, save_all=True, append_images=frames[1:], **options)
        picture = read_picture(data)
        assert (picture.pixels == (255, 0, 0)).all()
        assert len(picture.notices) == 1
        assert "3 pictures" in picture.notices[0]

    def test_a_still_gif_gives_no_notice(self) -> None:
        assert read_picture(file_of(Image.new("RGB", (8, 6), "red"), "GIF")).notices == []


class TestOrientation:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP", "TIFF"])
    def test_it_is_applied_and_reset(self, orientation: int, image_format: str) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        exif[0x010F] = "maker"
        options = {"lossless": True} if image_format == "WEBP" else {}
        data = file_of(Image.fromarray(smooth()), image_format, exif=exif, **options)
        picture = read_picture(data)
        expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        assert np.array_equal(picture.pixels, np.asarray(expected))
        kept = Image.Exif()
        assert picture.exif is not None
        kept.load(picture.exif)
        assert kept.get(0x0112, 1) == 1
        assert kept[0x010F] == "maker"

    @pytest.mark.parametrize("orientation", range(2, 9))
    def test_alpha_turns_with_the_pixels(self, orientation: int) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        image = Image.fromarray(noise(HEIGHT, WIDTH, 4))
        picture = read_picture(file_of(image, exif=exif))
        expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(file_of(image, exif=exif)))))
        assert picture.alpha is not None
        assert np.array_equal(np.dstack([picture.pixels, picture.alpha]), expected)

    @pytest.mark.parametrize("value", [0, 9, 65535])
    def test_nonsense_means_upright(self, value: int) -> None:
        exif = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, value, 0, 0)
        picture = read_picture(file_of(Image.fromarray(smooth()), exif=exif))
        assert np.array_equal(picture.pixels, smooth())
        assert picture.exif is not None
        assert picture.exif[18:20] == b"\x01\x00"

    def test_both_byte_orders_are_understood(self) -> None:
        exif = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
        picture = read_picture(file_of(Image.fromarray(smooth(4, 6)), exif=exif))
        assert picture.pixels.shape == (6, 4, 3)

    def test_the_copy_in_xmp_is_reset_too(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        xmp = b'<x:xmpmeta tiff:Orientation="6"><tiff:Orientation>6</tiff:Orientation></x:xmpmeta>'
        picture = read_picture(file_of(Image.fromarray(smooth()), "JPEG", exif=exif, xmp=xmp))
        assert picture.xmp == xmp.replace(b"6", b"1")

    @pytest.mark.parametrize(
        "exif", [b"nonsense", b"II*\0", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff"]
    )
    def test_damaged_exif_is_left_out_with_a_notice(self, exif: bytes) -> None:
        image = Image.fromarray(smooth())
        image.info["exif"] = b"Exif\0\0" + exif
        picture = from_image(image)
        assert picture.exif is None
        assert any("EXIF" in notice for notice in picture.notices)

    def test_other_bytes_of_exif_stay_as_they_are(self) -> None:
        entries = struct.pack("<HHII", 0x010F, 2, 8, 38) + struct.pack("<HHIHH", 0x0112, 3, 1, 8, 0)
        exif = (
            b"II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4) + b"camera\0\0" + b"maker note \xff\x00"
        )
        picture = read_picture(file_of(Image.fromarray(smooth()), "JPEG", exif=b"Exif\0\0" + exif))
        assert picture.exif == exif.replace(
            b"\x08\x00\x00\x00" + bytes(4) + b"camera", b"\x01\x00\x00\x00" + bytes(4) + b"camera"
        )


class TestSources:
    def test_a_path_an_open_file_and_bytes_are_the_same(self, tmp_path: Path) -> None:
        path = tmp_path / "a.png"
        path.write_bytes(file_of(Image.fromarray(smooth())))
        with path.open("rb") as file:
            pictures = [read_picture(source) for source in (path, str(path), path.read_bytes(), file)]
            assert not file.closed
        assert all(np.array_equal(picture.pixels, smooth()) for picture in pictures)

    def test_a_pipe_is_read_to_its_end(self) -> None:
        class Pipe(io.BytesIO):
            def seekable(self) -> bool:
                return False

            def seek(self, *_: Any) -> int:
                raise io.UnsupportedOperation("seek")

        assert np.array_equal(read_picture(Pipe(file_of(Image.fromarray(smooth())))).pixels, smooth())

    def test_a_file_is_read_from_where_it_stands(self) -> None:
        file = io.BytesIO(b"prefix" + file_of(Image.fromarray(smooth())))
        file.seek(6)
        assert read_picture(io.BytesIO(file.read())).width == 64

    def test_importing_is_light(self) -> None:
        code = "import sys, texcodec.images.reading; print(*sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        heavy = {"torch", "onnxruntime", "PIL.ImageCms", "PIL.PngImagePlugin", "PIL.TiffImagePlugin", "scipy"}
        assert heavy.isdisjoint(done.stdout.split())


class TestArrays:
    @pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 2), (5, 7, 3), (5, 7, 4), (1, 1)])
    def test_shapes(self, shape: tuple[int, ...]) -> None:
        array = noise(*shape)
        picture = from_array(array)
        layers = [picture.pixels] if picture.alpha is None else [picture.pixels, picture.alpha]
        assert np.array_equal(np.dstack(layers), array.reshape(*shape[:2], -1))
        assert picture.pixels.flags.c_contiguous

    @pytest.mark.parametrize(
        "array",
        [
            np.zeros((4, 4), np.int32),
            np.zeros((4, 4), np.float32),
            np.zeros((4, 4, 5), np.uint8),
            np.zeros(4, np.uint8),
            np.zeros((0, 4), np.uint8),
            [[1, 2]],
        ],
    )
    def test_others_are_refused(self, array: Any) -> None:
        with pytest.raises(ParameterError):
            from_array(array)

    def test_alpha_must_fit(self) -> None:
        with pytest.raises(ParameterError, match="alpha"):
            Picture(noise(4, 4, 3), alpha=noise(4, 5))


def text_chunks(**texts: str) -> PngInfo:
    info = PngInfo()
    for name, text in texts.items():
        info.add_text(name, text)
    return info


def late_text(data: bytes, payload: bytes) -> bytes:
    """The PNG with a text chunk behind its samples."""
    chunk = b"tEXt" + payload
    chunk = struct.pack(">I", len(payload)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return data[:-12] + chunk + data[-12:]


def resources(*blocks: tuple[int, bytes]) -> bytes:
    """A marker segment of Photoshop's."""
    body = b"Photoshop 3.0\0"
    for number, data in blocks:
        body += b"8BIM" + struct.pack(">HHI", number, 0, len(data)) + data + bytes(len(data) % 2)
    return b"\xff\xed" + struct.pack(">H", len(body) + 2) + body


def with_segment(data: bytes, segment: bytes) -> bytes:
    return data[:2] + segment + data[2:]


VERSION, CAPTION = b"\x1c\x02\x00\x00\x02\x00\x02", b"\x1c\x02\x78\x00\x05hello"


class TestText:
    def test_text_chunks_of_a_png_are_named(self) -> None:
        data = file_of(Image.fromarray(smooth()), pnginfo=text_chunks(Title="Leaves", Empty=" "))
        data = late_text(data, b"Author\0Somebody")
        notice = "The picture holds text (Title, Author), which was left out."
        assert read_picture(data).notices == [notice]
        with Image.open(io.BytesIO(data)) as image:
            assert from_image(image).notices == [notice]
        with pytest.raises(ImageError, match=r"holds text \(Title, Author\)"):
            read_picture(data, strict=True)

    def test_text_is_not_named_where_metadata_are_not_wanted(self) -> None:
        data = file_of(Image.fromarray(smooth()), pnginfo=text_chunks(Title="Leaves"))
        assert read_picture(data, strict=True, metadata=False).notices == []
        with Image.open(io.BytesIO(data)) as image:
            assert from_image(image, metadata=False).notices == []

    def test_many_and_long_names_are_cut(self) -> None:
        texts = {f"{'name' * 15}{i}": "text" for i in range(9)}
        (notice,) = read_picture(file_of(Image.fromarray(smooth()), pnginfo=text_chunks(**texts))).notices
        assert "and 5 more" in notice and len(notice) < 250

    def test_text_that_is_kept_or_about_the_file_is_not_named(self) -> None:
        texts = {
            "XML:com.adobe.xmp": "<x:xmpmeta/>",
            "Raw profile type xmp": "\nxmp\n0\n",
            "date:create": "2020",
        }
        data = file_of(Image.fromarray(smooth()), pnginfo=text_chunks(**texts), dpi=(300, 300))
        picture = read_picture(data, strict=True)
        assert picture.xmp == b"<x:xmpmeta/>"

    @pytest.mark.parametrize("image_format", ["JPEG", "GIF"])
    def test_comments_are_named(self, image_format: str) -> None:
        data = file_of(Image.fromarray(smooth()[:, :, 0]), image_format, comment=b"hello")
        assert read_picture(data).notices == ["The picture holds text (comment), which was left out."]

    def test_the_comment_of_a_writer_of_jpeg_2000_is_not_named(self) -> None:
        if not features.check("jpg_2000"):
            pytest.skip("no JPEG 2000")
        assert read_picture(file_of(Image.fromarray(smooth()), "JPEG2000")).notices == []

    @pytest.mark.parametrize("kind", [1, 7], ids=["bytes", "undefined"])
    def test_captions_of_iptc_in_a_tiff_are_named(self, kind: int) -> None:
        tags = ImageFileDirectory_v2()
        for fields, names in ((VERSION + CAPTION, "IPTC"), (VERSION, "")):
            tags[33723], tags.tagtype[33723] = fields, kind
            data = file_of(Image.fromarray(smooth()), "TIFF", tiffinfo=tags)
            expected = [f"The picture holds text ({names}), which was left out."] if names else []
            assert read_picture(data).notices == expected

    def test_captions_of_iptc_are_named_and_other_resources_are_not(self) -> None:
        data = file_of(Image.fromarray(smooth()), "JPEG")
        caption = with_segment(data, resources((0x03F3, b"\0"), (0x0404, VERSION + CAPTION)))
        assert read_picture(caption).notices == ["The picture holds text (IPTC), which was left out."]
        for blocks in (((0x03F3, b"\0"),), ((0x0404, VERSION),), ((0x0404, b""),)):
            assert read_picture(with_segment(data, resources(*blocks))).notices == []
