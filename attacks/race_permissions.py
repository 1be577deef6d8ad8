"""Tries to put a link to the user's file in the place of the temporary file, so that it gets the permissions of
the file replaced.

Stopped by setting permissions of the open file, and not of a name, before anything is in it.
"""

from __future__ import annotations

import contextlib
import os
from unittest import mock

from room import Room, check

from texcodec.errors import TexcodecError
from texcodec.files import write_atomically


def attack(room: Room) -> None:
    if os.name != "posix":
        return
    victim, target = room.file("home/secret.txt", b"secret"), room.file("shared/a.tcx", b"old")
    os.chmod(victim, 0o600)
    os.chmod(target, 0o666)
    seen: list[int] = []
    busy: list[bool] = []

    def put_links() -> None:
        for path in (room.folder / "shared").glob(".*.texcodec-tmp"):
            if not path.is_symlink():
                seen.append(path.stat().st_mode & 0o777)
                path.unlink()
                path.symlink_to(victim)

    def swap(true):  # type: ignore[no-untyped-def]
        def disturbed(*given: object, **named: object) -> object:
            if not busy:  # looking at the folder calls the same functions
                busy.append(True)
                put_links()
                busy.clear()
            return true(*given, **named)

        return disturbed

    for step in ("lstat", "stat", "chmod", "fchmod", "fstat", "fsync", "replace"):
        for mode in (0o666, 0o600):
            with contextlib.suppress(OSError):
                target.unlink()
            target.write_bytes(b"old")
            os.chmod(target, mode)
            seen.clear()
            with (
                contextlib.suppress(TexcodecError),
                mock.patch.object(os, step, swap(getattr(os, step))),
            ):
                write_atomically(target, b"private", force=True)
            check(victim.stat().st_mode & 0o777 == 0o600, f"the user's file has other permissions ({step})")
            check(victim.read_bytes() == b"secret", f"the user's file was written ({step})")
            if mode == 0o600 and step in ("fstat", "fsync", "replace"):
                check(seen == [0o600], "others could read the new contents for a while")
