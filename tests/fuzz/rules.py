"""What must hold for every input: errors of documented types only, bounded time, bounded memory."""

from __future__ import annotations

import resource
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

from texcodec.errors import TexcodecError
from texcodec.limits import Limits

LIMITS = Limits(pixels=1 << 18, side=4096, tiles=1024, memory=64 << 20, metadata=1 << 20)
"""That targets give to everything that takes limits."""
MEMORY = LIMITS.memory + (64 << 20)
"""Bytes that one input may add to the peak of the process: the limit, and what Python and the engine need beside it."""
SECONDS = 5.0
"""Of the processor, for one input."""


class RuleBroken(AssertionError):
    """An input that breaks a rule; the message says which."""


@dataclass(frozen=True)
class Target:
    """What inputs are given to.

    Attributes:
        run: takes an input; raises one of ``errors``, or nothing.
        errors: that the documentation allows for such inputs.
        mutator: name of the way to change inputs in ``mutators``.
        largest: bytes of an input.
    """

    run: Callable[[bytes], None]
    errors: tuple[type[BaseException], ...] = (TexcodecError,)
    mutator: str = "bytes"
    largest: int = 1 << 14


def check(target: Target, data: bytes) -> None:
    """Give an input to a target.

    Raises:
        RuleBroken: it took too long, or too much memory.
        BaseException: of any type that the target does not allow.
    """
    before, start = peak(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            target.run(data)
        except target.errors as error:
            check_sentence(error)
    seconds, grown = time.process_time() - start, peak() - before
    if seconds > SECONDS:
        raise RuleBroken(f"{seconds:.1f} s for an input of {len(data)} bytes")
    if grown > MEMORY:
        raise RuleBroken(f"{grown >> 20} MiB more for an input of {len(data)} bytes")


def check_sentence(error: BaseException) -> None:
    """That an error says something, in one line that a terminal can show."""
    text = str(error)
    if not text.strip():
        raise RuleBroken(f"{type(error).__name__} without a sentence") from error


def peak() -> int:
    """Bytes of memory that this process had at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
