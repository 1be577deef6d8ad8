"""An open training goes on from what the stage anneal has made of it, in one work folder or in several.

Runs of the stage that begin with the same weights and draw other crops end so close to each other that the mean of
their weights is better than any of them (Wortsman et al., Model soups, arXiv 2203.05482; measured in
docs/decisions/profile-2.md, "The release of std-6"). They need not know of each other, so each may have a machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ...errors import ParameterError
from ..core.checkpoints import damaged, read_checkpoint
from ..core.settings_json import from_json
from .architecture import Architecture
from .work_folder import WorkFolder, same_sizes

STAGE = "anneal"
_SUMS = ("steps", "pixels", "skipped", "elapsed")


def adopted(state: Mapping[str, Any], works: Sequence[Path]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What an open training goes on from.

    Args:
        state: its checkpoint, as ``portable.read_portable`` gives it.
        works: work folders in which the stage has run on that checkpoint.
    Returns:
        a state for ``portable.portable_bytes``: weights and moving average are the mean of the averages, counts are
        sums, the optimiser begins anew. And the settings of the stage, of the first of the folders.
    Raises:
        ParameterError: a folder has no finished stage, is named twice, or its stage began with another checkpoint,
            other sizes or another distortion.
        ValueError: a checkpoint is damaged.
    """
    if len({work.resolve() for work in works}) < len(works):
        raise ParameterError("The same work folder is named twice with --adopt; name each once.")
    found = [_finished(work, state) for work in works]
    try:
        average = {
            name: torch.stack([one["average"][name] for one in found]).mean(0)
            if value.is_floating_point()
            else value
            for name, value in state["average"].items()
        }
    except (KeyError, RuntimeError) as error:
        raise damaged(works[0]) from error
    sums = {key: state[key] + sum(one[key] for one in found) for key in _SUMS}
    result = {**state, **sums, "average": average, "modules": {k: v.clone() for k, v in average.items()}}
    return {**result, "optimizer": {"state": {}}, "random": {}}, found[0]["settings"]["stage"]


def _finished(work: Path, state: Mapping[str, Any]) -> dict[str, Any]:
    folder = WorkFolder(work)
    file = folder.checkpoint(STAGE)
    if STAGE not in folder.records() or not file.exists():
        raise ParameterError(
            f"{work} has no finished stage {STAGE}; run it there with --work {work} --stage {STAGE}, or name another "
            "folder."
        )
    found = read_checkpoint(file)
    same_sizes(file, found["settings"], from_json(Architecture(), state["settings"]["architecture"]))
    begun, here = found["settings"].get("from"), f"parent, {state['steps']} steps"
    if begun != here:
        raise ParameterError(
            f"The stage {STAGE} in {work} began with {begun}, and the training is at {here}; what it learned in "
            f"between would be lost. Run the stage again, or put back the checkpoint that it began with."
        )
    wanted, has = (s["settings"]["stage"]["objective"]["distortion"] for s in (state, found))
    if wanted != has:
        raise ParameterError(
            f"The stage in {work} is for the distortion {has}, and the training for {wanted}."
        )
    return found
