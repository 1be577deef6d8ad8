"""Byte weights: int8 arrays with scales, which become float32 when a set is loaded (docs/format.md, "Model sets")."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..errors import ModelDamagedError

SUFFIX = ".scale"
"""What is added to the name of an int8 array to name its scales."""


def scale(array: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights as int8 with one scale for each index of an axis.

    Args:
        array: finite floats.
    Returns:
        q, int8, of magnitude at most 127, and scales, float32, 1 along every other axis: q * scale is within half a
        scale of ``array``.
    """
    others = tuple(i for i in range(array.ndim) if i != axis)
    widest = np.abs(array.astype(np.float32)).max(others, keepdims=True)
    scales = np.where(widest > 0, widest / np.float32(127), np.float32(1)).astype(np.float32)
    return np.clip(np.rint(array / scales), -127, 127).astype(np.int8), scales


def unscale(arrays: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """All arrays of a file, those of int8 as float32.

    Args:
        name: of the set, for errors.
    Raises:
        ModelDamagedError: an int8 array has no scales that fit it, or there are scales without one.
    """
    found = {}
    for key, array in arrays.items():
        if key.endswith(SUFFIX):
            if arrays.get(key.removesuffix(SUFFIX), array).dtype != np.int8:
                raise ModelDamagedError(f"The array {key} of the set {name} belongs to no int8 array.")
        elif array.dtype == np.int8:
            found[key] = array.astype(np.float32) * _scales(arrays, key, name)
        else:
            found[key] = array
    return found


def _scales(arrays: Mapping[str, np.ndarray], key: str, name: str) -> np.ndarray:
    shape, scales = arrays[key].shape, arrays.get(key + SUFFIX)
    fits = (
        scales is not None
        and scales.dtype == np.float32
        and scales.ndim == len(shape)
        and all(have in (1, want) for have, want in zip(scales.shape, shape))
        and bool((np.isfinite(scales) & (scales > 0)).all())
    )
    if scales is None or not fits:
        raise ModelDamagedError(
            f"The int8 array {key} of the set {name} has no scales ({key}{SUFFIX}) that fit it."
        )
    return scales
