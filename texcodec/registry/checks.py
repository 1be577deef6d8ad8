"""The rules that a model set's arrays keep, whoever made it: with them, no file can drive a set out of its tables.

Source: docs/format.md, "Decoding a tile". Identity hashes show that a set is as it was made; these checks show
that it can be used.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..constants import (
    GAINS,
    HYPER_MAX,
    LARGEST_SUPPORT,
    LATENT_STRIDE,
    MEAN_CHANNELS,
    RATE_INDICES,
    SCALE_LEVELS,
)
from ..entropy.pyramid import PASSES
from ..errors import ModelDamagedError
from .manifest import Manifest


def check_decoder(manifest: Manifest, arrays: Mapping[str, np.ndarray]) -> None:
    """Check the tables that decoding indexes, and that every float is a finite number.

    Args:
        arrays: those of int8 already with their scales (``scaled``).
    Raises:
        ModelDamagedError: an array is missing, has another type or shape than its part needs, or bad values.
    """
    check = ArrayCheck(manifest.name, arrays)
    steps = check.array("tables.steps", np.uint16, (RATE_INDICES, manifest.latent_channels))
    base = check.array("tables.base_steps", np.float32, (RATE_INDICES,))
    check.array("tables.magnitudes", np.uint8, (None,))
    support = check.array("tables.support", np.uint16, (SCALE_LEVELS,))
    check.array("tables.symbols", np.uint32, (None,))
    hyper = check.array("tables.hyper", np.uint32, (None, manifest.hyper_channels, 2 * HYPER_MAX + 1))
    check.weights("linear.synthesis", (None, manifest.latent_channels, 1, 1))
    if manifest.entropy_profile > 1:
        c = manifest.slices[0]
        check.array("linear.lapping", np.float32, (16, 16))
        check.array("tables.slices", np.uint32, (None, 2 * len(manifest.slices) + 1))
        check.require(c > max(MEAN_CHANNELS), "slices")
        if manifest.gains:
            gains = check.array("tables.gains", np.float32, (GAINS,))
            planes = check.array("tables.gain_planes", np.uint8, (manifest.latent_channels,))
            check.require(bool((gains > 0).all()), "tables.gains")
            check.require(planes.max() <= 2 and not planes[list(MEAN_CHANNELS)].any(), "tables.gain_planes")
        for number in range(1, len(PASSES)):
            check.array(f"first_{number}.prediction", np.int16, (c, c + len(MEAN_CHANNELS), 3, 3))
    for k in range(len(manifest.classes)):
        check.weights(f"synthesis.{k}.rate", (RATE_INDICES, None))
    check.require(steps.min() > 0, "tables.steps")
    check.require(bool((base > 0).all()), "tables.base_steps")
    check.require(support.max() <= LARGEST_SUPPORT, "tables.support")
    check.require(len(hyper) <= RATE_INDICES, "tables.hyper")
    check.finite()


def check_encoder(manifest: Manifest, arrays: Mapping[str, np.ndarray]) -> None:
    """The same for the arrays of the encoder.

    Raises:
        ModelDamagedError: as ``check_decoder``.
    """
    check = ArrayCheck(manifest.name, arrays)
    check.array("linear.analysis", np.float16, (manifest.latent_channels, 3, LATENT_STRIDE, LATENT_STRIDE))
    for k in range(len(manifest.classes)):
        check.array(f"hyper_analysis.{k}.rate", np.float16, (RATE_INDICES, None))
    check.finite()


class ArrayCheck:
    """The arrays of one set; every method raises ModelDamagedError."""

    def __init__(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        self.name, self.arrays = name, arrays

    def array(self, key: str, dtype: type[np.generic], shape: tuple[int | None, ...]) -> np.ndarray:
        """An array by name; ``None`` in its shape stands for any number but 0."""
        array = self.arrays.get(key)
        if array is None:
            raise ModelDamagedError(f"Model set {self.name} lacks the array {key}; install it again.")
        fits = len(array.shape) == len(shape) and all(
            have == want or (want is None and have > 0) for have, want in zip(array.shape, shape)
        )
        if array.dtype != dtype or not fits:
            raise ModelDamagedError(
                f"The array {key} of model set {self.name} is {array.dtype} of shape {array.shape}, which "
                "does not fit its manifest; install it again."
            )
        return array

    def weights(self, key: str, shape: tuple[int | None, ...]) -> np.ndarray:
        """Float weights: float16, or float32 made of int8."""
        made = key in self.arrays and self.arrays[key].dtype == np.float32
        return self.array(key, np.float32 if made else np.float16, shape)

    def require(self, sound: bool, key: str) -> None:
        """That the values of an array are in range."""
        if not sound:
            raise ModelDamagedError(
                f"The array {key} of model set {self.name} holds values out of range; install it again."
            )

    def finite(self) -> None:
        """That no array holds NaN or infinities."""
        for key, array in self.arrays.items():
            self.require(array.dtype.kind in "iu" or bool(np.isfinite(array).all()), key)
