"""ONNX graphs, built node by node so that they are small, canonical and the same on every machine.

Weights are declared as external initialisers: a graph holds names and shapes only, and one graph serves every
class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx
from onnx import TensorProto, helper

OPSET = 17


class GraphBuilder:
    """Collects nodes, inputs and external weights, and turns them into one ONNX model."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: list[onnx.NodeProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.count = 0

    def input(self, name: str, shape: Sequence[int | str]) -> str:
        """Declare a float32 input."""
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)))
        return name

    def weight(self, name: str, shape: Sequence[int]) -> str:
        """Declare a float32 external initialiser that the loader hands over by name."""
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=list(shape))
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="weights")
        self.weights.append(tensor)
        return name

    def constant(self, value: float) -> str:
        """A scalar kept in the graph itself."""
        return self.add("Constant", value=helper.make_tensor("value", TensorProto.FLOAT, [], [value]))

    def add(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        """Append a node; returns the name of its (first) output, further ones end in /1, /2 ..."""
        self.count += 1
        base = f"v{self.count}"
        names = [base if i == 0 else f"{base}/{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return base

    def conv(
        self,
        x: str,
        name: str,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> str:
        """A convolution with zero padding of kernel // 2 (none when the stride equals the kernel)."""
        pad = 0 if stride == kernel else kernel // 2
        names = [self.weight(f"{name}.weight", (outputs, inputs // groups, kernel, kernel))]
        if bias:
            names.append(self.weight(f"{name}.bias", (outputs,)))
        return self.add(
            "Conv", x, *names, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4, group=groups
        )

    def integer_conv(self, x: str, name: str, inputs: int, outputs: int, kernel: int, shift: int) -> str:
        """An exact integer convolution, then floor(x / 2^shift)."""
        y = self.conv(x, name, inputs, outputs, kernel)
        return self.add("Floor", self.add("Mul", y, self.constant(2.0**-shift)))

    def activation(self, x: str) -> str:
        """Clamp to the range of integer activations."""
        return self.add("Clip", x, self.constant(0.0), self.constant(255.0))

    def integers(self, values: Sequence[int]) -> str:
        """A vector of int64 kept in the graph itself."""
        value = helper.make_tensor("value", TensorProto.INT64, [len(values)], list(values))
        return self.add("Constant", value=value)

    def reshape(self, x: str, shape: Sequence[int]) -> str:
        """The same numbers in another shape."""
        return self.add("Reshape", x, self.integers(shape))

    def channels(self, x: str, first: int, end: int) -> str:
        """Some of the channels."""
        return self.add("Slice", x, self.integers([first]), self.integers([end]), self.integers([1]))

    def shuffle(self, x: str, factor: int) -> str:
        """Depth to space, colours outermost (as torch's pixel_shuffle)."""
        return self.add("DepthToSpace", x, blocksize=factor, mode="CRD")

    def build(self, output: str, shape: Sequence[int | str]) -> bytes:
        """The serialised model with ``output`` as its only output."""
        self.nodes.append(helper.make_node("Identity", [output], ["out"]))
        graph = helper.make_graph(
            self.nodes,
            self.name,
            self.inputs,
            [helper.make_tensor_value_info("out", TensorProto.FLOAT, list(shape))],
            initializer=self.weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        model.producer_name = "texcodec"
        return model.SerializeToString(deterministic=True)


def compand(g: GraphBuilder, x: str) -> str:
    """sign(x) log(1 + |x|)."""
    return g.add("Mul", g.add("Sign", x), g.add("Log", g.add("Add", g.add("Abs", x), g.constant(1.0))))
