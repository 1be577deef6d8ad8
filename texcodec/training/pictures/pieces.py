"""The checkpoint of an open training in its folder: one file, or pieces of it that are small enough to travel.

Pieces are parts of the bytes of the file, in order, named by the steps that it has reached and by their place, as in
checkpoint-00029769-1of3.part. A new checkpoint is there when all of its pieces are; only then are those of the one
before removed, so whatever interrupts a run leaves one that is complete.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...files import write_atomically
from ..core.checkpoints import damaged
from .portable import portable_bytes, portable_steps, read_portable

WHOLE = "checkpoint.safetensors"
_PIECE = re.compile(r"checkpoint-(\d{8,})-(\d+)of(\d+)\.part")


@dataclass(frozen=True)
class FoundCheckpoint:
    """A checkpoint in a folder.

    Attributes:
        steps: that it has reached.
        files: the file, or all of its pieces in order.
    """

    steps: int
    files: tuple[Path, ...]

    def read(self) -> dict[str, Any]:
        """The state in it, as ``portable.read_portable``.

        Raises:
            ValueError: it is damaged.
            ParameterError: it is one of a later version.
        """
        if len(self.files) == 1:
            return read_portable(self.files[0])
        with tempfile.TemporaryDirectory() as folder:
            joined = Path(folder) / WHOLE
            try:
                with joined.open("wb") as file:
                    for piece in self.files:
                        file.write(piece.read_bytes())
                return read_portable(joined)
            except (OSError, ValueError) as error:
                raise damaged(self.files[0]) from error


def find_checkpoint(folder: Path) -> FoundCheckpoint | None:
    """The checkpoint with the most steps that is complete; None where there is none.

    Raises:
        ValueError: one that is a single file is damaged.
    """
    whole = folder / WHOLE
    found = [FoundCheckpoint(portable_steps(whole), (whole,))] if whole.exists() else []
    groups: dict[tuple[int, int], dict[int, Path]] = {}
    for file in folder.glob("*.part"):
        match = _PIECE.fullmatch(file.name)
        if match:
            steps, number, count = map(int, match.groups())
            groups.setdefault((steps, count), {})[number] = file
    for (steps, count), pieces in groups.items():
        if sorted(pieces) == list(range(1, count + 1)):
            found.append(FoundCheckpoint(steps, tuple(pieces[i] for i in sorted(pieces))))
    return max(found, key=lambda one: one.steps, default=None)


def keep_checkpoint(folder: Path, state: Mapping[str, Any], piece_bytes: int = 0) -> None:
    """Replace the checkpoint in a folder.

    Args:
        state: as ``portable.portable_bytes`` takes it.
        piece_bytes: the most that a piece may have; 0 for one file of any size.
    Raises:
        ValueError: the state does not fit the architecture in its settings.
        StreamError: a file cannot be written; the checkpoint before stays.
    """
    content = portable_bytes(state, folder)
    count = -(-len(content) // piece_bytes) if piece_bytes else 1
    size = -(-len(content) // count)
    # a single file may be larger than a piece: then it was asked for as such
    names = [f"checkpoint-{state['steps']:08d}-{i + 1}of{count}.part" for i in range(count)]
    files = [folder / name for name in (names if piece_bytes else [WHOLE])]
    for i, file in enumerate(files):
        write_atomically(file, content[i * size : (i + 1) * size], force=True)
    for other in (folder / WHOLE, *folder.glob("*.part")):
        if other not in files and (other.name == WHOLE or _PIECE.fullmatch(other.name)):
            other.unlink(missing_ok=True)
