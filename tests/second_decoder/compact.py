"""Compact files: the chapter of that name of docs/format.md."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from .container import (
    ABSENT,
    DRAWN,
    File,
    Header,
    TileRecord,
    check_header,
    decode_alpha,
    read_chunks,
    tile_count,
)
from .fields import Fields, require

FLAGS = ("grey", "fusion", "small", "alpha", "chunks", "origin", "cicp", "drawn", "large")
MOST_TILES = 65_536


@dataclass(frozen=True)
class _Entry:
    """A tile as the index describes it; `checks` are the checksums of payload and symbols of a drawn one."""

    texture: int
    length: int = 0
    rate: int = 0
    checks: tuple[int, int] | None = None


def read_compact(data: bytes) -> File:
    """Check a file whose first bytes are those of a compact one."""
    frame = Fields(data)
    require(frame.take(5) == b"\x89TCX\2", "the form is 2")
    size = frame.varint()
    require(size <= 64 + 13 * MOST_TILES, "the head is not longer than its tiles need")
    head = Fields(frame.take(size))
    checked = data[: frame.position]
    require(zlib.crc32(checked) == frame.number("I"), "the checksum of the frame")
    header, has_chunks = _head(head)
    checksum = head.number("I")
    require(tile_count(header) <= MOST_TILES, "the number of tiles is within the limits")
    entries = _index(head, header)
    ancillary: dict[bytes, bytes] = {}
    alpha, streams = None, []
    if has_chunks:
        chunks, streams = read_chunks(data, frame.position, header)
        require(not {b"TIDX", b"FEAT"} & chunks.keys(), "chunks of a compact file are not TIDX and FEAT")
        require(b"TDAT" in chunks, "TDAT is there")
        payloads = chunks[b"TDAT"]
        ancillary = {key: value for key, value in chunks.items() if key[0] >= 0x60}
        alpha = decode_alpha(chunks[b"ALPH"], header.height, header.width) if header.alpha else None
    else:
        payloads = data[frame.position :]
    require(
        len(payloads) == sum(entry.length for entry in entries),
        "the data have the length that the index says",
    )
    require(zlib.crc32(payloads) == checksum, "the checksum of the data")
    return File(header, _tiles(entries, payloads), ancillary, alpha, streams)


def _head(head: Fields) -> tuple[Header, bool]:
    """The fields before the data checksum, and whether chunks follow the frame."""
    flags = head.varint()
    require(flags < 512, "flags from 9 on are 0")
    has = {name: bool(flags >> bit & 1) for bit, name in enumerate(FLAGS)}
    width, height = head.varint(), head.varint()
    classes, rate, identity = head.number("B"), head.number("B"), head.take(8)
    cicp = struct.unpack("4B", head.take(4)) if has["cicp"] else (1, 13, 0, 1)
    origin = struct.unpack("2B", head.take(2)) if has["origin"] else (0, 0)
    require(
        not (has["large"] and (has["small"] or has["origin"])),
        "large tiles are not small, and have no origin",
    )
    require(has["chunks"] or not has["alpha"], "an alpha plane is in a chunk")
    header = Header(
        no_pixels=False, lean=False, fusion=has["fusion"], drawn=has["drawn"], width=width, height=height,
        channels=1 if has["grey"] else 3, alpha=has["alpha"], stride=16, halo=1,
        tile=128 if has["small"] else 512 if has["large"] else 256,
        classes=classes, profile=2, rate=rate, identity=identity, cicp=cicp, origin=origin,
    )  # fmt: skip
    check_header(header, has["cicp"], has["origin"])
    return header, has["chunks"]


def _index(head: Fields, header: Header) -> list[_Entry]:
    count, classes = tile_count(header), header.classes
    entries: list[_Entry] = []
    change = 0
    free = True  # whether absent tiles may come: no other run of them ends here
    waiting = False  # whether the rate has just changed
    while len(entries) < count:
        n, k = divmod(head.varint(), classes + 1)
        require(k < classes or not waiting, "a tile of a class follows a change of the rate")
        absent = k == classes and n % 2 == 0
        require(free or not absent, "absent tiles that follow each other are one entry")
        free, waiting = not absent, k == classes and n % 2 == 1 and n >= 5
        if k < classes:
            require(0 <= header.rate + change <= 255, "the rate index of a tile is in range")
            entries.append(_Entry(k, n, header.rate + change))
        elif absent:
            require(len(entries) + n // 2 + 1 <= count, "absent tiles are within the grid")
            entries += [_Entry(ABSENT)] * (n // 2 + 1)
        elif n in (1, 3):
            require(header.drawn, "the header announces drawn tiles")
            length = head.varint()
            entries.append(_Entry(DRAWN, length, header.rate + n // 2, (head.number("I"), head.number("H"))))
        else:
            j = (n - 5) // 2
            change += j // 2 + 1 if j % 2 == 0 else -((j + 1) // 2)
    require(head.rest == 0, "nothing follows the last entry of the index")
    return entries


def _tiles(entries: list[_Entry], payloads: bytes) -> list[TileRecord]:
    tiles, position = [], 0
    for number, entry in enumerate(entries):
        payload = payloads[position : position + entry.length]
        position += entry.length
        in_payload, in_symbols = entry.checks or (None, None)
        if in_payload is not None:
            require(
                zlib.crc32(struct.pack("<I", number) + payload) == in_payload,
                f"the checksum of tile {number}",
            )
        tiles.append(TileRecord(entry.texture, entry.rate, in_symbols, in_payload, payload))
    return tiles
