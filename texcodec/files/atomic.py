"""Writing files that are complete or not there."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import BinaryIO

from ..errors import OutputExistsError, StreamError
from .names import PathLike, is_stream
from .signals import removed_on_failure

TEMPORARY_SUFFIX = ".texcodec-tmp"
"""Ends the name of unfinished output. Only a killed process leaves one behind; it may be deleted."""

Content = bytes | Callable[[BinaryIO], object]
"""What is to be written: the bytes, or a function that writes them to an open binary file."""

_LONGEST_NAME = 255


def write_atomically(path: PathLike, content: Content, *, force: bool = False, sync: bool = True) -> None:
    """Make the file appear complete, or not at all.

    The content goes to a temporary file beside the target, is forced to the disk, and only then gets the
    target's name. Exceptions, Ctrl-C and SIGTERM remove the temporary file; SIGKILL and power cuts may leave
    it, but never a partial target. A new file has the permissions of any new file; a replaced one keeps its
    own. A symbolic link stays and its target is written; devices and pipes are written directly.

    Args:
        content: bytes, or a function that writes to the binary file it is given.
        force: replace an existing file. Without it, of two processes that write the same new file one fails.
        sync: force the content to the disk before it gets its name. Without it a power cut may leave an empty
            file, unless ``sync_all`` has been called since; an end of the process may not.

    Raises:
        OutputExistsError: the target exists and ``force`` is not given.
        StreamError: the target is a directory, or cannot be written (disk full, no permission). What else the
            function raises is passed on.
    """
    name = os.fspath(path)
    try:
        if is_special(name):
            with open(name, "wb") as file:
                fill(file, content)
            return
        check_output(name, force=force)
        _write_beside(os.path.realpath(name), content, force, sync)
    except FileExistsError as error:
        raise OutputExistsError(f"{name} exists already.") from error
    except OSError as error:
        raise StreamError(f"Cannot write {name}: {reason(error)}.") from error


def check_output(path: PathLike, *, force: bool = False) -> None:
    """Fail early, before the work, where ``write_output`` would fail for what can be seen now.

    Raises:
        OutputExistsError: the file exists and ``force`` is not given.
        StreamError: it is a directory, or its folder does not exist.
    """
    name = os.fspath(path)
    if is_stream(path) or is_special(name):
        return
    target = os.path.realpath(name)
    if os.path.isdir(target):
        raise StreamError(f"Cannot write {name}: it is a directory; name a file in it.")
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise StreamError(f"Cannot write {name}: there is no directory {folder}; create it first.")
    if not force and os.path.lexists(target):
        raise OutputExistsError(f"{name} exists already.")


def sync_all() -> None:
    """Force everything that was written without ``sync`` to the disk, once for many files."""
    if hasattr(os, "sync"):  # not on Windows, which writes behind within seconds
        os.sync()


def is_special(name: str) -> bool:
    """Whether a name is that of a device, pipe or socket, which renaming a file over it would destroy; it is
    written directly.

    Names below /dev and /proc belong to it whatever they lead to: ``/dev/stdout`` may be a file that the shell has
    opened, and ``/dev/fd/63`` a pipe whose own name leads nowhere.
    """
    if os.name == "posix" and os.path.abspath(name).startswith(("/dev/", "/proc/")):
        return os.path.exists(name) and not os.path.isdir(name)
    try:
        mode = os.stat(name).st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def fill(file: BinaryIO, content: Content) -> None:
    """Write all of the content."""
    if callable(content):
        content(file)
        return
    rest = memoryview(content)
    while rest:  # unbuffered output (python -u) may take less than it is given
        rest = rest[file.write(rest) :]


def reason(error: BaseException) -> str:
    """Why an operation failed, for a message."""
    if isinstance(error, OSError) and error.errno is not None:
        advice = {errno.ENOSPC: "; free some space", errno.EACCES: "; check its permissions"}
        return (error.strerror or os.strerror(error.errno)) + advice.get(error.errno, "")
    return str(error)


def _write_beside(target: str, content: Content, force: bool, sync: bool) -> None:
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, _temporary_name(name))
    with removed_on_failure(temporary) as unfinished:
        # Created by the usual rules, so that umask and the folder's default permissions hold.
        descriptor = os.open(
            temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o666
        )
        with os.fdopen(descriptor, "wb") as file:
            if force:
                _take_permissions(descriptor, temporary, target)
            fill(file, content)
            file.flush()
            if sync:
                os.fsync(descriptor)
            written = os.fstat(descriptor)
        if force:
            _replace(temporary, target, written)
        else:
            _rename_to_new(temporary, target, written, unfinished)
        if sync:
            _sync_folder(folder)


def _take_permissions(descriptor: int, temporary: str, target: str) -> None:
    """Give an open file the permissions of the one it will replace, before anything is in it that others could read."""
    try:
        found = os.lstat(target)
    except FileNotFoundError:
        return
    # by the descriptor: somebody who may rename files in the folder could put a link in the place of the name
    change = partial(os.fchmod, descriptor) if hasattr(os, "fchmod") else partial(os.chmod, temporary)
    change(stat.S_IMODE(found.st_mode) & 0o777)


def _rename_to_new(temporary: str, target: str, written: os.stat_result, unfinished: list[str]) -> None:
    """Rename, and raise FileExistsError if the target has come into being meanwhile.

    Args:
        written: of the file at ``temporary``.
        unfinished: files that are removed on failure.
    """
    if os.name == "nt":
        os.rename(temporary, target)
        return
    try:
        os.link(temporary, target)
    except OSError as error:
        if not _is(target, written):
            if isinstance(error, FileExistsError):
                raise
            _replace_reserved(temporary, target, written, unfinished)
            return
    with suppress(OSError):  # the output is complete
        os.unlink(temporary)


def _replace_reserved(temporary: str, target: str, written: os.stat_result, unfinished: list[str]) -> None:
    """Rename where there are no hard links (FAT, some network mounts): an empty file reserves the name, then is
    replaced.
    """
    descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    unfinished.append(target)
    try:
        _replace(temporary, target, written)
    except BaseException:
        if _is(target, os.fstat(descriptor)):
            os.unlink(target)
        raise
    finally:
        unfinished.remove(target)
        os.close(descriptor)  # not before: another file could have its number


def _replace(temporary: str, target: str, written: os.stat_result) -> None:
    try:
        os.replace(temporary, target)
    except OSError:
        if not _is(target, written):
            raise


def _is(path: str, written: os.stat_result) -> bool:
    """Whether the name has the file already, whatever the system says of the call that gave it: a network mount that
    repeats a request whose answer was lost is told that it failed.
    """
    try:
        return os.path.samestat(os.lstat(path), written)
    except OSError:
        return False


def _sync_folder(folder: str) -> None:
    # Makes the name durable too. Some file systems refuse; the file is complete either way.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _temporary_name(name: str) -> str:
    tail = f".{os.urandom(4).hex()}{TEMPORARY_SUFFIX}"
    room = _LONGEST_NAME - len(tail) - 1
    return "." + os.fsdecode(os.fsencode(name)[:room]) + tail
