"""Tries to swap the output's name for a link to the user's file, before each step of its writing and all the time
beside it.

Stopped by giving the name to the complete file in one step, which replaces a link or fails at it, but never
follows it.
"""

from __future__ import annotations

import contextlib
import os
import threading
from unittest import mock

from room import Room, check

from texcodec.errors import TexcodecError
from texcodec.files import write_atomically

NEW = b"new contents"


def attack(room: Room) -> None:
    if os.name != "posix":
        return
    victim, target = room.file("home/secret.txt", b"secret"), room.folder / "shared" / "a.tcx"
    target.parent.mkdir()
    os.chmod(victim, 0o600)

    def swap(*_: object) -> None:
        with contextlib.suppress(FileNotFoundError):
            target.unlink()
        target.symlink_to(victim)

    for step in ("open", "fstat", "fsync", "link", "replace"):
        for force in (False, True):
            swapped = _before(step, swap)
            with contextlib.suppress(TexcodecError, OSError), mock.patch.object(os, step, swapped):
                write_atomically(target, NEW, force=force)
            check(victim.read_bytes() == b"secret", f"the user's file was written ({step})")
            check(victim.stat().st_mode & 0o777 == 0o600, f"its permissions were changed ({step})")
            with contextlib.suppress(FileNotFoundError):
                target.unlink()

    stop = threading.Event()

    def restless() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError):
                swap()
            with contextlib.suppress(OSError):
                target.unlink()

    thread = threading.Thread(target=restless)
    thread.start()
    try:
        for _ in range(300):
            with contextlib.suppress(TexcodecError):
                write_atomically(target, NEW, sync=False)
    finally:
        stop.set()
        thread.join()
    check(victim.read_bytes() == b"secret", "the user's file was written")
    check(not [n for n in room.names() if n.endswith(".texcodec-tmp")], "a temporary file is left")


def _before(step: str, swap: object):  # type: ignore[no-untyped-def]
    true = getattr(os, step)

    def disturbed(*given: object, **named: object) -> object:
        swap()  # type: ignore[operator]
        return true(*given, **named)

    return disturbed
