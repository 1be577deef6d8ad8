"""Items to processes and back in their order, few in memory; a process that dies takes one item with it."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from types import TracebackType
from typing import Any, Generic, TypeVar

from .files import end_with_parent

T = TypeVar("T")
R = TypeVar("R")

ENDED = "Its process was ended from outside, perhaps as the memory was full."
"""What is said of an item that its process did not survive."""
_WAITING = 4
"""Items per process that are handed out in advance."""


class Processes(Generic[T, R]):
    """Runs a function of items; with one process, in this one. Ctrl-C is for this process: the others ignore it, and
    are ended at once when the block of ``with`` fails.

    Args:
        count: processes.
        run: the function, which travels to the processes once: a function of a module, or an object that pickles.
        lost: the result of an item that ended its process.
        again: the function for items whose processes ended before their results came, in the place of ``run``: they
            may have been begun, or done.
    """

    def __init__(
        self,
        count: int,
        run: Callable[[T], R],
        lost: Callable[[T], R],
        again: Callable[[T], R] | None = None,
    ) -> None:
        self.count, self.run, self.lost, self.again = count, run, lost, again or run
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Processes[T, R]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(at_once=error is not None)

    def map(self, items: Iterable[T]) -> Iterator[R]:
        """The results of all items, in their order. Items are taken a few ahead of the results."""
        if self.count < 2:
            yield from map(self.run, items)
            return
        waiting: deque[tuple[T, Future[R]]] = deque()
        for item in items:
            waiting.append((item, self._submit(item)))
            if len(waiting) >= _WAITING * self.count:
                yield self._next(waiting)
        while waiting:
            yield self._next(waiting)

    def _next(self, waiting: deque[tuple[T, Future[R]]]) -> R:
        item, future = waiting.popleft()
        try:
            return future.result()
        except BrokenProcessPool:
            self._end(at_once=True)
        result = self._alone(item)
        # what waited behind it and had no result was lost with the processes
        still = [
            (each, known if _has_result(known) else self._submit(each, again=True)) for each, known in waiting
        ]
        waiting.clear()
        waiting.extend(still)
        return result

    def _alone(self, item: T) -> R:
        """An item in a process of its own: it may be the one that ends processes."""
        pool = self._new(1)
        try:
            return pool.submit(_do_again, item).result()
        except BrokenProcessPool:
            return self.lost(item)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _submit(self, item: T, *, again: bool = False) -> Future[R]:
        for _ in range(2):
            if self._pool is None:
                self._pool = self._new(self.count)
            try:
                return self._pool.submit(_do_again if again else _do, item)
            except BrokenProcessPool:
                # found out here before the result of the item that ended it was asked for
                self._end(at_once=True)
        lost: Future[R] = Future()
        lost.set_exception(BrokenProcessPool("the processes end as soon as they begin"))
        return lost

    def _new(self, count: int) -> ProcessPoolExecutor:
        # threads of the networks' runtime do not survive a fork
        return ProcessPoolExecutor(count, get_context("spawn"), _begin, (self.run, self.again))

    def _end(self, *, at_once: bool) -> None:
        pool, self._pool = self._pool, None
        if pool is None:
            return
        if at_once:
            for process in list((pool._processes or {}).values()):
                process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)


def _has_result(future: Future[Any]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


_run: Callable[[Any], Any]
_again: Callable[[Any], Any]


def _begin(run: Callable[[Any], Any], again: Callable[[Any], Any]) -> None:
    """Begin a process."""
    global _run, _again
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    _run, _again = run, again


def _do(item: Any) -> Any:
    return _run(item)


def _do_again(item: Any) -> Any:
    return _again(item)
