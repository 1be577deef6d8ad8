"""The index of a compact file: one number for a tile, one for a run of absent tiles.

Source: docs/format.md, "Index of compact files".
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from ..errors import CorruptError
from .fields import MAX_VARINT, FieldReader, varint
from .header import Header
from .index import ABSENT_ENTRY, DRAWN, EXACT, REDUCED, TileEntry, check_read_entry

_DRAWN_CODES = {EXACT: 1, REDUCED: 3}
_FIRST_CHANGE = 5
"""Numbers behind the class that is none: even ones are runs of absent tiles, odd ones from here on change the rate."""


def longest_payload(classes: int) -> int:
    """Bytes that the payload of a coded tile may have, for its number to fit a varint."""
    return (MAX_VARINT - classes) // (classes + 1)


def pack_entries(header: Header, entries: Sequence[TileEntry]) -> bytes:
    """The index of entries that ``check_entry`` accepts, with no payload above ``longest_payload``."""
    classes, out, offset, index = header.classes, bytearray(), 0, 0

    def other(number: int) -> bytes:
        return varint(number * (classes + 1) + classes)

    while index < len(entries):
        entry, first = entries[index], index
        index += 1
        if entry.absent:
            while index < len(entries) and entries[index].absent:
                index += 1
            out += other(2 * (index - first - 1))
        elif entry.drawn:
            out += other(_DRAWN_CODES[entry.offset]) + varint(entry.length)
            out += struct.pack("<IH", entry.crc, entry.symbols_crc)
        else:
            if entry.offset != offset:
                change, offset = entry.offset - offset, entry.offset
                out += other(_FIRST_CHANGE + 2 * (2 * change - 2 if change > 0 else -2 * change - 1))
            out += varint(entry.length * (classes + 1) + entry.class_index)
    return bytes(out)


def unpack_entries(header: Header, index: bytes) -> tuple[TileEntry, ...]:
    """The entries of all tiles, row-major; raises CorruptError when they do not fit the header."""
    fields, entries, offset = FieldReader(index, "The index", chunk=False), list[TileEntry](), 0
    while len(entries) < header.tile_count:
        number = len(entries)
        code, kind = divmod(fields.varint(f"tile {number}"), header.classes + 1)
        if kind < header.classes:
            entry = TileEntry(code, kind, offset, None, None)
        elif code % 2 == 0:
            if code // 2 >= header.tile_count - number:
                raise CorruptError(
                    f"The index leaves out {code // 2 + 1} tiles from tile {number} on, but the file has "
                    f"{header.tile_count} tiles."
                )
            entries += [ABSENT_ENTRY] * (code // 2 + 1)
            continue
        elif code >= _FIRST_CHANGE:
            step = (code - _FIRST_CHANGE) // 2
            offset += -(step + 1) // 2 if step % 2 else step // 2 + 1
            continue
        else:
            length = fields.varint(f"length of tile {number}")
            crc = fields.unsigned(4, f"checksum of tile {number}")
            symbols = fields.unsigned(2, f"symbol checksum of tile {number}")
            entry = TileEntry(length, DRAWN, EXACT if code == _DRAWN_CODES[EXACT] else REDUCED, crc, symbols)
        check_read_entry(header, number, entry)
        entries.append(entry)
    fields.finish()
    # One spelling for every index: catches split runs, and changes of the rate that no tile needs.
    if pack_entries(header, entries) != index:
        raise CorruptError("The index is not in its shortest form.")
    return tuple(entries)
