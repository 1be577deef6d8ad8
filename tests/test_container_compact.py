"""Compact files as bytes: golden bytes, round trips, sizes, damage, lies, limits, salvage."""

from __future__ import annotations

import contextlib
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from container_samples import chunk, flipped
from hypothesis import given, settings
from hypothesis import strategies as st

from texcodec.container import ABSENT_ENTRY, DRAWN, Header, Reader, TileEntry, read_header, tile_entry, write
from texcodec.container.compact_index import longest_payload
from texcodec.container.fields import varint
from texcodec.errors import (
    ChecksumError,
    CorruptError,
    FormatError,
    LimitError,
    NotTcxError,
    ParameterError,
    TexcodecError,
    TruncatedError,
    UnsupportedError,
)
from texcodec.limits import Limits

IDENTITY = bytes(range(8))
steady = settings(deadline=None, derandomize=True, max_examples=150)


def sample_header(**changes: object) -> Header:
    """Header of a picture of 600 x 400 pixels, six tiles; ``changes`` replace fields."""
    fields: dict[str, object] = dict(
        width=600, height=400, channels=3, identity=IDENTITY, rate_index=100, classes=3, entropy_profile=2,
        halo=1, fusion=True, minor=3,
    )  # fmt: skip
    return Header(**(fields | changes))  # type: ignore[arg-type]


PAYLOADS = [b"\1\2\3\4", b"\5\6\7", b"", b"", b"\10\11\12\13\14", b"\15\16\17"]
ENTRIES = [
    TileEntry(4, 0, 0, None, None),
    TileEntry(3, 1, 1, None, None),
    ABSENT_ENTRY,
    ABSENT_ENTRY,
    TileEntry(5, 2, -1, None, None),
    TileEntry(3, 0, -1, None, None),
]
BARE = write(sample_header(), PAYLOADS, ENTRIES)
METADATA = [(b"iccp", b"profile"), (b"zzzz", b"unknown, kept")]
FULL = write(sample_header(alpha_mode=1), PAYLOADS, ENTRIES, METADATA, b"\0\x80")
FILES = {"bare": BARE, "chunks": FULL}
HEAD_END = BARE.index(b"\1\2\3\4\5\6\7\10")


def framed(head: bytes, rest: bytes = b"".join(PAYLOADS), *, form: int = 2) -> bytes:
    """A file with this head, its checksum right, built without texcodec."""
    body = b"\x89TCX" + bytes([form]) + varint(len(head)) + head
    return body + struct.pack("<I", zlib.crc32(body)) + rest


HEAD = BARE[6 : HEAD_END - 4]
FIELDS, INDEX = HEAD[:19], HEAD[19:]


def indexed(*numbers: int) -> bytes:
    """The bare file with another index."""
    return framed(FIELDS + b"".join(map(varint, numbers)))


@st.composite
def files(draw: Callable[..., Any]) -> tuple[Header, list[bytes], list[TileEntry]]:
    """A header with payloads and entries that fit it."""
    log2 = draw(st.sampled_from([7, 8]))
    header = Header(
        width=draw(st.integers(1, 1200)),
        height=draw(st.integers(1, 1200)),
        channels=draw(st.sampled_from([1, 3])),
        identity=draw(st.binary(min_size=8, max_size=8)),
        rate_index=draw(st.integers(0, 255)),
        classes=draw(st.integers(1, 254)),
        entropy_profile=2,
        tile_log2=log2,
        halo=1,
        fusion=draw(st.booleans()),
        drawn=draw(st.booleans()),
        origin_x=draw(st.integers(0, (1 << log2) - 1)),
        origin_y=draw(st.integers(0, (1 << log2) - 1)),
        alpha_mode=draw(st.integers(0, 1)),
        cicp=draw(st.just((1, 13, 0, 1)) | st.tuples(*[st.integers(0, 255)] * 3, st.integers(0, 1))),
        minor=3,
    )
    payloads, entries = [], []
    for index in range(header.tile_count):
        kind = draw(st.sampled_from(["coded", "coded", "absent", "drawn" if header.drawn else "coded"]))
        payload = b"" if kind == "absent" else draw(st.binary(max_size=6))
        payloads.append(payload)
        if kind == "absent":
            entries.append(ABSENT_ENTRY)
        elif kind == "drawn":
            checksum, offset = draw(st.integers(0, 65_535)), draw(st.integers(0, 1))
            entries.append(tile_entry(index, payload, class_index=DRAWN, symbols_crc=checksum, offset=offset))
        else:
            offset = draw(st.integers(0, 255)) - header.rate_index
            number = draw(st.integers(0, header.classes - 1))
            entries.append(tile_entry(index, payload, class_index=number, symbols_crc=None, offset=offset))
    return header, payloads, entries


ancillaries = st.lists(
    st.tuples(st.sampled_from([b"iccp", b"exif", b"text", b"psum", b"feat"]), st.binary(max_size=40)),
    unique_by=lambda item: item[0],
)


@steady
@given(files(), ancillaries, st.binary(max_size=20))
def test_what_is_written_is_read(
    parts: tuple[Header, list[bytes], list[TileEntry]], ancillary: list[tuple[bytes, bytes]], plane: bytes
) -> None:
    header, payloads, entries = parts
    alpha = plane if header.alpha_mode else None
    written = write(header, payloads, entries, ancillary, alpha)
    assert written.startswith(b"\x89TCX\2")
    for salvage in (False, True):
        reader = Reader(written, salvage=salvage)
        reader.verify()
        assert reader.header == header == read_header(written)
        assert list(reader.tiles) == entries
        assert [reader.tile_bytes(i) for i in range(len(entries))] == payloads
        assert reader.ancillary == ancillary and reader.alpha == alpha and not reader.problems
    assert reader.container_bytes == len(written) - sum(map(len, payloads))
    assert write(reader.header, payloads, reader.tiles, reader.ancillary, reader.alpha) == written


def test_entries_with_checksums_make_the_same_file() -> None:
    entries = [
        e if e.absent else tile_entry(i, p, class_index=e.class_index, symbols_crc=7, offset=e.offset)
        for i, (e, p) in enumerate(zip(ENTRIES, PAYLOADS, strict=True))
    ]
    assert write(sample_header(), PAYLOADS, entries) == BARE


def test_example_of_the_format_document_is_the_sample() -> None:
    document = (Path(__file__).parents[1] / "docs" / "format.md").read_text(encoding="utf-8")
    block = document.split("```hex compact\n")[1].split("```")[0]
    assert bytes.fromhex("".join(line[:51] for line in block.splitlines())) == BARE


def test_what_stands_beside_the_tiles_of_a_kodak_picture() -> None:
    payloads = [bytes([i]) * (100 + 140 * i) + b"\1" for i in range(6)]
    entries = [tile_entry(i, p, class_index=i % 3, symbols_crc=None) for i, p in enumerate(payloads)]
    reader = Reader(write(sample_header(width=768, height=512), payloads, entries))
    assert reader.container_bytes == 41
    with_metadata = write(sample_header(width=768, height=512), payloads, entries, [(b"exif", bytes(100))])
    assert Reader(with_metadata).container_bytes == 41 + 20 + 112


def test_one_tile_and_a_thumbnail() -> None:
    header = sample_header(width=64, height=64, fusion=False)
    reader = Reader(write(header, [bytes(300)], [TileEntry(300, 1, 0, None, None)]))
    assert reader.container_bytes == 29
    assert not reader.header.lean


@pytest.mark.parametrize(("tiles", "most"), [(1, 1), (2, 1), (16, 1), (17, 2), (600, 2)])
def test_a_run_of_absent_tiles_costs_a_byte_or_two(tiles: int, most: int) -> None:
    def size(absent: int) -> int:
        header = sample_header(width=256 * (absent + 1), height=16)
        last = TileEntry(3, 0, 0, None, None)
        data = write(header, [b""] * absent + [b"abc"], [ABSENT_ENTRY] * absent + [last])
        assert [e.absent for e in Reader(data).tiles] == [True] * absent + [False]
        return len(data) - len(varint(header.width))

    assert size(tiles) - size(0) == most


@pytest.mark.parametrize(("change", "most"), [(1, 1), (-1, 1), (7, 1), (-7, 1), (-100, 2), (155, 2)])
def test_a_change_of_the_rate_costs_a_byte_or_two(change: int, most: int) -> None:
    def size(offset: int) -> int:
        entries = [TileEntry(3, 0, 0, None, None), *[TileEntry(3, 0, offset, None, None)] * 5]
        data = write(sample_header(), [b"abc"] * 6, entries)
        assert list(Reader(data).tiles) == entries
        return len(data)

    assert size(change) - size(0) == most


# Damage


@pytest.fixture(params=FILES)
def data(request: pytest.FixtureRequest) -> bytes:
    return FILES[request.param]


def read_all(data: bytes) -> None:
    Reader(data).verify()


def test_every_truncation_is_called_a_truncation(data: bytes) -> None:
    for length in range(len(data)):
        with pytest.raises(TruncatedError):
            read_all(data[:length])


def test_every_flipped_bit_is_detected(data: bytes) -> None:
    for bit in range(8 * len(data)):
        with pytest.raises(FormatError):
            read_all(flipped(data, bit))
        with contextlib.suppress(TexcodecError):
            Reader(flipped(data, bit), salvage=True).verify()


def test_every_changed_removed_or_doubled_byte_is_detected(data: bytes) -> None:
    for position in range(len(data)):
        others = {0x00, 0xFF, 0x0D, data[position] ^ 0x20} - {data[position]}
        changed = [data[:position] + bytes([value]) + data[position + 1 :] for value in others]
        for damaged in [*changed, data[:position] + data[position + 1 :], data[: position + 1] + data[position:]]:
            with pytest.raises(FormatError):
                read_all(damaged)


@pytest.mark.parametrize("extra", [b"\0", b"\n", b"garbage", BARE])
def test_appended_bytes_are_detected(data: bytes, extra: bytes) -> None:
    with pytest.raises(CorruptError, match="follow the end"):
        Reader(data + extra)


def test_swapped_tiles_are_detected() -> None:
    swapped = framed(HEAD, b"".join([PAYLOADS[5], *PAYLOADS[1:5], PAYLOADS[0]]))
    with pytest.raises(ChecksumError, match="tiles are damaged"):
        read_all(swapped)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.replace(b"\x02", b"\x03", 1),
        lambda d: b"\x89TCX",
        lambda d: b"\x89TCX\x63 and anything else that is longer",
        lambda d: b"\x89TCX\x0c\x80",
    ],
)
def test_damaged_form_is_no_newer_version(change: Callable[[bytes], bytes]) -> None:
    with pytest.raises((NotTcxError, TruncatedError)):
        Reader(change(BARE))


@pytest.mark.parametrize("form", [0, 1, 3, 255])
def test_sound_file_of_another_form_is_unsupported(form: int) -> None:
    for head in (HEAD, b"fields of its own"):
        with pytest.raises(UnsupportedError, match=f"form {form}") as caught:
            Reader(framed(head, form=form))
        assert caught.value.exit_code == 4


def test_text_mode_damage_of_the_first_bytes_is_named() -> None:
    for damaged, said in ((bytes(b & 127 for b in BARE), "eighth bit"), (b"\xc2" + BARE, "UTF-8")):
        with pytest.raises(NotTcxError, match=said):
            Reader(damaged)


def test_damage_allocates_little() -> None:
    tracemalloc.start()
    try:
        for bit in range(0, 8 * len(FULL), 3):
            with pytest.raises(FormatError):
                read_all(flipped(FULL, bit))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


# Lies: all checksums are right


def other_kind(n: int) -> int:
    """The number of an entry that is no tile of a class."""
    return n * 4 + 3


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
        (FLAGS, b"\x82\x02", UnsupportedError),  # bit 8
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
        read_all(framed(head))
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
            read_all(FULL[:place] + broken)


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
    for limits in (Limits(pixels=600 * 400 - 1), Limits(side=599), Limits(tiles=5), Limits(memory=600 * 400 * 4 - 1)):
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
        {"tile_log2": 9},
        {"lean": True, "width": 9, "height": 9},
    ],
)
def test_header_that_the_form_cannot_hold_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        sample_header(**changes)


def test_writer_refuses_entries_that_the_form_cannot_hold() -> None:
    header = sample_header(width=9, height=9)
    for entry in (TileEntry(1, 0, 156, None, None), TileEntry(1, 0, -101, None, None), TileEntry(1, 3, 0, None, None)):
        with pytest.raises(ParameterError):
            write(header, [b"a"], [entry])
    with pytest.raises(ParameterError, match="no crc"):
        write(sample_header(width=9, height=9, drawn=True), [b"a"], [TileEntry(1, DRAWN, 0, None, None)])
    assert longest_payload(3) * 4 + 3 <= 2**32 - 1 < longest_payload(3) * 4 + 7


# Salvage


def sound_tiles(data: bytes) -> list[int]:
    """Tiles that salvage gives out whole; their bytes may be wrong, which their streams would show."""
    reader, found = Reader(data, salvage=True), []
    for index, entry in enumerate(ENTRIES):
        with contextlib.suppress(TruncatedError):
            if not entry.absent and reader.tile_bytes(index) == PAYLOADS[index]:
                found.append(index)
    return found


def test_every_truncation_gives_the_tiles_before_the_cut() -> None:
    ends = {0: 4, 1: 7, 4: 12, 5: 15}
    for start, data in ((HEAD_END, BARE), (FULL.index(b"TDAT") + 8, FULL)):
        for length in range(start if data is BARE else FULL.index(b"iccp"), len(data) + 1):
            kept = [i for i, end in ends.items() if start + end <= length]
            assert sound_tiles(data[:length]) == kept
            assert bool(Reader(data[:length], salvage=True).problems) == (length < len(data))


def test_every_flipped_bit_after_the_head_costs_at_most_its_own_tile() -> None:
    for data, start in ((BARE, HEAD_END), (FULL, FULL.index(b"TDAT") + 8)):
        for bit in range(8 * (HEAD_END if data is BARE else FULL.index(b"iccp")), 8 * len(data)):
            at = bit // 8 - start
            lost = next((i for i, end in ((0, 4), (1, 7), (4, 12), (5, 15)) if 0 <= at < end), None)
            assert sound_tiles(flipped(data, bit)) == [i for i in (0, 1, 4, 5) if i != lost], bit


def test_every_flipped_bit_in_the_head_is_refused() -> None:
    for bit in range(8 * HEAD_END):
        with pytest.raises(FormatError):
            Reader(flipped(BARE, bit), salvage=True)


def test_appended_bytes_are_noted() -> None:
    reader = Reader(BARE + b"more", salvage=True)
    assert any("4 bytes follow" in problem for problem in reader.problems)
    assert sound_tiles(BARE + b"more") == [0, 1, 4, 5]
