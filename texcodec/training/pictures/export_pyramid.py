"""The networks of entropy profile 2 as arrays and graphs: passes over the first slice and the lapped transform."""

from __future__ import annotations

import numpy as np
import torch

from ...constants import PREDICTION_SHIFT
from ...entropy import quantise_probabilities
from ...entropy.pyramid import PASSES, graph_name
from ..core.integer_export import integer_arrays
from . import graphs
from .architecture import Architecture
from .gains import Gains, gain_table
from .pyramid import FirstSlice

LARGEST_PREDICTION = 2**15 - 1


def first_slice_files(
    first: FirstSlice, architecture: Architecture
) -> tuple[dict[str, bytes], dict[str, np.ndarray]]:
    """Graphs by name and integer arrays of the passes over the first slice.

    Raises:
        ValueError: a weight of a linear prediction is 8 or more, or a network cannot be made integers.
    """
    files: dict[str, bytes] = {}
    arrays: dict[str, np.ndarray] = {}
    for number, (network, places) in enumerate(zip(first.passes, PASSES)):
        own, shifts = integer_arrays(network, f"first_{number}")
        arrays |= own
        if number:
            arrays[f"first_{number}.prediction"] = _prediction(network.prediction)
        for offset in places.offsets:
            files[graph_name(number, offset)] = graphs.pass_context(
                architecture, offset if number else None, shifts
            )
    return files, arrays


def _prediction(weights: torch.Tensor) -> np.ndarray:
    scaled = torch.round(weights.detach().double() * (1 << PREDICTION_SHIFT))
    if float(scaled.abs().max()) > LARGEST_PREDICTION:
        raise ValueError(
            f"Linear predictions have weights up to {float(weights.detach().abs().max()):.1f}, beyond the 8 that the "
            "format holds; train with a lower learning rate."
        )
    return scaled.numpy().astype(np.int16)


def gain_files(gains: Gains, architecture: Architecture) -> tuple[dict[str, bytes], dict[str, np.ndarray]]:
    """The graph and the arrays of the gains."""
    own, shifts = integer_arrays(gains, "gains")
    arrays = {key.replace(".network.", ".leave."): value for key, value in own.items()}
    arrays["tables.gains"] = gain_table().numpy()
    arrays["tables.gain_planes"] = gains.planes.numpy()
    return {"gains": graphs.gains(architecture, shifts["network"])}, arrays


def slice_tables(counts: np.ndarray, weight: float = 1.0) -> np.ndarray:
    """Tables of the number of coded slices; uint32 bands x (2S + 1), the entry S + n for n slices.

    Args:
        counts: bands x (2S + 1).
    """
    slices = counts.shape[1] // 2
    # neighbouring bands are alike: borrow from them
    padded = np.pad(counts, ((1, 1), (0, 0)), mode="edge")
    smooth = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    smooth[:, slices + 1 :] += weight
    return np.stack([quantise_probabilities(row) for row in smooth])


def pass_macs(files: dict[str, bytes]) -> float:
    """Multiply-accumulates per pixel of the passes over the first slice."""
    total = 0.0
    for number, places in enumerate(PASSES):
        for offset in places.offsets:
            layers = graphs.multiply_accumulates(files[graph_name(number, offset)])
            coded = 256 * (2 * places.spacing) ** 2
            for name, macs in layers.items():
                total += macs / (256 * places.spacing**2 if name.startswith("squeeze") else coded)
    return total
