"""A codec with more networks from one with fewer: the new ones start without effect, so it is the same function."""

from __future__ import annotations

from dataclasses import replace

import torch

from ...errors import ParameterError
from .architecture import Architecture
from .codec import Codec


def grown_architecture(known: Architecture, wanted: Architecture) -> Architecture:
    """The sizes of known networks, with those of nonlinear transforms, of the filter after synthesis, gains and the
    limit of what synthesis adds where only ``wanted`` has them.

    Raises:
        ParameterError: the known ones are of entropy profile 1, which has no such networks.
    """
    if wanted.nonlinear and not known.nonlinear:
        known = replace(
            known,
            nonlinear=True,
            deep_widths=wanted.deep_widths,
            deep_blocks=wanted.deep_blocks,
            refinement=wanted.refinement,
            residual_limit=0.0,  # what is a repair behind linear transforms may be most of the picture here
        )
    if wanted.post_filter and not known.post_filter:
        known = replace(known, post_filter=wanted.post_filter, post_filter_layers=wanted.post_filter_layers)
    return replace(
        known,
        gains=known.gains or wanted.gains,
        residual_limit=known.residual_limit or wanted.residual_limit,
    )


def grown(codec: Codec, architecture: Architecture, *, name: str, seed: int) -> Codec:
    """A codec of ``architecture`` that has the weights of ``codec``; the codec itself if nothing is added.

    Args:
        name: of the codec, for error messages.
        seed: of the weights in new networks that are drawn at random, behind layers that are zero.
    Raises:
        ParameterError: the networks of the codec are no part of those asked for.
    """
    if codec.architecture == architecture:
        return codec
    # built anew: checkpoints of the optimiser count parameters in the order in which modules are made
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        made = Codec(architecture, specialised=codec.specialised)
    known, own = codec.state_dict(), made.state_dict()
    lost = sorted(known.keys() - own.keys())
    changed = sorted(k for k in known.keys() & own.keys() if known[k].shape != own[k].shape)
    if lost or changed:
        what = [*(f"{k} would be lost" for k in lost), *(f"{k} has another size" for k in changed)]
        raise ParameterError(
            f"The codec in {name} cannot become one of these sizes ({'; '.join(what[:3])}"
            f"{'; and more' if len(what) > 3 else ''}); change the architecture with --settings."
        )
    made.load_state_dict(own | known)
    if architecture.gains and not codec.architecture.gains:
        made.entropy.gains.set_planes(made.linear.analysis)
    made.half_precision = codec.half_precision
    return made
