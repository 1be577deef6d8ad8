"""Doing what was planned, one file after the other or several at a time, each in a process of its own.

Files appear complete or not at all. They are forced to the disk together when the last one is written: one by
one, that takes a third of the time of small pictures.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Protocol

from texcodec.cli.console import Console, Progress
from texcodec.cli.failures import FILE_FAILED, exit_code, failure
from texcodec.cli.outcomes import DONE, FAILED, LARGER, PLANNED, SKIPPED, Outcome, Reporter, Result
from texcodec.cli.plan import Job, Plan, make_folders
from texcodec.errors import OutputExistsError, StreamError
from texcodec.files import check_output, end_with_parent, is_special, sync_all

WAITING = 2
"""Files per process that are handed out in advance: more would only wait longer after Ctrl-C."""


@dataclass(frozen=True)
class Settings:
    """What holds for all files of a run.

    Attributes:
        force: replace outputs.
        skip_existing: leave out inputs whose output is there.
        dry_run: say what would be done.
        keep_times: outputs get the times of their inputs.
        processes: that work at a time.
        verbose: internal errors are shown whole.
        silent: notices are kept for the report instead of being told as they come.
    """

    force: bool = False
    skip_existing: bool = False
    dry_run: bool = False
    keep_times: bool = False
    processes: int = 1
    verbose: bool = False
    silent: bool = False


class Work(Protocol):
    """What a command does with one file. It travels to other processes, so it holds plain values only."""

    def __call__(
        self, job: Job, *, sync: bool, warn: Callable[[str], None], progress: Progress | None
    ) -> Result:
        """Read ``job.source`` and write ``job.target``; errors are raised.

        Args:
            sync: force the output to the disk before it gets its name.
            warn: called with sentences about what was changed or left out.
            progress: called with the steps done and their number.
        """


def run(plan: Plan, work: Work, settings: Settings, console: Console, reporter: Reporter) -> int:
    """Do all jobs; returns the exit code of the command. A failure does not keep the others from being done.

    Raises:
        StreamError: a folder cannot be made, or a process was ended from outside.
        BrokenPipeError: nobody reads standard output any more.
    """
    reporter.refused(plan.refused, FILE_FAILED)
    codes = [FILE_FAILED] * len(plan.refused)
    if not settings.dry_run:
        make_folders(plan)
    together = len(plan.jobs) > 1
    try:
        with console.files(len(plan.jobs)) as advance:
            for outcome, noticed in _outcomes(plan.jobs, work, settings, console, sync=not together):
                reporter.outcome(outcome, noticed=noticed)
                codes.append(outcome.code)
                advance()
    finally:
        if together and not settings.dry_run:
            sync_all()
    return exit_code(codes)


def _outcomes(
    jobs: tuple[Job, ...], work: Work, settings: Settings, console: Console, *, sync: bool
) -> Iterator[tuple[Outcome, bool]]:
    """The outcome of every job as it comes, and whether its notices have been told."""
    left = []
    for job in jobs:
        before = _before(job, settings)
        if before is not None:
            yield before, False
        else:
            left.append(job)
    processes = min(settings.processes, len(left))
    if processes > 1:
        yield from ((outcome, False) for outcome in _beside_each_other(left, work, settings, processes))
        return
    for job in left:
        with console.tiles() as progress:
            notice = console.notices(job.source) if not settings.silent else None
            yield _attempt(job, work, settings, sync=sync, notice=notice, progress=progress), True


def _before(job: Job, settings: Settings) -> Outcome | None:
    """The outcome of a job that is not begun."""
    if settings.skip_existing and os.path.isfile(job.target) and not is_special(job.target):
        return Outcome(job, SKIPPED)
    if not settings.dry_run:
        return None
    try:
        if os.path.isdir(os.path.dirname(job.target) or "."):  # else it would be made
            check_output(job.target, force=settings.force)
    except StreamError as error:
        return _failed(job, error, settings, [], 0.0)
    return Outcome(job, PLANNED)


def _attempt(
    job: Job,
    work: Work,
    settings: Settings,
    *,
    sync: bool,
    notice: Callable[[str], None] | None = None,
    progress: Progress | None = None,
) -> Outcome:
    start = time.perf_counter()
    told: dict[str, None] = {}

    def warn(sentence: str) -> None:
        told[sentence] = None
        if notice is not None:
            notice(sentence)

    try:
        check_output(job.target, force=settings.force)
        result = work(job, sync=sync, warn=warn, progress=progress)
        if (
            settings.keep_times
            and result.written
            and os.path.isfile(job.source)
            and os.path.isfile(job.target)
        ):
            times = os.stat(job.source)
            os.utime(job.target, ns=(times.st_atime_ns, times.st_mtime_ns))
    except Exception as error:
        return _failed(job, error, settings, list(told), time.perf_counter() - start)
    status = DONE if result.written else LARGER
    return Outcome(job, status, 0, list(told), None, time.perf_counter() - start, result)


def _failed(job: Job, error: Exception, settings: Settings, told: list[str], seconds: float) -> Outcome:
    code, sentence = failure(error, verbose=settings.verbose)
    if isinstance(error, OutputExistsError):
        sentence = f"{error} Replace it with --force, or leave what is done with --skip-existing."
    return Outcome(job, FAILED, code, told, sentence, seconds)


def _beside_each_other(jobs: list[Job], work: Work, settings: Settings, processes: int) -> Iterator[Outcome]:
    with _pool(work, settings, processes) as pool:
        waiting: dict[Future[Outcome], Job] = {}
        rest = iter(jobs)
        try:
            while True:
                for job in rest:
                    waiting[pool.submit(_in_process, job)] = job
                    if len(waiting) >= WAITING * processes:
                        break
                if not waiting:
                    return
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    del waiting[future]
                    yield future.result()
        except BrokenProcessPool as error:
            raise StreamError(
                "A process was ended from outside, perhaps as the memory was full; start again with fewer --jobs and "
                "with --skip-existing."
            ) from error


@contextmanager
def _pool(work: Work, settings: Settings, processes: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that are ended at once when the block fails: unfinished outputs are removed."""
    # threads of the networks' runtime do not survive a fork
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _begin, (work, settings))
    try:
        yield pool
    except BaseException:
        for process in list((pool._processes or {}).values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_work: Work
_settings: Settings


def _begin(work: Work, settings: Settings) -> None:
    """Begin a process: Ctrl-C reaches the whole group, and the first process decides what it means."""
    global _work, _settings
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    _work, _settings = work, settings


def _in_process(job: Job) -> Outcome:
    return _attempt(job, _work, _settings, sync=False)
