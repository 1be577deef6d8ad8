"""Feature tensors from and to ``.npy`` and ``.safetensors`` files, and whether they fit a task."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Mapping
from typing import BinaryIO

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ..errors import ParameterError, TensorError
from ..limits import DEFAULT_LIMITS, Limits
from ..registry.feature_manifest import TaskInfo

NPY, SAFETENSORS = ".npy", ".safetensors"
FORMATS = (NPY, SAFETENSORS)

_MAGIC = b"\x93NUMPY"
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def kind_of(data: bytes) -> str | None:
    """``NPY`` or ``SAFETENSORS`` for the bytes of such a file, else None."""
    if data.startswith(_MAGIC):
        return NPY
    # eight bytes of length, then JSON
    if len(data) > 9 and data[8:9] == b"{" and struct.unpack_from("<Q", data)[0] <= len(data) - 8:
        return SAFETENSORS
    return None


def read_tensors(data: bytes, limits: Limits | None = None) -> dict[str, np.ndarray]:
    """The tensors of a ``.npy`` file (one, under the empty name) or a ``.safetensors`` file (by name).

    Raises:
        TensorError: it is neither, or damaged, or holds objects instead of numbers.
        LimitError: it is longer than ``limits.memory``.
    """
    (limits or DEFAULT_LIMITS).check_memory(len(data), "the tensor file")
    kind = kind_of(data)
    if kind is None:
        raise TensorError("The file is neither a .npy nor a .safetensors file; check its name.")
    try:
        return {"": _read_npy(data)} if kind == NPY else load(data)
    except (
        ValueError,
        EOFError,
        SafetensorError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
    ) as error:
        # the last of them: types that numpy does not have, as bfloat16
        raise TensorError(f"The {kind} file cannot be read ({error}); save it again as float32.") from None


def _read_npy(data: bytes) -> np.ndarray:
    # numpy would allocate what the header claims before it looks how much there is
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError(f"its version is {version[0]}.{version[1]}")
    shape, fortran, dtype = _HEADERS[version](stream)
    if dtype.hasobject or dtype.kind not in "fiu":
        raise ValueError(f"it holds {dtype}, not numbers")
    rest = memoryview(data)[stream.tell() :]
    count = 1
    for side in shape:
        count *= int(side)
    if count * dtype.itemsize != len(rest):
        raise ValueError(f"it ends after {len(rest)} bytes of numbers instead of {count * dtype.itemsize}")
    return np.frombuffer(rest, dtype).reshape(shape, order="F" if fortran else "C")


def for_tasks(tensors: Mapping[str, np.ndarray], tasks: tuple[TaskInfo, ...]) -> dict[str, np.ndarray]:
    """The tensors of exactly these tasks, checked; an unnamed one is that of the only task.

    Raises:
        ParameterError: a tensor is missing, or belongs to no task.
        TensorError: a tensor does not fit its task.
    """
    named = dict(tensors)
    if "" in named and len(tasks) == 1:
        named = {tasks[0].name: named.pop(""), **named}
    wanted = {task.name: task for task in tasks}
    if named.keys() != wanted.keys():
        given = ", ".join(name or "one without a name" for name in named) or "none"
        raise ParameterError(
            f"Tensors of exactly the tasks {', '.join(wanted)} are needed, but {given} came; "
            "put them into one .safetensors file under these names."
        )
    return {name: checked(named[name], task) for name, task in wanted.items()}


def checked(tensor: np.ndarray, task: TaskInfo) -> np.ndarray:
    """The tensor as float32 C x H x W.

    Args:
        tensor: numbers, C x H x W, 1 x C x H x W, or, of a single position, C.
        task: that it belongs to.
    Raises:
        TensorError: it has another number of channels or dimensions, no positions, NaN, infinities or numbers
            beyond float32, or no numbers.
    """
    array = np.asarray(tensor)
    if array.dtype.kind not in "fiu":
        raise TensorError(f"The tensor of the task {task.name} holds {array.dtype}; give it as float32.")
    shape = array.shape
    if array.ndim == 1:
        array = array[:, None, None]
    elif array.ndim == 4 and shape[0] == 1:
        array = array[0]
    if array.ndim != 3 or array.shape[0] != task.channels or array.size == 0:
        raise TensorError(
            f"The tensor of the task {task.name} has the shape {' x '.join(map(str, shape)) or 'of a number'}, "
            f"but it must be {task.channels} x height x width."
        )
    with np.errstate(over="ignore"):
        out = np.ascontiguousarray(array, np.float32)
    if not np.isfinite(out).all():
        raise TensorError(
            f"The tensor of the task {task.name} holds NaN, infinities or numbers beyond float32; "
            "look for the mistake where it was computed."
        )
    return out


def writer_of(
    tensors: Mapping[str, np.ndarray], suffix: str, advice: str = "name a .safetensors file"
) -> Callable[[BinaryIO], object]:
    """A function that writes the tensors to an open file.

    Args:
        suffix: ``NPY`` (one tensor) or ``SAFETENSORS``.
        advice: what to do about several tensors and one .npy file.
    Raises:
        ParameterError: another suffix, or several tensors for a .npy file.
    """
    if suffix not in FORMATS:
        raise ParameterError(
            f"Tensors are written as .npy or .safetensors, not as {suffix or 'a file without one'}."
        )
    if suffix == SAFETENSORS:
        data = save({name: np.ascontiguousarray(array) for name, array in tensors.items()})
        return lambda file: file.write(data)
    if len(tensors) != 1:
        raise ParameterError(f"A .npy file holds one tensor, but there are {len(tensors)}; {advice}.")
    (array,) = tensors.values()
    return lambda file: np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
