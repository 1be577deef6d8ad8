"""Files whose checksums are right and whose contents are not: refused before anything is allocated."""

from __future__ import annotations

import struct
import tracemalloc

import pytest
from container_samples import changed, chunk, full_file, join, lean_file, payload_of, sample_header, split

from texcodec.container import Reader, read_header, tile_entry, write
from texcodec.container.fields import varint
from texcodec.errors import ChecksumError, CorruptError, LimitError, TruncatedError, UnsupportedError
from texcodec.limits import Limits

FULL = full_file()
THDR = payload_of(FULL, b"THDR")
TIDX = payload_of(FULL, b"TIDX")
# Offsets in THDR: major 0, minor 1, flags 2, width 3-4, height 5-6, pixel 7, grid 8, border 9, classes 10,
# profile 11, rate index 12-13, identity 14-29.
PIXEL, GRID, BORDER, CLASSES = 7, 8, 9, 10


def with_header_byte(position: int, value: int) -> bytes:
    return changed(FULL, b"THDR", THDR[:position] + bytes([value]) + THDR[position + 1 :])


def inserted(kind: bytes, payload: bytes) -> bytes:
    chunks = split(FULL)
    chunks.insert(2, [kind, payload])
    return join(chunks)


@pytest.mark.parametrize("major", [0, 2, 255])
def test_another_major_version_is_refused(major: int) -> None:
    with pytest.raises(UnsupportedError, match=f"format version {major}") as caught:
        Reader(with_header_byte(0, major))
    assert caught.value.exit_code == 4


def test_future_major_version_with_another_header_is_refused_for_its_version() -> None:
    with pytest.raises(UnsupportedError, match="format version 9"):
        Reader(changed(FULL, b"THDR", b"\x09 and a layout of its own, as long as it likes" * 9))


def test_later_minor_version_is_read() -> None:
    reader = Reader(with_header_byte(1, 7))
    reader.verify()
    assert reader.header.minor == 7


def test_unknown_critical_chunk_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="critical chunk ZZZZ"):
        Reader(inserted(b"ZZZZ", b"what is this"))
    with pytest.raises(UnsupportedError, match="critical chunk ZZZZ"):
        Reader(inserted(b"ZZZZ", b"what is this"), salvage=True)


def test_damaged_unknown_critical_chunk_is_damage() -> None:
    data = bytearray(inserted(b"ZZZZ", b"what is this"))
    data[data.index(b"what")] ^= 1
    with pytest.raises(ChecksumError):
        Reader(bytes(data))


def test_unknown_ancillary_chunk_is_kept() -> None:
    reader = Reader(inserted(b"newC", b"from the future"))
    assert reader.chunks[b"newC"] == b"from the future"
    assert reader.chunks[b"iccp"] == b"profile"


def test_unknown_ancillary_chunk_may_repeat_but_a_known_one_may_not() -> None:
    reader = Reader(inserted(b"zzzz", b"first"))
    assert [p for k, p in reader.ancillary if k == b"zzzz"] == [b"first", b"unknown, kept"]
    assert reader.chunks[b"zzzz"] == b"first"
    with pytest.raises(CorruptError, match="psum stands twice"):
        Reader(inserted(b"psum", b"12345"))


@pytest.mark.parametrize(
    ("position", "value", "error"),
    [
        (2, THDR[2] | 0x40, UnsupportedError),  # flags of the future
        (2, THDR[2] | 0x80, UnsupportedError),
        (2, THDR[2] | 0x01, CorruptError),  # no pixels, yet tiles
        (2, THDR[2] | 0x02, CorruptError),  # lean, yet six tiles
        (2, THDR[2] | 0x08, CorruptError),  # CICP announced and not there
        (2, THDR[2] | 0x10, CorruptError),  # origin announced and not there
        (4, 0x06, CorruptError),  # another width: the index no longer fits
        (4, 0x00, CorruptError),  # width in an overlong form
        (5, 0x10, UnsupportedError),  # height one byte long: everything after it shifts
        (PIXEL, THDR[PIXEL] & 0xF0 | 0x05, CorruptError),  # two channels
        (PIXEL, THDR[PIXEL] & 0xF0 | 0x07, CorruptError),  # four channels
        (PIXEL, THDR[PIXEL] & 0xF3, CorruptError),  # no alpha, yet ALPH
        (PIXEL, THDR[PIXEL] | 0x0C, UnsupportedError),  # alpha mode 3
        (PIXEL, 0xF6, UnsupportedError),  # 16 bits
        (GRID, 0x49, UnsupportedError),  # tiles of 512
        (GRID, 0x98, CorruptError),  # a latent wider than its tile
        (GRID, 0x47, CorruptError),  # tiles of 128: the index no longer fits
        (BORDER, 0x10, UnsupportedError),  # orientation 2
        (BORDER, 0x80, UnsupportedError),  # reserved bit
        (CLASSES, 0, CorruptError),
        (CLASSES, 255, CorruptError),
        (CLASSES, 2, CorruptError),  # tiles of classes 2 and 3
    ],
)
def test_inconsistent_header_with_right_checksum(position: int, value: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        Reader(with_header_byte(position, value))


def test_halo_wider_than_a_tile() -> None:
    data = with_header_byte(GRID, 0x78)  # latents of 128 pixels: a tile has two along a side
    with pytest.raises(CorruptError, match="halo"):
        Reader(changed(data, b"THDR", (h := payload_of(data, b"THDR"))[:BORDER] + b"\x03" + h[BORDER + 1 :]))


@pytest.mark.parametrize(
    "payload", [b"", THDR[:1], THDR[:2], THDR[:12], THDR[:-1], THDR + b"\0", THDR + THDR]
)
def test_header_of_wrong_length(payload: bytes) -> None:
    with pytest.raises(CorruptError):
        Reader(changed(FULL, b"THDR", payload))


def test_defaults_spelled_out_are_refused() -> None:
    flags = bytes([THDR[2] | 0x08])
    with pytest.raises(CorruptError, match="shortest form"):
        Reader(changed(FULL, b"THDR", THDR[:2] + flags + THDR[3:] + bytes([1, 13, 0, 1])))
    reader = Reader(changed(FULL, b"THDR", THDR[:2] + flags + THDR[3:] + bytes([9, 16, 0, 1])))
    assert reader.header.cicp == (9, 16, 0, 1)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        TIDX[:-1],
        TIDX + b"\0",
        TIDX + b"\xff",  # a seventh tile, absent
        TIDX[9:],
        bytes([200]) + TIDX[1:],  # a class that the header does not declare
        TIDX[:1] + b"\x04" + TIDX[2:],  # tile 0 shorter by one: the sum no longer matches
        TIDX[:1] + b"\x06" + TIDX[2:],
        TIDX[:1] + b"\x85\x00" + TIDX[2:],  # 5 in an overlong form
        TIDX[:1] + b"\xff\xff\xff\xff\xff\x01" + TIDX[2:],
        TIDX[:1] + b"\xff\xff\xff\xff\x0f" + TIDX[2:],  # 4 GiB
        b"\xff" * 6,  # all absent, yet 30 bytes of tiles
    ],
)
def test_lying_index(payload: bytes) -> None:
    with pytest.raises(CorruptError):
        Reader(changed(FULL, b"TIDX", payload))


def test_index_that_shifts_a_boundary_blames_the_two_tiles() -> None:
    payload = bytearray(TIDX)
    payload[1], payload[10] = 4, 6
    reader = Reader(changed(FULL, b"TIDX", bytes(payload)))
    for index in (0, 1):
        with pytest.raises(ChecksumError, match=f"Tile {index} "):
            reader.tile_bytes(index)
    reader.tile_bytes(2)


def test_rate_offset_below_zero() -> None:
    header = sample_header(rate_index=3, alpha_mode=0, width=300, height=100)
    payloads = [b"a", b"b"]
    data = write(
        header,
        payloads,
        [tile_entry(i, p, class_index=0, symbols_crc=0, offset=-3) for i, p in enumerate(payloads)],
    )
    index = bytearray(payload_of(data, b"TIDX"))
    index[2] = 0xFC  # -4
    with pytest.raises(CorruptError, match="rate index"):
        Reader(changed(data, b"TIDX", bytes(index)))


def test_tdat_of_another_length() -> None:
    for length in (0, 29, 31):
        with pytest.raises(CorruptError, match="index describes 30 bytes"):
            Reader(changed(FULL, b"TDAT", bytes(length)))


def test_tend_with_contents() -> None:
    with pytest.raises(CorruptError, match="TEND"):
        Reader(changed(FULL, b"TEND", b"x"))


def test_feature_chunks_must_fit_the_header() -> None:
    with pytest.raises(CorruptError, match="FEAT"):
        Reader(inserted(b"FEAT", b"x"))
    assert Reader(inserted(b"feat", b"x")).chunks[b"feat"] == b"x"
    header = sample_header(alpha_mode=0, fusion=False, identity=bytes(16), has_pixels=False)
    data = write(header, [], [], [(b"FEAT", b"features"), (b"FEAT", b"more")])
    reader = Reader(data)
    assert reader.tiles == () and [p for _, p in reader.ancillary] == [b"features", b"more"]
    with pytest.raises(CorruptError, match="feat does not fit"):
        Reader(join(split(data)[:-1] + [[b"feat", b"x"], [b"TEND", b""]]))
    with pytest.raises(CorruptError, match="no chunk FEAT"):
        Reader(join([item for item in split(data) if item[0] != b"FEAT"]))
    with pytest.raises(CorruptError, match="TIDX"):
        Reader(join(split(data)[:-1] + [[b"TIDX", b""], [b"TEND", b""]]))


def test_lean_tile_cannot_be_absent_or_of_an_undeclared_class() -> None:
    data = lean_file()
    payload = data[16:-4]
    for cls in (255, 4):
        with pytest.raises(CorruptError):
            Reader(data[:8] + chunk(b"THDR", payload[:-8] + bytes([cls]) + payload[-7:]))
    for length in range(len(payload) - 4):
        with pytest.raises(CorruptError):
            Reader(data[:8] + chunk(b"THDR", payload[:length]))


def huge(width: int, height: int) -> bytes:
    return changed(FULL, b"THDR", THDR[:3] + varint(width) + varint(height) + THDR[7:])


@pytest.mark.parametrize(
    ("width", "height"),
    [(2**32 - 1, 2**32 - 1), (2**32 - 1, 1), (1, 300_000), (200_000, 200_000), (13_500, 13_500)],
)
def test_huge_declared_picture_is_refused_before_allocation(width: int, height: int) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(LimitError) as caught:
            Reader(huge(width, height))
        assert tracemalloc.get_traced_memory()[1] < 1 << 18
    finally:
        tracemalloc.stop()
    assert caught.value.exit_code == 4
    assert read_header(huge(width, height)).width == width  # reading the header alone allocates nothing


@pytest.mark.parametrize("size", [(0, 5), (5, 0)])
def test_picture_without_pixels_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(CorruptError):
        Reader(huge(*size))


def test_limits_are_the_callers() -> None:
    for limits in (
        Limits(pixels=600 * 400 - 1),
        Limits(side=599),
        Limits(tiles=5),
        Limits(memory=600 * 400 * 4 - 1),
        Limits(metadata=24),
    ):
        with pytest.raises(LimitError):
            Reader(FULL, limits)
        with pytest.raises(LimitError):
            Reader(FULL, limits, salvage=True)
    Reader(FULL, Limits(pixels=600 * 400, side=600, tiles=6, memory=600 * 400 * 4, metadata=25))


@pytest.mark.parametrize("kind", [b"THDR", b"TIDX", b"TDAT", b"ALPH", b"iccp", b"zzzz", b"TEND"])
@pytest.mark.parametrize("length", [2**31, 2**32 - 1])
def test_huge_declared_chunk_is_refused_before_allocation(kind: bytes, length: int) -> None:
    place = FULL.index(kind) + 4
    data = FULL[:place] + struct.pack("<I", length) + FULL[place + 4 :]
    tracemalloc.start()
    try:
        with pytest.raises((TruncatedError, CorruptError)):
            Reader(data)
        assert tracemalloc.get_traced_memory()[1] < 1 << 18
    finally:
        tracemalloc.stop()


def test_alpha_plane_far_larger_than_the_picture() -> None:
    header = sample_header(width=2, height=2)
    data = write(header, [b"a"], [tile_entry(0, b"a", class_index=0, symbols_crc=0)], alpha=bytes(2000))
    with pytest.raises(CorruptError, match="alpha plane"):
        Reader(data)
