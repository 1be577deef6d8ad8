"""What became of a file, and how that is reported: in words, or as a line of JSON."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from texcodec.cli.console import Console, display_name, emit, printable
from texcodec.cli.plan import Job

DONE, SKIPPED, LARGER, PLANNED, FAILED = "done", "skipped", "larger", "planned", "failed"


@dataclass(frozen=True)
class Result:
    """What a command found out about a file that it has read.

    Attributes:
        bytes_in, bytes_out: of input and output; None for what is no regular file.
        tcx_bytes: of the one of both that is a .tcx file.
        width, height: of the whole picture, in pixels.
        written: whether there is an output; it is left out where it would be larger than the input.
    """

    bytes_in: int | None
    bytes_out: int | None
    tcx_bytes: int
    width: int
    height: int
    written: bool = True


@dataclass
class Outcome:
    """What became of a file.

    Attributes:
        status: one of the constants above.
        code: the exit code that it leads to.
        notices: sentences about what was changed or left out.
        error: the sentence that says why it failed.
        seconds: that it took.
    """

    job: Job
    status: str
    code: int = 0
    notices: list[str] = field(default_factory=list)
    error: str | None = None
    seconds: float = 0.0
    result: Result | None = None


class Reporter:
    """Tells outcomes: failures on standard error, results on standard output where they are asked for.

    Args:
        as_json: a line of JSON per file on standard output.
    """

    def __init__(self, console: Console, *, as_json: bool) -> None:
        self.console, self.as_json = console, as_json

    def refused(self, refused: Sequence[tuple[str, str]], code: int) -> None:
        """Tell of inputs that cannot be done beside the others."""
        for source, reason in refused:
            self.outcome(Outcome(Job(source, ""), FAILED, code, error=reason))

    def outcome(self, outcome: Outcome, *, noticed: bool = False) -> None:
        """Tell what became of a file.

        Args:
            noticed: its notices have been printed already, as they came.
        """
        name = display_name(outcome.job.source)
        if not noticed and not self.as_json:
            warn = self.console.warner(outcome.job.source)
            for sentence in outcome.notices:
                warn(sentence)
        if self.as_json:
            emit(json.dumps(as_json(outcome)))
        elif outcome.error is not None:
            self.console.error(name, outcome.error)
        elif outcome.status == PLANNED:
            emit(printable(f"{name} -> {outcome.job.target}"))
        elif outcome.result is not None and outcome.result.written:
            found = outcome.result
            self.console.done(
                outcome.job.source,
                outcome.job.target,
                size=found.tcx_bytes,
                pixels=found.width * found.height,
                seconds=outcome.seconds,
            )


def as_json(outcome: Outcome) -> dict[str, Any]:
    """The line of a file; names that are not UTF-8 stand beside it as base64 of their bytes."""
    line: dict[str, Any] = {}
    for key, name in (("source", outcome.job.source), ("target", outcome.job.target)):
        if name:
            line[key] = os.fsencode(name).decode("utf-8", "backslashreplace")
            if line[key] != name:
                line[f"{key}_base64"] = base64.b64encode(os.fsencode(name)).decode("ascii")
    line["status"] = outcome.status
    found = outcome.result
    if found is not None:
        line |= {"bytes_in": found.bytes_in, "bytes_out": found.bytes_out}
        line |= {"width": found.width, "height": found.height, "seconds": round(outcome.seconds, 3)}
    if outcome.notices:
        line["notices"] = outcome.notices
    if outcome.error is not None:
        line |= {"error": outcome.error, "exit_code": outcome.code}
    return line
