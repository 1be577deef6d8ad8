"""From the bytes of a file to header, index, metadata and the bytes of single tiles.

Source: docs/format.md, "Reading" and "Salvage". Opening reads every chunk but TDAT; a tile is read and
checked when it is asked for, so a region costs the bytes of its own tiles.
"""

from __future__ import annotations

import itertools
from typing import BinaryIO

from ..errors import (
    ChecksumError,
    CorruptError,
    FormatError,
    LimitError,
    TruncatedError,
    UnsupportedError,
)
from ..limits import DEFAULT_LIMITS, Limits
from .chunk_reading import check_fits, chunk_name, end_of, read_body, read_head, read_thdr
from .chunks import (
    ALPH,
    CRC_BYTES,
    CRITICAL,
    CROP,
    FEAT,
    FEAT_ANCILLARY,
    HEAD_BYTES,
    KNOWN,
    PREV,
    SIGNATURE,
    SINGLE,
    TDAT,
    TEND,
    THDR,
    TIDX,
    is_critical,
    pack_head,
    unpack_head,
)
from .compact import Head, is_compact, read_frame, unpack_fields
from .compact_index import unpack_entries
from .crop import Crop, unpack_crop
from .header import Header
from .index import (
    TileEntry,
    check_index_length,
    unpack_index,
    unpack_lean_tile,
)
from .source import Source, open_source
from .tile_data import TileData

Readable = bytes | bytearray | memoryview | BinaryIO

# A lossless alpha plane never needs more than this times its pixels, plus a little for the smallest pictures.
_ALPHA_FACTOR = 2
_ALPHA_SLACK = 1024
MOST_CHUNKS = 65_536
"""Of a file, whatever the caller allows: small ones cost more time and memory than their bytes show."""


def read_header(source: Readable, limits: Limits | None = None) -> Header:
    """The header of a file, without looking at anything after it.

    The size of the picture is not held against ``limits`` here, as nothing is allocated for it.

    Raises:
        FormatError: the file has no sound header.
        StreamError: reading failed.
    """
    opened, limits = open_source(source, limits or DEFAULT_LIMITS), limits or DEFAULT_LIMITS
    if _starts_compact(opened):
        return unpack_fields(read_frame(opened, limits)[0])[0].header
    return read_thdr(opened, limits)[0]


class Reader:
    """An open ``.tcx`` file.

    Args:
        source: bytes, or a binary file object; a seekable one is read from its current position on, only where
            needed, and must stay open while tiles are read; any other is read to its end.
        limits: refuses larger declared sizes with LimitError before anything is allocated.
        salvage: accept a file whose header and index are sound but that is cut short or damaged after them.
    Attributes:
        header: of the file.
        tiles: one entry for each tile of the grid, row-major; empty in a file without pixels.
        chunks: payload by type of the ancillary chunks (and FEAT, which a lean file may be); the first one where
            a type repeats.
        ancillary: (type, payload) of all of these, in the file's order, unknown types included.
        alpha: payload of ALPH, or None.
        salvage: as given.
        problems: sentences on what was overlooked: by salvage, damaged tiles not among them; otherwise a damaged
            preview, which is no reason to refuse the picture.
        file_bytes: size of the file.
    Raises:
        FormatError: which one says what is wrong with the file.
        LimitError, StreamError: a size over the limits; reading failed.
    """

    def __init__(self, source: Readable, limits: Limits | None = None, *, salvage: bool = False) -> None:
        self._limits = limits or DEFAULT_LIMITS
        self._source: Source = open_source(source, self._limits)
        self.salvage = salvage
        self.file_bytes: int = self._source.size
        self.problems: list[str] = []
        self.ancillary: list[tuple[bytes, bytes]] = []
        self.alpha: bytes | None = None
        self._seen: set[bytes] = {THDR}
        self._metadata_bytes = 0
        self._damaged_preview: ChecksumError | None = None
        self._data_offset: int | None = None
        self._sought: int | None = None

        self.header: Header
        self._head: Head | None = None  # of a compact file
        if _starts_compact(self._source):
            packed, end = read_frame(self._source, self._limits)
            self._head, rest = unpack_fields(packed)
            self.header = self._head.header
        else:
            self.header, rest, end = read_thdr(self._source, self._limits)
        channels = self.header.channels + (1 if self.header.alpha_mode else 0)
        self._limits.check_picture(self.header.width, self.header.height, channels)
        self._limits.check_tiles(self.header.tile_count)
        self.tiles: tuple[TileEntry, ...] = ()
        if self._head is not None:
            self._seen.add(TIDX)
            self.tiles = unpack_entries(self.header, rest)
            if self._head.chunks:
                self._read_chunks(end)
                self._check_complete()
            else:
                self._locate_bare_data(end)
        elif self.header.lean and not self.header.has_pixels:
            # as it would stand in a chunk of its own
            self.ancillary.append((FEAT, self.header.identity + rest))
            self._check_end(end)
        elif self.header.lean:
            self.tiles = (unpack_lean_tile(self.header, rest),)
            self._data_offset = end - CRC_BYTES - self.tiles[0].length
            self._check_end(end)
        else:
            self._read_chunks(end)
            self._check_complete()
        self.chunks: dict[bytes, bytes] = {}
        for kind, payload in self.ancillary:
            self.chunks.setdefault(kind, payload)
        self._data = TileData(
            self._source, self.tiles, self._data_offset, self._head.data_crc if self._head else None
        )

    @property
    def crop(self) -> Crop | None:
        """What the chunk crop says; None without one; raises CorruptError if it does not fit the picture."""
        payload = self.chunks.get(CROP)
        return None if payload is None else unpack_crop(payload, self.header.width, self.header.height)

    @property
    def features(self) -> list[bytes]:
        """The payloads of all feature streams, whatever form the file has, in the file's order."""
        return [payload for kind, payload in self.ancillary if kind in (FEAT, FEAT_ANCILLARY)]

    @property
    def container_bytes(self) -> int:
        """Bytes of the file that are not tiles' payloads."""
        return self.file_bytes - self._data.length

    def tile_offset(self, index: int) -> int:
        """Where in the file the payload of tile ``index`` starts, in bytes.

        Raises:
            ParameterError: there is no such tile in the grid.
            TruncatedError: a salvaged file has no tiles.
        """
        return self._data.offset(index)

    def tile_bytes(self, index: int) -> bytes:
        """The payload of tile ``index`` (row-major), checked; empty for an absent tile. Threads may share it.

        A coded tile of a compact file has no checksum of its payload: decoding it finds damage, and so does
        ``check_data``.

        Raises:
            ChecksumError, TruncatedError: naming the tile.
            StreamError: reading failed.
        """
        return self._data.read(index)

    def check_data(self) -> None:
        """Check the checksum over all tiles' bytes, which compact files have; without one, do nothing.

        Raises:
            ChecksumError: it does not match; which tiles are damaged, decoding shows.
            TruncatedError, StreamError: as tile_bytes.
        """
        self._data.check()

    def check_preview(self) -> None:
        """Raise ChecksumError if there is a preview and it is damaged: opening overlooks that."""
        if self._damaged_preview is not None:
            raise self._damaged_preview

    def verify(self) -> None:
        """Check the bytes of all tiles and the preview (all else was checked on opening).

        Raises: as tile_bytes, check_preview and check_data.
        """
        self.check_preview()
        for index in range(len(self.tiles)):
            self.tile_bytes(index)
        self.check_data()

    # -- chunks after the header ---------------------------------------------------------------------------

    def _read_chunks(self, offset: int) -> None:
        for count in itertools.count(1):
            if count > MOST_CHUNKS:
                raise LimitError(
                    f"The file has more than {MOST_CHUNKS} chunks.", advice="Get another copy of the file."
                )
            try:
                following = self._read_chunk(offset)
            except UnsupportedError:
                raise  # its checksum holds: the file means it, and guessing would show a wrong picture
            except FormatError as error:
                if not self.salvage or (self.header.has_pixels and not self.tiles):
                    raise
                self.problems.append(str(error))
                following = self._after_damage(offset)
            if following is None:
                return
            offset = following

    def _read_chunk(self, offset: int) -> int | None:
        """Take in the chunk at ``offset``; the next chunk's offset, or None after TEND."""
        kind, length = read_head(self._source, offset)
        if kind == TDAT:
            return self._locate_data(offset, length)
        if kind in (TIDX, ALPH):
            self._check_size(kind, length)
        elif not is_critical(kind):
            check_fits(self._source, offset, kind, length)
            self._limits.check_metadata(self._metadata_bytes + length)
        try:
            payload, end = read_body(self._source, self._limits, offset, kind, length)
        except ChecksumError as error:
            if kind != PREV or self.salvage or kind in self._seen:
                raise
            self._seen.add(kind)
            self._damaged_preview = error
            self.problems.append(str(error))
            return end_of(offset, length)
        if kind in SINGLE and kind in self._seen:
            raise CorruptError(f"Chunk {chunk_name(kind)} stands twice in the file.")
        self._seen.add(kind)
        if kind == TEND:
            if payload:
                raise CorruptError("Chunk TEND is not empty.")
            self._check_end(end)
            return None
        if kind == TIDX:
            self.tiles = unpack_index(self.header, payload)
        elif kind == ALPH:
            self.alpha = payload
        elif kind in (FEAT, FEAT_ANCILLARY) and (kind == FEAT) == self.header.has_pixels:
            raise CorruptError(
                f"Chunk {chunk_name(kind)} does not fit a file {'with' if self.header.has_pixels else 'without'} "
                "pixels."
            )
        elif is_critical(kind) and kind not in CRITICAL:
            raise UnsupportedError(
                f"The file has a critical chunk {chunk_name(kind)}, which this version of texcodec does not know."
            )
        else:
            if not is_critical(kind):
                self._metadata_bytes += length
            self.ancillary.append((kind, payload))
        return end

    def _check_size(self, kind: bytes, length: int) -> None:
        """Refuse an index or alpha plane whose length cannot be right for the header's picture."""
        header = self.header
        if not (header.has_pixels if kind == TIDX else header.alpha_mode):
            raise CorruptError(f"The file has a chunk {chunk_name(kind)} that its header does not announce.")
        if kind == TIDX:
            check_index_length(header, length)
        elif length > _ALPHA_FACTOR * header.width * header.height + _ALPHA_SLACK:
            raise CorruptError(
                f"The alpha plane has {length} bytes, far more than {header.width} x {header.height} pixels "
                "need."
            )

    def _locate_data(self, offset: int, length: int) -> int:
        if TIDX not in self._seen or TDAT in self._seen:
            raise CorruptError("Chunk TDAT is not where the index says.")
        total = sum(entry.length for entry in self.tiles)
        if length != total:
            raise CorruptError(f"The index describes {total} bytes of tiles but chunk TDAT holds {length}.")
        self._seen.add(TDAT)
        self._data_offset = offset + HEAD_BYTES
        end = self._data_offset + length
        if end > self._source.size:
            raise TruncatedError(
                f"The file ends within its tiles: {self._source.size - self._data_offset} of {length} bytes "
                "are there."
            )
        return end

    def _locate_bare_data(self, offset: int) -> None:
        """The tiles of a compact file without chunks: all that is left of it."""
        self._data_offset, total = offset, sum(entry.length for entry in self.tiles)
        try:
            if offset + total > self._source.size:
                raise TruncatedError(
                    f"The file ends within its tiles: {self._source.size - offset} of {total} bytes are there."
                )
            self._check_end(offset + total)
        except FormatError as error:
            if not self.salvage:
                raise
            self.problems.append(str(error))

    def _check_end(self, end: int) -> None:
        if end != self._source.size:
            raise CorruptError(
                f"{self._source.size - end} bytes follow the end of the file's contents at byte {end}."
            )

    def _check_complete(self) -> None:
        header = self.header
        wanted = [(FEAT, not header.has_pixels), (TIDX, header.has_pixels), (TDAT, header.has_pixels)]
        wanted.append((ALPH, header.alpha_mode != 0))
        for kind, needed in wanted:
            if needed and kind not in self._seen:
                problem = f"The file has no chunk {chunk_name(kind)}."
                if not self.salvage or kind == TIDX:  # without an index there is nothing to salvage
                    raise CorruptError(problem)
                self.problems.append(problem)

    # -- salvage -------------------------------------------------------------------------------------------

    def _after_damage(self, offset: int) -> int | None:
        """Where to go on after the damaged chunk at ``offset``, or None when nothing more can be found."""
        source = self._source
        if source.size - offset < HEAD_BYTES or (TDAT in self._seen and offset < (self._data_offset or 0)):
            return None  # the file ends here, or within its tiles
        kind, length = unpack_head(source.read(offset, HEAD_BYTES))
        total = sum(entry.length for entry in self.tiles)
        data = None
        if TDAT not in self._seen and self.header.has_pixels:
            data = self._find_data(offset, total)
        following = end_of(offset, length)
        fits = kind != TDAT and following + HEAD_BYTES <= source.size and (data is None or following <= data)
        if fits and source.read(following, 4) in KNOWN:
            return following  # this chunk's length is right; its payload or type is damaged
        if data is None and TDAT not in self._seen and (kind == TDAT or length == total):
            self._seen.add(TDAT)  # one field of TDAT is damaged; the other one names it
            self._data_offset = offset + HEAD_BYTES
            end = self._data_offset + total
            return end if end <= source.size else None
        return data

    def _find_data(self, offset: int, total: int) -> int | None:
        """Where the head of TDAT stands behind damage at ``offset``; looked for once, as all damaged chunks ask."""
        if self._sought is None:
            rest = self._source.size - offset
            self._limits.check_memory(rest, "the rest of the damaged file")
            found = self._source.read(offset, rest).find(pack_head(TDAT, total))
            self._sought = offset + found if found >= 0 else -1
        return self._sought if self._sought >= offset else None


def _starts_compact(source: Source) -> bool:
    return is_compact(source.read(0, min(source.size, len(SIGNATURE))))
