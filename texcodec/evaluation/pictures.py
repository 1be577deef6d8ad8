"""The pictures to be measured, in the one layout that every codec takes: 8-bit RGB without metadata."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import ParameterError, TexcodecError
from ..images import read_picture
from ..limits import Limits

SUFFIXES = {".png", ".ppm", ".bmp", ".tif", ".tiff", ".jpg", ".jpeg", ".webp"}
"""What is taken from a folder; a file that is named may be anything that Pillow reads."""

LOSSY_SUFFIXES = {".jpg", ".jpeg", ".webp"}


@dataclass(frozen=True)
class Source:
    """One picture that can be read.

    Attributes:
        name: what reports call it; no two of a run have the same.
        path: its file.
        width, height: in pixels, displayed orientation.
        digest: SHA-256 of its size and samples, so that measurements survive renaming and not editing.
    """

    name: str
    path: Path
    width: int
    height: int
    digest: str

    @property
    def pixels(self) -> int:
        return self.width * self.height


def find_files(arguments: Sequence[str], *, apart_from: Path | None = None) -> list[Path]:
    """The files that are named and those in the folders that are named, in order and each one once.

    Args:
        apart_from: a folder whose files are not meant: the report's own pictures.
    Raises:
        ParameterError: a name that does not exist, or nothing to measure at all.
    """
    found: dict[Path, Path] = {}
    for argument in arguments:
        path = Path(argument)
        if not path.exists():
            raise ParameterError(f"{argument} does not exist; name pictures or folders of pictures.")
        inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        for file in inside if path.is_dir() else [path]:
            place = file.resolve()
            if apart_from is None or apart_from.resolve() not in place.parents:
                found.setdefault(place, file)
    if not found:
        kinds = ", ".join(sorted(SUFFIXES))
        raise ParameterError(
            f"There are no pictures in {', '.join(arguments)}; folders are searched for {kinds}."
        )
    return list(found.values())


def read_rgb(path: Path, warn: Callable[[str], None] = lambda sentence: None) -> np.ndarray:
    """uint8 height x width x 3.

    Raises:
        TexcodecError: the file is not a picture that texcodec codes.
    """
    try:
        picture = read_picture(path, Limits(), name="The picture", metadata=False)
    except MemoryError as error:
        raise TexcodecError("There is not enough memory for it; use a larger machine.") from error
    for sentence in picture.notices:
        warn(sentence)
    if picture.alpha is not None:
        warn("Its alpha plane is left out, since not every codec has one.")
    if picture.channels == 1:
        warn("It is grey and is measured as RGB, as all pictures are.")
        return np.repeat(picture.pixels, 3, axis=2)
    return picture.pixels


def survey(
    files: Sequence[Path],
    *,
    warn: Callable[[str, str], None],
    failed: Callable[[str, str], None],
) -> list[Source]:
    """Read every file once; those that cannot be read go to ``failed`` by name and left out."""
    plain = [file.name for file in files]
    names = [file.name if plain.count(file.name) == 1 else str(file) for file in files]
    sources = []
    for name, file in zip(names, files):
        try:
            pixels = read_rgb(file, lambda sentence, name=name: warn(name, sentence))  # type: ignore[misc]
        except TexcodecError as error:
            failed(name, str(error))
            continue
        height, width = pixels.shape[:2]
        digest = hashlib.sha256(f"{width}x{height}:".encode() + pixels.tobytes()).hexdigest()
        sources.append(Source(name, file, width, height, digest))
    return sources
