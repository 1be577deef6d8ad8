"""Many files: each one is tried, each failure is reported, and one exit code sums them up."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from texcodec.cli.console import Console, display_name
from texcodec.errors import ModelError, StreamError, TexcodecError
from texcodec.files import STANDARD_STREAM

FILE_FAILED = 1


def process(console: Console, names: Sequence[str], work: Callable[[str], None]) -> int:
    """Call ``work`` with every name; returns 0, or the exit code of the failures.

    A failure does not keep the others from being done. If files fail for different reasons, code 1 is
    returned when it is among theirs, else the first one's.
    """
    codes = []
    for name in console.files(list(names)):
        try:
            work(name)
        except TexcodecError as error:
            if isinstance(error.__cause__, BrokenPipeError):
                raise
            console.error(display_name(name), error.with_advice)
            codes.append(error.exit_code)
        except BrokenPipeError:
            raise
        except OSError as error:
            console.error(display_name(name), f"{error.strerror or error}.")
            codes.append(FILE_FAILED)
        except MemoryError:
            console.error(display_name(name), "There is not enough memory for it; use a larger machine.")
            codes.append(FILE_FAILED)
        except Exception as error:
            _report_bug(console, name, error)
            codes.append(FILE_FAILED)
    return FILE_FAILED if FILE_FAILED in codes else (codes or [0])[0]


@contextmanager
def opened(name: str) -> Iterator[BinaryIO]:
    """A binary file to read, or standard input for ``-``.

    Raises:
        StreamError: it cannot be opened. The message leaves the name to the caller, who reports it anyway.
    """
    if name == STANDARD_STREAM:
        if sys.stdin is None or not hasattr(sys.stdin, "buffer"):
            raise StreamError("Standard input is closed; name a file instead.")
        yield sys.stdin.buffer
        return
    try:
        file = open(name, "rb")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise StreamError(f"The file cannot be read ({reason}); check its name and permissions.") from error
    with file:
        yield file


def require_models(models: str | None) -> None:
    """Fail once, before the first file, if the model set that all of them need is not there.

    Raises:
        ModelError: there is none of that name, or it is damaged.
    """
    from texcodec.registry import load_set

    try:
        load_set(models)
    except OSError as error:
        raise ModelError(f"The model set cannot be read: {error.strerror or error}.") from error


def _report_bug(console: Console, name: str, error: Exception) -> None:
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    advice = "" if console.verbose else "; --verbose shows more"
    console.error(display_name(name), f"Internal error, please report it ({what}){advice}.")
    if console.verbose:
        import traceback

        traceback.print_exception(error)
