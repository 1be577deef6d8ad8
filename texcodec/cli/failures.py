"""What a file's failure is called, and the exit code that it leads to."""

from __future__ import annotations

from collections.abc import Iterable

from texcodec.errors import TexcodecError

FILE_FAILED = 1


def failure(error: Exception, *, verbose: bool = False) -> tuple[int, str]:
    """Exit code and sentence for what went wrong with one file.

    Raises:
        BrokenPipeError, TexcodecError: nobody reads standard output any more, so the other files are in vain, too.
    """
    if isinstance(error, BrokenPipeError) or isinstance(error.__cause__, BrokenPipeError):
        raise error
    if isinstance(error, TexcodecError):
        return error.exit_code, error.with_advice
    if isinstance(error, OSError):
        return FILE_FAILED, f"{error.strerror or error}."
    if isinstance(error, MemoryError):
        return FILE_FAILED, "There is not enough memory for it; use a larger machine."
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if verbose:
        import sys
        import traceback

        from texcodec.cli.console import escaped

        sys.stderr.write(escaped("".join(traceback.format_exception(error)), keep="\n"))
    advice = "" if verbose else "; --verbose shows more"
    return FILE_FAILED, f"Internal error, please report it ({what}){advice}."


def exit_code(codes: Iterable[int]) -> int:
    """Of a command whose files had these: code 1 where it is among them, else the first that is not 0."""
    failed = [code for code in codes if code]
    return FILE_FAILED if FILE_FAILED in failed else (failed or [0])[0]
