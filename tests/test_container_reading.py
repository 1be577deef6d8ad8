"""Round trips, and the same result from bytes, files and pipes, however reads are split."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from container_samples import (
    ALPHA,
    ANCILLARY,
    IDENTITY,
    changed,
    full_file,
    lean_file,
    payload_of,
    payloads_of,
    sample_header,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from texcodec.container import ABSENT, Header, Reader, TileEntry, read_header, tile_entry, write
from texcodec.errors import FormatError, LimitError, ParameterError, StreamError, TexcodecError
from texcodec.limits import Limits

steady = settings(deadline=None, derandomize=True, max_examples=150)
sides = st.integers(1, 1200)


@st.composite
def headers(draw: Callable[..., Any]) -> Header:
    tile_log2 = draw(st.sampled_from([7, 8]))
    latent_log2 = draw(st.integers(0, tile_log2))
    return Header(
        width=draw(sides),
        height=draw(sides),
        channels=draw(st.sampled_from([1, 3])),
        identity=draw(st.binary(min_size=16, max_size=16)),
        rate_index=draw(st.integers(0, 65_535)),
        classes=draw(st.integers(1, 254)),
        entropy_profile=draw(st.integers(0, 255).filter(lambda profile: profile != 2)),  # that is compact
        tile_log2=tile_log2,
        latent_log2=latent_log2,
        halo=draw(st.integers(0, min(15, (1 << tile_log2) >> latent_log2))),
        fusion=draw(st.booleans()),
        origin_x=draw(st.integers(0, (1 << tile_log2) - 1)),
        origin_y=draw(st.integers(0, (1 << tile_log2) - 1)),
        alpha_mode=draw(st.integers(0, 1)),
        cicp=draw(
            st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255), st.integers(0, 1))
        ),
        minor=draw(st.integers(0, 255)),
    )


ancillaries = st.lists(
    st.tuples(st.sampled_from([b"iccp", b"exif", b"text", b"psum", b"feat"]), st.binary(max_size=40)),
    unique_by=lambda item: item[0],
)


@steady
@given(headers(), ancillaries, st.data())
def test_what_is_written_is_read(
    header: Header, ancillary: list[tuple[bytes, bytes]], data: st.DataObject
) -> None:
    payloads, entries = [], []
    lowest, highest = max(-128, -header.rate_index), min(127, 65_535 - header.rate_index)
    for index in range(header.tile_count):
        if data.draw(st.integers(0, 9)) == 9:
            payloads.append(b"")
            entries.append(TileEntry(0, ABSENT))
        else:
            payloads.append(data.draw(st.binary(max_size=6)))
            entries.append(
                tile_entry(
                    index,
                    payloads[-1],
                    class_index=data.draw(st.integers(0, header.classes - 1)),
                    symbols_crc=data.draw(st.integers(0, 65_535)),
                    offset=data.draw(st.integers(lowest, highest)),
                )
            )
    alpha = data.draw(st.binary(max_size=20)) if header.alpha_mode else None
    written = write(header, payloads, entries, ancillary, alpha)
    for salvage in (False, True):
        reader = Reader(written, salvage=salvage)
        reader.verify()
        assert {**vars_of(reader.header), "lean": False} == vars_of(header)
        assert list(reader.tiles) == entries
        assert [reader.tile_bytes(i) for i in range(len(entries))] == payloads
        assert reader.ancillary == ancillary and reader.chunks == dict(ancillary)
        assert reader.alpha == alpha and not reader.problems
    assert read_header(written) == reader.header
    assert write(reader.header, payloads, entries, ancillary, alpha) == written


def vars_of(header: Header) -> dict[str, object]:
    return {name: getattr(header, name) for name in header.__slots__}


@steady
@given(st.binary(max_size=200), st.booleans())
def test_random_bytes_raise_only_our_errors(noise: bytes, salvage: bool) -> None:
    for data in (noise, full_file()[:8] + noise, full_file()[:90] + noise, lean_file()[:8] + noise):
        with pytest.raises(FormatError):
            Reader(data, salvage=salvage).verify()


@steady
@given(st.data())
def test_damage_with_right_chunk_checksums_raises_only_our_errors(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from([b"THDR", b"TIDX", b"ALPH", b"iccp"]))
    payload = bytearray(payload_of(full_file(), kind))
    for _ in range(data.draw(st.integers(1, 3))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    try:
        Reader(changed(full_file(), kind, bytes(payload))).verify()
    except TexcodecError as error:
        assert str(error)


class Trickle(io.RawIOBase):
    """A stream that is not seekable and returns a few bytes a read."""

    def __init__(self, data: bytes, step: int) -> None:
        self._rest, self._step = io.BytesIO(data), step

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._rest.read(min(self._step, size) if size >= 0 else self._step)


class Counting(io.BytesIO):
    """A seekable file that counts what is read from it, in short reads."""

    count = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size if size is None or size < 3 else 3)
        self.count += len(data)
        return data


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_pipe_gives_the_same_however_reads_are_split(step: int) -> None:
    reader = Reader(Trickle(full_file(), step))  # type: ignore[arg-type]
    reader.verify()
    assert reader.header == sample_header() and reader.alpha == ALPHA and reader.ancillary == ANCILLARY
    assert [reader.tile_bytes(i) for i in range(6)] == payloads_of(6)


def test_real_pipe() -> None:
    ends = os.pipe()
    with os.fdopen(ends[0], "rb") as source, os.fdopen(ends[1], "wb") as sink:

        def feed() -> None:
            with sink:
                sink.write(full_file())

        feeder = threading.Thread(target=feed)
        feeder.start()
        reader = Reader(source)
        feeder.join()
    assert [reader.tile_bytes(i) for i in range(6)] == payloads_of(6)


def test_pipe_longer_than_the_memory_limit_is_refused() -> None:
    with pytest.raises(LimitError, match="stream"):
        Reader(Trickle(bytes(10_000), 100), Limits(memory=5000))  # type: ignore[arg-type]


def test_seekable_file_is_read_only_where_needed() -> None:
    header = Header(width=2560, height=2560, channels=3, identity=IDENTITY, rate_index=0, classes=1)
    payloads = [bytes([i]) * 2000 for i in range(100)]
    data = write(
        header, payloads, [tile_entry(i, p, class_index=0, symbols_crc=0) for i, p in enumerate(payloads)]
    )
    file = Counting(data)
    reader = Reader(file)
    assert file.count < 1200
    before = file.count
    assert reader.tile_bytes(42) == payloads[42]
    assert file.count == before + 2000


def test_file_is_read_from_its_current_position(tmp_path: Path) -> None:
    path = tmp_path / "embedded"
    path.write_bytes(b"prefix" + full_file())
    with open(path, "rb") as file:
        file.seek(6)
        Reader(file).verify()
        file.seek(6)
        assert read_header(file) == sample_header()


def test_tiles_may_be_read_from_several_threads(tmp_path: Path) -> None:
    path = tmp_path / "picture.tcx"
    path.write_bytes(full_file())
    with open(path, "rb") as file, ThreadPoolExecutor(4) as pool:
        reader = Reader(file)
        assert list(pool.map(reader.tile_bytes, list(range(6)) * 50)) == payloads_of(6) * 50


def test_bytearray_and_memoryview_are_bytes_too() -> None:
    for kind in (bytearray, memoryview):
        reader = Reader(kind(full_file()))
        assert [reader.tile_bytes(i) for i in range(6)] == payloads_of(6)


@pytest.mark.parametrize("source", [io.StringIO("text"), 7, None, "picture.tcx"])
def test_sources_that_are_not_binary(source: object) -> None:
    with pytest.raises(ParameterError, match="binary"):
        Reader(source)  # type: ignore[arg-type]


def test_failing_and_closed_files(tmp_path: Path) -> None:
    path = tmp_path / "picture.tcx"
    path.write_bytes(full_file())
    with open(path, "rb") as file:
        reader = Reader(file)
    with pytest.raises(StreamError):
        reader.tile_bytes(0)
    with pytest.raises(StreamError):
        Reader(file)


def test_tile_index_outside_the_grid() -> None:
    reader = Reader(full_file())
    for index in (-1, 6):
        with pytest.raises(ParameterError, match="6 tiles"):
            reader.tile_bytes(index)


ENTRIES = [tile_entry(i, p, class_index=0, symbols_crc=0) for i, p in enumerate(payloads_of(6))]


@pytest.mark.parametrize(
    "arguments",
    [
        (sample_header(), payloads_of(5), ENTRIES[:5], [], ALPHA),
        (sample_header(), payloads_of(6), ENTRIES[:5], [], ALPHA),
        (sample_header(), payloads_of(6), ENTRIES[::-1], [], ALPHA),
        (sample_header(), payloads_of(6)[::-1], ENTRIES, [], ALPHA),
        (sample_header(), payloads_of(6), ENTRIES, [], None),
        (sample_header(alpha_mode=0), payloads_of(6), ENTRIES, [], ALPHA),
        (sample_header(), payloads_of(6), ENTRIES, [(b"TDAT", b"")], ALPHA),
        (sample_header(), payloads_of(6), ENTRIES, [(b"FEAT", b"")], ALPHA),
        (sample_header(), payloads_of(6), ENTRIES, [(b"Zzzz", b"")], ALPHA),
        (sample_header(), payloads_of(6), ENTRIES, [(b"zz", b"")], ALPHA),
        (sample_header(), payloads_of(6), ENTRIES, [(b"iccp", b"")] * 2, ALPHA),
        (sample_header(major=2), payloads_of(6), ENTRIES, [], ALPHA),
        (sample_header(), [b""] + payloads_of(6)[1:], [TileEntry(0, ABSENT, 1)] + ENTRIES[1:], [], ALPHA),
        (sample_header(has_pixels=False, alpha_mode=0, fusion=False, identity=bytes(16)), [], []),
    ],
)
def test_writer_refuses_contradictions(arguments: tuple) -> None:  # type: ignore[type-arg]
    with pytest.raises(ParameterError):
        write(*arguments)


@pytest.mark.parametrize(
    "change",
    [
        {"width": 0},
        {"height": 2**32},
        {"channels": 2},
        {"classes": 255},
        {"halo": 16},
        {"tile_log2": 9},
        {"identity": b"short"},
        {"rate_index": -1},
        {"bit_depth": 16},
        {"orientation": 6},
        {"cicp": (1, 13, 0)},
        {"cicp": (1, 13, 0, 2)},
        {"origin_x": 256},
        {"has_pixels": False},
        {"lean": True},
    ],
)
def test_header_refuses_values_out_of_range(change: dict[str, object]) -> None:
    with pytest.raises(ParameterError):
        sample_header(**change)
