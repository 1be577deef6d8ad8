"""Compact files as bytes: round trips, sizes, damage, salvage."""

from __future__ import annotations

import contextlib
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from compact_samples import (
    BARE,
    ENTRIES,
    FILES,
    FULL,
    HEAD,
    HEAD_END,
    PAYLOADS,
    framed,
    sample_header,
)
from container_samples import flipped
from hypothesis import given, settings
from hypothesis import strategies as st

from texcodec.container import ABSENT_ENTRY, DRAWN, Header, Reader, TileEntry, read_header, tile_entry, write
from texcodec.container.fields import varint
from texcodec.errors import (
    ChecksumError,
    CorruptError,
    FormatError,
    NotTcxError,
    TexcodecError,
    TruncatedError,
    UnsupportedError,
)

steady = settings(deadline=None, derandomize=True, max_examples=150)


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
        for damaged in [
            *changed,
            data[:position] + data[position + 1 :],
            data[: position + 1] + data[position:],
        ]:
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
    for damaged, message in ((bytes(b & 127 for b in BARE), "eighth bit"), (b"\xc2" + BARE, "UTF-8")):
        with pytest.raises(NotTcxError, match=message):
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
