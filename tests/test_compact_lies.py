"""Compact files whose checksums are right and whose contents are not: refused before anything is allocated."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from compact_samples import (
    FIELDS,
    FULL,
    HEAD,
    INDEX,
    METADATA,
    framed,
    indexed,
    other_kind,
    sample_header,
)
from container_samples import chunk

from texcodec.container import DRAWN, Reader, TileEntry, read_header, write
from texcodec.container.compact_index import longest_payload
from texcodec.container.fields import varint
from texcodec.errors import (
    CorruptError,
    FormatError,
    LimitError,
    ParameterError,
    TruncatedError,
    UnsupportedError,
)
from texcodec.limits import Limits

SOUND = (16, other_kind(5), 13, other_kind(2), other_kind(11), 22, 12)


def test_numbers_of_the_sample() -> None:
    assert b"".join(map(varint, SOUND)) == INDEX


@pytest.mark.parametrize(
    "numbers",
    [
        (),
        SOUND[:-1],  # a tile missing
        (*SOUND, 0),  # one too many
        (*SOUND, other_kind(0)),
        (20, *SOUND[1:]),  # a byte more than there is
        (12, *SOUND[1:]),
        (other_kind(10),),  # all six absent, yet 15 bytes of tiles
        (other_kind(12),),  # seven absent
        (other_kind(2 * 65_535),),
        ((1 << 32) - 1,),
        (16, other_kind(5), 13, other_kind(0), other_kind(0), other_kind(11), 22, 12),  # a run in two entries
        (16, other_kind(7), other_kind(5), other_kind(6), *SOUND[2:]),  # a rate that changes twice
        (16, 13, other_kind(5), other_kind(2), other_kind(7), 22, 12),  # a change before absent tiles
        (*SOUND[:-1], other_kind(1), 5),  # a drawn tile that the head does not announce
        (16, other_kind(5 + 2 * 400), 13, other_kind(2), other_kind(11), 22, 12),  # rate index 301
        (16, other_kind(5), 13, other_kind(2), other_kind(5 + 2 * 203), 22, 12),  # -1
    ],
    ids=str,
)
def test_lying_index(numbers: tuple[int, ...]) -> None:
    with pytest.raises((CorruptError, TruncatedError)):
        Reader(indexed(*numbers))


def test_index_in_overlong_numbers_or_cut_short() -> None:
    for index in (b"\x90\0" + INDEX[1:], b"\x80" * 5 + b"\1" + INDEX, INDEX[:-1] + b"\x8c"):
        with pytest.raises(CorruptError):
            Reader(framed(FIELDS + index))


FLAGS, WIDTH, HEIGHT, CLASSES = 0, 1, 3, 5


@pytest.mark.parametrize(
    ("position", "value", "error"),
    [
        (FLAGS, b"\x82\x04", UnsupportedError),  # bit 9
        (FLAGS, b"\x86\x02", CorruptError),  # tiles of 128 and of 512
        (FLAGS, b"\xa2\x02", CorruptError),  # tiles of 512, and an origin
        (FLAGS, b"\x0a", CorruptError),  # alpha, and no chunks
        (FLAGS, b"\x22", CorruptError),  # origin: everything after it shifts
        (FLAGS, b"\x42", CorruptError),
        (FLAGS, b"\x06", CorruptError),  # tiles of 128: the index no longer fits
        (FLAGS, b"\x12", TruncatedError),  # chunks, where tiles are
        (WIDTH, b"\0", CorruptError),
        (CLASSES, b"\0", CorruptError),
        (CLASSES, b"\xff", CorruptError),
        (CLASSES, b"\x02", CorruptError),  # all numbers of the index mean something else
    ],
)
def test_lying_fields(position: int, value: bytes, error: type[Exception]) -> None:
    head = HEAD[:position] + value + HEAD[position + 1 :]
    with pytest.raises(FormatError) as caught:
        Reader(framed(head)).verify()
    assert isinstance(caught.value, (error, CorruptError) if error is TruncatedError else error)


def test_defaults_spelled_out_are_refused() -> None:
    place = 15  # behind the identity
    for flag, value in ((0x20, b"\0\0"), (0x40, bytes([1, 13, 0, 1]))):
        head = bytes([HEAD[0] | flag]) + HEAD[1:place] + value + HEAD[place:]
        with pytest.raises(CorruptError, match="shortest form"):
            Reader(framed(head))
    reader = Reader(framed(bytes([HEAD[0] | 0x40]) + HEAD[1:place] + bytes([9, 16, 0, 1]) + HEAD[place:]))
    assert reader.header.cicp == (9, 16, 0, 1)


def test_head_of_any_shorter_length_is_refused() -> None:
    for length in range(len(HEAD)):
        with pytest.raises(CorruptError):
            Reader(framed(HEAD[:length]))


def test_profile_2_in_a_file_of_chunks_is_unsupported() -> None:
    header = bytes([1, 3, 2, 64, 48, 0x72, 0x48, 1, 3, 2, 100]) + bytes(16)
    data = b"\x89TCX\r\n\x1a\n" + chunk(b"THDR", header + b"\0\0\0\0abc")
    with pytest.raises(UnsupportedError, match="entropy profile 2 in chunk THDR"):
        Reader(data)


@pytest.mark.parametrize("kind", [b"THDR", b"TIDX", b"FEAT"])
def test_chunks_that_the_head_replaces_are_refused(kind: bytes) -> None:
    place = FULL.index(b"iccp")
    with pytest.raises(CorruptError):
        Reader(FULL[:place] + chunk(kind, b"anything") + FULL[place:])


def test_chunks_may_stand_behind_the_tiles_and_tiles_must_be_there() -> None:
    place, data = FULL.index(b"iccp"), FULL.index(b"TDAT")
    chunks, tiles, end = FULL[place:data], FULL[data:-12], FULL[-12:]
    reader = Reader(FULL[:place] + tiles + chunks + end)
    reader.verify()
    assert reader.ancillary == METADATA
    for broken in (chunks + end, chunks + tiles + tiles + end):
        with pytest.raises(CorruptError):
            Reader(FULL[:place] + broken).verify()


def huge(width: int, height: int) -> bytes:
    return framed(HEAD[:1] + varint(width) + varint(height) + HEAD[5:])


@pytest.mark.parametrize(("width", "height"), [(2**32 - 1, 2**32 - 1), (1, 300_000), (13_500, 13_500)])
def test_huge_declared_picture_is_refused_before_allocation(width: int, height: int) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(LimitError):
            Reader(huge(width, height))
        assert tracemalloc.get_traced_memory()[1] < 1 << 18
    finally:
        tracemalloc.stop()
    assert read_header(huge(width, height)).width == width


def test_index_that_leaves_out_more_tiles_than_there_are_allocates_little() -> None:
    tracemalloc.start()
    try:
        with pytest.raises(CorruptError, match="leaves out"):
            Reader(indexed(other_kind(2 * ((1 << 29) - 1))))
        assert tracemalloc.get_traced_memory()[1] < 1 << 18
    finally:
        tracemalloc.stop()


def test_lying_length_of_the_head_is_refused_unread() -> None:
    for length in ((1 << 32) - 1, 1 << 31, 10_000):
        with pytest.raises(TruncatedError):
            Reader(b"\x89TCX\2" + varint(length) + HEAD)
    with pytest.raises(CorruptError, match="more than 6 tiles need"):
        Reader(framed(HEAD + bytes(200)), Limits(tiles=6))


def test_limits_are_the_callers() -> None:
    for limits in (
        Limits(pixels=600 * 400 - 1),
        Limits(side=599),
        Limits(tiles=5),
        Limits(memory=600 * 400 * 4 - 1),
    ):
        with pytest.raises(LimitError):
            Reader(FULL, limits)
    with pytest.raises(LimitError):
        Reader(FULL, Limits(metadata=7))
    Reader(FULL, Limits(pixels=600 * 400, side=600, tiles=6, memory=600 * 400 * 4, metadata=20))


@pytest.mark.parametrize(
    "changes",
    [
        {"identity": bytes(16)},
        {"rate_index": 256},
        {"halo": 0},
        {"halo": 2},
        {"latent_log2": 3},
        {"tile_log2": 10},
        {"tile_log2": 9, "origin_y": 1},
        {"lean": True, "width": 9, "height": 9},
    ],
)
def test_header_that_the_form_cannot_hold_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        sample_header(**changes)


def test_writer_refuses_entries_that_the_form_cannot_hold() -> None:
    header = sample_header(width=9, height=9)
    for entry in (
        TileEntry(1, 0, 156, None, None),
        TileEntry(1, 0, -101, None, None),
        TileEntry(1, 3, 0, None, None),
    ):
        with pytest.raises(ParameterError):
            write(header, [b"a"], [entry])
    with pytest.raises(ParameterError, match="no crc"):
        write(sample_header(width=9, height=9, drawn=True), [b"a"], [TileEntry(1, DRAWN, 0, None, None)])
    assert longest_payload(3) * 4 + 3 <= 2**32 - 1 < longest_payload(3) * 4 + 7
