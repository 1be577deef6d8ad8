"""A loaded set for pictures of entropy profile 2: the first slice in passes, over lapped transforms."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from ..constants import COMPACT_PROFILE, GAINS, LATENT_STRIDE, MEAN_CHANNELS, RATE_INDICES
from ..entropy import ProbabilityTables
from ..entropy.pyramid import PASSES, graph_name, network_names
from ..networks import IntegerNetwork
from ..similarity import latent_energies
from . import budgets
from .checks import ArrayCheck
from .loaded_set import Arrays, under
from .model_set import ModelSet


class PyramidSet(ModelSet):
    """A set of entropy profile 2 (docs/format.md, "First slice"); see ``ModelSet``."""

    PROFILE = COMPACT_PROFILE

    def _check_profile(self, check: ArrayCheck) -> None:
        slices, c = self.manifest.slices, self.manifest.slices[0]
        check.array("linear.lapping", np.float32, (16, 16))
        check.array("tables.slices", np.uint32, (None, 2 * len(slices) + 1))
        check.require(c > max(MEAN_CHANNELS), "slices")
        if self.manifest.gains:
            gains = check.array("tables.gains", np.float32, (GAINS,))
            planes = check.array("tables.gain_planes", np.uint8, (self.manifest.latent_channels,))
            check.require(bool((gains > 0).all()), "tables.gains")
            check.require(planes.max() <= 2 and not planes[list(MEAN_CHANNELS)].any(), "tables.gain_planes")
        if "tables.residual_limit" in check.arrays:
            limit = check.array("tables.residual_limit", np.float32, (1,))
            check.require(bool(limit > 0), "tables.residual_limit")
        for number in range(1, len(PASSES)):
            check.array(f"first_{number}.prediction", np.int16, (c, c + len(MEAN_CHANNELS), 3, 3))

    @property
    def _first_slice(self) -> Sequence[str]:
        return network_names()

    @property
    def _integer_steps(self) -> Sequence[str]:
        gains = ["gains"] if self.manifest.gains else []
        return [*(f"context_{k}" for k in range(1, len(self.manifest.slices))), *gains]

    @property
    def _transform(self) -> Arrays:
        return {"lapping": self._array("linear.lapping")}

    # Tables

    @cached_property
    def slice_tables(self) -> ProbabilityTables:
        """Tables for the number of coded slices of a tile, by band of rates."""
        rows = self._array("tables.slices")
        support = np.full(len(rows), len(self.manifest.slices))
        return ProbabilityTables(rows.reshape(-1), support, escapes=False)

    def slice_row(self, rate_index: int) -> int:
        """The table that the number of coded slices uses at this rate index."""
        return rate_index * len(self.slice_tables) // RATE_INDICES

    def prediction(self, number: int) -> np.ndarray:
        """int16 c x (c + 3) x 3 x 3: the linear prediction of a pass over the first slice."""
        return self._array(f"first_{number}.prediction")

    @cached_property
    def gains(self) -> np.ndarray:
        """float32 64: the gains that blocks may have."""
        return self._array("tables.gains")

    @cached_property
    def gain_planes(self) -> np.ndarray:
        """uint8 C: 0 for channels without gain, 1 for luminance, 2 for chrominance."""
        return self._array("tables.gain_planes")

    @cached_property
    def mean_colours(self) -> np.ndarray:
        """float32 3 x 3: grey levels of R, G, B (rows) per grey level of each block mean."""
        weights = self._array("linear.synthesis").astype(np.float32).reshape(3, LATENT_STRIDE**2, -1)
        return weights.mean(1)[:, list(MEAN_CHANNELS)]

    @cached_property
    def latent_energies(self) -> tuple[np.ndarray, np.ndarray]:
        """float32 C x 5 and C: what errors of latents are in structural similarity (``similarity``)."""
        blocks = self._array("linear.synthesis").reshape(3, LATENT_STRIDE, LATENT_STRIDE, -1)
        return latent_energies(blocks, self._array("linear.lapping"))

    # Networks

    @cached_property
    def analyses_deeply(self) -> bool:
        """Whether an analysis network adds to the lapped transform (encoder)."""
        return any(name.startswith("analysis.") for name in self._encoder[1])

    def gain_network(self) -> IntegerNetwork:
        """The integer network from features of hyper synthesis to two gain indices per block, less 32."""
        return self._integer("gains")

    def first_pass(self, number: int, offset: tuple[int, int]) -> IntegerNetwork:
        """The integer network of one pass over the first slice at one offset."""
        name = graph_name(number, offset)

        def make() -> IntegerNetwork:
            weights = under(self._arrays, f"first_{number}.")
            weights.pop("prediction", None)
            budget = budgets.first_pass(self.manifest, number, self._features)
            return IntegerNetwork(name, self._graphs[name], weights, budget)

        return self._network((name,), make)

    def build(self) -> None:
        """Build every network and table of the set."""
        super().build()
        assert len(self.slice_tables)
        for number, places in enumerate(PASSES):
            for offset in places.offsets:
                self.first_pass(number, offset)
