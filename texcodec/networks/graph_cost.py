"""What one run of a codec's network costs, derived from its graph and the shapes of its inputs before anything is
computed (docs/reference/models.md, "Graphs").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import NamedTuple

from .operator_shapes import CONSTANT, RANK, RULES, Call, Costly, Node, Rule, Shape, constant, node_error

SMALLEST_SHARE = 64
"""Runs on small inputs may cost this part of what those on the usual inputs may."""


class Cost(NamedTuple):
    """Of one run.

    Attributes:
        multiplications: multiply-accumulates.
        numbers: in all tensors that it makes, together.
    """

    multiplications: int
    numbers: int


class Budget(NamedTuple):
    """What runs of a network may cost: in proportion to the numbers in their inputs.

    Attributes:
        most: for the usual inputs.
        inputs: shapes of usual inputs, by name or in the order of the graph. Names that a graph does not have are left
            out. Empty: unknown; ``most`` is for all runs.
    """

    most: Cost
    inputs: Mapping[str, Shape] | Sequence[Shape] = ()


ANY = Budget(Cost(1 << 32, 1 << 26))
"""For networks of which nothing is known."""


class GraphCost:
    """Tells and bounds what runs of one graph cost. Safe to share between threads.

    Args:
        nodes: of the graph, each behind those whose outputs it reads.
        inputs: names, in the order of the graph.
        output: its name.
        weights: shapes by name.
    Attributes:
        inputs: names of those that are no weights.
    Raises:
        Costly: it is not as graphs of the codec are, so its costs cannot be derived.
        Malformed: a constant is none.
    """

    def __init__(
        self, nodes: Sequence[Node], inputs: Sequence[bytes], output: bytes, weights: Mapping[bytes, Shape]
    ) -> None:
        self._output = output
        self.inputs = [name for name in inputs if name not in weights]
        self._weights = dict(weights)
        self._known: dict[bytes, Shape] = {b"": (), **weights}
        self._vectors: dict[bytes, Shape] = {}
        self._nodes: list[tuple[Node, Rule]] = []
        _check_order(nodes, {*self._known, *self.inputs}, output)
        _check_reading_of_shapes(nodes, {*self.inputs})
        for node in nodes:
            if node.operator == CONSTANT:
                self._known[node.outputs[0]], values = constant(node)
                if values is not None:
                    self._vectors[node.outputs[0]] = values
            else:
                self._nodes.append((node, RULES[node.operator]))

    def check(self, budget: Budget, given: Mapping[bytes, Shape]) -> Shape | None:
        """Refuse a run on inputs of these shapes if it costs too much.

        Args:
            given: shapes of inputs by name. What depends on others is left out: of no inputs, the rest is what the
                engine may compute when it is given the graph.
        Returns:
            The shape of the output; None if it depends on inputs that are not given.
        Raises:
            Costly: the budget does not do, or the shapes do not fit the graph.
        """
        size, usual = _size(given), _size(self.usual(budget))
        parts = max(1, SMALLEST_SHARE * size // usual) if usual else SMALLEST_SHARE
        most = Cost(*(parts * n // SMALLEST_SHARE for n in budget.most))
        found, output = self.of(given, most)
        for have, allowed, what in zip(found, most, ("multiply-accumulates", "numbers in its tensors")):
            if have > allowed:
                raise Costly(
                    f"needs more than the {allowed} {what} that are allowed for {size} numbers of input"
                )
        return output

    def usual(self, budget: Budget) -> dict[bytes, Shape]:
        """The inputs of a budget by name.

        Raises:
            Costly: the graph has inputs that the budget lacks.
        """
        if isinstance(budget.inputs, Mapping):
            named = {name.encode(): shape for name, shape in budget.inputs.items()}
        else:
            named = dict(zip(self.inputs, budget.inputs))
            if budget.inputs and len(budget.inputs) != len(self.inputs):
                raise Costly(f"has {len(self.inputs)} inputs instead of {len(budget.inputs)}")
        if named and not named.keys() >= {*self.inputs}:
            raise Costly("has inputs that it is not given")
        return {name: named[name] for name in self.inputs if name in named}

    def of(self, given: Mapping[bytes, Shape], most: Cost | None = None) -> tuple[Cost, Shape | None]:
        """What a run costs, and the shape of its output; where it costs more than ``most``, so far as was counted.

        Raises:
            Costly: the shapes do not fit the graph.
        """
        shapes: dict[bytes, Shape | None] = {**self._known}
        shapes.update((name, given.get(name)) for name in self.inputs)
        vectors = self._vectors.copy()
        multiplications = numbers = 0
        for node, rule in self._nodes:
            read = [shapes[name] for name in node.inputs]
            if None in read:
                shapes.update(dict.fromkeys(node.outputs))
                continue
            made, more = rule(Call(node, read, self._weights, vectors))  # type: ignore[arg-type]
            if len(made) != len(node.outputs):
                raise node_error(node, f"has {len(node.outputs)} outputs")
            multiplications += more
            for name, shape in zip(node.outputs, made):
                if len(shape) > RANK or (shape and min(shape) < 0):
                    raise node_error(node, "has an output that is no tensor of the codec's")
                shapes[name] = shape
                numbers += prod(shape)
            if most is not None and (multiplications > most.multiplications or numbers > most.numbers):
                break
        return Cost(multiplications, numbers), shapes.get(self._output)


def _size(shapes: Mapping[bytes, Shape]) -> int:
    """Numbers in tensors."""
    return sum(map(prod, shapes.values()))


def _check_order(nodes: Sequence[Node], there: set[bytes], output: bytes) -> None:
    """That each node reads what stands before it and makes what is new, and none reads the output of the graph, whose
    shape a graph states as it likes.
    """
    for node in nodes:
        if not there.issuperset(node.inputs):
            raise Costly("has a node that reads what no node before it makes")
        if output in node.inputs:
            raise Costly("has a node that reads the output of the graph")
        made = {*node.outputs}
        if len(made) < len(node.outputs) or not there.isdisjoint(made):
            raise Costly("has two tensors of one name, or one without")
        there |= made


def _check_reading_of_shapes(nodes: Sequence[Node], dependent: set[bytes]) -> None:
    """That shapes are read to shape what depends on inputs, and for nothing else.

    The engine computes the rest when it is given the graph, from shapes of inputs that the graph states as it likes.
    """
    shapes: set[bytes] = set()
    for node in nodes:
        if node.operator == b"Shape":
            shapes.update(node.outputs)
            continue
        if not dependent.isdisjoint(node.inputs):
            dependent.update(node.outputs)
        for number, name in enumerate(node.inputs):
            if name in shapes and (
                node.operator != b"Reshape" or number != 1 or node.inputs[0] not in dependent
            ):
                raise node_error(node, "reads the shape of a tensor as a tensor")
