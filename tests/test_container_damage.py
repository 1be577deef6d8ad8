"""Accidents: cut short, bits turned over, tiles swapped, bytes appended, sent as text."""

from __future__ import annotations

import contextlib
import tracemalloc

import pytest
from container_samples import changed, flipped, full_file, join, lean_file, payload_of, split

from texcodec.container import Reader, read_header
from texcodec.errors import (
    ChecksumError,
    CorruptError,
    FormatError,
    NotTcxError,
    TexcodecError,
    TruncatedError,
)

FILES = {"full": full_file(), "lean": lean_file()}


def read_all(data: bytes) -> None:
    Reader(data).verify()


@pytest.fixture(params=FILES)
def data(request: pytest.FixtureRequest) -> bytes:
    return FILES[request.param]


def test_sound_file_is_accepted(data: bytes) -> None:
    read_all(data)


def test_every_truncation_is_called_a_truncation(data: bytes) -> None:
    for length in range(len(data)):
        with pytest.raises(TruncatedError):
            read_all(data[:length])


def test_every_flipped_bit_is_detected(data: bytes) -> None:
    for bit in range(8 * len(data)):
        with pytest.raises(FormatError):
            read_all(flipped(data, bit))


def test_every_flipped_bit_in_salvage_raises_only_our_errors(data: bytes) -> None:
    for bit in range(8 * len(data)):
        with contextlib.suppress(TexcodecError):
            Reader(flipped(data, bit), salvage=True).verify()


def test_every_changed_byte_is_detected(data: bytes) -> None:
    for position in range(len(data)):
        for value in (0x00, 0xFF, data[position] ^ 0x20):
            if value != data[position]:
                with pytest.raises(FormatError):
                    read_all(data[:position] + bytes([value]) + data[position + 1 :])


def test_every_removed_or_doubled_byte_is_detected(data: bytes) -> None:
    for position in range(len(data)):
        removed = data[:position] + data[position + 1 :]
        doubled = data[: position + 1] + data[position:]
        for damaged in (removed, doubled):
            with pytest.raises(FormatError):
                read_all(damaged)


@pytest.mark.parametrize("extra", [b"\0", b"\n", b"garbage", FILES["full"]])
def test_appended_bytes_are_detected(data: bytes, extra: bytes) -> None:
    with pytest.raises(CorruptError, match="follow the end"):
        Reader(data + extra)


def test_swapped_tiles_are_detected() -> None:
    tiles = payload_of(FILES["full"], b"TDAT")
    swapped = tiles[5:10] + tiles[:5] + tiles[10:]
    reader = Reader(changed(FILES["full"], b"TDAT", swapped))
    for index in (0, 1):
        with pytest.raises(ChecksumError, match=f"Tile {index} is damaged"):
            reader.tile_bytes(index)
    reader.tile_bytes(2)


def test_tiles_swapped_together_with_their_index_entries_are_detected() -> None:
    data = FILES["full"]
    tiles, index = payload_of(data, b"TDAT"), payload_of(data, b"TIDX")
    data = changed(data, b"TDAT", tiles[5:10] + tiles[:5] + tiles[10:])
    data = changed(data, b"TIDX", index[9:18] + index[:9] + index[18:])
    with pytest.raises(ChecksumError, match="Tile 0 is damaged"):
        read_all(data)


def test_damage_to_one_tile_leaves_the_others_readable() -> None:
    reader = Reader(FILES["full"])
    offset = reader.tile_offset(4)
    damaged = Reader(flipped(FILES["full"], 8 * offset + 3))
    for index in range(6):
        if index == 4:
            with pytest.raises(ChecksumError, match="Tile 4 is damaged"):
                damaged.tile_bytes(index)
        else:
            assert damaged.tile_bytes(index) == reader.tile_bytes(index)


@pytest.mark.parametrize("kind", [b"THDR", b"TIDX", b"TDAT", b"iccp", b"ALPH", b"TEND"])
def test_chunks_in_another_order_or_twice_or_missing(kind: bytes) -> None:
    chunks = split(FILES["full"])
    place = next(i for i, (k, _) in enumerate(chunks) if k == kind)
    twice = chunks[: place + 1] + chunks[place:]
    with pytest.raises(CorruptError):
        read_all(join(twice))
    if kind != b"iccp":
        with pytest.raises(FormatError):
            read_all(join(chunks[:place] + chunks[place + 1 :]))
    if kind in (b"THDR", b"TIDX"):
        chunks.insert(len(chunks) - 2, chunks.pop(place))  # just behind TDAT
        assert [k for k, _ in chunks[-3:]] == [b"TDAT", kind, b"TEND"]
        with pytest.raises(CorruptError):
            read_all(join(chunks))


def test_metadata_and_alpha_may_follow_the_tiles() -> None:
    chunks = split(FILES["full"])
    order = [b"THDR", b"zzzz", b"TIDX", b"TDAT", b"psum", b"ALPH", b"iccp", b"TEND"]
    chunks.sort(key=lambda item: order.index(item[0]))
    reader, usual = Reader(join(chunks)), Reader(FILES["full"])
    reader.verify()
    assert reader.chunks == usual.chunks and reader.alpha == usual.alpha


@pytest.mark.parametrize(
    "start",
    [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF", b"\x00", b"hello, world", b"89TCX"],
    ids=repr,
)
def test_wrong_magic(start: bytes) -> None:
    with pytest.raises(NotTcxError, match="not a .tcx file"):
        Reader(start + bytes(100))
    with pytest.raises(NotTcxError, match="not a .tcx file"):
        read_header(start)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: d.replace(b"\r\n", b"\n"), "CR LF was converted to LF"),
        (lambda d: d.replace(b"\n", b"\r\n"), "LF was converted to CR LF"),
        (lambda d: d.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"), "LF was converted to CR LF"),
        (lambda d: d.replace(b"\n", b"\r"), "LF was converted to CR"),
        (lambda d: d.replace(b"\r\n", b"\n").replace(b"\n", b"\r"), "LF was converted to CR"),
        (lambda d: bytes(b & 127 for b in d), "eighth bit"),
        (lambda d: d.decode("latin-1").encode(), "Latin-1 to UTF-8"),
        (lambda d: d.decode(errors="replace").encode(), "read as UTF-8"),
        (lambda d: d.decode("ascii", "replace").encode("ascii", "replace"), "question marks"),
    ],
)
def test_text_mode_damage_is_named(damage, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(NotTcxError, match=message):
        Reader(damage(FILES["full"]))


def test_empty_file_is_called_empty() -> None:
    with pytest.raises(TruncatedError, match="empty"):
        Reader(b"")


def test_damage_allocates_little() -> None:
    tracemalloc.start()
    try:
        for bit in range(0, 8 * len(FILES["full"]), 7):
            with pytest.raises(FormatError):
                read_all(flipped(FILES["full"], bit))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
