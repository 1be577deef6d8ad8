"""Tries JSON nested a hundred thousand deep, numbers of a million digits and NaN, in `text` chunks, manifests and
listings.

Stopped by catching what the parser raises: metadata that is not JSON is none, and manifests and listings are
refused.
"""

from __future__ import annotations

import os
import shutil
from unittest import mock

from container_samples import full_file, join, split
from room import ROOT, SET, Room, check

DEPTHS = [b"[" * n + b"]" * n for n in (900, 990, 3000, 100_000)]
ODD = [
    b'{"a":' * 50_000,
    b"1" * 1_000_000,
    b"1e999999",
    b"NaN",
    b'"\\ud800"',
    b"\xff\xfe",
    b"",
    b'{"a": -Infinity}',
]


def attack(room: Room) -> None:
    chunks = split(full_file())
    shutil.copytree(ROOT / "models" / SET, room.folder / "sets" / "a")
    picture = room.picture()
    for text in (*DEPTHS, *ODD):
        path = room.file("a.tcx", join([*chunks[:2], [b"text", text], *chunks[2:]]))
        check(room.command("info", path) == 0, room.err)
        check(room.command("info", "--json", path) == 0, room.err)
        room.file("sets/a/manifest.json", text)
        with mock.patch.dict(os.environ, {"TEXCODEC_MODELS": str(room.folder / "sets")}):
            check(room.command("models", "list") == 0, room.err)
            check(
                room.command("encode", "-f", picture, "--models", room.folder / "sets" / "a") == 3, room.err
            )
        room.file("list.jsonl", text)
        check(
            room.command("batch", room.folder / "list.jsonl", room.folder / "out", "--lossless") == 2,
            room.err,
        )
        room.file("out2/listing.jsonl", text)
        check(
            room.command("batch", room.folder / "picture.png", room.folder / "out2", "--lossless") == 2,
            room.err,
        )
