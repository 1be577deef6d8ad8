"""Samples of more than 8 bits: reduced to the nearest with a notice, refused where that has no meaning."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from texcodec.errors import ImageError
from texcodec.images import Picture, from_array, from_image, read_picture

HEIGHT, WIDTH = 5, 300


def deep(*channels: int) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 65536, (HEIGHT, WIDTH, *channels), dtype=np.uint16)


def rounded(samples: np.ndarray, maximum: int = 65535) -> np.ndarray:
    return np.floor(samples.astype(np.float64) * 255 / maximum + 0.5).astype(np.uint8)


def layers(picture: Picture) -> np.ndarray:
    planes = [picture.pixels] if picture.alpha is None else [picture.pixels, picture.alpha]
    return np.dstack(planes).squeeze()


def png16(samples: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    def chunk(kind: bytes, payload: bytes) -> bytes:
        return (
            len(payload).to_bytes(4, "big") + kind + payload + zlib.crc32(kind + payload).to_bytes(4, "big")
        )

    height, width = samples.shape[:2]
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[samples.shape[2] if samples.ndim == 3 else 1]
    # The filter "up" in all rows but the first: the reader must undo it on whole samples.
    rows = samples.astype(">u2").reshape(height, -1).view(np.uint8)
    up = np.diff(rows, axis=0, prepend=np.zeros_like(rows[:1]))
    filtered = b"".join(b"\x02" + row.tobytes() for row in up)
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(filtered)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def tiff(samples: np.ndarray, order: str = "<", bits: int = 16, **tags: int) -> bytes:
    height, width = samples.shape[:2]
    channels = samples.shape[2] if samples.ndim == 3 else 1
    data = samples.astype(order + "u2").tobytes()
    entries = [
        (256, 3, 1, width), (257, 3, 1, height), (258, 3, channels, 200 if channels > 2 else bits),
        (259, 3, 1, 1), (262, 3, 1, tags.get("photometric", 2 if channels > 2 else 1)), (273, 4, 1, 300),
        (277, 3, 1, channels), (278, 3, 1, height), (279, 4, 1, len(data)),
    ]  # fmt: skip
    if channels == 4:
        entries.append((338, 3, 1, tags["extra"]))
    if "sample_format" in tags:
        entries.append((339, 3, 1, tags["sample_format"]))

    def packed(tag: int, kind: int, count: int, value: int) -> bytes:
        one = (
            struct.pack(order + "HH", value, 0)
            if kind == 3 and count == 1
            else struct.pack(order + "I", value)
        )
        return struct.pack(order + "HHI", tag, kind, count) + one

    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(entries))
    head += b"".join(packed(*entry) for entry in entries) + bytes(4)
    return (head.ljust(200, b"\0") + struct.pack(f"{order}{channels}H", *[bits] * channels)).ljust(
        300, b"\0"
    ) + data


def file_of(image: Image.Image, image_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def says(picture: Picture, bits: int) -> bool:
    return [f"{bits} bits per channel" in notice for notice in picture.notices] == [True]


@pytest.mark.parametrize("channels", [(), (2,), (3,), (4,)])
def test_a_16_bit_png_is_rounded_to_the_nearest(channels: tuple[int, ...]) -> None:
    samples = deep(*channels)
    for source in (png16(samples), Image.open(io.BytesIO(png16(samples)))):
        picture = from_image(source) if isinstance(source, Image.Image) else read_picture(source)
        assert np.array_equal(layers(picture), rounded(samples))
        assert says(picture, 16)


def test_every_16_bit_value_is_rounded_to_the_nearest() -> None:
    samples = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    assert np.array_equal(layers(read_picture(png16(samples))), rounded(samples))


@pytest.mark.parametrize("channels", [(), (3,)])
def test_the_transparent_colour_of_a_16_bit_png_is_compared_in_full(channels: tuple[int, ...]) -> None:
    samples = deep(*channels)
    samples[0, 0] = samples[0, 1] = 1000
    samples[0, 1, ...] += 1  # the same in 8 bits
    key = struct.pack(">H", 1000) * (channels or (1,))[0]
    picture = read_picture(png16(samples, (b"tRNS", key)))
    assert picture.alpha is not None
    assert picture.alpha[0, :3].tolist() == [0, 255, 255]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("channels", "extra"), [((), 0), ((3,), 0), ((4,), 2)])
def test_a_16_bit_tiff_is_rounded(order: str, channels: tuple[int, ...], extra: int) -> None:
    samples = deep(*channels)
    picture = read_picture(tiff(samples, order, extra=extra))
    assert np.array_equal(layers(picture), rounded(samples))
    assert says(picture, 16)


def test_premultiplied_16_bit_alpha_is_divided_out() -> None:
    samples = np.full((HEIGHT, WIDTH, 4), 16384, np.uint16)
    samples[:, :, 3] = 32768
    picture = read_picture(tiff(samples, extra=1))
    assert layers(picture)[0, 0].tolist() == [128, 128, 128, 128]


def test_white_is_zero_is_turned_at_16_bits_too() -> None:
    samples = deep()
    assert np.array_equal(layers(read_picture(tiff(samples, photometric=0))), rounded(65535 - samples))


@pytest.mark.skipif(not features.check("libtiff"), reason="Pillow without libtiff")
def test_a_compressed_16_bit_tiff_is_rounded() -> None:
    samples = deep()
    data = file_of(Image.fromarray(samples), "TIFF", compression="tiff_lzw")
    assert np.array_equal(layers(read_picture(data)), rounded(samples))


@pytest.mark.parametrize("maximum", [1023, 4095, 65535])
@pytest.mark.parametrize("kind", [5, 6])
def test_a_deep_ppm_is_scaled_by_its_maximum(maximum: int, kind: int) -> None:
    samples = np.arange(3 * HEIGHT * WIDTH).reshape(HEIGHT, WIDTH, 3) % (maximum + 1)
    samples[0, 0] = maximum
    samples = samples if kind == 6 else samples[:, :, 0]
    data = f"P{kind} {WIDTH} {HEIGHT} {maximum}\n".encode() + samples.astype(">u2").tobytes()
    picture = read_picture(data)
    difference = np.abs(layers(picture).astype(int) - rounded(samples, maximum))
    assert difference.max() <= (1 if kind == 5 else 0)  # Pillow widens grey to 16 bits first
    assert difference.mean() < 0.01
    assert says(picture, maximum.bit_length())


def test_8_bit_ppm_with_an_odd_maximum_is_read() -> None:
    picture = read_picture(b"P6 1 1 100\n" + bytes([0, 50, 100]))
    assert picture.pixels.tolist() == [[[0, 128, 255]]]
    assert picture.notices == []


def test_a_16_bit_sgi_is_rounded() -> None:
    samples = deep(3)
    planes = np.moveaxis(samples, 2, 0)[:, ::-1].astype(">u2").tobytes()
    header = struct.pack(">HBBHHHHII", 474, 0, 2, 3, WIDTH, HEIGHT, 3, 0, 65535).ljust(512, b"\0")
    assert np.array_equal(layers(read_picture(header + planes)), rounded(samples))
    with pytest.raises(ImageError, match="truncated"):
        read_picture(header + planes[:-1])


@pytest.mark.parametrize("masks", [(0xF800, 0x7E0, 0x1F), (0x7C00, 0x3E0, 0x1F)])
def test_16_bits_per_pixel_are_not_16_bits_per_channel(masks: tuple[int, int, int]) -> None:
    pixels = struct.pack("<2H", sum(masks), masks[0])
    header = struct.pack("<IiiHHIIiiII", 40, 2, 1, 1, 16, 3, len(pixels), 0, 0, 0, 0)
    data = (
        b"BM"
        + struct.pack("<IHHI", 14 + 40 + 12 + 4, 0, 0, 66)
        + header
        + struct.pack("<3I", *masks)
        + pixels
    )
    picture = read_picture(data)
    assert picture.pixels.tolist() == [[[255, 255, 255], [255, 0, 0]]]
    assert picture.notices == []


@pytest.mark.skipif(not features.check("jpg_2000"), reason="Pillow without JPEG 2000")
def test_deep_grey_jpeg_2000_is_rounded() -> None:
    samples = deep()
    picture = read_picture(file_of(Image.fromarray(samples), "JPEG2000"))
    assert np.array_equal(layers(picture), rounded(samples))
    assert says(picture, 16)


# 4 x 4 pixels of 2000 in 12 bits per channel, without loss; in the first one, the corner is white (4095).
HEAD = "/0//UQAvAAAAAAAEAAAABAAAAAAAAAAAAAAABAAAAAQAAAAAAAAAAAADCwEBCwEBCwEB/1IADAAAAAEBAAQEAAH/XAAEQGD/kAAKAAAAAAA"
WHITE_CORNER = base64.b64decode(HEAD + "dAAH/k8/kKBToqQK0bWb/f2OAgP/Z")
PLAIN = base64.b64decode(HEAD + "YAAH/k8B9QIARUFO/gID/2Q==")


@pytest.mark.skipif(not features.check("jpg_2000"), reason="Pillow without JPEG 2000")
def test_deep_colour_jpeg_2000_is_rounded_or_refused_but_never_wrong() -> None:
    picture = read_picture(PLAIN)
    assert (picture.pixels == 125).all()  # 2000 / 16
    assert says(picture, 12)
    try:
        corner = read_picture(WHITE_CORNER).pixels[0, 0]
    except ImageError as error:
        assert "confuses white and black" in str(error)
    else:
        assert (corner == 255).all()  # a Pillow that rounds without running over


@pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF")
def test_deep_avif_is_taken_with_a_notice() -> None:
    data = bytearray(file_of(Image.new("RGB", (64, 48), (10, 200, 90)), "AVIF"))
    assert read_picture(bytes(data)).notices == []
    data[data.index(b"av1C") + 6] |= 0x40
    depths = data.index(b"pixi") + 9
    data[depths : depths + 3] = bytes([10, 10, 10])
    try:
        picture = read_picture(bytes(data))
    except ImageError:
        pytest.skip("this libavif compares the header with the stream")
    assert says(picture, 10)


def test_deep_heic_is_rounded_from_all_its_bits() -> None:
    heif = pytest.importorskip("pillow_heif")
    samples = np.repeat(np.arange(0, 65536, 1024, dtype="<u2"), 3).reshape(1, 64, 3).repeat(64, axis=0)
    buffer = io.BytesIO()
    heif.from_bytes("RGB;16", (64, 64), samples.tobytes()).save(buffer, quality=-1, chroma=444)
    picture = read_picture(buffer.getvalue())
    full = np.asarray(heif.open_heif(io.BytesIO(buffer.getvalue()), convert_hdr_to_8bit=False)).astype(int)
    assert np.array_equal(picture.pixels, rounded(full >> 6, 1023))
    assert says(picture, 10)


@pytest.mark.parametrize(("mode", "what"), [("I", "32 bits"), ("F", "floating-point")])
def test_samples_without_a_white_are_refused_for_what_they_are(mode: str, what: str) -> None:
    with pytest.raises(ImageError, match=what):
        from_image(Image.new(mode, (3, 3)))


def test_signed_samples_are_refused_for_what_they_are() -> None:
    with pytest.raises(ImageError, match="signed samples of 16 bits"):
        read_picture(tiff(deep(), sample_format=2))


def test_16_bit_images_and_arrays_are_rounded() -> None:
    samples = deep()
    assert np.array_equal(layers(from_image(Image.fromarray(samples))), rounded(samples))
    for channels in ((), (2,), (3,), (4,)):
        picture = from_array(deep(*channels))
        assert np.array_equal(layers(picture), rounded(deep(*channels)))
        assert says(picture, 16)


def test_strict_refuses_what_would_be_reduced() -> None:
    with pytest.raises(ImageError, match="cannot be taken as it is.*16 bits per channel"):
        read_picture(png16(deep(3)), strict=True)
    with pytest.raises(ImageError, match="16 bits per channel"):
        from_image(Image.fromarray(deep()), strict=True)
    assert read_picture(b"P6 1 1 255\n" + bytes(3), strict=True).width == 1
