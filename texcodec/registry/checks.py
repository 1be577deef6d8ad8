"""The rules that the arrays of a set keep, whoever made it: no index that a file asks for is outside a table.

Identity hashes show that a set is as it was made; these checks show that it can be used.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..errors import ModelDamagedError


class ArrayCheck:
    """The arrays of one set, those of int8 already with their scales; every method raises ModelDamagedError."""

    def __init__(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        self.name, self.arrays = name, arrays

    def array(self, key: str, dtype: type[np.generic], shape: tuple[int | None, ...]) -> np.ndarray:
        """An array by name; ``None`` in its shape stands for any number but 0."""
        array = self.arrays.get(key)
        if array is None:
            raise ModelDamagedError(f"The set {self.name} lacks the array {key}.")
        fits = len(array.shape) == len(shape) and all(
            have == want or (want is None and have > 0) for have, want in zip(array.shape, shape)
        )
        if array.dtype != dtype or not fits:
            raise ModelDamagedError(
                f"The array {key} of the set {self.name} is {array.dtype} of shape {array.shape}, which does not fit "
                "its manifest."
            )
        return array

    def weights(self, key: str, shape: tuple[int | None, ...]) -> np.ndarray:
        """Float weights: float16, or float32 made of int8."""
        made = key in self.arrays and self.arrays[key].dtype == np.float32
        return self.array(key, np.float32 if made else np.float16, shape)

    def require(self, sound: bool, key: str) -> None:
        """That the values of an array are in range."""
        if not sound:
            raise ModelDamagedError(f"The array {key} of the set {self.name} holds values out of range.")

    def finite(self) -> None:
        """That no array holds NaN or infinities."""
        for key, array in self.arrays.items():
            self.require(array.dtype.kind in "iu" or bool(np.isfinite(array).all()), key)
