"""The entropy networks as integer arrays, proved to keep the 2^24 bound (docs/format.md, "Integer arithmetic")."""

from __future__ import annotations

import numpy as np
from torch import nn

from ...networks.bounds import check_bound
from .fixed_point import FEWEST_WEIGHT_BITS, IntegerConv


def export_conv(layer: IntegerConv) -> tuple[np.ndarray, np.ndarray, int]:
    """Integer weights, biases and the shift of one layer: what it computes with ``as_exported``.

    Args:
        layer: the training twin, on the CPU; its inputs are integers with 5 fraction bits and magnitude at most 255.
    Returns:
        int16 weights O x I x k x k, int32 biases O with half of 2^shift added for rounding, shift.
    Raises:
        ValueError: no number of weight bits meets the bound; the network's weights are too large.
    """
    found = layer.integers()
    if int(found.bits) < FEWEST_WEIGHT_BITS:
        raise ValueError(
            f"Weights up to {float(layer.weight.detach().abs().max()):.1f} cannot be made integers under the 2^24 "
            "bound; train with a lower learning rate."
        )
    shift = int(found.shift)
    weight = found.weight.numpy().astype(np.int16)
    bias = (found.bias.numpy() + 2.0 ** (shift - 1)).astype(np.int32)
    check_bound(weight, bias, layer.input_max, "exported layer")
    return weight, bias, shift


def integer_arrays(module: nn.Module, prefix: str) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Weights and biases of all integer convolutions in a network by ``prefix.layer.``, and their shifts by layer."""
    arrays, shifts = {}, {}
    for name, layer in module.named_modules():
        if isinstance(layer, IntegerConv):
            weight, bias, shifts[name] = export_conv(layer)
            arrays[f"{prefix}.{name}.weight"], arrays[f"{prefix}.{name}.bias"] = weight, bias
    return arrays, shifts
