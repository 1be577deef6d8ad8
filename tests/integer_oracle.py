"""Integer convolutions in plain numpy, to check exported networks against: int64 sums that must fit int32.

Written from docs/format.md, "Integer arithmetic", tap by tap: slow, and without anything of torch's.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from texcodec.quantisation import IntegerLayer


def convolve(
    q: np.ndarray,
    layer: IntegerLayer,
    *,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...] | None = None,
    groups: int = 1,
    transposed: bool = False,
    output_padding: tuple[int, ...] | None = None,
) -> np.ndarray:
    """The sums of a layer over integers.

    Args:
        q: integers, B x C_in x spatial; zeros are what padding adds.
        stride, padding, dilation, output_padding: one number a spatial dimension, as torch defines them.
    Returns:
        int32, B x C_out x spatial: conv(q, weight) * 2^bias_fraction + bias.
    Raises:
        OverflowError: a sum leaves the range of int32.
    """
    kernel = layer.weight.shape[2:]
    dilation = dilation or (1,) * len(kernel)
    extra = output_padding or (0,) * len(kernel)
    size = q.shape[2:]
    reach = [d * (k - 1) for d, k in zip(dilation, kernel)]
    outputs, inputs = len(layer.weight) // groups, q.shape[1] // groups
    weight = layer.weight.astype(np.int64).reshape(groups, outputs, inputs, *kernel)
    x = q.astype(np.int64).reshape(len(q), groups, inputs, *size)
    if transposed:
        full = [(n - 1) * s + r + 1 + e for n, s, r, e in zip(size, stride, reach, extra)]
    else:
        full = [(n + 2 * p - r - 1) // s + 1 for n, p, r, s in zip(size, padding, reach, stride)]
        x = np.pad(x, [(0, 0)] * 3 + [(p, p) for p in padding])
    sums = np.zeros((len(q), groups, outputs, *full), np.int64)
    for tap in product(*map(range, kernel)):
        w = weight[(Ellipsis,) + tap]
        starts = [t * d for t, d in zip(tap, dilation)]
        length = size if transposed else full
        window = tuple(slice(a, a + (n - 1) * s + 1, s) for a, n, s in zip(starts, length, stride))
        if transposed:
            sums[(Ellipsis,) + window] += np.einsum("goi,bgi...->bgo...", w, x)
        else:
            sums += np.einsum("goi,bgi...->bgo...", w, x[(Ellipsis,) + window])
    if transposed:
        cut = tuple(slice(p, n - p) for p, n in zip(padding, full))
        sums = sums[(Ellipsis,) + cut]
    sums = sums.reshape(len(q), groups * outputs, *sums.shape[3:]) << layer.bias_fraction
    sums += layer.bias.astype(np.int64).reshape(-1, *[1] * len(kernel))
    if np.abs(sums).max(initial=0) >= 2**31:
        raise OverflowError("A sum of the integer layer leaves the range of int32.")
    return sums.astype(np.int32)


def worst_input(layer: IntegerLayer, channel: int, *, sign: int = 1) -> np.ndarray:
    """The input window that drives one output channel furthest: the largest integer wherever its weight is
    positive, the smallest elsewhere (the other way round for ``sign`` -1).

    Returns:
        int64, (C_in / groups) x kernel.
    """
    return np.where(sign * layer.weight[channel] > 0, layer.high, layer.low).astype(np.int64)
