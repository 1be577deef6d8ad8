"""What attacks share: a folder of their own, the command line, and the budget that none may exceed."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import numpy as np
from PIL import Image

from texcodec.cli.app import run

SET = "tiny-1"
SECONDS = 5.0
"""Of processor time that an attack may cost."""
MEGABYTES = 200
"""Of memory that it may cost."""


class Succeeded(AssertionError):
    """An attack that was not stopped."""


class Room:
    """Where an attack takes place.

    Args:
        folder: empty; nothing outside of it may be changed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = ""
        self.err = ""

    def file(self, name: str, data: bytes) -> Path:
        """A file in the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def picture(self, name: str = "picture.png", width: int = 24, height: int = 16) -> Path:
        """A small picture in the folder."""
        y, x = np.mgrid[:height, :width]
        pixels = np.stack([x * 9 + y, y * 12, x + y * 3], -1).astype(np.uint8)
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "png")
        return self.file(name, stream.getvalue())

    def command(self, *arguments: object) -> int:
        """Runs texcodec; returns its exit code and keeps what it prints in ``out`` and ``err``."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run([str(argument) for argument in arguments])
        self.out, self.err = out.getvalue(), err.getvalue()
        if "Internal error" in self.err or "Traceback" in self.err:
            raise Succeeded(f"an error that nobody meant: {self.err}")
        return code

    def names(self) -> set[str]:
        """All files below the folder, links included."""
        return {str(p.relative_to(self.folder)) for p in self.folder.rglob("*") if not p.is_dir()}


def refused(
    errors: type[Exception] | tuple[type[Exception], ...], call: Callable[..., Any], *given: Any
) -> Exception:
    """The error that a call must end in."""
    try:
        result = call(*given)
    except errors as error:
        return error
    raise Succeeded(f"it was accepted: {result!r:.200}")


def check(sound: bool, otherwise: str) -> None:
    """Say that the attack succeeded, unless all is as it should be."""
    if not sound:
        raise Succeeded(otherwise)


@contextlib.contextmanager
def budget(seconds: float = SECONDS, megabytes: float = MEGABYTES) -> Iterator[dict[str, float]]:
    """Measure a block, and fail if it takes more processor time or memory.

    Yields:
        A dictionary that has ``seconds`` and ``megabytes`` when the block has ended.
    """
    found: dict[str, float] = {}
    before, start = _reset_peak(), time.process_time()
    yield found
    found["seconds"] = time.process_time() - start
    peak = _peak()
    found["megabytes"] = 0.0 if before is None or peak is None else (peak - before) / 1024
    check(found["seconds"] <= seconds, f"it took {found['seconds']:.1f} s of processor time")
    check(found["megabytes"] <= megabytes, f"it took {found['megabytes']:.0f} MB of memory")


def _reset_peak() -> int | None:
    """Forget the peak of resident memory; returns what is resident, in KiB, where the system tells it (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
        return _peak()
    return None


def _peak() -> int | None:
    with contextlib.suppress(OSError, IndexError):
        return int(Path("/proc/self/status").read_text("ascii", "replace").split("VmHWM:")[1].split()[0])
    return None


def forged_set(folder: Path, change: Callable[[bytes], bytes], graph: str = "synthesis") -> Path:
    """A model set with one graph changed and its hash with it, as a hostile author would."""
    import json

    from safetensors.numpy import load_file

    from texcodec.registry import decoder_identity

    shutil.copytree(ROOT / "models" / SET, folder)
    path, manifest = folder / "graphs" / f"{graph}.onnx", folder / "manifest.json"
    path.write_bytes(change(path.read_bytes()))
    graphs = {p.stem: p.read_bytes() for p in folder.glob("graphs/*.onnx")}
    del graphs["analysis"], graphs["hyper_analysis"]
    identity = decoder_identity(graphs, load_file(folder / "decoder.safetensors")).hex()
    facts = json.loads(manifest.read_text("utf-8")) | {"identity": identity}
    manifest.write_text(json.dumps(facts), "utf-8")
    return folder


def environment() -> dict[str, str]:
    """The variables for a process of its own that runs this texcodec."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}
