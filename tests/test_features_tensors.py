"""Tensor files: what is read, what is refused, and that nothing large is allocated for a lie."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from safetensors.numpy import save

from texcodec.errors import LimitError, ParameterError, TensorError
from texcodec.features.tensors import NPY, SAFETENSORS, kind_of, read_tensors, writer_of
from texcodec.limits import Limits


def npy(array: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=version)
    return buffer.getvalue()


ARRAY = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
@pytest.mark.parametrize(
    "array", [ARRAY, np.asfortranarray(ARRAY), ARRAY.astype(">f8"), ARRAY[0, 0, 0], ARRAY.astype(np.int16)]
)
def test_npy_files_are_read(array: np.ndarray, version: tuple[int, int]) -> None:
    data = npy(array, version)
    assert kind_of(data) == NPY
    found = read_tensors(data)
    assert list(found) == [""]
    np.testing.assert_array_equal(found[""], array)


def test_safetensors_files_are_read() -> None:
    data = save({"a": ARRAY, "b": ARRAY[0].copy()})
    assert kind_of(data) == SAFETENSORS
    found = read_tensors(data)
    assert sorted(found) == ["a", "b"]
    np.testing.assert_array_equal(found["a"], ARRAY)


def lying(shape: str) -> bytes:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(16)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (npy(ARRAY)[:-1], "ends after 95 bytes of numbers instead of 96"),
        (npy(ARRAY) + b"\0", "ends after 97 bytes"),
        (npy(ARRAY)[:50], r"The \.npy file cannot be read"),
        (npy(ARRAY)[:6], "cannot be read"),
        (lying("(1000000, 1000000, 1000000)"), "instead of 4000000000000000000"),
        (lying("(-4,)"), "cannot be read|instead of"),
        (npy(np.array(["text"])), "not numbers"),
        (npy(ARRAY.astype(complex)), "not numbers"),
        (npy(ARRAY.astype(bool)), "not numbers"),
        (b"\x93NUMPY\x09\x00" + bytes(99), "its version is 9.0"),
        (save({"a": ARRAY})[:-1], r"The \.safetensors file cannot be read"),
        (struct.pack("<Q", 40) + b'{"a": 1}' + bytes(60), "safetensors file cannot be read"),
        (b"PNG and the like", "neither a .npy nor a .safetensors file"),
        (b"", "neither a .npy nor a .safetensors file"),
    ],
)
def test_other_files_are_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(TensorError, match=sentence):
        read_tensors(data)


def test_objects_are_never_unpickled() -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array([print], object), allow_pickle=True)
    with pytest.raises(TensorError, match="holds object, not numbers"):
        read_tensors(buffer.getvalue())


def test_files_over_the_limit_are_refused() -> None:
    with pytest.raises(LimitError, match="tensor file needs 224 bytes"):
        read_tensors(npy(ARRAY), Limits(memory=200))


@pytest.mark.parametrize("suffix", [NPY, SAFETENSORS])
def test_tensors_are_written_as_they_are(suffix: str) -> None:
    buffer = io.BytesIO()
    writer_of({"a": ARRAY.transpose(2, 0, 1)}, suffix)(buffer)
    (found,) = read_tensors(buffer.getvalue()).values()
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, ARRAY.transpose(2, 0, 1))


def test_several_tensors_do_not_fit_into_a_npy_file() -> None:
    with pytest.raises(ParameterError, match="holds one tensor, but there are 2; name a .safetensors file"):
        writer_of({"a": ARRAY, "b": ARRAY}, NPY)
    with pytest.raises(ParameterError, match="not as .csv"):
        writer_of({"a": ARRAY}, ".csv")
