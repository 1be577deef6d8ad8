"""The other way: code the pixels, decode them and feed the whole network."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from setups import Setup

import texcodec

LADDERS = {
    "webp": (0, 10, 30, 60, 85),
    "avif": (5, 20, 35, 50, 70),
    "texcodec": (1, 12, 30, 50, 75),
}
"""Qualities that each codec is tried at."""


def _pillow(kind: str) -> Callable[[np.ndarray, int], tuple[int, np.ndarray]]:
    options: dict[str, Any] = {"method": 6} if kind == "WEBP" else {"speed": 6, "max_threads": 1}

    def code(picture: np.ndarray, quality: int) -> tuple[int, np.ndarray]:
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, kind, quality=quality, **options)
        with Image.open(buffer) as image:
            return len(buffer.getvalue()), np.asarray(image.convert("RGB"))

    return code


def _texcodec(picture: np.ndarray, quality: int) -> tuple[int, np.ndarray]:
    data = texcodec.encode(picture, quality=quality, threads=1)
    return len(data), np.asarray(texcodec.decode(data, threads=1).convert("RGB"))


CODECS = {"webp": _pillow("WEBP"), "avif": _pillow("AVIF"), "texcodec": _texcodec}


def measure(setups: list[Setup], codec: str) -> list[dict[str, Any]]:
    """Bytes of a file and the measure of every task at each quality, on the test pictures.

    The setups are tasks of the same pictures.
    """
    code = CODECS[codec]
    pictures = setups[0].data.pictures.permute(0, 2, 3, 1).numpy()
    rows = []
    for quality in LADDERS[codec]:
        coded = [code(np.ascontiguousarray(picture), quality) for picture in pictures]
        decoded = torch.from_numpy(np.stack([found for _, found in coded])).permute(0, 3, 1, 2)
        row: dict[str, Any] = {
            "quality": quality,
            "bytes": float(np.mean([n for n, _ in coded])),
            "tasks": {},
        }
        for setup in setups:
            with torch.no_grad():
                h = torch.cat([setup.front(decoded[i : i + 20].float()) for i in range(0, len(decoded), 20)])
            value, loss = setup.value(h)
            row["tasks"][setup.kind] = {"value": value, "loss": loss}
        rows.append(row)
    return rows
