"""Lossless alpha planes (docs/format.md, chunk ALPH).

The payload begins with a method byte:

0. every sample has the same value, which is the second and last byte;
1. a zlib stream (RFC 1950) that is as long as the rest of the payload. It holds height rows of 1 + width
   bytes: a filter and the filtered samples. Filter 0 stores samples, 1 their difference to the left
   neighbour (0 at the border), 2 their difference to the neighbour above (0 at the border); differences
   are modulo 256.

Which filters the encoder picks, and how zlib finds its matches, is free.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from texcodec.errors import CorruptError, ParameterError

_CONSTANT, _FILTERED = 0, 1
_NONE, _LEFT, _UP = 0, 1, 2


def compress_alpha(alpha: NDArray[np.uint8]) -> bytes:
    """The payload for an alpha plane.

    Args:
        alpha: uint8, height x width, at least one sample.

    Raises:
        ParameterError: when it is anything else.
    """
    if alpha.dtype != np.uint8 or alpha.ndim != 2 or alpha.size == 0:
        raise ParameterError("The alpha plane must be a non-empty uint8 array of height x width.")
    first = int(alpha[0, 0])
    if (alpha == first).all():
        return bytes([_CONSTANT, first])
    # Masks compress best as they are, soft edges and photographs with differences: the smaller stream is
    # taken.
    plain = np.zeros((alpha.shape[0], alpha.shape[1] + 1), dtype=np.uint8)
    plain[:, 1:] = alpha
    streams = [zlib.compress(rows.tobytes(), 9) for rows in (plain, _filtered(alpha))]
    return bytes([_FILTERED]) + min(streams, key=len)


def decompress_alpha(payload: bytes, height: int, width: int) -> NDArray[np.uint8]:
    """The alpha plane, uint8, height x width (both from a header that limits have been applied to).

    At most height x (width + 1) bytes are unpacked, whatever the payload says.

    Raises:
        CorruptError: when the payload is not exactly one plane of this size.
        ParameterError: when height or width is below 1.
    """
    if height < 1 or width < 1:
        raise ParameterError(f"An alpha plane has at least one sample, not {width} x {height}.")
    if len(payload) < 2:
        raise _corrupt("is shorter than two bytes")
    if payload[0] == _CONSTANT:
        if len(payload) != 2:
            raise _corrupt("is longer than one constant")
        return np.full((height, width), payload[1], dtype=np.uint8)
    if payload[0] != _FILTERED:
        raise _corrupt(f"has the unknown method {payload[0]}")
    expected = height * (width + 1)
    unpacker = zlib.decompressobj()
    try:
        rows = unpacker.decompress(memoryview(payload)[1:], expected)
        # The end of the stream may need one more step; a byte that comes out of it is one too many.
        surplus = b"" if unpacker.eof else unpacker.decompress(unpacker.unconsumed_tail, 1)
    except zlib.error as error:
        raise _corrupt(f"does not unpack ({error})") from error
    if len(rows) != expected or surplus or not unpacker.eof or unpacker.unused_data:
        raise _corrupt(f"is not a plane of {width} x {height}")
    return _unfiltered(np.frombuffer(rows, dtype=np.uint8).reshape(height, width + 1))


def _corrupt(what: str) -> CorruptError:
    return CorruptError(f"The alpha payload (chunk ALPH) {what}; the file is damaged.")


def _filtered(alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Rows of filter and filtered samples, the filter being the one whose differences are smallest."""
    height, width = alpha.shape
    left = np.diff(alpha, axis=1, prepend=np.uint8(0))
    up = np.diff(alpha, axis=0, prepend=np.zeros((1, width), dtype=np.uint8))
    best = np.zeros(height, dtype=np.uint8)
    rows = alpha.copy()
    cost = _magnitude(alpha)
    for kind, candidate in ((_LEFT, left), (_UP, up)):
        candidate_cost = _magnitude(candidate)
        better = candidate_cost < cost
        best[better] = kind
        rows[better] = candidate[better]
        cost = np.minimum(cost, candidate_cost)
    return np.concatenate([best[:, np.newaxis], rows], axis=1)


def _magnitude(rows: NDArray[np.uint8]) -> NDArray[np.int64]:
    # Differences are modulo 256: 255 is -1. int8's -128 has no absolute value, hence the minimum of both
    # readings.
    return np.minimum(rows, np.uint8(0) - rows).sum(axis=1, dtype=np.int64)


def _unfiltered(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    filters = rows[:, 0]
    unknown = np.flatnonzero(filters > _UP)
    if unknown.size:
        first = int(unknown[0])
        raise _corrupt(f"has the unknown filter {filters[first]} in row {first}")
    alpha = rows[:, 1:].copy()
    by_left = filters == _LEFT
    alpha[by_left] = np.cumsum(alpha[by_left], axis=1, dtype=np.uint8)
    for index in np.flatnonzero(filters == _UP):
        row = int(index)
        if row:
            alpha[row] += alpha[row - 1]
    return alpha
