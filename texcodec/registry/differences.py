"""Arrays as differences to arrays that are much like them: small numbers, which archives pack better.

What differs are the bit patterns as integers, floats' too. Near values of one sign have near patterns, so no value has
to be computed, and what comes back is exact (docs/format.md, "Files of arrays").
"""

from __future__ import annotations

import numpy as np

TYPES = ("float16", "float32", "int16", "int32", "uint16", "uint32")
"""Types of arrays that may be stored so, by numpy's name."""


def fits(array: np.ndarray, reference: np.ndarray) -> bool:
    """Whether one is of a type and shape that may be stored as difference to the other."""
    return array.dtype.name in TYPES and array.dtype == reference.dtype and array.shape == reference.shape


def to_difference(array: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """What is stored of an array that ``fits``: of its type and shape, with the differences 0, -1, 1, -2, ... of bit
    patterns as the patterns 0, 1, 2, 3, ...
    """
    gap = (_bits(array) - _bits(reference)).view(f"i{array.dtype.itemsize}")
    code = gap << 1 ^ gap >> (8 * array.dtype.itemsize - 1)
    return code.view(array.dtype).reshape(array.shape)


def from_difference(stored: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The array of which ``to_difference`` gave ``stored``.

    Raises:
        ValueError: the two are of different types or shapes, or of a type that is not among ``TYPES``.
    """
    if not fits(stored, reference):
        raise ValueError(
            f"an array of {stored.dtype.name} and shape {stored.shape} is no difference to one of "
            f"{reference.dtype.name} and shape {reference.shape}"
        )
    code = _bits(stored)
    patterns = _bits(reference) + (code >> 1 ^ -(code & 1))
    return patterns.view(stored.dtype).reshape(stored.shape)


def _bits(array: np.ndarray) -> np.ndarray:
    """The bit patterns of an array's values, unsigned and in one dimension: of scalars, numpy warns that they wrap."""
    return np.ascontiguousarray(array).reshape(-1).view(f"u{array.dtype.itemsize}")
