"""Removing unfinished output when the process is told to end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_FATAL_SIGNALS = ("SIGTERM", "SIGHUP")


@contextmanager
def removed_on_failure(temporary: str) -> Iterator[list[str]]:
    """Remove the file when the block fails, or when the process is told to end inside of it.

    Yields:
        The files that will be removed; the block may add to them.
    """
    unfinished = [temporary]

    def remove() -> None:
        for name in unfinished:
            with suppress(OSError):
                os.unlink(name)

    def remove_and_die(number: int, _frame: FrameType | None) -> None:
        remove()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    taken = []
    # Handlers can be set in the main thread only, and one that the program has set itself is left alone.
    if threading.current_thread() is threading.main_thread():
        for number in (getattr(signal, each) for each in _FATAL_SIGNALS if hasattr(signal, each)):
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, remove_and_die)
                taken.append(number)
    try:
        yield unfinished
    except BaseException:
        remove()
        raise
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)
