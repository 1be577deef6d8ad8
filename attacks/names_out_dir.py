"""Tries inputs whose names would lead out of --out-dir: with "..", absolute, of dots alone, in folders that are
links.

Stopped by taking the last part of a name alone, or a path below the folder that was given, whose links to folders
are not followed.
"""

from __future__ import annotations

import os
import shutil

from room import Room, check


def attack(room: Room) -> None:
    picture = room.picture("in/deep/a.png")
    out = room.folder / "out"
    named = ["..png", "...png", "-o.png", "~.png", "$(id).png", "a;b.png", "*.png"]
    if os.name == "posix":
        named += ["a\nb.png", "\\..\\..\\c.png", "C:d.png", "\x1b[31m.png"]
    for name in named:
        shutil.copy(picture, room.folder / "in" / "deep" / name)
    seen = sum(not name.startswith(".") for name in named)
    before = room.names()
    room.command("encode", "--lossless", "--out-dir", out, room.folder / "in" / "deep" / ".." / "deep")
    room.command(
        "encode", "--lossless", "-f", "--out-dir", out, f"{room.folder}/in/../in/deep/a.png", f"{picture}"
    )
    fresh = room.names() - before
    check(fresh and all(name.startswith("out" + os.sep) for name in fresh), f"written elsewhere: {fresh}")
    check(len(fresh) == seen + 1, f"{len(fresh)} outputs: {fresh}")

    back = room.folder / "back"
    room.command("decode", "--out-dir", back, out)
    fresh = room.names() - before - fresh
    check(len(fresh) == seen + 1, f"{len(fresh)} outputs: {fresh}")
    check(all(name.startswith("back" + os.sep) for name in fresh), f"written elsewhere: {fresh}")

    if os.name == "posix":
        (room.folder / "in" / "up").symlink_to(room.folder)
        before = room.names()
        room.command("encode", "--lossless", "--out-dir", room.folder / "o2", room.folder / "in")
        fresh = room.names() - before
        check(all(name.startswith("o2" + os.sep) for name in fresh), f"written elsewhere: {fresh}")
        check(not any("up" + os.sep in name for name in fresh), "a link to a folder was followed")
