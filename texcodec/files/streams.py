"""Outputs to a file or a pipe."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import BinaryIO

from ..errors import ParameterError, StreamError
from .atomic import Content, fill, reason, write_atomically
from .names import PathLike, is_stream


def write_output(target: PathLike, content: Content, *, force: bool = False, sync: bool = True) -> None:
    """Write to a file as ``write_atomically`` does, or to standard output for ``-``.

    Raises:
        ParameterError: standard output is a terminal.
        StreamError: as for ``write_atomically``, or the reader of the pipe is gone.
    """
    if not is_stream(target):
        write_atomically(target, content, force=force, sync=sync)
        return
    stream = _binary(sys.stdout)
    if stream.isatty():
        raise ParameterError(
            "Standard output is a terminal; send it to a file or a pipe, or name an output file."
        )
    try:
        fill(stream, content)
        stream.flush()
    except BrokenPipeError as error:
        # What is still buffered must not raise again when the interpreter flushes at its end.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise StreamError("Cannot write standard output: its reader closed it early.") from error
    except OSError as error:
        raise StreamError(f"Cannot write standard output: {reason(error)}.") from error


def _binary(stream: object) -> BinaryIO:
    buffer = getattr(stream, "buffer", None)
    if buffer is None:
        raise StreamError("Standard output is closed or takes no bytes; name a file instead.")
    binary: BinaryIO = buffer
    return binary
