"""The costly part of a training step, cost and gradients, as CUDA graphs: launched at once, not kernel by kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

WARM_UP = 3
"""Plain runs before the capture, in which libraries choose their kernels and take their memory."""


class Graphs:
    """Runs a function of a batch, capturing it once for every kind of batch.

    Args:
        run: computes a batch's terms and leaves gradients in the parameters; it must not wait for the device,
            nor depend on anything but the batch's tensors and ``fixed``.
        parameters: whose gradients it leaves.
    """

    def __init__(self, run: Callable[[Any], Any], parameters: Sequence[nn.Parameter]) -> None:
        self.run, self.parameters = run, parameters
        self._known: dict[Any, tuple[Any, Any, Any, list[Any]]] = {}

    def __call__(self, batch: Any) -> Any:
        """The same as ``run(batch)``; what it returns is overwritten by the next call.

        Raises:
            RuntimeError: the function cannot be captured.
        """
        key = batch.fixed, tuple((k, v.shape) for k, v in batch.tensors.items())
        if key not in self._known:
            self._known[key] = self._capture(batch)
        graph, inputs, terms, gradients = self._known[key]
        for name, tensor in batch.tensors.items():
            inputs.tensors[name].copy_(tensor, non_blocking=True)
        graph.replay()
        for p, gradient in zip(self.parameters, gradients):
            p.grad = gradient
        return terms

    def _capture(self, batch: Any) -> tuple[Any, Any, Any, list[Any]]:
        device = self.parameters[0].device
        inputs = type(batch)({k: v.to(device, copy=True) for k, v in batch.tensors.items()}, batch.fixed)
        stream = torch.cuda.Stream(device)
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                self.run(inputs)
        torch.cuda.current_stream(device).wait_stream(stream)
        for p in self.parameters:
            p.grad = None  # so that the capture allocates its own, which later runs overwrite
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            terms = self.run(inputs)
        return graph, inputs, terms, [p.grad for p in self.parameters]
