"""Many files: each one is tried, each failure is reported, and one exit code sums them up."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from texcodec.cli.console import Console, display_name
from texcodec.cli.failures import exit_code, failure
from texcodec.errors import ModelError, StreamError
from texcodec.files import STANDARD_STREAM


def process(console: Console, names: Sequence[str], work: Callable[[str], None]) -> int:
    """Call ``work`` with every name; returns 0, or the exit code of the failures.

    A failure does not keep the others from being done.
    """
    codes = []
    with console.files(len(names)) as advance:
        for name in names:
            try:
                work(name)
            except Exception as error:
                code, sentence = failure(error, verbose=console.verbose)
                console.error(display_name(name), sentence)
                codes.append(code)
            advance()
    return exit_code(codes)


@contextmanager
def opened(name: str) -> Iterator[BinaryIO]:
    """A binary file to read, or standard input for ``-``.

    Raises:
        StreamError: it cannot be opened. The message leaves the name to the caller, who reports it anyway.
    """
    if name == STANDARD_STREAM:
        if sys.stdin is None or not hasattr(sys.stdin, "buffer"):
            raise StreamError("Standard input is closed; name a file instead.")
        yield sys.stdin.buffer
        return
    if os.path.isdir(name):
        raise StreamError("It is a folder; name files in it.")
    try:
        file = open(name, "rb")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise StreamError(f"The file cannot be read ({reason}); check its name and permissions.") from error
    with file:
        yield file


def require_models(models: str | None, tune: str | None = None) -> str | None:
    """Fail once, before the first file, if the model set that all of them need is not there; returns what to load.

    Raises:
        ModelError: there is none of that name or for that tune, or it is damaged.
        ParameterError: the set is tuned for something else.
    """
    from texcodec.registry import load_set, set_for

    try:
        found = set_for(models, tune)
        load_set(found)
        return None if found is None else os.fspath(found)
    except OSError as error:
        raise ModelError(f"The model set cannot be read: {error.strerror or error}.") from error
