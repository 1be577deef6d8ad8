"""From a model set on disk back to a trainable codec: training continues from a released set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from ...errors import ModelDamagedError, ModelNotFoundError
from ...registry.picture_manifest import read_manifest
from ...registry.scaled import unscale
from ...registry.stored_arrays import read_arrays
from .architecture import Architecture
from .codec import Codec
from .fusion import Fusion


def restore_architecture(folder: Path) -> Architecture:
    """The sizes of a set's networks, as its manifest states them.

    Raises:
        ModelNotFoundError, ModelDamagedError: there is no (sound) manifest.
    """
    read_manifest(folder)
    raw = json.loads((folder / "manifest.json").read_text("utf-8")).get("architecture")
    try:
        sizes: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
        return Architecture(**sizes)
    except (TypeError, AttributeError):
        raise ModelDamagedError(
            f"{folder / 'manifest.json'} does not say how large its networks are."
        ) from None


def restore_codec(folder: Path) -> Codec:
    """A specialised codec with the set's weights: transforms as released (float16), the rest from the float
    masters.

    Raises:
        ModelNotFoundError: the set has no ``master.safetensors``, which only training needs and wheels leave
            out.
        ModelDamagedError: its arrays do not fit its manifest.
    """
    architecture = restore_architecture(folder)
    master = folder / "master.safetensors"
    if not master.is_file():
        raise ModelNotFoundError(
            f"{folder} has no master.safetensors, without which training cannot continue from it; take the set "
            "from the repository."
        )
    try:
        kept = read_arrays(master)
        stored = read_arrays(folder / "decoder.safetensors") | read_arrays(folder / "encoder.safetensors")
        stored = unscale(stored, folder.name)
        codec = Codec(architecture, specialised=any(k.startswith("transforms.1.") for k in kept))
        state = {}
        for key, value in codec.state_dict().items():
            source = kept[key] if key in kept else stored[_stored_name(key)]
            state[key] = torch.from_numpy(source).float().reshape(value.shape)
    except (OSError, SafetensorError, LookupError, ValueError, RuntimeError, TypeError) as error:
        raise ModelDamagedError(
            f"The arrays of the model set in {folder} are not those that its manifest names ({error})."
        ) from error
    codec.load_state_dict(state)
    return codec


def _stored_name(key: str) -> str:
    if key.startswith("linear."):
        return key if key == "linear.synthesis" else "linear.analysis"
    # transforms.K.NETWORK.REST -> NETWORK.K.REST
    _, number, network, rest = key.split(".", 3)
    return f"{network}.{number}.{rest}"


def restore_fusion(folder: Path) -> Fusion | None:
    """The set's fusion network, or None if it has none."""
    stored = {
        k.removeprefix("fusion."): v
        for k, v in read_arrays(folder / "decoder.safetensors").items()
        if k.startswith("fusion.")
    }
    if not stored:
        return None
    fusion = Fusion(restore_architecture(folder))
    fusion.load_state_dict({k: torch.from_numpy(v).float() for k, v in stored.items()})
    return fusion
