"""Ctrl-C and SIGTERM as a wish to stop at the next good moment."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """A list that grows when the user asks the process to stop, instead of ending it."""
    stop: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # handlers can be set there only
        yield stop
        return
    names = (signal.SIGINT, signal.SIGTERM)
    previous = {s: signal.signal(s, lambda number, frame: stop.append(number)) for s in names}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
