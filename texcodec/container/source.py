"""Random access to the bytes of a file, whether they come as bytes, from a seekable file or from a pipe.

A seekable file is read only where asked, so that a region costs few bytes. A pipe is read whole, in pieces,
so that memory grows with what arrives and never with what a header claims.
"""

from __future__ import annotations

import io
import threading
from typing import BinaryIO, Protocol

from ..errors import ParameterTypeError, StreamError, TruncatedError
from ..limits import Limits

_PIECE = 1 << 20


class Source(Protocol):
    """Bytes 0 .. size - 1 of a .tcx file."""

    size: int

    def read(self, offset: int, count: int) -> bytes:
        """Exactly ``count`` bytes from ``offset``; raises TruncatedError when they are not there."""
        ...


class BytesSource:
    """A file that is in memory already."""

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._data = memoryview(data).cast("B")
        self.size = len(self._data)

    def read(self, offset: int, count: int) -> bytes:
        if offset + count > self.size:
            raise _ends_early(offset, count, self.size)
        return bytes(self._data[offset : offset + count])


class FileSource:
    """A seekable binary file, from its current position to its end; safe to read from several threads."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lock = threading.Lock()
        try:
            self._base = file.tell()
            self.size = max(0, file.seek(0, io.SEEK_END) - self._base)
        except (OSError, ValueError) as error:
            raise _unreadable(error) from error

    def read(self, offset: int, count: int) -> bytes:
        if offset + count > self.size:
            raise _ends_early(offset, count, self.size)
        with self._lock:
            try:
                self._file.seek(self._base + offset)
                data = _read_up_to(self._file, count)
            except (OSError, ValueError) as error:
                raise _unreadable(error) from error
        if len(data) < count:  # the file shrank since it was opened
            raise _ends_early(offset, count, offset + len(data))
        return data


def open_source(source: bytes | bytearray | memoryview | BinaryIO, limits: Limits) -> Source:
    """A Source for bytes or a binary file object.

    Raises:
        ParameterTypeError: it is anything else.
        StreamError: reading failed.
        LimitError: a pipe delivers more than ``limits.memory`` bytes.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return BytesSource(source)
    if not hasattr(source, "read") or isinstance(source, io.TextIOBase):
        raise ParameterTypeError(
            "A .tcx file is read from a path, its bytes or a binary file object, "
            f"not {type(source).__name__}."
        )
    try:
        seekable = source.seekable() if hasattr(source, "seekable") else False
    except (OSError, ValueError) as error:
        raise _unreadable(error) from error
    return FileSource(source) if seekable else BytesSource(_read_pipe(source, limits))


def _read_pipe(file: BinaryIO, limits: Limits) -> bytes:
    try:
        data = _read_up_to(file, limits.memory + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(error) from error
    if len(data) > limits.memory:
        limits.check_memory(len(data), "the stream")
    return data


def _read_up_to(file: BinaryIO, count: int) -> bytes:
    """Up to ``count`` bytes, however the file splits its reads; fewer only at the end of the file."""
    pieces = []
    while count > 0:
        piece = file.read(min(count, _PIECE))
        if not piece:
            break
        if not isinstance(piece, bytes):
            raise ParameterTypeError(
                "A .tcx file is read from a file opened in binary mode, not in text mode."
            )
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)


def _unreadable(error: Exception) -> StreamError:
    return StreamError(f"The file cannot be read ({error}); check the disk, the permissions or the pipe.")


def _ends_early(offset: int, count: int, size: int) -> TruncatedError:
    return TruncatedError(
        f"The file ends at byte {size} but bytes {offset} to {offset + count - 1} are needed."
    )
