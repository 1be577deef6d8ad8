"""Networks that go into a set as ONNX files, with weights that take half the room."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FEWEST_NUMBERS = 64
"""Smaller arrays, such as biases and constants, stay as they are."""


def with_half_weights(data: bytes) -> bytes:
    """The same network with large float32 initialisers stored as float16, and cast back when it is loaded.

    Arrays that float16 cannot hold stay float32.
    """
    model = onnx.load_from_string(data)
    graph = model.graph
    casts = []
    # an initialiser that is also an input is only a default: nothing else may give that name a value
    inputs = {value.name for value in graph.input}
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or tensor.name in inputs:
            continue
        array = numpy_helper.to_array(tensor)
        if array.size < FEWEST_NUMBERS or np.abs(array).max() > np.finfo(np.float16).max:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(array.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    found: bytes = model.SerializeToString(deterministic=True)
    return found
