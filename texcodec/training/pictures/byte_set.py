"""A lighter twin of a model set: synthesis weights of a byte each, everything else as it was.

The entropy networks and tables are the set's own, so both twins write the same symbols; pixels differ by what rounding
the weights does to them (docs/guides/quantise.md).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ParameterError
from ...registry import load_set
from ...registry.identity import decoder_identity
from ...registry.picture_manifest import ENCODER_GRAPHS
from ...registry.stored_arrays import pack_arrays, read_arrays
from ..core.set_folder import check_out, write_set
from .byte_weights import byte_arrays


def make_byte_set(folder: Path, out: Path, *, name: str, card: Mapping[str, Any] | None = None) -> None:
    """Write the lighter twin of the set in ``folder`` to ``out``, without masters: training goes on from ``folder``.

    Args:
        card: entries that differ from those of the set's card.
    Raises:
        ParameterError: ``out`` holds something else than a model set, or the set has byte weights already.
        ModelNotFoundError, ModelDamagedError: there is no sound set in ``folder``.
    """
    check_out(out)
    models = load_set(folder)
    stored = read_arrays(folder / "decoder.safetensors")
    if any(array.dtype == np.int8 for array in stored.values()):
        raise ParameterError(f"The model set {models.name} has weights of a byte already; name a float one.")
    arrays = byte_arrays(stored)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    files = {p.stem: p.read_bytes() for p in (folder / "graphs").glob("*.onnx")}
    decoder = {k: v for k, v in files.items() if k not in ENCODER_GRAPHS}
    manifest |= {"name": name, "identity": decoder_identity(decoder, arrays).hex()}
    manifest["card"] = {
        **manifest["card"],
        **(card or {}),
        "made_from": f"{models.name} ({models.identity.hex()}), synthesis weights rounded to 8 bits",
    }
    manifest["card"].pop("self_check", None)
    contents = {f"graphs/{p.name}": p.read_bytes() for p in (folder / "graphs").glob("*.onnx")}
    contents["encoder.safetensors"] = pack_arrays(read_arrays(folder / "encoder.safetensors"))
    write_set(out, contents | {"decoder.safetensors": pack_arrays(arrays)}, manifest)
