"""The task "code crops": the codec of each class on crops of its class, by rate and distortion."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor

from ..core.stage import StageSettings
from ..core.task import Batch, Terms
from .architecture import LATENT_STRIDE, RATE_INDICES
from .codec import Codec, Groups
from .correction import check_corrections, choices_for
from .distortions import Distortion, crop_distortions
from .objectives import Objective
from .resident import DevicePictures
from .sampler import CropSampler


class CropTask:
    """Rate and distortion of a codec on crops that are coded each alone.

    Args:
        codec: trained in place.
        resident: the pictures on the device, if crops shall be cut there.
    """

    def __init__(
        self,
        codec: Codec,
        sampler: CropSampler,
        settings: StageSettings,
        *,
        resident: DevicePictures | None = None,
    ) -> None:
        self.modules = self.codec = codec
        self.sampler, self.settings, self.resident = sampler, settings, resident
        self.objective = Objective(settings.objective)
        self.distortions = crop_distortions(settings.objective, settings.crop)
        self.choices = [
            choices_for(settings.objective, codec.architecture, corrected=corrected)
            for corrected in (False, True)
        ]
        check_corrections(codec.architecture, settings.corrected_share)

    def draw(self, random: np.random.Generator) -> Batch:
        """Crops (their places, if the pictures are on the device), classes and rates; half of the batches are
        coded as whole pictures are, with zero latents around, the others as the inside of a picture.
        """
        size = self.settings.batch
        places = self.sampler.draw(random, size)
        indices = self.objective.draw(random, size)
        tensors = {
            "classes": torch.from_numpy(places.classes),
            "t": torch.from_numpy(indices).float() / (RATE_INDICES - 1),
        }
        if self.resident is not None:
            tensors["where"] = torch.from_numpy(places.where)
        else:
            tensors["pixels"] = torch.from_numpy(self.sampler.cut(places)).permute(0, 3, 1, 2)
        halo = bool(random.integers(2))
        share = self.settings.corrected_share
        corrected = bool(share) and random.random() < share
        return Batch(tensors, (halo, places.groups, corrected))

    def cost(self, batch: Batch, device: torch.device) -> Terms:
        """Mean over the crops; see ``objectives``."""
        return self.terms(*self.measure(batch, device))

    def measure(self, batch: Batch, device: torch.device) -> tuple[Tensor, Distortion, Tensor]:
        """Bits per pixel, distortion and rate in [0, 1] of each crop, B each."""
        on_device = {k: v.to(device, non_blocking=True) for k, v in batch.tensors.items()}
        halo, groups, corrected = cast(tuple[bool, Groups, bool], batch.fixed)
        if self.resident is not None:
            pixels = self.resident.cut(on_device["where"])
        else:
            pixels = on_device["pixels"]
        x = pixels.float().contiguous(memory_format=torch.channels_last)
        t = on_device["t"]
        coded = self.codec(
            x,
            t,
            on_device["classes"],
            halo=halo,
            rounding=self.settings.rounding,
            groups=groups,
            choices=self.choices[corrected],
        )
        s = LATENT_STRIDE
        target = x if halo else x[..., s:-s, s:-s]
        found = self.distortions(coded.pixels, target, t)
        return coded.bits / (x.shape[2] * x.shape[3]), found, t

    def terms(self, rate: Tensor, found: Distortion, t: Tensor) -> Terms:
        """The cost of what ``measure`` gives."""
        loss = self.objective(rate, found.minimised, t)
        return Terms(loss, rate.mean(), found.squared_error.mean(), found.extras())
