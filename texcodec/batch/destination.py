"""Where a shard's files go: mirrored folders, or a WebDataset tar."""

from __future__ import annotations

import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Protocol

from ..files.signals import removed_on_failure
from .keys import safe_key
from .records import is_table, shard_name
from .storage import Storage, opened
from .work import Coded

FOLDERS, TARS = "folders", "webdataset"


class Writer(Protocol):
    """Takes the files of a shard."""

    def add(self, coded: Coded) -> None:
        """Write what was coded.

        Raises:
            StreamError: it cannot be written.
        """


class FolderWriter:
    """Writes every file at its key; those of an interrupted run are replaced by the same bytes."""

    def __init__(self, destination: Storage) -> None:
        self.destination = destination

    def add(self, coded: Coded) -> None:
        """Write what was coded, and what its sample held besides."""
        assert coded.data is not None
        for extension, data in coded.load.extra:
            name = safe_key(f"{coded.record.key}.{extension}")
            if not is_table(name):  # it would pass for one of this batch
                self.destination.write(name, data)
        self.destination.write(f"{coded.record.key}.tcx", coded.data)


class TarWriter:
    """Writes samples of ``.tcx`` and ``.json`` into a local tar."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self.tar = tar

    def add(self, coded: Coded) -> None:
        """Write a sample; the other files of the one that it comes from stay beside it."""
        assert coded.data is not None
        key = coded.record.key.replace(".", "_")  # a sample's key ends at its first dot
        extra = dict(coded.load.extra)
        facts = {k: v for k, v in asdict(coded.record).items() if k not in ("status", "error", "seconds")}
        with suppress(KeyError, ValueError):
            facts["original"] = json.loads(extra.pop("json"))
        extra |= {"json": json.dumps(facts).encode(), "tcx": coded.data}
        for extension, data in extra.items():
            info = tarfile.TarInfo(f"{key}.{extension}")
            info.size = len(data)  # times and owners are left at zero: the same inputs give the same tar
            self.tar.addfile(info, io.BytesIO(data))


@contextmanager
def writer(destination: Storage, kind: str, number: int, *, keep: bool = False) -> Iterator[Writer]:
    """The writer of a shard, whose tar appears when the block ends without an error.

    Args:
        kind: ``FOLDERS`` or ``TARS``.
        keep: what the shard's tar holds already stays in it.
    """
    if kind == FOLDERS:
        yield FolderWriter(destination)
        return
    name = f"{shard_name(number)}.tar"
    folder = destination.place if destination.local else None
    if folder is not None:
        os.makedirs(folder, exist_ok=True)
    descriptor, path = tempfile.mkstemp(".texcodec-tmp", f".{shard_name(number)}.", folder)
    with removed_on_failure(path):
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w") as tar:
            if os.name == "posix":
                mask = os.umask(0)
                os.umask(mask)
                os.fchmod(descriptor, 0o666 & ~mask)
            if keep and destination.exists(name):
                _copy(destination.path(name), tar)
            yield TarWriter(tar)
        destination.put(path, name)


def _copy(place: str, tar: tarfile.TarFile) -> None:
    with opened(place) as file, tarfile.open(fileobj=file, mode="r|") as old:
        for member in old:
            tar.addfile(member, old.extractfile(member))
