"""Fronts and tails as ONNX files: written from torch modules, and run where there is nothing else.

A tail that exists as an ONNX file only gives answers but no gradients: onnxruntime's Python package has none for
inference sessions. Tasks with such a tail are trained on the mean squared error of their features.
"""

from __future__ import annotations

import inspect
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import ParameterError
from ...networks import TASK_RULES, check_graph
from ..core.graph_builder import OPSET


def export_onnx(part: nn.Module, example: Tensor, *, input_name: str, output_name: str) -> bytes:
    """A front or tail as a self-contained ONNX file for one picture of any size.

    Args:
        part: a module of one tensor, in evaluation mode.
        example: an input, 1 x C x H x W (or 1 x C).
        input_name, output_name: "picture" and "h" for fronts, "h" and "answer" for tails.

    Raises:
        ParameterError: the module cannot be exported, its ONNX form has operators that tasks may not use, or it does
            not give the same output.
    """
    with torch.no_grad():
        expected = part(example)
    if not isinstance(expected, Tensor):
        raise ParameterError(
            f"The {input_name} leads to a {type(expected).__name__}; a part of a task network must return one tensor."
        )
    axes = {
        name: {i: f"{name}_{i}" for i in range(2, value.ndim)}
        for name, value in ((input_name, example), (output_name, expected))
    }
    arguments: dict[str, Any] = {
        "input_names": [input_name],
        "output_names": [output_name],
        "dynamic_axes": {name: found for name, found in axes.items() if found},
        "opset_version": OPSET,
    }
    # the older exporter needs nothing but onnx, and folds batch normalisation; from torch 2.5 it has to be asked for
    if "dynamo" in inspect.signature(torch.onnx.export).parameters:
        arguments["dynamo"] = False
    buffer = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its announcements that it is the older one
            torch.onnx.export(part, (example,), buffer, **arguments)
        data = buffer.getvalue()
        found = _session(data).run(None, {input_name: example.numpy()})[0]
    except Exception as error:  # the exporter's and onnxruntime's own
        reason = " ".join(str(error).split())[:300]
        raise ParameterError(
            f"The part from {input_name} to {output_name} has no ONNX form ({reason}); use other operations, or give "
            "an ONNX file of your own."
        ) from error
    scale = float(expected.abs().max()) + 1e-6
    if found.shape != expected.shape or float(np.abs(found - expected.numpy()).max()) > 1e-3 * scale:
        raise ParameterError(
            f"The ONNX form of the part from {input_name} to {output_name} does not give what the module gives; its "
            "output may depend on chance or on control flow."
        )
    return data


class OnnxPart(nn.Module):
    """A front or tail that is an ONNX file, as a module without gradients.

    Args:
        path: the file; one input and one output.

    Raises:
        ParameterError: the file cannot be read, has operators that tasks may not use, or several inputs or outputs.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        try:
            self.data = path.read_bytes()
            self._runner = _session(self.data)
        except Exception as error:  # onnxruntime's own
            reason = " ".join(str(error).split())[:300]
            raise ParameterError(
                f"{path} cannot be used as an ONNX file ({reason}); export it again."
            ) from error
        inputs, outputs = self._runner.get_inputs(), self._runner.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            raise ParameterError(
                f"{path} has {len(inputs)} inputs and {len(outputs)} outputs; a part of a task network has one of each."
            )
        self._input = inputs[0].name

    def forward(self, x: Tensor) -> Tensor:
        """The answer to a batch, one sample after the other.

        Raises:
            ParameterError: the samples do not have the shape that the file expects.
        """
        try:
            rows = [
                self._runner.run(None, {self._input: row[None].numpy()})[0]
                for row in x.detach().cpu().float()
            ]
        except Exception as error:  # onnxruntime's own
            reason = " ".join(str(error).split())[:300]
            raise ParameterError(
                f"The ONNX file does not take {tuple(x.shape[1:])} values ({reason})."
            ) from error
        return torch.from_numpy(np.concatenate(rows))


def _session(data: bytes) -> Any:
    import onnxruntime

    check_graph(data, {}, TASK_RULES)  # else the set that it becomes a part of could not be loaded
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
