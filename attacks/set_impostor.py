"""Tries a set that claims to be a released one, by its identity or its arrays, in the folder that is searched
first.

Stopped by identities: files name a hash of the decoder, which is computed when a set is loaded, and not the set's
name.
"""

from __future__ import annotations

import json
import os
from unittest import mock

import numpy as np
from pictures import photograph
from room import ROOT, SET, Room, check, forged_set, refused
from safetensors.numpy import load_file, save_file

import texcodec
from texcodec.errors import ModelError


def attack(room: Room) -> None:
    data = texcodec.encode(photograph(40, 30), models=SET)
    expected = texcodec.decode(data, output="numpy")
    impostor = forged_set(room.folder / "sets" / "impostor", lambda graph: graph.replace(b"Relu", b"Sign"))
    with mock.patch.dict(os.environ, {"TEXCODEC_MODELS": str(room.folder / "sets")}):
        check(
            np.array_equal(texcodec.decode(data, output="numpy"), expected), "the impostor decoded the file"
        )
        refused(ModelError, lambda: texcodec.decode(data, models=impostor))
        true = json.loads((ROOT / "models" / SET / "manifest.json").read_text("utf-8"))
        (impostor / "manifest.json").write_text(json.dumps(true), "utf-8")  # now it claims the identity
        refused(ModelError, lambda: texcodec.decode(data))
        arrays = load_file(ROOT / "models" / SET / "decoder.safetensors")
        arrays["tables.steps"] = arrays["tables.steps"] + np.uint16(1)
        save_file(arrays, impostor / "decoder.safetensors")
        refused(ModelError, lambda: texcodec.decode(data))
