"""Reading the files of a set: graphs as bytes, arrays by name, with errors that name the set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from ..errors import ModelDamagedError, ModelNotFoundError


def read_bytes(folder: Path, name: str, path: str) -> bytes:
    """A file of the set ``name`` in ``folder``, by its relative path.

    Raises:
        ModelNotFoundError: it cannot be read.
    """
    try:
        return (folder / path).read_bytes()
    except OSError as error:
        raise ModelNotFoundError(
            f"The set {name} in {folder} lacks {path} ({error.strerror}); install it again."
        ) from None


def unpack_arrays(folder: Path, path: str, data: bytes) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file whose bytes were read.

    Raises:
        ModelDamagedError: they are no such file, or of a type that numpy does not have.
    """
    try:
        return load(data)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        # the last two: types that numpy does not have
        raise ModelDamagedError(f"{folder / path} is damaged ({error}); install the set again.") from None


def under(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays whose names begin with ``prefix``, without it."""
    return {key[len(prefix) :]: array for key, array in arrays.items() if key.startswith(prefix)}
