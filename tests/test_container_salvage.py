"""Salvage: a file with a sound header and index gives up its sound tiles, whatever happened after them."""

from __future__ import annotations

import pytest
from container_samples import (
    ALPHA,
    changed,
    flipped,
    full_file,
    join,
    lean_file,
    payload_of,
    payloads_of,
    sample_header,
    split,
)

from texcodec.container import Reader
from texcodec.errors import ChecksumError, CorruptError, FormatError, TruncatedError

FULL = full_file()
TIDX_END = FULL.index(b"iccp")
DATA = FULL.index(b"TDAT") + 8


def sound_tiles(data: bytes) -> list[int]:
    reader, sound = Reader(data, salvage=True), []
    assert reader.header == sample_header()
    for index, expected in enumerate(payloads_of(6)):
        try:
            assert reader.tile_bytes(index) == expected
            sound.append(index)
        except (ChecksumError, TruncatedError) as error:
            assert f"ile {index} " in str(error)
    return sound


def test_every_truncation_gives_the_tiles_before_the_cut() -> None:
    for length in range(TIDX_END, len(FULL)):
        assert sound_tiles(FULL[:length]) == list(range(min(6, max(0, (length - DATA) // 5))))


def test_truncated_header_or_index_cannot_be_salvaged() -> None:
    for length in range(TIDX_END):
        with pytest.raises(TruncatedError):
            Reader(FULL[:length], salvage=True)


def test_truncation_is_noted() -> None:
    assert any("ends" in problem for problem in Reader(FULL[:-1], salvage=True).problems)
    assert Reader(FULL, salvage=True).problems == []


def test_every_flipped_bit_after_the_index_costs_at_most_its_own_tile() -> None:
    for bit in range(8 * TIDX_END, 8 * len(FULL)):
        lost = {(bit // 8 - DATA) // 5} if DATA <= bit // 8 < DATA + 30 else set()
        assert sound_tiles(flipped(FULL, bit)) == [i for i in range(6) if i not in lost], bit


def test_every_flipped_bit_in_header_or_index_is_refused() -> None:
    for bit in range(8 * TIDX_END):
        with pytest.raises(FormatError):
            Reader(flipped(FULL, bit), salvage=True)


def test_damaged_metadata_is_dropped_and_the_rest_kept() -> None:
    reader = Reader(flipped(FULL, 8 * (FULL.index(b"profile"))), salvage=True)
    assert b"iccp" not in reader.chunks and b"psum" in reader.chunks and reader.alpha == ALPHA
    assert len(reader.problems) == 1 and "iccp" in reader.problems[0]


def test_damaged_alpha_is_dropped() -> None:
    reader = Reader(flipped(FULL, 8 * (FULL.index(b"ALPH") + 9)), salvage=True)
    assert reader.alpha is None
    assert any("ALPH" in problem for problem in reader.problems)


def test_appended_bytes_are_noted() -> None:
    reader = Reader(FULL + b"more", salvage=True)
    assert any("4 bytes follow" in problem for problem in reader.problems)
    assert sound_tiles(FULL + b"more") == list(range(6))


def test_garbage_between_index_and_tiles() -> None:
    for garbage in (b"", b"\0", b"noise" * 20, b"TDAT"):
        assert sound_tiles(FULL[:TIDX_END] + garbage + FULL[DATA - 8 :]) == list(range(6))


def test_index_that_contradicts_the_header_cannot_be_salvaged() -> None:
    with pytest.raises(CorruptError):
        Reader(changed(FULL, b"TIDX", payload_of(FULL, b"TIDX") + b"\xff"), salvage=True)


def test_lean_file_is_all_or_nothing() -> None:
    data = lean_file()
    with pytest.raises(ChecksumError):
        Reader(flipped(data, 8 * (len(data) - 6)), salvage=True)
    reader = Reader(data, salvage=True)
    assert reader.tile_bytes(0) == b"\x01\x02\x03\x04"


def test_file_without_an_index_cannot_be_salvaged() -> None:
    chunks = [chunk for chunk in split(FULL) if chunk[0] not in (b"TIDX", b"TDAT")]
    with pytest.raises(CorruptError, match="no chunk TIDX"):
        Reader(join(chunks), salvage=True)
