"""From header, entries and payloads to the bytes of a file.

Source: docs/format.md, "Order of chunks", "Lean files" and "Compact files".
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..constants import IDENTITY_BYTES
from ..errors import ParameterError
from .chunks import (
    ALPH,
    CRITICAL,
    FEAT,
    FEAT_ANCILLARY,
    SIGNATURE,
    SINGLE,
    TDAT,
    TEND,
    THDR,
    TIDX,
    is_critical,
    pack_chunk,
    pack_head,
)
from .compact import Head, pack_frame
from .compact_index import longest_payload
from .header import MAJOR, Header, pack_header
from .index import TileEntry, check_entry, pack_index, pack_lean_tile, tile_crc


def write(
    header: Header,
    tile_payloads: Sequence[bytes],
    entries: Sequence[TileEntry],
    ancillary: Iterable[tuple[bytes, bytes]] = (),
    alpha: bytes | None = None,
) -> bytes:
    """The bytes of a ``.tcx`` file.

    Args:
        header: its ``lean`` field is set here: true when the file is one tile, or one feature stream without
            pixels, and nothing else. Its entropy profile decides whether the file is a compact one.
        tile_payloads: one for each tile, row-major; empty for an absent tile.
        entries: one for each tile (see ``index.tile_entry``).
        ancillary: (type, payload) of further chunks, kept in this order; FEAT of a file without pixels too.
        alpha: payload of ALPH, required exactly when ``header.alpha_mode`` is not 0.
    Raises:
        ParameterError: the arguments contradict each other.
    """
    chunks = list(ancillary)
    _check(header, tile_payloads, entries, chunks, alpha)
    if not header.has_pixels and len(chunks) == 1 and len(chunks[0][1]) > IDENTITY_BYTES:
        return _lean_stream(header, chunks[0][1])
    alone = not chunks and alpha is None
    if header.compact:
        return _compact(
            header, tile_payloads, entries, [] if alone else _chunks(chunks, alpha, tile_payloads)
        )
    header = replace(header, lean=alone and header.tile_count == 1 and not entries[0].absent)
    if header.lean:
        tile = pack_lean_tile(entries[0], tile_payloads[0])
        return SIGNATURE + pack_chunk(THDR, pack_header(header) + tile)

    parts = [SIGNATURE, pack_chunk(THDR, pack_header(header))]
    if header.has_pixels:
        parts.append(pack_chunk(TIDX, pack_index(entries)))
    parts += _chunks(chunks, alpha, tile_payloads if header.has_pixels else None)
    return b"".join(parts)


def _chunks(
    ancillary: Sequence[tuple[bytes, bytes]], alpha: bytes | None, tile_payloads: Sequence[bytes] | None
) -> list[bytes]:
    """What follows the index. Metadata stand before the pixels, so that a file cut short keeps its colour profile."""
    parts = [pack_chunk(kind, payload) for kind, payload in ancillary]
    if alpha is not None:
        parts.append(pack_chunk(ALPH, alpha))
    if tile_payloads is not None:
        parts += [pack_head(TDAT, sum(len(payload) for payload in tile_payloads)), *tile_payloads]
    return [*parts, pack_chunk(TEND, b"")]


def _compact(
    header: Header, tile_payloads: Sequence[bytes], entries: Sequence[TileEntry], chunks: Sequence[bytes]
) -> bytes:
    """A compact file; the tiles stand in one of the chunks, if there are any, else behind the head."""
    longest = longest_payload(header.classes)
    if max(entry.length for entry in entries) > longest:
        raise ParameterError(f"A tile of a compact file has at most {longest} bytes; code smaller tiles.")
    crc = 0
    for payload in tile_payloads:
        crc = zlib.crc32(payload, crc)
    return pack_frame(Head(header, crc, bool(chunks)), entries) + b"".join(chunks or tile_payloads)


def _lean_stream(header: Header, stream: bytes) -> bytes:
    # a stream begins with its identity, for which the header has a field
    header = replace(header, lean=True, identity=stream[:IDENTITY_BYTES])
    return SIGNATURE + pack_chunk(THDR, pack_header(header) + stream[IDENTITY_BYTES:])


def _check(
    header: Header,
    tile_payloads: Sequence[bytes],
    entries: Sequence[TileEntry],
    chunks: Sequence[tuple[bytes, bytes]],
    alpha: bytes | None,
) -> None:
    if header.major != MAJOR:
        raise ParameterError(f"This version of texcodec writes format version {MAJOR}, not {header.major}.")
    if not len(tile_payloads) == len(entries) == header.tile_count:
        raise ParameterError(
            f"The header declares {header.tile_count} tiles, but {len(tile_payloads)} payloads and "
            f"{len(entries)} entries were given."
        )
    for index, (payload, entry) in enumerate(zip(tile_payloads, entries, strict=True)):
        check_entry(header, index, entry)
        stated = not entry.absent and entry.crc is not None
        if entry.length != len(payload) or (stated and entry.crc != tile_crc(index, payload)):
            raise ParameterError(f"The entry of tile {index} does not describe its payload.")
    if (alpha is not None) != (header.alpha_mode != 0):
        raise ParameterError(
            f"Alpha mode {header.alpha_mode} and {'no' if alpha is None else 'an'} alpha payload disagree."
        )
    _check_chunks(header, [kind for kind, _ in chunks])


def _check_chunks(header: Header, kinds: Sequence[bytes]) -> None:
    for kind in kinds:
        if is_critical(kind) and not (kind == FEAT and not header.has_pixels):
            known = "has its own place" if kind in CRITICAL else "is not of this format"
            raise ParameterError(f"Chunk {kind!r} is critical and {known}; it cannot be ancillary.")
        if kind in SINGLE and kinds.count(kind) > 1:
            raise ParameterError(f"Chunk {kind!r} can stand only once in a file.")
    if not header.has_pixels and (FEAT not in kinds or FEAT_ANCILLARY in kinds):
        raise ParameterError("A file without pixels needs a chunk FEAT and has no chunk feat.")
