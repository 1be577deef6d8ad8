"""Tries links that lie where an output goes: to a file of the user, to a folder, to themselves, or to nowhere.

Stopped by looking at what a link leads to: without --force, what is there is never replaced.
"""

from __future__ import annotations

import os

from room import Room, check


def attack(room: Room) -> None:
    if os.name != "posix":
        return
    picture = room.picture()
    victim = room.file("home/secret.txt", b"secret")
    (room.folder / "out").mkdir()
    for name, place in {"a": victim, "b": room.folder / "home", "c": "c.tcx"}.items():
        link = room.folder / "out" / f"{name}.tcx"
        link.symlink_to(place)
        check(room.command("encode", picture, "-o", link, "--lossless") == 1, f"{name} was written")
        check(link.is_symlink() and victim.read_bytes() == b"secret", "the user's file was changed")
    for place in ("/dev/full/x", room.folder / "missing" / "x"):
        link = room.folder / "out" / "d.tcx"
        link.symlink_to(place)
        check(room.command("encode", picture, "-o", link, "--lossless") == 1, "it was written")
        link.unlink()
    check(
        room.names() == {"picture.png", "home/secret.txt", "out/a.tcx", "out/c.tcx"},
        "something is left",
    )
