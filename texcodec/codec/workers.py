"""Sharing out tiles between threads, in order, with progress."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ..errors import ParameterError

T = TypeVar("T")
R = TypeVar("R")
Progress = Callable[[int, int], None]
MOST_THREADS = 256
"""More are not started, whatever is asked for: the system may refuse them, and no machine gains by them."""


def available_cores() -> int:
    """The cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_threads(threads: int | None) -> int:
    """The number of threads to use; ``None`` is one per core.

    Raises:
        ParameterError: not a whole number, or fewer than one.
    """
    if threads is None:
        return available_cores()
    try:
        number = operator.index(threads)
    except TypeError:
        number = 0
    if number < 1:
        raise ParameterError(f"The number of threads must be at least 1, not {threads!r}.")
    return min(number, MOST_THREADS)


class Workers:
    """A pool of threads that maps functions over tiles. Results come in order, whatever the number of threads."""

    def __init__(self, threads: int | None) -> None:
        self.threads = check_threads(threads)
        self._pool = ThreadPoolExecutor(self.threads) if self.threads > 1 else None

    def map(
        self, run: Callable[[T], R], items: Iterable[T], done: Callable[[], None] | None = None
    ) -> Iterator[R]:
        """``run`` of every item, in order; ``done`` is called after each."""
        results = self._pool.map(run, items) if self._pool else map(run, items)
        for result in results:
            if done:
                done()
            yield result

    def close(self) -> None:
        """Drop work that has not begun and let the threads end."""
        if self._pool:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class Counter:
    """Counts finished pieces of work and calls ``progress(done, total)``."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.total, self.done, self._progress = total, 0, progress

    def __call__(self) -> None:
        self.done += 1
        if self._progress:
            self._progress(min(self.done, self.total), self.total)
