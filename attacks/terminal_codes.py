"""Tries control characters, in metadata, names of files, of classes, of sets and their cards, and of nodes of
graphs, that reach the terminal.

Stopped by spelling out everything that cannot be printed, in every line that a command prints.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from unittest import mock

from container_samples import full_file, join, split
from onnx_bytes import field, model, node
from room import ROOT, SET, Room, check, refused

from texcodec.cli.failures import failure
from texcodec.errors import ModelDamagedError
from texcodec.networks import FloatNetwork

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\u2066\x08\r\n\x85\u2028evil"


def attack(room: Room) -> None:
    chunks = split(full_file())
    text = json.dumps({EVIL: {"settings": [EVIL]}, "encoder": EVIL}, ensure_ascii=False).encode()
    path = room.file("a.tcx", join([*chunks[:2], [b"text", text], *chunks[2:]]))
    paths = [path]
    if os.name == "posix":
        paths.append(room.folder / f"x{EVIL.replace('/', '')}.tcx")
        shutil.copy(path, paths[-1])
        paths.append(room.folder / os.fsdecode(b"\xff\x1b[31m.tcx"))
        paths[-1].write_bytes(b"no file")
    sets = _sets(room)
    with mock.patch.dict(os.environ, {"TEXCODEC_MODELS": str(sets)}):
        for command in (
            *(["info", each] for each in paths),
            *(["info", "--json", each] for each in paths),
            *(["verify", each] for each in paths),
            *(["decode", each, "-o", room.folder / f"{EVIL.replace('/', '')}.png"] for each in paths),
            ["encode", *paths, "--lossless"],
            ["encode", *paths, "--lossless", "--dry-run"],
            ["encode", *paths, "--json", "--lossless"],
            ["decode", EVIL, EVIL + "2", EVIL],
            ["models", "list"],
            ["models", "list", "--json"],
            ["models", "show", sets / "evil"],
            ["models", "show", sets / "features"],
            ["models", "verify", sets / "evil"],
            ["models", "show", EVIL],
            ["info", f"--{EVIL}"],
            [EVIL],
            ["batch", EVIL, room.folder / "out", "--lossless"],
            ["view", "--no-browser", room.folder / EVIL],
        ):
            room.command(*command)
            _plain(room.out + room.err, command)
    bad = model([node(EVIL.encode(), [b"x"], [b"y"], field(3, EVIL.encode()))])
    caught = refused(ModelDamagedError, FloatNetwork, bad, {})
    _plain(str(caught), ["a graph"])
    with mock.patch("sys.stderr") as stderr:
        failure(RuntimeError(EVIL), verbose=True)
    _plain("".join(call.args[0] for call in stderr.write.call_args_list), ["a traceback"])


def _sets(room: Room) -> Path:
    folder = room.folder / "sets"
    shutil.copytree(ROOT / "models" / SET, folder / "evil")
    shutil.copytree(ROOT / "tests" / "data" / "tiny-features", folder / "features")
    for name in ("evil", "features"):
        path = folder / name / "manifest.json"
        facts = json.loads(path.read_text("utf-8"))
        facts |= {"name": EVIL, "card": {EVIL: EVIL, "list": [EVIL]}}
        if "classes" in facts:
            facts["classes"] = [EVIL + str(i) for i in range(len(facts["classes"]))]
        path.write_text(json.dumps(facts), "utf-8")
    return folder


def _plain(shown: str, command: list[object]) -> None:
    for character in shown:
        check(character == "\n" or character.isprintable(), f"{command[0]!r} prints {character!r}: {shown!r}")
