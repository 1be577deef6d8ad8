"""Running the command line, inside of this process and as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from pictures import photograph
from PIL import Image

from texcodec.cli.app import run

SET = "tiny-1"


def texcodec(*arguments: object) -> int:
    """The exit code of a command that runs in this process."""
    return run([str(argument) for argument in arguments])


def process(*arguments: object, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """A command that runs in a process of its own."""
    command = [sys.executable, "-m", "texcodec", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, timeout=120, check=False, **({"env": environment()} | options)
    )


def environment() -> dict[str, str]:
    """The variables for a child process, in which it imports the texcodec that is tested here."""
    root = str(Path(__file__).resolve().parent.parent)
    path = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([root, path] if path else [root])}


def save_photograph(path: Path, width: int = 64, height: int = 48, seed: int = 0, **options: Any) -> Path:
    """A small picture in a file."""
    Image.fromarray(photograph(width, height, seed=seed)).save(path, **options)
    return path


def names(folder: Path) -> list[str]:
    """What lies in a folder."""
    return sorted(path.name for path in folder.iterdir())
