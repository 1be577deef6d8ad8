"""TIDX: length, class, rate offset and checksums of every tile.

Source: docs/format.md, "TIDX". Offsets are running sums of lengths, so no index can express an overlap or
a hole.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from ..constants import RATE_INDICES
from ..errors import CorruptError, ParameterError
from .fields import FieldReader, varint
from .header import Header

ABSENT = 255  # class of a tile that the file leaves out
DRAWN = 254  # class of a tile that is coded without a network and without loss
EXACT, REDUCED = 0, 1
"""Rate offsets of a drawn tile: its samples are those of the picture, or the encoder reduced their colours."""
MIN_ENTRY_BYTES = 1
MAX_ENTRY_BYTES = 13


@dataclass(frozen=True, slots=True)
class TileEntry:
    """One tile's line of the index.

    Attributes:
        length: bytes of its payload, 0 to 2**32 - 1.
        class_index: texture class, 0 to classes - 1, or ABSENT (then every other field is 0), or DRAWN.
        offset: added to the header's rate index, -128 to 127 (in a compact file as far as rate indices go); of a drawn
            tile EXACT or REDUCED.
        crc: ``tile_crc`` of its index and payload, 32 bits; None for a coded tile of a compact file, whose stream holds
            a checksum of its own.
        symbols_crc: ``symbols_crc`` of its decoded symbols, 16 bits; None likewise.
    """

    length: int
    class_index: int
    offset: int = 0
    crc: int | None = 0
    symbols_crc: int | None = 0

    @property
    def absent(self) -> bool:
        """Whether the file leaves this tile out."""
        return self.class_index == ABSENT

    @property
    def drawn(self) -> bool:
        """Whether this tile is coded without a network."""
        return self.class_index == DRAWN


ABSENT_ENTRY = TileEntry(length=0, class_index=ABSENT)


def tile_crc(index: int, payload: bytes) -> int:
    """CRC-32 over the tile's index (u32) and its payload, so that tiles that changed places are noticed."""
    return zlib.crc32(payload, zlib.crc32(struct.pack("<I", index)))


def symbols_crc(symbols: bytes) -> int:
    """Low 16 bits of the CRC-32 of a tile's decoded symbols, serialised as docs/format.md says."""
    return zlib.crc32(symbols) & 0xFFFF


def tile_entry(
    index: int, payload: bytes, *, class_index: int, symbols_crc: int | None, offset: int = 0
) -> TileEntry:
    """The entry of the tile at ``index`` (row-major); with ``symbols_crc`` None it has no checksums."""
    crc = None if symbols_crc is None else tile_crc(index, payload)
    return TileEntry(len(payload), class_index, offset, crc, symbols_crc)


def check_entry(header: Header, index: int, entry: TileEntry) -> None:
    """Raise ParameterError when ``entry`` does not fit ``header`` or is out of range."""
    if entry.absent:
        if entry != ABSENT_ENTRY:
            raise ParameterError(f"Tile {index} is absent, so all its other fields must be 0.")
        return
    if entry.drawn:
        _check_drawn(header, index, entry)
    else:
        _check_coded(header, index, entry)
    for name, value, top in (
        ("length", entry.length, 0xFFFF_FFFF),
        ("crc", entry.crc, 0xFFFF_FFFF),
        ("symbols_crc", entry.symbols_crc, 0xFFFF),
    ):
        if value is None:
            if entry.drawn or not header.compact:
                raise ParameterError(f"Tile {index} has no {name}, which the file needs.")
        elif not 0 <= value <= top:
            raise ParameterError(f"Tile {index} has {name} {value}, which is outside 0 .. {top}.")


def _check_drawn(header: Header, index: int, entry: TileEntry) -> None:
    if not header.drawn:
        raise ParameterError(f"Tile {index} is a drawn one but the header announces none.")
    if entry.offset not in (EXACT, REDUCED):
        raise ParameterError(
            f"Tile {index} is a drawn one, so its rate offset must be 0 or 1, not {entry.offset}."
        )


def _check_coded(header: Header, index: int, entry: TileEntry) -> None:
    if header.needs_no_set:
        raise ParameterError(
            f"Tile {index} has class {entry.class_index} but the header says that all tiles are drawn."
        )
    if not 0 <= entry.class_index < header.classes:
        raise ParameterError(
            f"Tile {index} has class {entry.class_index} but the header declares {header.classes} classes."
        )
    if not header.compact and not -128 <= entry.offset <= 127:
        raise ParameterError(f"Tile {index} has rate offset {entry.offset}, which is outside -128 .. 127.")
    highest = RATE_INDICES - 1 if header.compact else 65_535
    if not 0 <= header.rate_index + entry.offset <= highest:
        raise ParameterError(
            f"Tile {index} has rate index {header.rate_index} {entry.offset:+d}, which is outside 0 .. {highest}."
        )


def pack_index(entries: Sequence[TileEntry]) -> bytes:
    """The payload of TIDX for entries that check_entry accepts."""
    out = bytearray()
    for entry in entries:
        out.append(entry.class_index)
        if not entry.absent:
            assert entry.crc is not None and entry.symbols_crc is not None
            out += varint(entry.length)
            out += struct.pack("<bIH", entry.offset, entry.crc, entry.symbols_crc)
    return bytes(out)


def check_index_length(header: Header, length: int) -> None:
    """Raise CorruptError when ``length`` bytes cannot index the header's tiles; ask before reading them."""
    count = header.tile_count
    if not MIN_ENTRY_BYTES * count <= length <= MAX_ENTRY_BYTES * count:
        raise CorruptError(
            f"The index has {length} bytes, which cannot describe the {count} tiles of the header."
        )


def unpack_index(header: Header, payload: bytes) -> tuple[TileEntry, ...]:
    """The entries of all tiles, row-major; raises CorruptError when they do not fit the header."""
    check_index_length(header, len(payload))
    fields = FieldReader(payload, "TIDX")
    entries = []
    for index in range(header.tile_count):
        class_index = fields.unsigned(1, f"class of tile {index}")
        if class_index == ABSENT:
            entries.append(ABSENT_ENTRY)
            continue
        length = fields.varint(f"length of tile {index}")
        offset = fields.signed(1, f"rate offset of tile {index}")
        crc = fields.unsigned(4, f"checksum of tile {index}")
        symbols = fields.unsigned(2, f"symbol checksum of tile {index}")
        entry = TileEntry(length, class_index, offset, crc, symbols)
        check_read_entry(header, index, entry)
        entries.append(entry)
    fields.finish()
    return tuple(entries)


def check_read_entry(header: Header, index: int, entry: TileEntry) -> None:
    """Like check_entry, but the file is at fault: raises CorruptError."""
    try:
        check_entry(header, index, entry)
    except ParameterError as error:
        raise CorruptError(str(error)) from None


def pack_lean_tile(entry: TileEntry, payload: bytes) -> bytes:
    """What follows the header's fields in a lean THDR: class, rate offset, symbol checksum, payload."""
    assert entry.symbols_crc is not None
    return struct.pack("<BbH", entry.class_index, entry.offset, entry.symbols_crc) + payload


_LEAN_TILE_HEAD = 4


def unpack_lean_tile(header: Header, rest: bytes) -> TileEntry:
    """The entry of a lean file's tile, from what follows the header's fields.

    The checksum of THDR covers the payload, so the entry's ``crc`` is computed here instead of stored.
    """
    fields = FieldReader(rest, "THDR")
    class_index = fields.unsigned(1, "class of tile 0")
    offset = fields.signed(1, "rate offset of tile 0")
    symbols = fields.unsigned(2, "symbol checksum of tile 0")
    entry = tile_entry(0, rest[_LEAN_TILE_HEAD:], class_index=class_index, offset=offset, symbols_crc=symbols)
    if entry.absent:
        raise CorruptError("The only tile of a lean file is absent.")
    check_read_entry(header, 0, entry)
    return entry
