"""Run as a process of its own: forks commands of texcodec, each of which is told to end at another moment.

    python tests/fault_stages.py FOLDER

FOLDER holds a.png and old.tcx. Prints a JSON object: for each stage the status of its process, and what its folder
holds.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy  # noqa: F401  loaded before the forks
import PIL.PngImagePlugin  # noqa: F401

import texcodec.batch.run  # noqa: F401
import texcodec.codec.drawn_coder as drawn_coder
import texcodec.images
from texcodec.cli import app, decode, encode  # noqa: F401
from texcodec.cli import batch as batch_command  # noqa: F401

FORCED = "forced"


def told_to_end(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def before(owner: Any, name: str) -> Callable[[], None]:
    """A stage: just before a function is called for the first time."""

    def arm() -> None:
        true = getattr(owner, name)

        def disturbed(*given: Any, **named: Any) -> Any:
            setattr(owner, name, true)
            told_to_end()
            return true(*given, **named)

        setattr(owner, name, disturbed)

    return arm


def after(owner: Any, name: str, times: int = 1) -> Callable[[], None]:
    """A stage: just behind a function's call."""

    def arm() -> None:
        true, calls = getattr(owner, name), []

        def disturbed(*given: Any, **named: Any) -> Any:
            result = true(*given, **named)
            calls.append(name)
            if len(calls) == times:
                told_to_end()
            return result

        setattr(owner, name, disturbed)

    return arm


def without_links(stage: Callable[[], None]) -> Callable[[], None]:
    """The stage on a file system that has no hard links."""

    def arm() -> None:
        def refuse(*_: Any, **__: Any) -> None:
            raise OSError(errno.EPERM, "Operation not permitted")

        os.link = refuse
        stage()

    return arm


STAGES: dict[str, Callable[[], None]] = {
    "reading the input": before(texcodec.images, "read_picture"),
    "coding": before(drawn_coder, "pack_samples"),
    "opening the output": after(os, "open"),
    "forcing it to the disk": before(os, "fsync"),
    "before the link": before(os, "link"),
    "behind the link": after(os, "link"),
    "replacing": before(os, "replace"),
    "behind replacing": after(os, "replace"),
    "without links, reserved": without_links(before(os, "replace")),
    "without links, replaced": without_links(after(os, "replace")),
}


def fork(folder: Path, arguments: list[str], stage: Callable[[], None]) -> int:
    """The exit status of a command, negative for a signal."""
    pid = os.fork()
    if pid == 0:
        os.chdir(folder)
        # tests that run in the background hand down that signals are ignored
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        stage()
        code = 99
        try:
            code = app.run(arguments)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main(root: Path) -> None:
    found = {}
    commands = {
        "encode": ["encode", "a.png", "a.tcx", "--lossless"],
        FORCED: ["encode", "a.png", "-o", "old.tcx", "--lossless", "--force"],
        "decode": ["decode", "old.tcx", "old.png"],
        "batch": ["batch", "in", "out", "--lossless", "--format", "webdataset"],
    }
    for command, arguments in commands.items():
        for number, (name, stage) in enumerate(STAGES.items()):
            folder = root / f"{command}{number}"
            (folder / "in").mkdir(parents=True)
            for each in ("a.png", "old.tcx"):
                shutil.copy(root / each, folder)
            shutil.copy(root / "a.png", folder / "in")
            status = fork(folder, arguments, stage)
            files = {
                str(p.relative_to(folder)): p.read_bytes().hex() for p in folder.rglob("*") if p.is_file()
            }
            found[f"{command}, {name}"] = [status, files]
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
