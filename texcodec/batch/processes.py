"""Items to processes and back in their order, few in memory; a process that dies takes one item with it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import get_context
from types import TracebackType

from .records import FAILED, Record
from .settings import Settings
from .work import Coded, Load, begin, code, code_with

_WAITING = 4
"""Items per process that are read in advance."""


class Processes:
    """Runs items; with one process, in this one.

    Args:
        count: processes, each with one thread.
    """

    def __init__(self, count: int, settings: Settings) -> None:
        self.count, self.settings = count, settings
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(at_once=error is not None)

    def map(self, loads: Iterable[Load]) -> Iterator[Coded]:
        """Code all items; results come in their order."""
        if self.count < 2:
            for load in loads:
                yield code_with(load, self.settings, threads=None)
            return
        waiting: deque[tuple[Load, Future[Coded]]] = deque()
        for load in loads:
            waiting.append((load, self._submit(load)))
            if len(waiting) >= _WAITING * self.count:
                yield self._next(waiting)
        while waiting:
            yield self._next(waiting)

    def _next(self, waiting: deque[tuple[Load, Future[Coded]]]) -> Coded:
        load, future = waiting.popleft()
        try:
            return future.result()
        except BrokenProcessPool:
            self._end(at_once=True)
        result = self._alone(load)
        # what waited behind it was lost with the processes
        again = [(each, self._submit(each)) for each, _ in waiting]
        waiting.clear()
        waiting.extend(again)
        return result

    def _alone(self, load: Load) -> Coded:
        """An item in a process of its own: it may be the one that ends processes."""
        pool = self._new(1)
        try:
            return pool.submit(code, load).result()
        except BrokenProcessPool:
            reason = "Its process was ended from outside, perhaps as the memory was full."
            record = Record(load.key, load.source, status=FAILED, error=reason, models=self.settings.identity)
            return Coded(replace(load, data=None), record, None)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _submit(self, load: Load) -> Future[Coded]:
        for _ in range(2):
            if self._pool is None:
                self._pool = self._new(self.count)
            try:
                return self._pool.submit(code, load)
            except (
                BrokenProcessPool
            ):  # found out here before the result of the item that ended it was asked for
                self._end(at_once=True)
        lost: Future[Coded] = Future()
        lost.set_exception(BrokenProcessPool("the processes end as soon as they begin"))
        return lost

    def _new(self, count: int) -> ProcessPoolExecutor:
        # threads of the networks' runtime do not survive a fork
        return ProcessPoolExecutor(count, get_context("spawn"), begin, (self.settings,))

    def _end(self, *, at_once: bool) -> None:
        pool, self._pool = self._pool, None
        if pool is None:
            return
        if at_once:
            for process in list((pool._processes or {}).values()):
                process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)
