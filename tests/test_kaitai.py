"""The Kaitai description of the format (conformance/tcx.ksy) against texcodec's own reader, over all kinds of files."""

from __future__ import annotations

import hashlib
import random
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import compact_samples
import pytest
from compact_samples import FIELDS, framed
from container_samples import changed, chunk, flipped, full_file, join, lean_file, payload_of, split
from kaitai_tcx import Tcx
from kaitaistruct import KaitaiStructError
from test_container_golden import FEATURES_GOLDEN, GOLDEN, LEAN_GOLDEN

from texcodec.container import (
    ABSENT,
    ABSENT_ENTRY,
    DRAWN,
    SRGB,
    Header,
    Reader,
    tile_entry,
    unpack_stream,
    write,
)
from texcodec.errors import TexcodecError

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "conformance" / "tcx.ksy"
FILES = {
    **{
        str(p.relative_to(ROOT / "tests")): p.read_bytes()
        for p in sorted((ROOT / "tests/golden").rglob("*.tcx"))
    },
    **{p.name: p.read_bytes() for p in sorted((ROOT / "conformance").rglob("*.tcx"))},
    "examples/full": GOLDEN,
    "examples/lean": LEAN_GOLDEN,
    "examples/features": FEATURES_GOLDEN,
    "samples/full": full_file(),
    "samples/lean": lean_file(),
    **{f"samples/compact-{name}": data for name, data in compact_samples.FILES.items()},
}


def test_the_compiled_parser_is_that_of_the_description() -> None:
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()
    assert f"# SHA-256 of the source: {digest}\n" in (ROOT / "tests" / "kaitai_tcx.py").read_text("utf-8")


def fields(header: Any) -> dict[str, Any]:
    """Of a header or head as Kaitai has it, what both forms say."""
    cicp = getattr(header, "cicp", None)
    return {
        "width": header.width.value,
        "height": header.height.value,
        "channels": header.num_channels,
        "alpha": header.has_alpha,
        "tile": header.tile,
        "tiles": header.num_tiles,
        "classes": header.num_classes,
        "fusion": header.has_fusion,
        "drawn": header.has_drawn,
        "identity": header.identity,
        "origin": (header.left, header.top),
        "cicp": SRGB if cicp is None else (cicp.primaries, cicp.transfer, cicp.matrix, cicp.full_range),
    }


def fields_of(header: Header) -> dict[str, Any]:
    """The same of texcodec's header."""
    return {
        "width": header.width,
        "height": header.height,
        "channels": header.channels,
        "alpha": bool(header.alpha_mode),
        "tile": header.tile,
        "tiles": header.tile_count,
        "classes": header.classes,
        "fusion": header.fusion,
        "drawn": header.drawn,
        "identity": header.identity,
        "origin": (header.origin_x, header.origin_y),
        "cicp": header.cicp,
    }


def chunks_of(tree: Tcx) -> list[Any]:
    return [
        c for part in ("before_index", "before_data", "before_end") for c in getattr(tree, part, None) or []
    ]


def raw(one: Any) -> bytes:
    """The payload of a chunk."""
    found = [
        getattr(one, f"_raw_{name}", None) for name in ("index", "data", "compact_data", "alpha", "stream")
    ]
    return next((each for each in found if each is not None), None) or getattr(one, "body", b"")


def rebuilt(tree: Tcx) -> bytes:
    """The file from its parts, which shows that no byte is left out; checksums are held against what they cover."""
    if tree.is_chunked:
        head = b"THDR" + tree.thdr.len_body.to_bytes(4, "little") + tree.thdr._raw_body
        assert zlib.crc32(head) == tree.thdr.checksum
        out = b"\x89TCX\r\n\x1a\n" + head + tree.thdr.checksum.to_bytes(4, "little")
    else:
        out = b"\x89TCX\x02" + bytes(tree.len_head.groups) + tree._raw_head
        assert zlib.crc32(out) == tree.head_checksum
        out += tree.head_checksum.to_bytes(4, "little")
        if not tree.head.has_chunks:
            out += b"".join(tree.bare_data.payloads)
            assert zlib.crc32(b"".join(tree.bare_data.payloads)) == tree.head.data_checksum
    for one in chunks_of(tree):
        body = one.kind.encode("ascii") + one.len_body.to_bytes(4, "little") + raw(one)
        out += body
        if one.kind != "TDAT":
            assert zlib.crc32(body) == one.checksum
            out += one.checksum.to_bytes(4, "little")
    return out


def tiles(tree: Tcx) -> Iterator[tuple[int, int, int, int | None, int | None, bytes]]:
    """Class, length, rate offset, checksums and payload of every tile of the grid."""
    data = next((c for c in chunks_of(tree) if c.kind == "TDAT"), None)
    if tree.is_compact:
        offset = 0
        payloads = (data.compact_data if data else tree.bare_data).payloads
        for run, payload in zip(tree.head.entries, payloads, strict=True):
            if run.is_absent:
                yield from [(ABSENT, 0, 0, 0, 0, b"")] * run.num_tiles
            elif run.is_drawn:
                sums = run.payload_checksum, run.symbol_checksum
                yield DRAWN, run.length, (run.number - 1) // 2, *sums, payload
            elif run.is_rate:
                offset += run.rate_change
            else:
                assert run.is_tile
                yield run.kind, run.length, offset, None, None, payload
        assert sum(run.num_tiles for run in tree.head.entries) == tree.head.num_tiles
    elif tree.header.is_lean and tree.header.has_pixels:
        tile = tree.thdr.body.tile
        entry = tile_entry(0, tile.payload, class_index=tile.texture_class, symbols_crc=tile.symbol_checksum)
        yield (
            tile.texture_class,
            entry.length,
            tile.rate_offset,
            entry.crc,
            tile.symbol_checksum,
            tile.payload,
        )
    elif tree.has_index:
        for entry, payload in zip(tree.index.entries, data.data.payloads, strict=True):
            if entry.is_absent:
                yield ABSENT, 0, 0, 0, 0, b""
            else:
                sums = entry.payload_checksum, entry.symbol_checksum
                yield entry.texture_class, entry.length, entry.rate_offset, *sums, payload


def check_same(data: bytes) -> None:
    """That the description and the reader see the same in a file."""
    tree, reader = Tcx.from_bytes(data), Reader(data)
    assert rebuilt(tree) == data
    assert tree.is_compact == reader.header.compact
    ours = tree.head if tree.is_compact else tree.header
    assert fields(ours) == fields_of(reader.header)
    rate = ours.rate_index if tree.is_compact else ours.rate_index.value
    assert rate == reader.header.rate_index
    if tree.is_chunked:
        header = reader.header
        parsed = (
            ours.major,
            ours.minor,
            ours.halo,
            ours.stride,
            ours.entropy_profile,
            ours.has_pixels,
            ours.is_lean,
        )
        expected = header.major, header.minor, header.halo, 1 << header.latent_log2, header.entropy_profile
        assert parsed == (*expected, header.has_pixels, header.lean)
    found = list(tiles(tree))
    assert [each[:5] for each in found] == [
        (e.class_index, e.length, e.offset, e.crc, e.symbols_crc) for e in reader.tiles
    ]
    assert [each[5] for each in found] == [reader.tile_bytes(i) for i in range(len(reader.tiles))]
    others = [(c.kind.encode("ascii"), raw(c)) for c in chunks_of(tree)]
    kept = [each for each in others if each[0] not in (b"TIDX", b"TDAT", b"TEND", b"ALPH")]
    streams = [c.stream.fields for c in chunks_of(tree) if c.kind == "FEAT"]
    if tree.is_chunked and tree.header.is_lean and not tree.header.has_pixels:
        streams = [tree.thdr.body.stream]
        kept = reader.ancillary
    assert kept == reader.ancillary
    assert [payload for kind, payload in others if kind == b"ALPH"] == [
        each for each in [reader.alpha] if each is not None
    ]
    for stream, payload in zip(streams, reader.features):
        known = unpack_stream(payload)
        assert (stream.level, stream.symbol_checksum, stream.payload) == (
            known.level,
            known.symbols_crc,
            known.payload,
        )
        assert [(t.identifier, t.height.value, t.width.value) for t in stream.tasks] == [
            (t.identifier, t.height, t.width) for t in known.tasks
        ]


@pytest.mark.parametrize("name", FILES)
def test_description_and_reader_see_the_same(name: str) -> None:
    check_same(FILES[name])


def generated(chance: random.Random, *, compact: bool) -> bytes:
    """A file with a random header, index and chunks."""
    drawn = chance.random() < 0.4
    log2 = chance.choice([7, 8])
    header = Header(
        width=chance.choice([1, 127, 128, 129, chance.randrange(1, 1500)]),
        height=chance.choice([1, 256, 257, chance.randrange(1, 900)]),
        channels=chance.choice([1, 3]),
        identity=chance.randbytes(8 if compact else 16),
        rate_index=chance.randrange(30, 200),
        classes=chance.choice([1, 3, 254]),
        entropy_profile=2 if compact else 1,
        tile_log2=log2,
        halo=1 if compact else chance.choice([0, 1, 3]),
        fusion=chance.random() < 0.5,
        drawn=drawn,
        origin_x=chance.choice([0, 0, chance.randrange(0, 1 << log2)]),
        origin_y=chance.choice([0, 0, chance.randrange(0, 1 << log2)]),
        alpha_mode=chance.choice([0, 0, 1]),
        cicp=chance.choice([SRGB, (9, 16, 0, 1)]),
        minor=3,
    )
    entries, payloads = [], []
    for index in range(header.tile_count):
        payload = chance.randbytes(chance.choice([0, 1, 5, 40, 130, 20_000 if index == 0 else 3]))
        kind = chance.random()
        if kind < 0.3:
            entries.append(ABSENT_ENTRY)
            payload = b""
        elif drawn and kind < 0.5:
            offset, crc = chance.choice([0, 1]), chance.getrandbits(16)
            entries.append(tile_entry(index, payload, class_index=DRAWN, offset=offset, symbols_crc=crc))
        else:
            crc16 = None if compact else chance.getrandbits(16)
            kind_of, offset = chance.randrange(header.classes), chance.choice([0, 0, 0, 1, -1, 30, -30])
            entries.append(tile_entry(index, payload, class_index=kind_of, offset=offset, symbols_crc=crc16))
        payloads.append(payload)
    chunks = [
        (b"iccp", b"profile"),
        (b"zzzz", b""),
        (b"zzzz", chance.randbytes(300)),
        (b"feat", b"impossible"),
    ]
    return write(
        header,
        payloads,
        entries,
        chance.sample(chunks, chance.choice([0, 0, 1, 4])),
        b"\0\x80" if header.alpha_mode else None,
    )


@pytest.mark.parametrize("compact", [False, True], ids=["chunks", "compact"])
def test_description_and_reader_see_the_same_in_generated_files(compact: bool) -> None:
    chance = random.Random(1)
    for _ in range(150):
        check_same(generated(chance, compact=compact))


def accepted(data: bytes) -> bool:
    """Whether the description, with the checksums, takes a file."""
    try:
        rebuilt(Tcx.from_bytes(data))
    except (KaitaiStructError, EOFError, AssertionError, UnicodeDecodeError, AttributeError):
        return False  # the last one: data before an index
    return True


def test_description_takes_what_the_reader_takes_of_damaged_files() -> None:
    """Bits turned over with all checksums made right again: what the reader accepts, the description must accept."""
    chance = random.Random(2)
    both = ours = 0
    for data in (full_file(), GOLDEN):
        parts = split(data)
        for _ in range(400):
            number = chance.randrange(len(parts))
            kind, payload = parts[number]
            if payload:
                broken = flipped(payload, chance.randrange(8 * len(payload)))
                data = join([*parts[:number], [kind, broken], *parts[number + 1 :]])
                ours, both = _counted(data, ours, both)
    for _ in range(400):
        data = framed(flipped(compact_samples.HEAD, chance.randrange(8 * len(compact_samples.HEAD))))
        ours, both = _counted(data, ours, both)
    assert both > 300 and ours > both


def _counted(data: bytes, ours: int, both: int) -> tuple[int, int]:
    try:
        Reader(data).check_data()  # opening does not look at the tiles, nor at their checksum
    except TexcodecError:
        return ours + 1, both
    assert accepted(data)
    return ours + 1, both + 1


LIES = {
    "another first byte": b"\x88" + GOLDEN[1:],
    "another form": b"\x89TCX\x03" + compact_samples.BARE[5:],
    "converted line ends": GOLDEN.replace(b"\r\n", b"\n", 1),
    "a turned bit": flipped(GOLDEN, 200),
    "another major version": changed(GOLDEN, b"THDR", b"\x02" + payload_of(GOLDEN, b"THDR")[1:]),
    "an unknown flag": changed(GOLDEN, b"THDR", b"\x01\x00\x44" + payload_of(GOLDEN, b"THDR")[3:]),
    "a byte behind the header": changed(GOLDEN, b"THDR", payload_of(GOLDEN, b"THDR") + b"\0"),
    "a long form of a number": changed(
        GOLDEN, b"THDR", payload_of(GOLDEN, b"THDR").replace(b"\xac\x02\xc8", b"\xac\x82\x00\xc8", 1)
    ),
    "a number of 2^32": changed(
        GOLDEN, b"THDR", payload_of(GOLDEN, b"THDR").replace(b"\xac\x02\xc8", b"\x80\x80\x80\x80\x10\xc8", 1)
    ),
    "an undeclared class": changed(GOLDEN, b"TIDX", b"\x09" + payload_of(GOLDEN, b"TIDX")[1:]),
    "a drawn tile unannounced": changed(GOLDEN, b"TIDX", b"\xfe" + payload_of(GOLDEN, b"TIDX")[1:]),
    "an index of one tile more": changed(GOLDEN, b"TIDX", payload_of(GOLDEN, b"TIDX") + b"\xff"),
    "data that are too short": changed(GOLDEN, b"TDAT", payload_of(GOLDEN, b"TDAT")[:-1]),
    "data that are too long": changed(GOLDEN, b"TDAT", payload_of(GOLDEN, b"TDAT") + b"\0"),
    "a cut": GOLDEN[:-1],
    "a byte behind the end": GOLDEN + b"\0",
    "no index": join([c for c in split(GOLDEN) if c[0] != b"TIDX"]),
    "a chunk behind the end": GOLDEN + chunk(b"zzzz", b""),
    "compact: cut data": compact_samples.BARE[:-1],
    "compact: a byte behind the data": compact_samples.BARE + b"\0",
    "compact: an unknown flag": framed(b"\x82\x04" + FIELDS[1:] + compact_samples.INDEX),
    "compact: tiles of two sizes": framed(b"\x86\x02" + FIELDS[1:] + compact_samples.INDEX),
    "compact: large tiles with an origin": framed(b"\xa2\x02" + FIELDS[1:] + compact_samples.INDEX),
    "compact: a cut index": framed(FIELDS + compact_samples.INDEX[:-1] + b"\x80"),
}
"""Refused by the description alone, with the checksums that it points to."""


@pytest.mark.parametrize("name", LIES)
def test_description_refuses_lies(name: str) -> None:
    assert accepted(GOLDEN) and accepted(compact_samples.BARE)
    assert not accepted(LIES[name])
    with pytest.raises(TexcodecError):
        Reader(LIES[name])
