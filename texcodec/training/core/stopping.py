"""How a training ends: done, stopped by the user, or with a sentence that says what went wrong."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ...errors import TexcodecError


class Stopped(Exception):
    """The user asked to stop; the checkpoint is written."""


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


def exit_code(job: Callable[[], None], log: Callable[[str], None]) -> int:
    """Run ``job``; 0, or 130 after the user has stopped it, with a word on how to go on.

    Raises:
        TexcodecError: with a sentence for the user, whatever went wrong with pictures, checkpoints, options or the
            training itself.
    """
    try:
        job()
    except Stopped as stopped:
        log(str(stopped))
        return 130
    except TexcodecError:
        raise
    except (ValueError, FloatingPointError) as error:
        raise TexcodecError(str(error)) from error
    return 0
