"""Synthesis weights as a byte each (docs/decisions/byte-weights.md)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...registry.scaled import SUFFIX, scale


def byte_arrays(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A decoder's arrays with those of synthesis as int8 and their scales; biases stay float16.

    Weights have a scale for each output channel. The linear transform has one for each latent, as the size of its
    weights differs by latents; the table of rates one for each channel.
    """
    found: dict[str, np.ndarray] = {}
    for key, array in arrays.items():
        axis = 0 if key.endswith(".weight") else 1
        if key.startswith("synthesis.") and not key.endswith(".bias") or key == "linear.synthesis":
            found[key], found[key + SUFFIX] = scale(array, axis)
        else:
            found[key] = array
    return found
