"""Tries files within files without end: a file as its own metadata, tars in tars, a list of itself, links to
folders above.

Stopped by opening nothing inside of a file, taking pictures only out of tars, and following no links to folders.
"""

from __future__ import annotations

import io
import os
import tarfile

from container_samples import full_file, join, split
from room import Room, check

from texcodec.batch import Settings, run
from texcodec.container import Reader

SETTINGS = Settings(lossless=True)


def attack(room: Room) -> None:
    data = full_file()
    for _ in range(12):  # each holds the one before in every place that takes one
        chunks = split(full_file())
        data = join(
            [*chunks[:2], [b"prev", data], [b"text", data[:1000]], [b"feat", data[:1000]], *chunks[2:]]
        )
        Reader(data).verify()
    path = room.file("nested.tcx", data)
    check(room.command("info", path) == 0 and room.command("info", "--json", path) == 0, room.err)
    check(room.command("verify", path) == 0, room.err)

    picture = room.picture("in/a.png").read_bytes()
    inner = b""
    for _ in range(20):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as tar:
            for name, content in (("a.png", picture), ("b.tar", inner), ("c.tar.gz", b"")):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        inner = stream.getvalue()
    room.file("tars/a.tar", inner)
    check(
        run(str(room.folder / "tars"), str(room.folder / "o1"), SETTINGS).done == 1,
        "what is inside was opened",
    )

    itself = room.file("list.txt", b"list.txt\nin/a.png\n")
    summary = run(str(itself), str(room.folder / "o2"), SETTINGS)
    check((summary.done, summary.failed) == (1, 1), "a list was taken for a picture")

    if os.name == "posix":
        (room.folder / "in" / "up").symlink_to(room.folder / "in")
        (room.folder / "in" / "self.png").symlink_to("self.png")
        check(
            run(str(room.folder / "in"), str(room.folder / "o3"), SETTINGS).done == 1, "a link was followed"
        )
        code = room.command("encode", room.folder / "in", "--out-dir", room.folder / "o4", "--lossless")
        check(code == 1 and sorted(os.listdir(room.folder / "o4")) == ["a.tcx"], "a link was followed")
