"""Files and pipes: inputs read whole, outputs that are complete or not there, and their names.

`-` stands for standard input or output wherever a path is taken.
"""

from __future__ import annotations

import errno
import os
import secrets
import signal
import stat
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from texcodec.errors import LimitError, ParameterError, StreamError

STANDARD_STREAM = "-"

TEMPORARY_SUFFIX = ".texcodec-tmp"
"""Ends the name of unfinished output. Only a killed process leaves one behind; it may be deleted."""

Content = bytes | Callable[[BinaryIO], object]
"""What is to be written: the bytes, or a function that writes them to an open binary file."""

_PathLike = str | os.PathLike[str]
_LONGEST_NAME = 255
_FATAL_SIGNALS = ("SIGTERM", "SIGHUP")


def read_input(source: _PathLike, max_bytes: int | None = None) -> bytes:
    """All bytes of a file, or of standard input for `-`.

    Raises:
        StreamError: it cannot be opened or read.
        LimitError: it is longer than `max_bytes`; no more than that is read.
    """
    name = "standard input" if _is_stream(source) else os.fspath(source)
    wanted = -1 if max_bytes is None else max_bytes + 1
    try:
        if _is_stream(source):
            data = _binary(sys.stdin).read(wanted)
        else:
            with open(source, "rb") as file:
                data = file.read(wanted)
    except (OSError, ValueError) as error:
        raise StreamError(f"Cannot read {name}: {_reason(error)}.") from error
    if max_bytes is not None and len(data) > max_bytes:
        raise LimitError(f"{name} is longer than the limit of {max_bytes} bytes; raise the limit to read it.")
    return data


def write_output(target: _PathLike, content: Content, *, force: bool = False) -> None:
    """Writes to a file as `write_atomically` does, or to standard output for `-`.

    Raises:
        ParameterError: standard output is a terminal.
        StreamError: as for `write_atomically`, or the reader of the pipe is gone.
    """
    if not _is_stream(target):
        write_atomically(target, content, force=force)
        return
    stream = _binary(sys.stdout)
    if stream.isatty():
        raise ParameterError(
            "Standard output is a terminal; send it to a file or a pipe, or name an output file."
        )
    try:
        _fill(stream, content)
        stream.flush()
    except BrokenPipeError as error:
        # What is still buffered must not raise again when the interpreter flushes at its end.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise StreamError("Cannot write standard output: its reader closed it early.") from error
    except OSError as error:
        raise StreamError(f"Cannot write standard output: {_reason(error)}.") from error


def write_atomically(path: _PathLike, content: Content, *, force: bool = False) -> None:
    """Makes the file appear complete, or not at all.

    The content goes to a temporary file beside the target, is forced to the disk, and only then gets the
    target's name. Exceptions, Ctrl-C and SIGTERM remove the temporary file; SIGKILL and power cuts may leave
    it, but never a partial target. A new file has the permissions of any new file; a replaced one keeps its
    own. A symbolic link stays and its target is written; devices and pipes are written directly.

    Args:
        content: bytes, or a function that writes to the binary file it is given.
        force: replace an existing file. Without it, of two processes that write the same new file one fails.

    Raises:
        StreamError: the target exists and `force` is not given, is a directory, or cannot be written (disk
            full, no
            permission). What else the function raises is passed on.
    """
    name = os.fspath(path)
    try:
        target = os.path.realpath(name)
        if _is_special(target):
            with open(target, "wb") as file:
                _fill(file, content)
            return
        check_output(name, force=force)
        _write_beside(target, content, force)
    except FileExistsError as error:
        raise StreamError(_exists(name)) from error
    except OSError as error:
        raise StreamError(f"Cannot write {name}: {_reason(error)}.") from error


def check_output(path: _PathLike, *, force: bool = False) -> None:
    """Fails early, before the work, where `write_output` would fail for what can be seen now.

    Raises:
        StreamError: the file exists and `force` is not given, or it is a directory, or its folder does not
            exist.
    """
    if _is_stream(path):
        return
    name = os.fspath(path)
    target = os.path.realpath(name)
    if os.path.isdir(target):
        raise StreamError(f"Cannot write {name}: it is a directory; name a file in it.")
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise StreamError(f"Cannot write {name}: there is no directory {folder}; create it first.")
    if not force and os.path.lexists(target) and not _is_special(target):
        raise StreamError(_exists(name))


def encoded_name(source: _PathLike, out_dir: _PathLike | None = None) -> Path:
    """`photo.png` becomes `photo.tcx`, in the same folder or in `out_dir`."""
    path = Path(source)
    return _placed(path, path.stem + ".tcx", out_dir)


def decoded_name(source: _PathLike, out_dir: _PathLike | None = None, suffix: str = ".png") -> Path:
    """`photo.tcx` becomes `photo.png`; a name without `.tcx` keeps all of it."""
    path = Path(source)
    stem = path.stem if path.suffix.lower() == ".tcx" else path.name
    return _placed(path, stem + suffix, out_dir)


def pair_outputs(sources: Iterable[_PathLike], name: Callable[[_PathLike], Path]) -> list[tuple[Path, Path]]:
    """Each source with its output, as `name` names it.

    Raises:
        ParameterError: two sources would be written to one file, or one over itself or over another source.
    """
    pairs = [(Path(source), name(source)) for source in sources]
    taken = {os.path.realpath(source): source for source, _ in pairs}
    for source, target in pairs:
        place = os.path.realpath(target)
        if place in taken:
            raise ParameterError(
                f"The output of {source} would be {target}, which is taken by {taken[place]}; "
                "rename one or use another output directory."
            )
        taken[place] = source
    return pairs


def _write_beside(target: str, content: Content, force: bool) -> None:
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, _temporary_name(name))
    with _removed_on_failure(temporary):
        # Created by the usual rules, so that umask and the folder's default permissions hold.
        descriptor = os.open(
            temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o666
        )
        with os.fdopen(descriptor, "wb") as file:
            _fill(file, content)
            file.flush()
            os.fsync(descriptor)
        if force:
            with suppress(FileNotFoundError):
                os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode) & 0o777)
            os.replace(temporary, target)
        else:
            _rename_to_new(temporary, target)
        _sync_folder(folder)


def _rename_to_new(temporary: str, target: str) -> None:
    """Renames, and raises FileExistsError if the target has come into being meanwhile."""
    if os.name == "nt":
        os.rename(temporary, target)
        return
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:
        # No hard links here (FAT, some network mounts): an empty file reserves the name, then is replaced.
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        try:
            os.replace(temporary, target)
        except BaseException:
            os.unlink(target)
            raise
    else:
        os.unlink(temporary)


def _sync_folder(folder: str) -> None:
    # Makes the name durable too. Some file systems refuse; the file is complete either way.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _removed_on_failure(temporary: str) -> Iterator[None]:
    """Removes the file when the block fails, or when the process is told to end inside of it."""

    def remove_and_die(number: int, _frame: FrameType | None) -> None:
        with suppress(OSError):
            os.unlink(temporary)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    taken = []
    # Handlers can be set in the main thread only, and one that the program has set itself is left alone.
    if threading.current_thread() is threading.main_thread():
        for number in (getattr(signal, each) for each in _FATAL_SIGNALS if hasattr(signal, each)):
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, remove_and_die)
                taken.append(number)
    try:
        yield
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _temporary_name(name: str) -> str:
    tail = f".{secrets.token_hex(4)}{TEMPORARY_SUFFIX}"
    room = _LONGEST_NAME - len(tail) - 1
    return "." + os.fsdecode(os.fsencode(name)[:room]) + tail


def _fill(file: BinaryIO, content: Content) -> None:
    if callable(content):
        content(file)
        return
    rest = memoryview(content)
    while rest:  # unbuffered output (python -u) may take less than it is given
        rest = rest[file.write(rest) :]


def _placed(source: Path, name: str, out_dir: _PathLike | None) -> Path:
    return (source.parent if out_dir is None else Path(out_dir)) / name


def _is_stream(path: _PathLike) -> bool:
    return os.fspath(path) == STANDARD_STREAM


def _is_special(target: str) -> bool:
    """A device, pipe or socket: renaming over it would destroy it."""
    try:
        mode = os.stat(target).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _binary(stream: object) -> BinaryIO:
    buffer = getattr(stream, "buffer", None)
    if buffer is None:
        raise StreamError("Standard input or output is closed or takes no bytes; name a file instead.")
    binary: BinaryIO = buffer
    return binary


def _exists(name: str) -> str:
    return f"{name} exists already; use --force (force=True) to replace it."


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        advice = {errno.ENOSPC: "; free some space", errno.EACCES: "; check its permissions"}
        return (error.strerror or os.strerror(error.errno)) + advice.get(error.errno, "")
    return str(error)
