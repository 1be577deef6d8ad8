"""Files of training pictures: which there are, which are held out, and reading one."""

from __future__ import annotations

import warnings
from pathlib import Path

from PIL import Image

DEEP_MODES = ("I", "F")
"""Pillow modes of more than 8 bits per channel; converting them to RGB clips them."""


def readable_extensions() -> set[str]:
    """Suffixes (lower case) of all formats that this Pillow can open."""
    Image.init()
    return {suffix for suffix, form in Image.registered_extensions().items() if form in Image.OPEN}


def list_pictures(places: list[Path]) -> list[Path]:
    """All picture files under the folders, sorted; files that are named themselves are taken as they are."""
    suffixes = readable_extensions()
    found = {p for p in places if p.is_file()}
    for folder in places:
        found |= {p for p in folder.rglob("*") if p.suffix.lower() in suffixes and p.is_file()}
    return sorted(found)


def split_held_out(files: list[Path], every: int = 10) -> tuple[list[Path], list[Path]]:
    """Training files and held-out files: one in ``every``, by file; a single file is trained on."""
    if len(files) < 2 or not every:
        return files, []
    return [f for i, f in enumerate(files) if i % every], files[::every]


def read_picture(file: Path) -> Image.Image:
    """One picture as 8-bit RGB.

    Raises:
        OSError, ValueError, SyntaxError and others of Pillow's: it cannot be read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about oddities of files, in a programmer's words
        with Image.open(file) as opened:
            if opened.mode.split(";")[0] in DEEP_MODES:
                raise ValueError(f"it has more than 8 bits per channel ({opened.mode})")
            image = opened.convert("RGBA") if "transparency" in opened.info else opened
            return image.convert("RGB")
