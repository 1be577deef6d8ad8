"""Pictures that installed libraries ship: each is read and comes back, or is refused in one true sentence."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest

from texcodec.errors import ImageError
from texcodec.images import read_picture, save_picture

LIBRARIES = ("matplotlib", "skimage", "imageio")
EXTENSIONS = {".png", ".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".bmp", ".webp", ".ico"}
MOST_BYTES = 300_000


def shipped(library: str) -> list[Path]:
    spec = importlib.util.find_spec(library)
    if spec is None or spec.origin is None:
        return []
    return sorted(
        path
        for path in Path(spec.origin).parent.rglob("*")
        if path.suffix.lower() in EXTENSIONS and path.stat().st_size < MOST_BYTES
    )


@pytest.mark.parametrize("library", LIBRARIES)
def test_pictures_come_back_or_are_refused_in_a_sentence(library: str) -> None:
    paths = shipped(library)
    if not paths:
        pytest.skip(f"{library} is not installed, or ships no pictures")
    refused = 0
    for path in paths:
        try:
            picture = read_picture(path)
        except ImageError as error:
            assert str(error).startswith(str(path))
            refused += 1
            continue
        assert all(notice.endswith(".") for notice in picture.notices)
        for image_format in ("PNG", "TIFF"):
            buffer = io.BytesIO()
            assert save_picture(picture, buffer, image_format) == []
            back = read_picture(buffer.getvalue())
            assert np.array_equal(back.pixels, picture.pixels), path
            assert (back.alpha is None) == (picture.alpha is None)
            assert (back.icc, back.xmp) == (picture.icc, picture.xmp)
    assert refused <= len(paths) // 10
