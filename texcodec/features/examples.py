"""Pictures with what a task should answer: from a folder, or drawn.

classification  FOLDER/<class>/*.jpg|png; classes in the order of classes.txt (first word of each line) if
                FOLDER or the folder above has it, else sorted by name
segmentation    FOLDER/images/NAME.jpg|png and FOLDER/labels/NAME.png, grey levels or palette indices the classes
others          FOLDER/images/NAME.jpg|png and FOLDER/labels/NAME.npy
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import ImageError, ParameterError
from ..examples.shapes import Scenes

PICTURES = (".jpg", ".jpeg", ".png")
"""File names of pictures end in one of these."""


@dataclass(frozen=True)
class Example:
    """One picture and its label.

    Attributes:
        name: of the file, without its ending.
        picture: uint8 H x W x 3, RGB.
        label: int64 scalar (classification), H x W integers (segmentation) or K x H x W floats.
    """

    name: str
    picture: np.ndarray
    label: np.ndarray


def examples(folder: Path, kind: str) -> Iterator[Example]:
    """The examples of a folder one by one, sorted by name.

    Raises:
        ParameterError: the folder holds no examples of this kind, or a picture has no label.
        ImageError: a picture or a label cannot be read.
    """
    if kind == "classification":
        for number, name in enumerate(class_names(folder)):
            for path in _pictures(folder / name):
                yield Example(path.stem, _read(path), np.array(number, np.int64))
        return
    found = _pictures(folder / "images")
    for path in found:
        label = folder / "labels" / f"{path.stem}{'.png' if kind == 'segmentation' else '.npy'}"
        if not label.exists():
            raise ParameterError(f"The picture {path} has no label {label}; add it or remove the picture.")
        yield Example(path.stem, _read(path), _label(label))


def class_names(folder: Path) -> list[str]:
    """Names of the classes of a folder for classification, in the order of their numbers.

    Raises:
        ParameterError: there are none.
    """
    listed = [path for path in (folder / "classes.txt", folder.parent / "classes.txt") if path.exists()]
    if listed:
        lines = listed[0].read_text("utf-8").splitlines()
        return [line.split()[0] for line in lines if line.strip()]
    names = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if not names:
        raise ParameterError(
            f"The folder {folder} holds no folders of classes; see the documentation for its layout."
        )
    return names


def drawn(scenes: Scenes, kind: str) -> Iterator[Example]:
    """The examples of rendered scenes for one of the renderer's tasks."""
    labels = {
        "classification": scenes.classes,
        "segmentation": scenes.segmentation,
        "normals": scenes.normals,
        "depth": scenes.depth,
    }
    if kind not in labels:
        raise ParameterError(f"The renderer has no task {kind!r}; choose from {', '.join(labels)}.")
    for i in range(len(scenes)):
        yield Example(f"{i:05d}", scenes.pictures[i], np.asarray(labels[kind][i]))


def _pictures(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.glob("*") if path.suffix.lower() in PICTURES)
    if not found:
        raise ParameterError(f"The folder {folder} holds no pictures; see the documentation for its layout.")
    return found


def _read(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError) as error:
        raise ImageError(f"The picture {path} cannot be read ({error}); replace it.") from error


def _label(path: Path) -> np.ndarray:
    try:
        if path.suffix == ".npy":
            return np.asarray(np.load(path, allow_pickle=False))
        with Image.open(path) as image:
            label = np.asarray(image)
    except (OSError, ValueError, EOFError) as error:
        raise ImageError(f"The label {path} cannot be read ({error}); replace it.") from error
    if label.ndim != 2:
        raise ImageError(f"The label {path} is a colour picture; a map of classes has one number per pixel.")
    return label
