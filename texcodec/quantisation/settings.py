"""What quantising and its training can be set to do; wrong values are refused here, before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import check

FEWEST_BITS, MOST_BITS = 2, 8
MOST_STRUCTURES = 8


def check_bits(bits: int, what: str) -> None:
    """Refuse numbers of bits that there are no quantisers for.

    Raises:
        ParameterError: ``bits`` is no whole number from 2 to 8.
    """
    whole = isinstance(bits, int) and not isinstance(bits, bool)
    check(
        whole and FEWEST_BITS <= bits <= MOST_BITS,
        f"{what} must be a whole number from {FEWEST_BITS} to {MOST_BITS}, not {bits}.",
    )


@dataclass(frozen=True)
class QuantisationSettings:
    """How the convolutions of a network are quantised.

    Attributes:
        weight_bits: of the weights, 2 to 8; a learned step for each output channel.
        activation_bits: of what convolutions read, 2 to 8; a learned step for each convolution.
        edge_bits: of weights and activations of the first and of the last convolution, whose errors nothing can
            make good for; None gives them no more than the others.
        exact: limit the weights so that every sum of a convolution stays below 2^24 and so is exact in float32,
            in any order (docs/format.md, "Integer arithmetic").
        power_of_two: steps are powers of two, so that going from one layer's integers to the next one's is a
            shift.
        skip: names of convolutions, or of modules that hold some, which stay as they are.
    """

    weight_bits: int = 4
    activation_bits: int = 4
    edge_bits: int | None = 8
    exact: bool = True
    power_of_two: bool = False
    skip: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_bits(self.weight_bits, "weight_bits")
        check_bits(self.activation_bits, "activation_bits")
        if self.edge_bits is not None:
            check_bits(self.edge_bits, "edge_bits")
        check(not isinstance(self.skip, str), "skip must be a list of names.")


@dataclass(frozen=True)
class LossWeights:
    """total = quantised * L_q + auxiliary * L_aux + distillation * distance(quantised, auxiliary outputs).

    Attributes:
        quantised, auxiliary, distillation: at least 0; the first must be above 0, or nothing would train the
            activation steps and biases of the network that is kept.
        detach_teacher: the distance moves the quantised network only; without it, also the auxiliary one.
        fade: the weights of ``auxiliary`` and ``distillation`` fall linearly to nothing over the training, so that it
            ends as plain quantisation-aware training.
    """

    quantised: float = 1.0
    auxiliary: float = 1.0
    distillation: float = 1.0
    detach_teacher: bool = True
    fade: bool = False

    def __post_init__(self) -> None:
        weights = (self.quantised, self.auxiliary, self.distillation)
        check(
            all(0 <= w < float("inf") for w in weights) and self.quantised > 0,
            "The weights of the losses must be at least 0, and that of the quantised network above 0.",
        )

    def at(self, progress: float) -> LossWeights:
        """The weights after a share ``progress`` (0 to 1) of the training."""
        left = 1 - min(1.0, progress) if self.fade else 1.0
        return replace(self, auxiliary=self.auxiliary * left, distillation=self.distillation * left)


def check_width(width: int) -> None:
    """Refuse numbers of full-precision groups that make no sense.

    Raises:
        ParameterError: ``width`` is no whole number from 1 to 8.
    """
    whole = isinstance(width, int) and not isinstance(width, bool)
    check(
        whole and 1 <= width <= MOST_STRUCTURES,
        f"The width n of the full-precision structures must be a whole number from 1 to {MOST_STRUCTURES}, "
        f"not {width}.",
    )
