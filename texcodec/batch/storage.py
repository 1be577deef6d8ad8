"""Files anywhere: local ones, and those of any URL that fsspec reads and writes."""

from __future__ import annotations

import os
import posixpath
from typing import Any, BinaryIO, cast

from ..errors import LibraryError, LimitError, ParameterError, StreamError
from ..files import TEMPORARY_SUFFIX, write_atomically

INSTALL = 'Install it with pip install "texcodec[batch]".'


def library(name: str, install: str = INSTALL) -> Any:
    """A library that batches need.

    Args:
        install: how it is installed.

    Raises:
        LibraryError: it is not installed.
    """
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise LibraryError(
            f"Batches need {name.partition('.')[0]}, which is not installed.", advice=install
        ) from error


def is_url(name: str) -> bool:
    """Whether a name has a scheme, as in s3://bucket/key."""
    return "://" in name


def scheme_of(name: str) -> str:
    """``s3`` for s3://bucket/key; empty for a path."""
    return name.partition("://")[0].lower() if is_url(name) else ""


def _file_system(place: str) -> tuple[Any, str]:
    """What fsspec has for a URL, and the path in it.

    Raises:
        LibraryError: it needs a library that is not installed.
        ParameterError: fsspec does not know such URLs.
    """
    try:
        fs, path = library("fsspec.core").url_to_fs(place)
    except ImportError as error:
        raise LibraryError(f"{place} cannot be opened: {error}.", advice="Install what it names.") from error
    except ValueError as error:
        raise ParameterError(f"{place} cannot be opened: {error}.") from error
    return fs, path


class Storage:
    """A folder, or what stands for one in an object store.

    Args:
        place: a path or URL.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        self.local = not is_url(place)
        self._fs: Any = None
        self._root = place
        if not self.local:
            self._fs, self._root = _file_system(place)

    def path(self, name: str) -> str:
        """Of a file in the folder, as messages and records show it."""
        return os.path.join(self.place, *name.split("/")) if self.local else posixpath.join(self.place, name)

    def write(self, name: str, data: bytes) -> None:
        """Make a file appear complete, replacing one of that name.

        Raises:
            StreamError: it cannot be written.
        """
        if self._fs is None:
            target = self.path(name)
            try:
                os.makedirs(os.path.dirname(target), exist_ok=True)
            except OSError as error:
                raise StreamError(
                    f"Cannot make the folder {os.path.dirname(target)}: {error.strerror}."
                ) from error
            write_atomically(target, data, force=True, sync=False)
            return
        path = posixpath.join(self._root, name)
        try:
            self._fs.makedirs(posixpath.dirname(path), exist_ok=True)
            # some file systems show what is half written
            temporary = path + TEMPORARY_SUFFIX
            self._fs.pipe_file(temporary, data)
            self._fs.mv(temporary, path)
        except OSError as error:
            raise StreamError(f"Cannot write {self.path(name)}: {error}.") from error

    def put(self, file: str, name: str) -> None:
        """Move a local file here.

        Raises:
            StreamError: it cannot be written.
        """
        try:
            if self._fs is None:
                target = self.path(name)
                os.makedirs(os.path.dirname(target), exist_ok=True)
                os.replace(file, target)
            else:
                path = posixpath.join(self._root, name)
                self._fs.makedirs(posixpath.dirname(path), exist_ok=True)
                self._fs.put_file(file, path + TEMPORARY_SUFFIX)
                self._fs.mv(path + TEMPORARY_SUFFIX, path)
                os.unlink(file)
        except OSError as error:
            raise StreamError(f"Cannot write {self.path(name)}: {error}.") from error

    def names(self, folder: str = "") -> list[str]:
        """Of all files below a folder, relative to this one, sorted; hidden ones are left out."""
        if self._fs is None:
            found = []
            top = self.path(folder) if folder else self.place
            for at, folders, files in os.walk(top):
                folders[:] = sorted(f for f in folders if not f.startswith("."))
                found += [
                    os.path.relpath(os.path.join(at, f), self.place).replace(os.sep, "/") for f in files
                ]
        else:
            root = self._root.rstrip("/")
            found = [
                path[len(root) + 1 :]
                for path in self._fs.find(posixpath.join(root, folder) if folder else root)
            ]
        return sorted(n for n in found if not any(part.startswith(".") for part in n.split("/")))

    def exists(self, name: str) -> bool:
        """Whether there is a file of that name."""
        if self._fs is None:
            return os.path.isfile(self.path(name))
        return bool(self._fs.isfile(posixpath.join(self._root, name)))

    def remove(self, name: str) -> None:
        """Remove a file."""
        if self._fs is None:
            os.unlink(self.path(name))
        else:
            self._fs.rm_file(posixpath.join(self._root, name))


def opened(place: str) -> BinaryIO:
    """A file to read, by its path or URL.

    Raises:
        LibraryError: the URL needs a library that is not installed.
        StreamError: it cannot be opened.
    """
    try:
        if not is_url(place):
            return open(place, "rb")
        return cast(BinaryIO, library("fsspec").open(place, "rb").open())
    except ImportError as error:
        raise LibraryError(f"{place} cannot be opened: {error}.", advice="Install what it names.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StreamError(f"{place} cannot be read ({reason}).") from error


def content(place: str, most: int) -> bytes:
    """All bytes of a file.

    Raises:
        StreamError: it cannot be read.
        LimitError: it is longer than ``most``.
    """
    with opened(place) as file:
        try:
            data = file.read(most + 1)
        except OSError as error:
            raise StreamError(f"{place} cannot be read ({error.strerror or error}).") from error
    if len(data) > most:
        raise LimitError(f"{place} is longer than {most} bytes.")
    return data


def is_folder(place: str) -> bool:
    """Whether a path or URL is one of a folder."""
    if not is_url(place):
        return os.path.isdir(place)
    fs, path = _file_system(place)
    return bool(fs.isdir(path))
