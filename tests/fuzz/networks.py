"""ONNX graphs of sets: what the check lets through is built and run on small inputs, as in decoding."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from texcodec.networks import Budget, FloatNetwork, sessions
from texcodec.networks.graph_check import GraphRules
from texcodec.registry import FeatureSet

from .rules import RuleBroken
from .streams import ROOT, TINY_1, TINY_2, model_set

SIDE = 4
"""Rows and columns of inputs that have any number of them."""


@dataclass(frozen=True)
class Network:
    """A network of a set: its graph, and what it is built of and run on."""

    graph: bytes
    weights: Mapping[str, np.ndarray]
    rules: GraphRules
    budget: Budget
    inputs: tuple[np.ndarray, ...]


@cache
def known() -> list[Network]:
    """All networks of the small sets, each graph once."""
    found: dict[bytes, Network] = {}
    build = sessions.Network.__init__

    def record(
        self: sessions.Network,
        graph: bytes,
        weights: Mapping[str, np.ndarray],
        rules: GraphRules,
        budget: Budget,
    ) -> None:
        build(self, graph, weights, rules, budget)
        inputs = tuple(map(_zeros, self._session.get_inputs()))
        found.setdefault(graph, Network(graph, dict(weights), rules, budget, inputs))

    sessions.Network.__init__ = record  # type: ignore[method-assign]
    try:
        for folder in (TINY_1, TINY_2):
            model_set(folder).build()
        FeatureSet(ROOT / "tests" / "data" / "tiny-features").build()
    finally:
        sessions.Network.__init__ = build  # type: ignore[method-assign]
    return list(found.values())


def _zeros(argument: Any) -> np.ndarray:
    shape = [n if isinstance(n, int) else (1 if i == 0 else SIDE) for i, n in enumerate(argument.shape)]
    return np.zeros(shape, np.float32)


def graphs(data: bytes) -> None:
    """A graph in the place of one of the known ones, which the first byte names; nothing may be printed about it."""
    network = known()[data[0] % len(known())] if data else known()[0]
    output = io.StringIO()
    try:
        with redirect_stdout(output), redirect_stderr(output):
            made = FloatNetwork(data[1:], network.weights, network.rules, network.budget)
            made.ordered(None, *network.inputs)
    finally:
        if output.getvalue():
            raise RuleBroken(f"printed: {output.getvalue()!r}")
