"""The held-out log cost: one figure for how good a codec in training is, the same on every machine.

A BD-rate averages logarithms of rates over pictures and rates; so does this: the mean logarithm of bits per
pixel + lambda * squared error (or the distortion that is trained for) over what that usually is, on crops of
held-out pictures, equally many from each bin of texture, at rates that are spread evenly. A fall by 0.01 is
about 1.8 % fewer bits at equal PSNR.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..core.stage import ObjectiveSettings
from .architecture import RATE_INDICES
from .codec import Codec
from .correction import Choices, choices_for
from .decoded import Pictures
from .distortions import Distortions
from .objectives import USUAL_RATES, typical_cost
from .rates import lagrangian
from .sampler import BIN_EDGES, CropSampler, crop_complexities
from .settings import DataSettings

DRAWS = 3
"""Of crops. Draws differ by up to 0.1, so costs compare between codecs only on the same crops."""
CROPS = 64
"""Per draw."""
SIDE = 256
"""Pixels of a crop: a whole tile."""
MOST_PICTURES = 200
"""Of longer lists of held-out pictures, as many are used, spread over the list."""
_BATCH = 8
_SEED = 5


@dataclass(frozen=True)
class HeldOutCost:
    """The log cost and its parts.

    Attributes:
        log_cost: mean over all crops.
        by_draw: of each draw of crops: how far they differ is how far the figure depends on the crops.
        by_texture: of the bins of texture (``sampler.BIN_EDGES``), smoothest first; None for a bin without crops.
        by_rate: of the lowest, middle and highest third of the rates.
    """

    log_cost: float
    by_draw: tuple[float, ...]
    by_texture: tuple[float | None, ...]
    by_rate: tuple[float, float, float]


@dataclass(frozen=True)
class HeldOutCrops:
    """Crops and how they are coded.

    Attributes:
        pixels: uint8 N x 3 x 256 x 256, one draw after the other.
        classes: int64 N, by texture.
        bins: int64 N, of texture.
        rate_indices: int64 N.
    """

    pixels: Tensor
    classes: Tensor
    bins: Tensor
    rate_indices: Tensor


def held_out_crops(
    files: Sequence[Path], thresholds: Sequence[float], *, draws: int = DRAWS, crops: int = CROPS
) -> HeldOutCrops | None:
    """The crops on which codecs are compared: the same ones for the same pictures.

    Args:
        files: held-out pictures, which are used at their own size.
        thresholds: of texture complexity between the classes.
    Returns:
        None where no picture can be read.
    """
    spread = list(files)[:: max(1, -(-len(files) // MOST_PICTURES))]
    pictures = Pictures(spread, smallest=SIDE, settings=DataSettings(scales=(1.0,)))
    if not pictures.arrays:
        return None
    sampler = CropSampler(pictures.arrays, crop=SIDE, seed=_SEED, thresholds=tuple(thresholds))
    parts: list[tuple[np.ndarray, ...]] = []
    for draw in range(draws):
        random = np.random.default_rng([_SEED, draw])
        places = sampler.draw_evenly(random, crops)
        pixels = sampler.cut(places)
        corner = np.zeros(1, np.int64)
        texture = np.concatenate([crop_complexities(p, corner, corner, SIDE) for p in pixels])
        rates = np.round(np.linspace(*USUAL_RATES, crops)).astype(np.int64)[random.permutation(crops)]
        parts.append((pixels, places.classes, np.searchsorted(BIN_EDGES, texture), rates))
    pixels, classes, bins, rates = (torch.from_numpy(np.concatenate(part)) for part in zip(*parts))
    return HeldOutCrops(pixels.permute(0, 3, 1, 2), classes, bins, rates)


@torch.no_grad()
def held_out_cost(
    codec: Codec,
    crops: HeldOutCrops,
    device: torch.device,
    *,
    draws: int = DRAWS,
    objective: ObjectiveSettings | None = None,
    corrected: bool = False,
) -> HeldOutCost:
    """Code every crop as a picture of one tile, symbols chosen by cost.

    Args:
        codec: on the device; float32 is used whatever it is trained in.
        objective: whose distortion is taken; default: squared error.
        corrected: what the codec costs where encoders correct latents once.
    """
    objective = objective or ObjectiveSettings()
    distortions = Distortions(objective, SIDE)
    choices = choices_for(objective, codec.architecture, corrected=corrected)
    half, codec.half_precision = codec.half_precision, False
    try:
        costs = torch.cat(
            [
                _log_costs(codec, crops, i, device, distortions, choices)
                for i in torch.arange(len(crops.pixels)).split(_BATCH)
            ]
        )
    finally:
        codec.half_precision = half
    order = crops.rate_indices.argsort(stable=True)
    found = [costs[crops.bins == k] for k in range(len(BIN_EDGES) + 1)]
    low, middle, high = (costs[part].mean().item() for part in order.tensor_split(3))
    return HeldOutCost(
        log_cost=costs.mean().item(),
        by_draw=tuple(part.mean().item() for part in costs.tensor_split(draws)),
        by_texture=tuple(part.mean().item() if len(part) else None for part in found),
        by_rate=(low, middle, high),
    )


def _log_costs(
    codec: Codec,
    crops: HeldOutCrops,
    which: Tensor,
    device: torch.device,
    distortions: Distortions,
    choices: Choices,
) -> Tensor:
    x = crops.pixels[which].to(device).float()
    t = (crops.rate_indices[which].float() / (RATE_INDICES - 1)).to(device)
    classes = crops.classes[which].to(device)
    coded = codec(x, t, classes, halo=True, rounding="hard", choices=choices)
    rate, weight = coded.bits / SIDE**2, lagrangian(t)
    distortion = distortions(coded.pixels, x, t).minimised
    return torch.log((rate + weight * distortion) / typical_cost(weight)).double().cpu()
