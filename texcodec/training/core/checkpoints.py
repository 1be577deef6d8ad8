"""Checkpoints on disk: complete or not there, and a sentence for those that cannot be used."""

from __future__ import annotations

import io
import pickle
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch

from ...files import write_atomically

KEYS = {"modules", "average", "optimizer", "objective", "steps", "elapsed", "skipped", "settings", "random"}
"""What a checkpoint of a model set's training holds."""


def write_checkpoint(file: Path, state: Mapping[str, Any]) -> None:
    """Replace a checkpoint.

    Raises:
        StreamError: it cannot be written, as on a full disk; the one before stays.
    """
    # first in memory: torch reports a full disk as an error without a reason
    content = io.BytesIO()
    torch.save(dict(state), content)
    write_atomically(file, content.getvalue(), force=True)


def read_checkpoint(
    file: Path, device: torch.device | None = None, *, keys: Collection[str] = KEYS
) -> dict[str, Any]:
    """A checkpoint as ``write_checkpoint`` writes it, which must hold ``keys``.

    Raises:
        ValueError: it is damaged, or no checkpoint.
    """
    try:
        state = torch.load(file, map_location=device or torch.device("cpu"), weights_only=True)
    except (RuntimeError, KeyError, ValueError, EOFError, OSError, pickle.UnpicklingError) as error:
        raise damaged(file) from error
    if not isinstance(state, dict) or not state.keys() >= set(keys):
        raise damaged(file)
    return state


def damaged(file: Path) -> ValueError:
    """The error for a checkpoint that cannot be used."""
    return ValueError(f"The checkpoint {file} is damaged; remove it, or name another folder for the work.")
