"""Files that a reader must refuse, made of golden files: each with the reason, and how texcodec calls the fault."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from container_samples import changed, chunk, flipped, join, payload_of, split

from texcodec.container import DRAWN, PSUM, Reader, symbols_crc, tile_crc, tile_entry, write
from texcodec.container.fields import varint
from texcodec.container.header import pack_header
from texcodec.container.index import pack_index

DAMAGED, NEWER, LIMITS = "damaged", "newer", "limits"


class Refusal(NamedTuple):
    """A file, the kind of its fault, and a sentence that goes on "was decoded, but"."""

    data: bytes
    kind: str
    why: str


def refusals(golden: Callable[[str], bytes]) -> dict[str, Refusal]:
    """All of them by name.

    Args:
        golden: the bytes of a golden file by name, with its folder if it is one of another profile.
    """
    out: dict[str, Refusal] = {}

    def add(name: str, data: bytes, why: str, kind: str = DAMAGED) -> None:
        out[name] = Refusal(data, kind, why)

    _frames(add, golden("wide"), golden("lean"))
    _headers(add, golden("lossless-grey"), golden("alpha"))
    _indices(add, golden("wide"))
    _payloads(add, golden("lossless-grey"), golden("lossless"), golden("wide"))
    _compact(add, golden("profile-2/tiles"))
    return out


Add = Callable[..., None]


def _frames(add: Add, wide: bytes, lean: bytes) -> None:
    chunks = split(wide)
    add("empty", b"", "it is empty")
    add("cut-half", wide[: len(wide) // 2], "it is cut short")
    add("cut-one-byte", wide[:-1], "its last byte is missing")
    add("one-byte-more", wide + b"\0", "a byte follows its end")
    add("chunk-behind-end", wide + chunk(b"zzzz", b""), "a chunk follows TEND")
    add("line-ends", wide.replace(b"\r\n", b"\n", 1), "its CR LF was converted")
    add("seven-bits", bytes(b & 0x7F for b in wide), "the eighth bits of its bytes are gone")
    add("bit-in-header", flipped(wide, 8 * 18), "a bit of its header is turned over")
    add("bit-in-index", flipped(wide, 8 * (wide.index(b"TIDX") + 10)), "a bit of its index is turned over")
    add(
        "bit-in-tile", flipped(wide, 8 * (wide.index(b"TDAT") + 20)), "a bit of its first tile is turned over"
    )
    add("bit-in-last-checksum", flipped(wide, 8 * (len(wide) - 2)), "the checksum of TEND does not match")
    add("bit-in-lean-file", flipped(lean, 8 * (len(lean) - 9)), "a bit of its payload is turned over")
    for kind in (b"THDR", b"TIDX", b"TDAT", b"TEND"):
        name = kind.decode().lower()
        add(f"no-{name}", join([c for c in chunks if c[0] != kind]), f"it has no {kind.decode()}")
        twice = [c for one in chunks for c in ([one, one] if one[0] == kind else [one])]
        add(f"two-{name}", join(twice), f"it has two {kind.decode()}")
    swapped = [
        chunks[0],
        *[c for c in chunks if c[0] == b"TDAT"],
        *[c for c in chunks[1:] if c[0] != b"TDAT"],
    ]
    add("data-before-index", join(swapped), "TDAT stands before TIDX")
    twice = [*chunks[:2], [b"iccp", b"a"], [b"iccp", b"a"], *chunks[2:]]
    add("two-profiles", join(twice), "it has two iccp")
    add(
        "unannounced-alpha",
        join([*chunks[:2], [b"ALPH", b"\0\xff"], *chunks[2:]]),
        "its header announces no alpha",
    )
    add(
        "critical-chunk",
        join([*chunks[:2], [b"Zzzz", b""], *chunks[2:]]),
        "it has a critical chunk of a later version",
        NEWER,
    )
    damaged = flipped(chunk(b"Zzzz", b""), 8 * 9)
    data = join(chunks[:2]) + damaged + join(chunks[2:])[8:]
    add("critical-chunk-damaged", data, "it has a damaged chunk, whose type cannot be believed")


def _headers(add: Add, data: bytes, alpha: bytes) -> None:
    head = payload_of(data, b"THDR")
    width = Reader(data).header.width

    def put(position: int, value: int) -> bytes:
        return changed(data, b"THDR", head[:position] + bytes([value]) + head[position + 1 :])

    size = 3 + len(varint(width)) + len(varint(Reader(data).header.height))
    add("major-2", put(0, 2), "it is of version 2", NEWER)
    add("unknown-flag", put(2, head[2] | 0x40), "it has a flag of a later version", NEWER)
    add("sixteen-bits", put(size, head[size] | 0xF0), "it has 16 bits per channel", NEWER)
    add("two-channels", put(size, head[size] & 0xFC | 1), "it has two channels")
    add(
        "tiles-of-4096", put(size + 1, head[size + 1] & 0xF0 | 12), "its tiles have 4096 pixels a side", NEWER
    )
    add("orientation", put(size + 2, head[size + 2] | 0x10), "it is to be turned", NEWER)
    add("no-classes", put(size + 3, 0), "it has no classes")
    add("profile-2-in-chunks", put(size + 4, 2), "entropy profile 2 is for compact files alone", NEWER)
    add("no-width", changed(data, b"THDR", head[:3] + b"\0" + head[5:]), "its width is 0")
    long_form = head[:3] + bytes([head[3], head[4] | 0x80, 0]) + head[5:]
    add("long-number", changed(data, b"THDR", long_form), "its width is not in its shortest form")
    most = head[:3] + varint((1 << 32) - 1) * 2 + head[size:]
    add("huge", changed(data, b"THDR", most), "it claims 2^32 - 1 pixels a side", LIMITS)
    add(
        "header-too-long", changed(data, b"THDR", head + b"\0"), "a byte follows the last field of its header"
    )
    default = head[:2] + bytes([head[2] | 0x08]) + head[3:] + b"\x01\x0d\x00\x01"
    add("default-spelled-out", changed(data, b"THDR", default), "it spells out a default")
    header = replace(Reader(alpha).header, alpha_mode=0)
    add("alpha-unannounced", changed(alpha, b"THDR", pack_header(header)), "its alpha is not announced")
    for name, plane, why in (
        ("alpha-short", b"\1" + zlib.compress(bytes(48 * 61 - 1)), "its alpha plane is a byte short"),
        ("alpha-long", b"\1" + zlib.compress(bytes(48 * 61 + 1)), "its alpha plane is a byte long"),
        (
            "alpha-filter",
            b"\1" + zlib.compress(b"\3" + bytes(48 * 61 - 1)),
            "its alpha plane has an unknown filter",
        ),
        ("alpha-method", b"\2" + bytes(10), "its alpha plane has an unknown method"),
        ("alpha-more", b"\1" + zlib.compress(bytes(48 * 61)) + b"\0", "a byte follows its alpha plane"),
    ):
        add(name, changed(alpha, b"ALPH", plane), why)


def _indices(add: Add, data: bytes) -> None:
    index = payload_of(data, b"TIDX")
    reader = Reader(data)
    one, other = (reader.tile_bytes(i) for i in range(2))
    add("class-out-of-range", changed(data, b"TIDX", b"\x09" + index[1:]), "a tile has an undeclared class")
    add("drawn-unannounced", changed(data, b"TIDX", b"\xfe" + index[1:]), "a drawn tile is not announced")
    add("index-short", changed(data, b"TIDX", index[:-1]), "its index is a byte short")
    add("index-long", changed(data, b"TIDX", index + b"\xff"), "its index has a tile too many")
    entries = list(reader.tiles)
    longer = [replace(entries[0], length=entries[0].length + 1), entries[1]]
    add(
        "lengths-beyond-data",
        changed(data, b"TIDX", pack_index(longer)),
        "its index describes more data than there are",
    )
    shifted = [
        replace(entries[0], length=entries[0].length - 1),
        replace(entries[1], length=entries[1].length + 1),
    ]
    add(
        "lengths-shifted",
        changed(data, b"TIDX", pack_index(shifted)),
        "its tiles begin elsewhere than the index says",
    )
    exchanged = changed(changed(data, b"TDAT", other + one), b"TIDX", pack_index(entries[::-1]))
    add("tiles-exchanged", exchanged, "its tiles changed places, together with their entries")
    below = [replace(entries[0], offset=-128), entries[1]]
    add("rate-below-zero", changed(data, b"TIDX", pack_index(below)), "a tile has a rate index below 0")


def _payloads(add: Add, grey: bytes, lossless: bytes, wide: bytes) -> None:
    reader = Reader(wide)
    tile = bytearray(reader.tile_bytes(0))
    tile[3] ^= 1
    forged = [replace(reader.tiles[0], crc=tile_crc(0, bytes(tile))), reader.tiles[1]]
    data = write(reader.header, [bytes(tile), reader.tile_bytes(1)], forged, reader.ancillary)
    add("symbols-changed", data, "the symbols of a tile do not match their checksum")
    for name, payload, why in (
        ("stream-longer", reader.tile_bytes(0) + b"\1\2\3\4", "words are left in a tile's stream"),
        ("stream-ends-in-zero", reader.tile_bytes(0) + b"\0", "a tile's stream ends in a zero byte"),
        ("stream-empty", b"", "a tile's stream is empty"),
    ):
        entries = [replace(reader.tiles[0], length=len(payload), crc=tile_crc(0, payload)), reader.tiles[1]]
        data = write(reader.header, [payload, reader.tile_bytes(1)], entries, reader.ancillary)
        add(name, data, why)
    reader = Reader(lossless)
    for name, payload, why in (
        ("drawn-method", b"\x09\0\0\0", "a drawn tile has an unknown method"),
        ("drawn-short", b"\x01" + bytes(70 * 90 * 3 - 1), "a drawn tile has a sample too few"),
        ("drawn-colour", b"\0\1\2", "a drawn tile's colour has two channels"),
        ("drawn-cut", reader.tile_bytes(0)[:-40], "a drawn tile's stream ends early"),
    ):
        entry = tile_entry(0, payload, class_index=DRAWN, symbols_crc=reader.tiles[0].symbols_crc)
        add(name, write(reader.header, [payload], [entry], reader.ancillary, reader.alpha), why)
    wrong = [(k, p[:1] + bytes([p[1] ^ 1]) + p[2:] if k == PSUM else p) for k, p in reader.ancillary]
    data = write(reader.header, [reader.tile_bytes(0)], reader.tiles, wrong, reader.alpha)
    add("pixel-sum", data, "its pixels do not match their checksum, in a file without a model set")
    reader = Reader(grey)
    colours = bytes([1]) + bytes(len(reader.tiles) or 1)
    entries = [replace(reader.tiles[0], length=len(colours), crc=tile_crc(0, colours)), *reader.tiles[1:]]
    rest = [reader.tile_bytes(i) for i in range(1, len(entries))]
    add(
        "drawn-size",
        write(reader.header, [colours, *rest], entries, reader.ancillary),
        "a drawn tile has another size",
    )
    plain = bytes([0, 7])
    entry = tile_entry(0, plain, class_index=DRAWN, symbols_crc=symbols_crc(b"other"))
    add(
        "drawn-symbols",
        write(reader.header, [plain, *rest], [entry, *reader.tiles[1:]], reader.ancillary),
        "the samples of a drawn tile do not match their checksum",
    )


def _compact(add: Add, data: bytes) -> None:
    length = data[5]
    head, rest = data[6 : 6 + length], data[10 + length :]

    def framed(new: bytes, form: int = 2) -> bytes:
        body = b"\x89TCX" + bytes([form]) + varint(len(new)) + new
        return body + struct.pack("<I", zlib.crc32(body)) + rest

    assert length < 128 and framed(head) == data
    add("compact-bit-in-head", flipped(data, 8 * 9), "a bit of its head is turned over")
    add("compact-bit-in-data", flipped(data, 8 * (12 + length)), "a bit of its data is turned over")
    add("compact-cut", data[:-1], "its last byte is missing")
    add("compact-more", data + b"\0", "a byte follows its data")
    add("compact-form", framed(head, 3), "it is of a form of a later version", NEWER)
    add(
        "compact-flag",
        framed(bytes([head[0] | 0x80, 4]) + head[1:]),
        "it has a flag of a later version",
        NEWER,
    )
    add("compact-index-cut", framed(head[:-1]), "its index does not describe all tiles")
    add("compact-index-more", framed(head + b"\0"), "its index describes a tile too many")
