"""What the user sees: results on standard output; messages and progress on standard error."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import click

from texcodec.errors import StreamError
from texcodec.files import STANDARD_STREAM

if TYPE_CHECKING:
    from tqdm import tqdm

Progress = Callable[[int, int], None]
"""Called with the steps done and their number."""

# With fewer, a picture is done before a bar can be read; encoding and decoding count each tile twice.
_FEWEST_STEPS = 24


class Console:
    """Messages on standard error.

    Args:
        quiet: errors only; no notices and no progress.
        verbose: one more line a file, and tracebacks of internal errors.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self.quiet = quiet
        self.verbose = verbose
        self._bar: tqdm[Any] | None = None

    def error(self, name: str | None, sentence: str) -> None:
        """Say what failed; ``name`` is the file concerned, as the user gave it."""
        self._write(": ".join(part for part in ("texcodec", name, sentence) if part))

    def warner(self, name: str) -> Callable[[str], None]:
        """A function that passes on notices about a file, each sentence once."""
        printed: set[str] = set()

        def warn(sentence: str) -> None:
            if not self.quiet and sentence not in printed:
                printed.add(sentence)
                self.error(display_name(name), sentence)

        return warn

    def done(self, source: str, target: str, *, size: int, pixels: int, seconds: float) -> None:
        """The line that --verbose prints for a file: ``size`` bytes of .tcx for ``pixels`` pixels."""
        if self.verbose:
            names = f"{display_name(source)} -> {display_name(target, 'standard output')}"
            self._write(f"{names}: {size} bytes, {8 * size / pixels:.3f} bpp, {seconds:.2f} s")

    def tiles(self) -> AbstractContextManager[Progress | None]:
        """A progress function for one picture's tiles, or None where nobody would see it."""
        return self.steps("tile", fewest=_FEWEST_STEPS)

    @contextmanager
    def steps(self, unit: str, *, fewest: int = 1) -> Iterator[Progress | None]:
        """A progress function, or None where nobody would see it; ``fewest`` steps are worth a bar."""
        if self._bar is not None or not self._visible():
            yield None
            return

        def show(done: int, total: int) -> None:
            if total < fewest:
                return
            if self._bar is None:
                self._bar = _new_bar(total, unit)
            self._bar.total = total
            self._bar.update(done - self._bar.n)  # a search over qualities may begin anew

        try:
            yield show
        finally:
            self._close()

    @contextmanager
    def files(self, count: int) -> Iterator[Callable[[], None]]:
        """A function to call after each file, which moves a progress bar if there are several."""
        if count < 2 or not self._visible():
            yield lambda: None
            return
        self._bar = _new_bar(count, "file")
        try:
            yield self._advance
        finally:
            self._close()

    def _advance(self) -> None:
        if self._bar is not None:
            self._bar.update()

    def _visible(self) -> bool:
        return not self.quiet and sys.stderr is not None and sys.stderr.isatty()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _write(self, text: str) -> None:
        if sys.stderr is None:
            return
        text = printable(text)
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()


def emit(line: str) -> None:
    """Print a result on standard output.

    Raises:
        BrokenPipeError: its reader is gone.
        StreamError: it cannot be written.
    """
    if sys.stdout is None:
        raise StreamError("Standard output is closed; send it to a file or a pipe.")
    try:
        click.echo(line)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StreamError(f"Cannot write standard output: {error.strerror or error}.") from error


def display_name(name: str, stream: str = "standard input") -> str:
    """What messages call a file; ``-`` is a ``stream``."""
    return stream if name == STANDARD_STREAM else name


def printable(text: str) -> str:
    """One line without control characters, which a file or its name could send to the terminal."""
    return escaped(" ".join(text.split()))


def escaped(text: str, keep: str = "") -> str:
    """The text with control characters spelled out, but for those to ``keep``, and bytes that are not UTF-8."""
    return "".join(c if c.isprintable() or c in keep else _spelled_out(ord(c)) for c in text)


def _spelled_out(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a name (PEP 383)
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


def in_columns(title: str, lines: Mapping[str, str], *, width: int = 0) -> str:
    """A title, and below it a line for each entry, safe to print.

    Args:
        width: columns after which values are wrapped; 0: they are not.
    """
    shown = [(printable(key), printable(value)) for key, value in lines.items()]
    longest = max((len(key) for key, _ in shown), default=0)
    made = [printable(title)]
    for key, value in shown:
        start = f"  {key.ljust(longest)}  "
        room = max(20, width - len(start))
        parts = textwrap.wrap(value, room, break_on_hyphens=False) if width and value else [value]
        made += [f"{' ' * len(start) if number else start}{part}" for number, part in enumerate(parts)]
    return "\n".join(made)


def _new_bar(total: int, unit: str) -> tqdm[Any]:
    from tqdm import tqdm

    return tqdm(total=total, unit=unit, file=sys.stderr, disable=None, leave=False)
