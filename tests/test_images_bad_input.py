"""Input that is no picture, a broken one, or too large: one sentence, and no pixels."""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from texcodec.errors import ImageError, LimitError, StreamError
from texcodec.images import from_image, hold_back_library_output, read_picture
from texcodec.limits import Limits


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def file_of(image: Image.Image, image_format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def bomb() -> bytes:
    """A PNG whose header promises a gigapixel and that holds none."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 60_000, 20_000, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"")),
    ]
    parts = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


class TestBadInput:
    def test_empty(self) -> None:
        with pytest.raises(ImageError, match="empty"):
            read_picture(b"")

    def test_text(self) -> None:
        with pytest.raises(ImageError, match="in no format that Pillow can read"):
            read_picture(b"Dear reader,\nthis is a letter.\n" * 20)

    def test_a_tcx_file(self) -> None:
        with pytest.raises(ImageError, match="texcodec decode"):
            read_picture(b"\x89TCX\r\n\x1a\n" + bytes(40))

    @pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"])
    @pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
    def test_truncated(self, image_format: str, share: float) -> None:
        data = file_of(Image.fromarray(noise(64, 64, 3)), image_format)
        with pytest.raises(ImageError) as caught:
            read_picture(data[: int(len(data) * share)], name="cut")
        assert str(caught.value).startswith("cut ")
        assert "\n" not in str(caught.value)

    def test_truncation_is_named(self) -> None:
        data = file_of(Image.fromarray(noise(64, 64, 3)), "JPEG")
        with pytest.raises(ImageError, match="truncated"):
            read_picture(data[: len(data) // 2])

    def test_no_damage_gets_past_the_error_tree(self) -> None:
        random = np.random.default_rng(3)
        for image_format in ("PNG", "JPEG", "TIFF", "WEBP", "GIF"):
            data = np.frombuffer(file_of(Image.fromarray(noise(48, 64, 3)), image_format), np.uint8)
            for _ in range(20):
                damaged = data.copy()
                damaged[random.integers(0, min(len(data), 400), 4)] = random.integers(0, 256, 4)
                with suppress(ImageError, LimitError):
                    read_picture(damaged.tobytes())

    def test_a_program_is_not_run(self) -> None:
        eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
        with pytest.raises(ImageError, match="program"):
            read_picture(eps)

    def test_an_image_without_pixels(self) -> None:
        with pytest.raises(ImageError, match="empty"):
            from_image(Image.new("RGB", (0, 5)))

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(StreamError, match=r"nowhere\.png"):
            read_picture(tmp_path / "nowhere.png")

    def test_a_directory(self, tmp_path: Path) -> None:
        with pytest.raises(StreamError, match="directory"):
            read_picture(tmp_path)


class TestLimits:
    def test_a_bomb_is_refused_before_its_pixels(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("pixels were loaded"))
        with pytest.raises(LimitError, match=r"bomb\.png"):
            read_picture(bomb(), name="bomb.png")

    def test_the_limit_is_the_callers(self) -> None:
        data = file_of(Image.fromarray(noise(48, 64, 3)))
        with pytest.raises(LimitError):
            read_picture(data, Limits(pixels=48 * 64 - 1))
        assert read_picture(data, Limits(pixels=48 * 64)).width == 64
        with pytest.raises(LimitError):
            from_image(Image.fromarray(noise(48, 64, 3)), Limits(pixels=10))

    def test_a_higher_limit_than_pillows_is_possible(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
        assert read_picture(file_of(Image.fromarray(noise(48, 64, 3)))).height == 48
        assert Image.MAX_IMAGE_PIXELS == 100


class TestFaults:
    """What a message says of a file is true of it."""

    @pytest.mark.parametrize("end", [20, 30, 40, 60])
    def test_a_cut_png_is_a_png(self, end: int) -> None:
        with pytest.raises(ImageError, match="truncated|damaged") as caught:
            read_picture(file_of(Image.fromarray(noise(64, 64, 3)))[:end], name="cut.png")
        assert "in no format" not in str(caught.value)

    @pytest.mark.parametrize(
        "image_format", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "QOI", "DDS", "SGI"]
    )
    def test_a_header_alone_is_not_taken_for_something_else(self, image_format: str) -> None:
        data = file_of(Image.fromarray(noise(64, 64, 3)), image_format)
        for end in (16, 24, 32):
            with pytest.raises(ImageError) as caught:
                read_picture(data[:end])
            assert "in no format" not in str(caught.value)

    @pytest.mark.parametrize(
        ("data", "what"),
        [
            (b"%PDF-1.7\n", "a PDF document"),
            (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
            (b"<svg/>", "an SVG drawing"),
            (b"\0\0\0\x20ftypisom" + bytes(40), "a video"),
            (b"PK\x03\x04" + bytes(40), "a ZIP archive"),
            (b"\x1f\x8b\x08" + bytes(40), "gzip"),
        ],
    )
    def test_other_files_are_called_what_they_are(self, data: bytes, what: str) -> None:
        with pytest.raises(ImageError, match=what):
            read_picture(data)

    def test_a_layout_that_is_not_supported_is_not_damage(self) -> None:
        data = bytearray(file_of(Image.fromarray(noise(8, 8, 3)), "BMP"))
        data[30:34] = struct.pack("<I", 12)  # an unknown compression
        with pytest.raises(ImageError, match="cannot be read") as caught:
            read_picture(bytes(data))
        assert "damaged" not in str(caught.value)

    def test_a_layout_that_pillow_does_not_know_is_not_shown_as_its_key(self) -> None:
        data = bytearray(file_of(Image.fromarray(noise(8, 8, 3)), "TIFF"))
        at = data.index(struct.pack("<HHIHH", 262, 3, 1, 2, 0))  # the photometric interpretation
        data[at + 8 : at + 10] = struct.pack("<H", 77)
        with pytest.raises(ImageError, match=r"is a TIFF file that cannot be read \(unknown pixel mode\)"):
            read_picture(bytes(data))

    def test_lines_of_libraries_go_into_the_error(self, capfd: pytest.CaptureFixture[str]) -> None:
        data = file_of(Image.fromarray(noise(64, 64, 3)), "TIFF", compression="tiff_lzw")
        damaged = data[:200] + bytes(400) + data[600:]
        hold_back_library_output()
        try:
            with suppress(ImageError):
                read_picture(damaged)
        finally:
            hold_back_library_output(False)
        assert capfd.readouterr().err == ""


class TestMetadataLimits:
    @pytest.mark.parametrize("kind", ["icc", "xmp", "text"])
    def test_metadata_of_megabytes_is_read(self, kind: str) -> None:
        data = self.heavy(kind, 3 << 20)
        picture = read_picture(data)
        if kind != "text":
            assert len(getattr(picture, kind) or b"") >= 3 << 20
        lost = ["The picture holds text (Comment), which was left out."] if kind == "text" else []
        assert picture.notices == lost

    @pytest.mark.parametrize("kind", ["icc", "xmp", "text"])
    def test_more_than_the_limit_is_a_limit(self, kind: str) -> None:
        data = self.heavy(kind, 3 << 20)
        with pytest.raises(LimitError, match="metadata"):
            read_picture(data, Limits(metadata=1 << 20))
        with pytest.raises(LimitError, match="metadata"):
            read_picture(self.heavy(kind, 17 << 20))

    def test_pillows_own_limit_is_back_afterwards(self) -> None:
        before = PngImagePlugin.MAX_TEXT_CHUNK
        read_picture(self.heavy("icc", 3 << 20))
        assert before == PngImagePlugin.MAX_TEXT_CHUNK

    @staticmethod
    def heavy(kind: str, size: int) -> bytes:
        text = PngImagePlugin.PngInfo()
        if kind == "xmp":
            text.add_itxt("XML:com.adobe.xmp", "x" * size, zip=True)
        elif kind == "text":
            text.add_text("Comment", "x" * size, zip=True)
        options = {"icc_profile": bytes(size)} if kind == "icc" else {}
        return file_of(Image.fromarray(noise(8, 8, 3)), pnginfo=text, **options)
