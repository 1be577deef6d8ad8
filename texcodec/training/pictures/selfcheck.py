"""The last stage: held-out pictures through the exported set, actual bytes against what training promised.

A set can be wrong in ways that no loss shows: tables that do not fit what the networks predict, integer weights
that lost too much, a fusion network that harms. Here real payloads are written and read back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ...codec import decode, encode
from ...codec.analysis import analyse
from ...codec.coders import PROFILES
from ...codec.latent_coder import LatentCoder
from ...codec.layout import lay_out
from ...codec.rate_control import psnr
from ...codec.workers import Workers
from ...images import from_array
from ...registry import ModelSet, load_set
from .architecture import RATE_INDICES
from .whole import PictureCodec

SIDE = 768
"""Larger pictures are cut to this many pixels per side."""
RATES = (60, 130, 200)
"""Rate indices that are checked: low, middle, high."""
QUALITIES = (10, 50, 90)
TOLERANCE = 0.01
"""Share by which payloads may differ from an estimate before the user is warned."""


@dataclass(frozen=True)
class SelfCheck:
    """What held-out pictures showed.

    Attributes:
        pictures: how many.
        payload_bits: bits of all payloads, rounded to the nearest symbol, summed over pictures and rates.
        over_tables: payloads over the bits that the probability tables promise, minus 1.
        over_training: payloads over the bits that the training modules promise for the same pixels, minus 1:
            what integer weights and tables cost.
        qualities, bits_a_pixel, psnr: of whole files as users make them, means over the pictures; dB.
    """

    pictures: int
    payload_bits: int
    over_tables: float
    over_training: float
    qualities: tuple[int, ...]
    bits_a_pixel: tuple[float, ...]
    psnr: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """What the work folder and the set's card keep."""
        return asdict(self)

    @property
    def sound(self) -> bool:
        """Whether actual bytes are what the estimates say."""
        return abs(self.over_tables) <= TOLERANCE and self.over_training <= TOLERANCE

    def sentence(self) -> str:
        """The outcome for the user."""
        points = ", ".join(
            f"quality {q}: {b:.3f} bits per pixel, {d:.2f} dB"
            for q, b, d in zip(self.qualities, self.bits_a_pixel, self.psnr)
        )
        warning = (
            "" if self.sound else " That is more than it should be: export again with more batches to count."
        )
        return (
            f"Self-check on {self.pictures} held-out pictures: payloads differ from the tables' estimate by "
            f"{self.over_tables:+.2%} and from that of training by {self.over_training:+.2%}; {points}.{warning}"
        )


def self_check(
    folder: Path, trained: PictureCodec, files: Sequence[Path], *, most: int = 8
) -> SelfCheck | None:
    """Code held-out pictures with the set in ``folder``.

    Args:
        trained: the modules that the set was exported from.
        files: held-out pictures; those that cannot be read are passed over.
        most: pictures that are used.
    Returns:
        None when no picture can be read.
    Raises:
        ValueError: a payload does not decode to the symbols that were coded.
    """
    arrays = _pictures(files, most)
    if not arrays:
        return None
    models, trained = load_set(folder), trained.eval()
    trained.codec.half_precision = False
    sums = np.zeros(3)
    with Workers(1) as workers:
        for array in arrays:
            for rate_index in RATES:
                sums += _bits(array, rate_index, models, trained, workers)
    payload, tables, training = sums
    rates, qualities = np.zeros(len(QUALITIES)), np.zeros(len(QUALITIES))
    for array in arrays:
        for i, quality in enumerate(QUALITIES):
            data = encode(array, quality=quality, models=models, metadata=False)
            rates[i] += 8 * len(data) / (array.shape[0] * array.shape[1]) / len(arrays)
            qualities[i] += psnr(array, np.asarray(decode(data, models=models))) / len(arrays)
    return SelfCheck(
        pictures=len(arrays),
        payload_bits=int(payload),
        over_tables=payload / tables - 1,
        over_training=payload / training - 1,
        qualities=QUALITIES,
        bits_a_pixel=tuple(rates.tolist()),
        psnr=tuple(qualities.tolist()),
    )


def _pictures(files: Sequence[Path], most: int) -> list[np.ndarray]:
    """The middle of up to ``most`` pictures, spread over the list; uint8 H x W x 3."""
    arrays: list[np.ndarray] = []
    for file in files[:: max(1, len(files) // most)]:
        try:
            with Image.open(file) as opened:
                image = opened.convert("RGB")
        except Exception:  # Pillow raises many types for damaged files
            continue
        left, top = (max(0, (n - SIDE) // 2) for n in image.size)
        box = left, top, min(left + SIDE, image.width), min(top + SIDE, image.height)
        arrays.append(np.asarray(image.crop(box)))
        if len(arrays) == most:
            break
    return arrays


def _bits(
    array: np.ndarray, rate_index: int, models: ModelSet, trained: PictureCodec, workers: Workers
) -> tuple[float, float, float]:
    """Bits of one picture: of its payloads, by the tables, by the training modules."""
    coder: LatentCoder = PROFILES[models.manifest.entropy_profile](models)  # type: ignore[assignment]
    layout = lay_out(array.shape[1], array.shape[0], tile=256)
    analysed = analyse(from_array(array), layout, models, workers)
    payload = tables = 0.0
    for index, analysed_tile in analysed.tiles.items():
        tile = coder.quantise(analysed_tile, rate_index, distortion_scale=0)
        data = coder.write(tile, index)
        again = coder.read(data, tile.class_index, rate_index, layout.grid, index)
        if again.canonical_bytes() != tile.canonical_bytes():
            raise ValueError(
                "A tile does not decode to the symbols that were coded: the exported set is unsound."
            )
        payload += 8 * len(data)
        tables += coder.bits(tile)
    x = torch.from_numpy(array.copy()).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        t = torch.tensor([rate_index / (RATE_INDICES - 1)])
        promised = float(trained(x, t, tile_log2=8, rounding="nearest").bits.sum())
    return payload, tables, promised
