"""Doing what was planned, one file after the other or several at a time, each in a process of its own.

Files appear complete or not at all. They are forced to the disk together when the last one is written: one by
one, that takes a third of the time of small pictures.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from texcodec.cli.console import Console, Progress
from texcodec.cli.failures import FILE_FAILED, exit_code, failure
from texcodec.cli.outcomes import DONE, FAILED, LARGER, PLANNED, SKIPPED, Outcome, Reporter, Result
from texcodec.cli.plan import Job, Plan, make_folders
from texcodec.errors import OutputExistsError, StreamError
from texcodec.files import check_output, is_special, sync_all


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
        silent: notices are kept for the report instead of being printed as they come.
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
        StreamError: a folder cannot be made.
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
    """The outcome of every job as it comes, and whether its notices have been printed."""
    left = []
    for job in jobs:
        before = _before(job, settings)
        if before is not None:
            yield before, False
        else:
            left.append(job)
    count = min(settings.processes, len(left))
    if count > 1:
        from texcodec.processes import Processes  # pools of processes take long to import

        attempts = _Attempts(work, settings, frozenset(j.target for j in left if os.path.lexists(j.target)))
        with Processes(count, attempts, attempts.lost, attempts.again) as processes:
            yield from ((outcome, False) for outcome in processes.map(left))
        return
    for job in left:
        with console.tiles() as progress:
            warn = console.warner(job.source) if not settings.silent else None
            yield _attempt(job, work, settings, sync=sync, warn=warn, progress=progress), True


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
    warn: Callable[[str], None] | None = None,
    progress: Progress | None = None,
) -> Outcome:
    start = time.perf_counter()
    notices: dict[str, None] = {}

    def keep(sentence: str) -> None:
        notices[sentence] = None
        if warn is not None:
            warn(sentence)

    try:
        check_output(job.target, force=settings.force)
        result = work(job, sync=sync, warn=keep, progress=progress)
        if (
            settings.keep_times
            and result.written
            and os.path.isfile(job.source)
            and os.path.isfile(job.target)
        ):
            times = os.stat(job.source)
            os.utime(job.target, ns=(times.st_atime_ns, times.st_mtime_ns))
    except Exception as error:
        return _failed(job, error, settings, list(notices), time.perf_counter() - start)
    status = DONE if result.written else LARGER
    return Outcome(job, status, 0, list(notices), None, time.perf_counter() - start, result)


def _failed(job: Job, error: Exception, settings: Settings, notices: list[str], seconds: float) -> Outcome:
    code, sentence = failure(error, verbose=settings.verbose)
    if isinstance(error, OutputExistsError):
        sentence = f"{error} Replace it with --force, or leave what is done with --skip-existing."
    return Outcome(job, FAILED, code, notices, sentence, seconds)


@dataclass(frozen=True)
class _Attempts:
    """What processes run.

    Attributes:
        before: outputs that were there before the run.
    """

    work: Work
    settings: Settings
    before: frozenset[str]

    def __call__(self, job: Job) -> Outcome:
        return _attempt(job, self.work, self.settings, sync=False)

    def again(self, job: Job) -> Outcome:
        """A job that was handed to a process that has ended: what appeared since the run began is its output."""
        if job.target not in self.before and os.path.isfile(job.target) and os.path.getsize(job.target):
            return Outcome(job, DONE)
        return self(job)

    def lost(self, job: Job) -> Outcome:
        """What becomes of a job that ended its process."""
        from texcodec.processes import ENDED

        error = StreamError(f"{ENDED} Start again with fewer --jobs and with --skip-existing.")
        return _failed(job, error, self.settings, [], 0.0)
