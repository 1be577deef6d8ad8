"""Lines that image libraries write to standard error on their own, kept apart from ours.

libtiff and others print what is wrong with a file past every Python object. The only way to hold that back is to
point the process's standard error elsewhere for a while, which hits other threads as well. So it happens in
programs that own their process and ask for it, and nowhere else.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_STANDARD_ERROR = 2
_MOST = 400  # characters that go into a message

_enabled = False


def hold_back_library_output(enabled: bool = True) -> None:
    """Whether reading a picture keeps what libraries print from standard error; it goes into errors instead.

    For programs that write nothing to standard error from other threads meanwhile.
    """
    global _enabled
    _enabled = enabled


@contextmanager
def captured() -> Iterator[Callable[[], str]]:
    """Holds back standard error if that was asked for; gives a function that returns its text so far."""
    kept = _duplicate() if _enabled else None
    if kept is None:
        yield lambda: ""
        return
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), _STANDARD_ERROR)

        def text() -> str:
            file.seek(0)
            return " ".join(file.read().decode("utf-8", "replace").split())[:_MOST].rstrip(".")

        try:
            yield text
        finally:
            os.dup2(kept, _STANDARD_ERROR)
            os.close(kept)


def _duplicate() -> int | None:
    try:
        return os.dup(_STANDARD_ERROR)
    except OSError:  # closed
        return None
