"""Tries lists whose keys lead out of the destination, hold zero bytes, are thousands of characters or folders
long, or forge a listing.

Stopped by making every key a relative path of names that file systems take, when lists and listings are read.
"""

from __future__ import annotations

import json

from room import Room, check

from texcodec.batch import Settings, run


def attack(room: Room) -> None:
    picture = room.picture("in/a.png")
    keys = [
        "../../evil",
        "/evil",
        "..\\..\\evil",
        "a/../../../evil",
        "evil\0",
        "\ud800",
        "\n\r\x1b[2J",
        "~/evil",
        "...",
    ]
    keys += [
        "x" * 5000,
        "y/" * 5000 + "z",
        "tables/shard-000000-evil",
        "listing",
        "failures",
        "",
        ".",
        "..",
        "//",
        "CON",
        "a:b",
    ]
    lines = [json.dumps({"key": key, "source": str(picture)}) for key in keys]
    source = room.file("list.jsonl", "\n".join(lines).encode())
    before = room.names()
    settings = Settings(lossless=True)
    summary = run(str(source), str(room.folder / "out"), settings)
    check((summary.done, summary.failed) == (len(keys), 0), f"{summary}")
    fresh = room.names() - before
    check(all(name.startswith("out") for name in fresh), f"written elsewhere: {fresh}")

    listing = room.folder / "out" / "listing.jsonl"
    head = listing.read_text("utf-8").splitlines()[0]
    room.file("out/listing.jsonl", "\n".join([head, *lines]).encode())
    for table in (room.folder / "out" / "tables").glob("*.parquet"):
        table.unlink()
    check(run(str(source), str(room.folder / "out"), settings).failed == 0, "the forged listing failed")
    check(all(name.startswith("out") for name in room.names() - before), "written elsewhere")
