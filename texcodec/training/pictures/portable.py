"""A checkpoint that is small enough to go on across machines: 9 bytes per parameter.

The moving average of the weights is kept exactly (float32), the weights as their difference to it (float16),
and of Adam its first moment (bfloat16) and the root of its second moment (float8_e5m2, one float32 factor per
tensor). With decay rates of 0.9 and 0.98 the moments renew themselves within about 50 steps, so that what
rounding changed is soon gone. It is a safetensors file; counts and settings stand in its metadata.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ...errors import ParameterError
from ..core.checkpoints import damaged
from ..core.descent import adam
from ..core.settings_json import from_json
from ..core.stage import StageSettings
from .architecture import Architecture
from .codec import Codec

FORM = "1"
"""Of the file."""
_TOP, _LEAST = 2.0**15, 2.0**-16
"""Largest root of a tensor's second moment after scaling, and the least that float8_e5m2 holds."""
_COUNTS = ("steps", "pixels", "skipped")


def portable_bytes(state: Mapping[str, Any], file: Path) -> bytes:
    """The file of a checkpoint of the stage parent.

    Args:
        state: as ``checkpoints.read_checkpoint`` gives it.
        file: what to call it if something is wrong.
    Raises:
        ValueError: the state does not fit the architecture in its settings.
    """
    try:
        _, names = _optimizer(state["settings"])
        moments = {name: state["optimizer"]["state"].get(i, {}) for i, name in enumerate(names)}
        tensors: dict[str, Tensor] = {f"average.{k}": v for k, v in state["average"].items()}
        for name in names:
            difference = state["modules"][name].double() - state["average"][name].double()
            tensors[f"difference.{name}"] = difference.half()
        scales = torch.ones(len(names))
        for i, name in enumerate(names):
            if moments[name]:
                tensors[f"first.{name}"] = moments[name]["exp_avg"].bfloat16()
                tensors[f"second.{name}"], scales[i] = _squeeze(moments[name]["exp_avg_sq"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"The checkpoint for {file} does not fit its settings ({error}).") from error
    tensors["second_scales"] = scales
    tensors |= {f"objective.{k}": v for k, v in state["objective"].items()}
    metadata = {key: str(state[key]) for key in (*_COUNTS, "elapsed")} | {
        "texcodec_checkpoint": FORM,
        "updates": str(max((int(m["step"]) for m in moments.values() if m), default=0)),
        "seed": str(state["settings"]["stage"]["seed"]),
        "settings": json.dumps(state["settings"]),
    }
    return save({k: v.cpu().contiguous() for k, v in tensors.items()}, metadata)


def read_portable(file: Path) -> dict[str, Any]:
    """The state in such a file, for ``checkpoints.write_checkpoint``.

    Raises:
        ValueError: the file is damaged, or no such checkpoint.
        ParameterError: it is one of a later version.
    """
    try:
        with safe_open(file, "pt") as opened:
            metadata = opened.metadata() or {}
            tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise damaged(file) from error
    if metadata.get("texcodec_checkpoint", FORM) != FORM:
        raise ParameterError(
            f"The checkpoint {file} is of a later version of texcodec; train on with that one."
        )
    try:
        return _state(tensors, metadata)
    except (KeyError, ValueError, RuntimeError) as error:
        raise damaged(file) from error


def portable_steps(file: Path) -> int:
    """The steps of a checkpoint, without reading its arrays.

    Raises:
        ValueError: the file is damaged, or no such checkpoint.
    """
    try:
        with safe_open(file, "pt") as opened:
            return int((opened.metadata() or {})["steps"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise damaged(file) from error


def _state(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> dict[str, Any]:
    settings = json.loads(metadata["settings"])
    optimizer, names = _optimizer(settings)
    average = _part(tensors, "average.")
    modules = {k: v.clone() for k, v in average.items()}
    adam_state = optimizer.state_dict()
    for i, name in enumerate(names):
        modules[name] += tensors[f"difference.{name}"].float()
        if f"first.{name}" in tensors:
            root = tensors[f"second.{name}"].float() * tensors["second_scales"][i]
            adam_state["state"][i] = {
                "step": torch.tensor(float(metadata["updates"])),
                "exp_avg": tensors[f"first.{name}"].float(),
                "exp_avg_sq": root.square(),
            }
    return {
        "modules": modules,
        "average": average,
        "optimizer": adam_state,
        "objective": _part(tensors, "objective."),
        **{key: int(metadata[key]) for key in _COUNTS},
        "elapsed": float(metadata["elapsed"]),
        "settings": settings,
        "random": {},
    }


def _optimizer(settings: Mapping[str, Any]) -> tuple[Any, list[str]]:
    codec = Codec(from_json(Architecture(), settings["architecture"]))
    return adam(codec, from_json(StageSettings(), settings["stage"]))


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _squeeze(second: Tensor) -> tuple[Tensor, Tensor]:
    """The root of a second moment as float8, and the factor that it is to be multiplied by."""
    root = second.float().sqrt()
    scale = root.max() / _TOP if root.numel() and root.max() > 0 else torch.tensor(1.0)
    scaled = root / scale
    # what is not zero stays so: Adam divides by it
    scaled = torch.where(root > 0, scaled.clamp(min=_LEAST), scaled)
    return scaled.to(torch.float8_e5m2), scale
