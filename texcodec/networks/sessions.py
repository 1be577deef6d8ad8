"""onnxruntime sessions over graphs with external weights.

Every session runs on one thread: threads share out tiles, so results depend on neither the number of threads nor
on what else is decoded (docs/format.md, "Networks").
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ..constants import ACTIVATION_MAX
from ..errors import ModelDamagedError
from .address_space import check_address_space
from .bounds import check_bound
from .graph_check import CODEC_RULES, GraphRules, check_graph, refused
from .graph_cost import ANY, Budget, GraphCost
from .operator_shapes import Costly

if TYPE_CHECKING:
    import onnxruntime

Shape = tuple["int | None", ...]
"""Of an output; None stands for any number."""

Shapes = frozenset[tuple[str, tuple[int, ...]]]
"""Of inputs, with their names."""
MOST_SHAPES = 1000
"""Shapes of inputs that a network remembers to have checked."""

OPTIMISATION_LEVELS = {
    "none": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}
optimisation_level = "all"
"""Of sessions made from now on; the exactness tests change it, and symbols must not."""


def _session(graph: bytes, weights: Mapping[str, np.ndarray]) -> onnxruntime.InferenceSession:
    """The engine's session of a graph that was checked."""
    check_address_space()
    import onnxruntime as ort  # a fifth of a second: not paid by commands that run no network

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # its errors are raised; in its log, names out of the graph would be raw
    options.graph_optimization_level = getattr(
        ort.GraphOptimizationLevel, OPTIMISATION_LEVELS[optimisation_level]
    )
    # tiles at the edges have many sizes: a memory pattern for each would cost memory and time
    options.enable_mem_pattern = False
    # what was checked is ONNX; the engine would take bytes of its own format for that
    options.add_session_config_entry("session.load_model_format", "ONNX")
    values = [ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(w, np.float32)) for w in weights.values()]
    options.add_external_initializers(list(weights), values)
    try:
        session = _session_type()(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises its own types, none of them public
        raise ModelDamagedError(
            f"A network of the model set cannot be built ({_first_line(error)})."
        ) from None
    if len(session.get_outputs()) != 1:
        raise ModelDamagedError("A network of the model set does not have exactly one output.")
    return session


@cache
def _session_type() -> type[onnxruntime.InferenceSession]:
    """The engine's session, but that it does not try again after some errors and print about it on standard output."""
    import onnxruntime as ort

    class Session(ort.InferenceSession):  # type: ignore[misc]
        @property
        def _enable_fallback(self) -> bool:
            return False

        @_enable_fallback.setter
        def _enable_fallback(self, wanted: bool) -> None:
            pass

    return Session


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _fits(have: tuple[int, ...], wanted: Shape | None) -> bool:
    return wanted is None or (
        len(have) == len(wanted) and all(w is None or h == w for h, w in zip(have, wanted))
    )


def _run(
    session: onnxruntime.InferenceSession, inputs: dict[str, np.ndarray], shape: Shape | None
) -> np.ndarray:
    try:
        out = session.run(None, inputs)[0]
    except Exception as error:  # inputs of another name, number or shape than the graph's, or no memory
        raise ModelDamagedError(
            f"A network of the model set cannot be run ({_first_line(error)}), or memory ran out."
        ) from None
    if not isinstance(out, np.ndarray) or out.dtype != np.float32 or not _fits(out.shape, shape):
        raise ModelDamagedError(
            f"A network of the model set gives {getattr(out, 'shape', 'something')} instead of "
            f"{shape or 'float32'}."
        )
    return out


def _named(session: onnxruntime.InferenceSession, inputs: tuple[np.ndarray, ...]) -> dict[str, np.ndarray]:
    names = [argument.name for argument in session.get_inputs()]
    if len(names) != len(inputs):
        raise ModelDamagedError(
            f"A network of the model set has {len(names)} inputs instead of {len(inputs)}."
        )
    return dict(zip(names, inputs, strict=True))


def finite(out: np.ndarray) -> np.ndarray:
    """``out``, if all of it are finite numbers.

    Raises:
        ModelDamagedError: it holds infinities or NaN, which no sound encoder network gives for pixels.
    """
    if not np.isfinite(out).all():
        raise ModelDamagedError("A network of the model set gives numbers that are not finite.")
    return out


class Network:
    """A network whose graph was checked. Safe to share between threads.

    Args:
        graph: serialised ONNX with external initialisers, or, by the rules for tasks, with all weights in it.
        weights: by initialiser name; used as float32.
        rules: that the graph must keep.
        budget: of each run; that of tasks is not bounded.
    Attributes:
        usual_output: shape of the output for the inputs of the budget; None if the budget has none.
    Raises:
        ModelDamagedError: the graph breaks the rules, costs too much, or cannot be built.
    """

    def __init__(
        self, graph: bytes, weights: Mapping[str, np.ndarray], rules: GraphRules, budget: Budget
    ) -> None:
        self._budget = budget
        self._cost = check_graph(graph, {name: weight.shape for name, weight in weights.items()}, rules)
        self._afforded: set[Shapes] = set()
        self.usual_output: tuple[int, ...] | None = None
        if self._cost is not None:
            self.usual_output = self._afford(self._cost, None)
        self._session = _session(graph, weights)

    def __call__(self, shape: Shape | None = None, /, **inputs: np.ndarray) -> np.ndarray:
        """Run on float32 inputs by name; returns the only output, float32.

        Args:
            shape: that the output must have; by default any.
        Raises:
            ModelDamagedError: the network cannot be run on these inputs, costs too much for their size, or gives
                another shape.
        """
        shapes = frozenset((name, x.shape) for name, x in inputs.items())
        if self._cost is not None and shapes not in self._afforded:
            self._afford(self._cost, shapes)
        return _run(self._session, inputs, shape)

    def ordered(self, shape: Shape | None, *inputs: np.ndarray) -> np.ndarray:
        """The same with the inputs in the order of the graph, whatever their names."""
        return self(shape, **_named(self._session, inputs))

    def _afford(self, cost: GraphCost, shapes: Shapes | None) -> tuple[int, ...] | None:
        """The shape of the output for inputs of these shapes, by default those of the budget, if that does."""
        try:
            if shapes is None:
                given = cost.usual(self._budget)
                shapes = frozenset((name.decode(), shape) for name, shape in given.items())
            else:
                given = {name.encode(): shape for name, shape in shapes}
            output = cost.check(self._budget, given)
        except Costly as error:
            raise refused(str(error)) from None
        if len(self._afforded) >= MOST_SHAPES:
            self._afforded.clear()
        self._afforded.add(shapes)
        return output


class FloatNetwork(Network):
    """An analysis, synthesis, hyper analysis or fusion network, or one of a task; see ``Network``.

    Args:
        weights: any float dtype.
    """

    def __init__(
        self,
        graph: bytes,
        weights: Mapping[str, np.ndarray],
        rules: GraphRules = CODEC_RULES,
        budget: Budget = ANY,
    ) -> None:
        super().__init__(graph, {k: v for k, v in weights.items() if k != "rate"}, rules, budget)


class IntegerNetwork(Network):
    """A network of the entropy model: integers held in float32, exact in every engine; see ``Network``.

    Inputs are integers of magnitude at most 255, outputs integers.

    Args:
        name: for errors.
        weights: int16 or int32.
    Raises:
        ModelDamagedError: a weight is not an integer, or a layer breaks the 2^24 bound.
    """

    def __init__(
        self, name: str, graph: bytes, weights: Mapping[str, np.ndarray], budget: Budget = ANY
    ) -> None:
        layers = sorted({k.rsplit(".", 1)[0] for k in weights})
        for layer in layers:
            weight, bias = weights.get(f"{layer}.weight"), weights.get(f"{layer}.bias")
            if weight is None or bias is None or weight.dtype != np.int16 or bias.dtype != np.int32:
                raise ModelDamagedError(f"The integer layer {name}.{layer} has no integer weights.")
            check_bound(weight, bias, ACTIVATION_MAX, f"{name}.{layer}")
        super().__init__(graph, weights, CODEC_RULES, budget)
