"""Baselines of the codebook hyperprior: priors that a FeatureCodec can be built with instead of it."""

from __future__ import annotations

from torch import nn

from texcodec.training.features.priors import CodebookPrior
from texcodec.training.features.settings import CodecSettings

from .factorised import FactorisedPrior
from .global_mean_scale import GlobalPrior
from .mean_scale import MeanScalePrior

NAMES = ("codebook", "mean-scale", "global", "factorised")


def build(name: str, settings: CodecSettings, stride: int = 2) -> nn.Module:
    """A prior by its name, which may end in what makes this one of several variants ("mean-scale-fine").

    Args:
        stride: of the mean-scale hyperprior's side information.
    """
    if name.startswith("mean-scale"):
        return MeanScalePrior(settings, stride)
    return {"codebook": CodebookPrior, "global": GlobalPrior, "factorised": FactorisedPrior}[name](settings)
