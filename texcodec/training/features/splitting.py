"""A task network cut at a named layer: what runs before coding (front) and what runs after decoding (tail).

Any module that torch.fx can trace is split here, found by its import path if need be; networks that somebody has
split already come as pairs of ONNX files (``onnx_parts``).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn

from ...errors import ParameterError

PICTURE = "picture"
"""As a layer's name: the cut is before the first layer, so the picture itself is coded."""
ANSWER = "answer"
"""As a layer's name: the cut is after the last layer, so the answer itself is coded."""


@dataclass(frozen=True)
class Split:
    """A network in two parts.

    Attributes:
        front: picture to features; None if the picture itself is coded.
        tail: features to answer; None if the answer itself is coded.
    """

    front: nn.Module | None
    tail: nn.Module | None

    def freeze(self) -> Split:
        """Evaluation mode, no gradients to the weights (those to the features stay); returns itself."""
        for part in (self.front, self.tail):
            if part is not None:
                part.eval()
                for parameter in part.parameters():
                    parameter.requires_grad_(False)
        return self


def split(network: nn.Module, layer: str) -> Split:
    """Cut a network after the module of a name.

    Args:
        network: takes one tensor; ``torch.fx`` must be able to trace it.
        layer: dotted name as in ``network.named_modules()``, or PICTURE or ANSWER.

    Raises:
        ParameterError: no such layer; the layer does not run, or runs more than once; another value goes round it; the
            network cannot be traced or takes more than one tensor.
    """
    if layer == PICTURE:
        return Split(None, network)
    if layer == ANSWER:
        return Split(network, None)
    names = [name for name, _ in network.named_modules() if name]
    if layer not in names:
        raise ParameterError(
            f"{_name(network)} has no layer {layer!r}; its layers are {', '.join(names[:20])}"
            f"{', ...' if len(names) > 20 else ''}, or {PICTURE!r} and {ANSWER!r} for both ends."
        )
    graph = _trace(network, layer)
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    if len([node for node in inputs if not node.args]) != 1:  # those with a default value may stay away
        raise ParameterError(
            f"{_name(network)} takes {len(inputs)} inputs; a task network must take one tensor, so wrap it."
        )
    calls = [node for node in graph.nodes if node.op == "call_module" and node.target == layer]
    if len(calls) != 1:
        raise ParameterError(
            f"The layer {layer!r} of {_name(network)} runs {len(calls)} times on the way to the answer, so there is no "
            "single place to cut; choose a layer that runs once."
        )
    before = _ancestors(calls[0])
    after = [node for node in graph.nodes if node not in before]
    _check_bypass(layer, before - set(calls), after)
    front, tail = fx.Graph(), fx.Graph()
    copied: dict[fx.Node, fx.Node] = {}
    for node in graph.nodes:
        if node in before:
            copied[node] = front.node_copy(node, lambda n: copied[n])
    front.output(copied[calls[0]])
    copied = {calls[0]: tail.placeholder("features")}
    for node in after:
        copied[node] = tail.node_copy(node, lambda n: _copy(n, copied, tail))
    parts = [fx.GraphModule(network, part) for part in (front, tail)]
    for part in parts:
        part.train(network.training)
    return Split(*parts)


def import_network(
    path: str, arguments: Mapping[str, Any] | None = None, weights: Path | None = None
) -> nn.Module:
    """Build the network that an import path names, in evaluation mode.

    Args:
        path: "package.module:callable"; the callable returns a module.
        arguments: keyword arguments of the callable.
        weights: a state dict, .pt/.pth (torch.save) or .safetensors.

    Raises:
        ParameterError: there is no such thing, it does not return a module, or the weights do not fit.
    """
    module_name, _, attribute = path.partition(":")
    if not module_name or not attribute:
        raise ParameterError(f"{path!r} is not an import path; write package.module:callable.")
    try:
        found: Any = importlib.import_module(module_name)
        for name in attribute.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError) as error:
        raise ParameterError(
            f"The network {path} cannot be imported ({error}); check the path and that its folder is on PYTHONPATH."
        ) from error
    try:
        network = found(**(arguments or {}))
    except TypeError as error:
        raise ParameterError(f"The network {path} cannot be built ({error}); check its arguments.") from error
    if not isinstance(network, nn.Module):
        raise ParameterError(f"{path} returned a {type(network).__name__}; it must return a torch.nn.Module.")
    if weights is not None:
        load_weights(network, weights)
    return network.eval()


def load_weights(network: nn.Module, path: Path) -> None:
    """Read a state dict into a network.

    Raises:
        ParameterError: the file cannot be read or does not fit.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(state)
    except Exception as error:  # torch, pickle, zip and safetensors all have their own
        reason = " ".join(str(error).split())[:300]
        raise ParameterError(
            f"The weights {path} do not fit the network ({reason}); they must be the state dict of the same network."
        ) from error


class _Tracer(fx.Tracer):
    """Keeps the layer to cut at whole, however many modules are inside."""

    def __init__(self, layer: str) -> None:
        super().__init__()
        self._layer = layer

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return module_qualified_name == self._layer or (
            not self._layer.startswith(f"{module_qualified_name}.")
            and super().is_leaf_module(m, module_qualified_name)
        )


def _trace(network: nn.Module, layer: str) -> fx.Graph:
    try:
        graph = fx.GraphModule(network, _Tracer(layer).trace(network)).graph
    except Exception as error:  # whatever the network's own code makes of symbolic values
        reason = " ".join(str(error).split())[:300]
        raise ParameterError(
            f"torch.fx cannot trace {_name(network)} ({reason}); remove control flow that depends on values, or split "
            "it yourself and give the two parts as ONNX files."
        ) from error
    graph.eliminate_dead_code()
    return graph


def _ancestors(node: fx.Node) -> set[fx.Node]:
    found, waiting = {node}, [node]
    while waiting:
        new = [n for n in waiting.pop().all_input_nodes if n not in found]
        found.update(new)
        waiting += new
    return found


def _check_bypass(layer: str, before: set[fx.Node], after: list[fx.Node]) -> None:
    for node in after:
        around = [n for n in node.all_input_nodes if n in before and n.op != "get_attr"]
        if around:
            source = around[0].target if around[0].op == "call_module" else around[0].name
            what = "the picture" if around[0].op == "placeholder" else f"the value of {source!s}"
            raise ParameterError(
                f"After the layer {layer!r}, {node.name} still needs {what}, which would have to be coded, too; "
                "cut before the two ways part or after they join (a size taken from the picture counts: use a "
                "fixed factor)."
            )


def _copy(node: fx.Node, copied: dict[fx.Node, fx.Node], graph: fx.Graph) -> fx.Node:
    """The copy of a node; parameters read on both sides of the cut are read again."""
    if node not in copied:
        copied[node] = graph.node_copy(node, lambda n: copied[n])
    return copied[node]


def _name(network: nn.Module) -> str:
    return f"The network {type(network).__name__}"
