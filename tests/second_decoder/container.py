"""Bytes of a `.tcx` file to header, tiles and chunks.

The chapters of docs/format.md up to "Decoding a tile", and "Reading".
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

import numpy as np

from .fields import Fields, Refused, require

SIGNATURE = b"\x89TCX\r\n\x1a\n"
ABSENT = 255
DRAWN = 254
LARGEST_PICTURE = 178_956_970
ONCE = (b"TIDX", b"TDAT", b"ALPH", b"TEND", b"iccp", b"exif", b"xmpd", b"text", b"prev", b"psum", b"crop")
CRITICAL = (b"THDR", b"TIDX", b"TDAT", b"ALPH", b"FEAT", b"TEND")


@dataclass(frozen=True)
class Header:
    """THDR. Sizes in pixels, `halo` in latent positions."""

    no_pixels: bool
    lean: bool
    fusion: bool
    drawn: bool
    width: int
    height: int
    channels: int
    alpha: bool
    tile: int
    stride: int
    halo: int
    classes: int
    profile: int
    rate: int
    identity: bytes
    cicp: tuple[int, int, int, int]
    origin: tuple[int, int]

    def edges(self) -> tuple[list[int], list[int]]:
        """Where tiles begin and end, as (rows, columns): 0, grid lines in the picture, its size."""
        lines = []
        for size, origin in ((self.height, self.origin[1]), (self.width, self.origin[0])):
            first = origin if origin > 0 else self.tile
            lines.append([0, *range(first, size, self.tile), size])
        return lines[0], lines[1]


@dataclass(frozen=True)
class TileRecord:
    """What index or lean header say about a tile, with its payload; `texture` 255 is an absent one. Tiles of compact
    files have no checksums here.
    """

    texture: int
    rate: int = 0
    symbol_checksum: int | None = 0
    payload_checksum: int | None = None
    payload: bytes = b""


@dataclass(frozen=True)
class File:
    """A whole file: tiles in the order of the grid, ancillary chunks by type, alpha height x width, and the feature
    streams, each with its identity in front.
    """

    header: Header
    tiles: list[TileRecord]
    ancillary: dict[bytes, bytes] = field(default_factory=dict)
    alpha: np.ndarray | None = None
    streams: list[bytes] = field(default_factory=list)


def read_file(data: bytes) -> File:
    """Check everything that can be checked without a model set, in the order of "Reading"."""
    if data[:5] == b"\x89TCX\2":
        from .compact import read_compact

        return read_compact(data)
    require(data[:8] == SIGNATURE, "the signature")
    name, payload, position = _chunk(data, 8)
    require(name == b"THDR", "THDR is the first chunk")
    fields = Fields(payload)
    header = _header(fields)
    if header.lean:
        require(position == len(data), "a lean file ends with THDR")
        if header.no_pixels:
            return File(header, [], streams=[header.identity + fields.take(fields.rest)])
        return File(header, [_lean_tile(header, fields)])
    require(fields.rest == 0, "nothing follows the last field of THDR")
    chunks, streams = read_chunks(data, position, header)
    ancillary = {key: value for key, value in chunks.items() if key[0] >= 0x60}
    if header.no_pixels:
        require(b"FEAT" in chunks, "a file without pixels has FEAT")
        require(
            not {b"TIDX", b"TDAT", b"feat"} & chunks.keys(),
            "a file without pixels has no TIDX, TDAT and feat",
        )
        return File(header, [], ancillary, streams=streams)
    require(b"FEAT" not in chunks, "FEAT is for files without pixels")
    require(b"TIDX" in chunks and b"TDAT" in chunks, "TIDX and TDAT are there")
    tiles = _index(header, chunks[b"TIDX"], chunks[b"TDAT"])
    alpha = decode_alpha(chunks[b"ALPH"], header.height, header.width) if header.alpha else None
    return File(header, tiles, ancillary, alpha, streams)


def read_chunks(data: bytes, position: int, header: Header) -> tuple[dict[bytes, bytes], list[bytes]]:
    """All chunks from `position` to the end of the file by their types, and the feature streams among them."""
    chunks: dict[bytes, bytes] = {}
    streams: list[bytes] = []
    while b"TEND" not in chunks:
        if header.alpha and data[position : position + 4] == b"ALPH":
            length = int.from_bytes(data[position + 4 : position + 8], "little")
            require(length <= 2 * header.width * header.height + 1024, "the size of ALPH")
        name, payload, position = _chunk(data, position)
        require(name not in chunks or name not in ONCE, f"{name!r} stands once")
        require(name != b"THDR", "THDR stands once")
        if name[0] < 0x60:
            require(name in CRITICAL, f"the critical chunk {name!r} is known")
        if name == b"TDAT" and header.profile != 2:
            require(b"TIDX" in chunks, "TIDX stands before TDAT")
        chunks[name] = payload
        if name in (b"FEAT", b"feat"):
            streams.append(payload)
    require(position == len(data), "the file ends behind TEND")
    require(chunks[b"TEND"] == b"", "TEND is empty")
    require((b"ALPH" in chunks) == header.alpha, "ALPH is there if the header says so")
    return chunks, streams


def _chunk(data: bytes, position: int) -> tuple[bytes, bytes, int]:
    """Type, payload and end of the chunk that starts at `position`."""
    require(position + 8 <= len(data), "a chunk starts with type and length")
    name, length = struct.unpack_from("<4sI", data, position)
    require(name.isalpha() and name.isascii(), "a chunk's type is four ASCII letters")
    end = position + 8 + length
    checked = name != b"TDAT"
    require(end + 4 * checked <= len(data), f"the chunk {name!r} is wholly there")
    if checked:
        (checksum,) = struct.unpack_from("<I", data, end)
        require(zlib.crc32(data[position:end]) == checksum, f"the checksum of {name!r}")
    return name, data[position + 8 : end], end + 4 * checked


def _header(fields: Fields) -> Header:
    require(fields.number("B") == 1, "the major version is 1")
    fields.number("B")
    flags = fields.number("B")
    require(flags < 64, "flags 6 and 7 are 0")
    no_pixels, lean, fusion, has_cicp, has_origin, drawn = (bool(flags >> bit & 1) for bit in range(6))
    width, height = fields.varint(), fields.varint()
    pixel, grid, border = fields.number("B"), fields.number("B"), fields.number("B")
    classes, profile, rate = fields.number("B"), fields.number("B"), fields.varint()
    identity = fields.take(16)
    cicp = struct.unpack("4B", fields.take(4)) if has_cicp else (1, 13, 0, 1)
    origin = struct.unpack("2B", fields.take(2)) if has_origin else (0, 0)
    tile, stride, halo = 1 << (grid & 15), 1 << (grid >> 4), border & 15
    require(pixel & 3 in (0, 2), "a picture has 1 or 3 channels")
    require(pixel >> 2 & 3 <= 1, "the alpha mode is 0 or 1")
    require(pixel >> 4 == 7, "a channel has 8 bits")
    if drawn and profile == 0:
        require(128 <= tile <= 2048, "the tile's side is 128 to 2048 if no tile needs a model set")
        named = (identity, fusion, border, rate, classes, stride)
        require(named == (bytes(16), False, 0, 0, 1, 16), "such a header names no model set")
    else:
        require(tile in (128, 256), "the tile's side is 128 or 256")
        require(profile == 1, "the entropy profile is known")
    require(stride <= tile and halo * stride <= tile, "stride and halo are within the tile's side")
    require(border < 16, "orientation is 1, and bit 7 of border is 0")
    alpha = bool(pixel >> 2 & 3)
    if no_pixels:
        require(not (alpha or fusion or drawn), "a file without pixels has no settings of pixels")
        require(
            lean or not any(identity),
            "the header of a file without pixels has an identity if it is lean only",
        )
    require(not (lean and alpha), "a lean file has no alpha plane")
    header = Header(no_pixels, lean, fusion, drawn, width, height, (pixel & 3) + 1, alpha, tile, stride, halo,
                    classes, profile, rate, identity, cicp, origin)  # fmt: skip
    check_header(header, has_cicp, has_origin)
    return header


def check_header(header: Header, has_cicp: bool, has_origin: bool) -> None:
    """Refuse values that both forms of the header refuse."""
    require(header.width > 0 and header.height > 0, "the picture has pixels")
    require(header.width * header.height <= LARGEST_PICTURE, "the picture is within the limits")
    require(1 <= header.classes <= 254, "there are 1 to 254 classes")
    require(header.rate <= 65535, "the rate index is at most 65535")
    sound = header.cicp != (1, 13, 0, 1) and header.cicp[3] <= 1
    require(not has_cicp or sound, "CICP is sound and not its default")
    require(not has_origin or header.origin != (0, 0), "the origin is not its default")
    require(max(header.origin) < header.tile, "the origin is below the tile's side")


def tile_count(header: Header) -> int:
    rows, columns = header.edges()
    return (len(rows) - 1) * (len(columns) - 1)


def _lean_tile(header: Header, fields: Fields) -> TileRecord:
    require(tile_count(header) == 1, "a lean file has one tile")
    texture, offset, checksum = fields.number("B"), fields.number("b"), fields.number("H")
    _check_class(header, texture, offset)
    return TileRecord(texture, header.rate + offset, checksum, None, fields.take(fields.rest))


def _check_class(header: Header, texture: int, offset: int) -> None:
    if texture == DRAWN and header.drawn:
        require(offset in (0, 1), "the rate offset of a drawn tile is 0 or 1")
    else:
        require(
            texture < header.classes and header.profile != 0, "the class of a tile is one of the header's"
        )
        require(0 <= header.rate + offset <= 65535, "the rate index of a tile is in range")


def _index(header: Header, index: bytes, data: bytes) -> list[TileRecord]:
    count = tile_count(header)
    require(count <= len(index) <= 13 * count, "TIDX has 1 to 13 bytes a tile")
    fields, position, tiles = Fields(index), 0, []
    for number in range(count):
        texture = fields.number("B")
        if texture == ABSENT:
            tiles.append(TileRecord(ABSENT))
            continue
        length, offset = fields.varint(), fields.number("b")
        payload_checksum, symbol_checksum = fields.number("I"), fields.number("H")
        _check_class(header, texture, offset)
        require(position + length <= len(data), "TDAT has the length that TIDX adds up to")
        payload = data[position : position + length]
        require(
            zlib.crc32(struct.pack("<I", number) + payload) == payload_checksum,
            f"the checksum of tile {number}",
        )
        position += length
        tiles.append(TileRecord(texture, header.rate + offset, symbol_checksum, payload_checksum, payload))
    require(fields.rest == 0, "nothing follows the last entry of TIDX")
    require(position == len(data), "TDAT has the length that TIDX adds up to")
    return tiles


def decode_alpha(payload: bytes, height: int, width: int) -> np.ndarray:
    """The alpha plane, u8, height x width."""
    require(len(payload) >= 2, "ALPH has a method and something more")
    if payload[0] == 0:
        require(len(payload) == 2, "ALPH of method 0 is two bytes")
        return np.full((height, width), payload[1], np.uint8)
    require(payload[0] == 1, "the method of ALPH is 0 or 1")
    size = height * (1 + width)
    unpacker = zlib.decompressobj()
    try:
        samples = unpacker.decompress(payload[1:], size + 1)
    except zlib.error as error:
        raise Refused("the zlib stream of ALPH is sound") from error
    require(len(samples) == size, "ALPH gives height x (1 + width) bytes")
    require(unpacker.eof and not unpacker.unused_data, "the zlib stream ends with ALPH")
    rows = np.frombuffer(samples, np.uint8).reshape(height, 1 + width)
    plane = np.empty((height, width), np.uint8)
    above = np.zeros(width, np.uint8)
    for y in range(height):
        kind, row = rows[y, 0], rows[y, 1:]
        require(kind <= 2, "the filter of a row of ALPH is 0, 1 or 2")
        if kind == 1:
            row = np.cumsum(row, dtype=np.uint8)
        elif kind == 2:
            row = row + above
        plane[y] = above = row
    return plane
