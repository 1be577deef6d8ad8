"""Rounding the entropy networks to integer weights under the 2^24 bound (docs/format.md, "Integer
arithmetic").
"""

from __future__ import annotations

import numpy as np

from ..networks.bounds import ACCUMULATOR_LIMIT, check_bound
from .architecture import ACTIVATION_FRACTION_BITS, MEAN_FRACTION_BITS
from .entropy_model import SCALE_OUTPUT
from .fixed_point import IntegerConv

MOST_WEIGHT_BITS = 13


def export_conv(layer: IntegerConv, *, final_outputs: int = 0) -> tuple[np.ndarray, np.ndarray, int]:
    """Integer weights, biases and the shift of one layer, with as many weight bits as the bound allows.

    Args:
        layer: the training twin; its inputs are integers with 5 fraction bits and magnitude at most 255.
        final_outputs: for the last layer of a context network, the number c of its mean channels: they leave
            in 1/16
            symbol, the c scale channels after them in scale indices. 0 for hidden layers.
    Returns:
        int16 weights O x I x k x k, int32 biases O with half of 2^shift added for rounding, shift.
    Raises:
        ValueError: no number of weight bits meets the bound; the network's weights are too large.
    """
    weight = layer.weight.detach().double().numpy()
    bias = layer.bias.detach().double().numpy() if layer.bias is not None else np.zeros(weight.shape[0])
    lowered = ACTIVATION_FRACTION_BITS
    if final_outputs:
        lowered = MEAN_FRACTION_BITS
        factor = np.ones(weight.shape[0])
        factor[final_outputs:] = SCALE_OUTPUT / (1 << MEAN_FRACTION_BITS)
        weight, bias = weight * factor[:, None, None, None], bias * factor
    for bits in range(MOST_WEIGHT_BITS, 2, -1):
        shift = bits + ACTIVATION_FRACTION_BITS - lowered
        w = np.rint(weight * 2.0**bits)
        b = np.rint(bias * 2.0 ** (bits + ACTIVATION_FRACTION_BITS)) + 2.0 ** (shift - 1)
        worst = np.abs(w).sum((1, 2, 3)) * layer.input_max + np.abs(b)
        if worst.max() < ACCUMULATOR_LIMIT and np.abs(w).max() < 2**15:
            weights, biases = w.astype(np.int16), b.astype(np.int32)
            check_bound(weights, biases, layer.input_max, "exported layer")
            return weights, biases, shift
    raise ValueError(
        f"Weights up to {np.abs(weight).max():.1f} cannot be made integers under the 2^24 bound; "
        "train with a lower learning rate."
    )
