"""A loaded set for pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from ..constants import (
    GAINS,
    HYPER_MAX,
    LARGEST_SUPPORT,
    LATENT_STRIDE,
    MEAN_CHANNELS,
    RATE_INDICES,
    SCALE_LEVELS,
    STEP_FRACTION,
)
from ..entropy import ProbabilityTables
from ..entropy.pyramid import PASSES, graph_name, network_names
from ..networks import FloatNetwork, IntegerNetwork
from .checks import ArrayCheck
from .identity import decoder_identity
from .loaded_set import Arrays, LoadedSet, under
from .picture_manifest import PictureManifest


class ModelSet(LoadedSet[PictureManifest]):
    """A set for pictures; see ``LoadedSet``.

    Attributes:
        classes: number of texture classes.
    """

    manifest_type = PictureManifest

    def __repr__(self) -> str:
        return f"<texcodec.ModelSet {self.name}, {self.classes} classes, identity {self.manifest.identity}>"

    @property
    def classes(self) -> int:
        return len(self.manifest.classes)

    @staticmethod
    def hash(graphs: Mapping[str, bytes], arrays: Mapping[str, np.ndarray]) -> bytes:
        return decoder_identity(graphs, arrays)

    def decoder_graphs(self) -> Sequence[str]:
        fusion = ["fusion"] if self.manifest.fusion else []
        return ["synthesis", "hyper_synthesis", *fusion, *self._first_slice, *self._integer_steps]

    def encoder_graphs(self) -> Sequence[str]:
        return ["analysis", "hyper_analysis"]

    def check_decoder(self, arrays: Arrays) -> None:
        manifest, check = self.manifest, ArrayCheck(self.name, arrays)
        steps = check.array("tables.steps", np.uint16, (RATE_INDICES, manifest.latent_channels))
        base = check.array("tables.base_steps", np.float32, (RATE_INDICES,))
        check.array("tables.magnitudes", np.uint8, (None,))
        support = check.array("tables.support", np.uint16, (SCALE_LEVELS,))
        check.array("tables.symbols", np.uint32, (None,))
        hyper = check.array("tables.hyper", np.uint32, (None, manifest.hyper_channels, 2 * HYPER_MAX + 1))
        check.weights("linear.synthesis", (None, manifest.latent_channels, 1, 1))
        if self._is_pyramid:
            self._check_pyramid(check)
        for k in range(self.classes):
            check.weights(f"synthesis.{k}.rate", (RATE_INDICES, None))
        check.require(steps.min() > 0, "tables.steps")
        check.require(bool((base > 0).all()), "tables.base_steps")
        check.require(support.max() <= LARGEST_SUPPORT, "tables.support")
        check.require(len(hyper) <= RATE_INDICES, "tables.hyper")
        check.finite()

    def _check_pyramid(self, check: ArrayCheck) -> None:
        slices, c = self.manifest.slices, self.manifest.slices[0]
        check.array("linear.lapping", np.float32, (16, 16))
        check.array("tables.slices", np.uint32, (None, 2 * len(slices) + 1))
        check.require(c > max(MEAN_CHANNELS), "slices")
        if self.manifest.gains:
            gains = check.array("tables.gains", np.float32, (GAINS,))
            planes = check.array("tables.gain_planes", np.uint8, (self.manifest.latent_channels,))
            check.require(bool((gains > 0).all()), "tables.gains")
            check.require(planes.max() <= 2 and not planes[list(MEAN_CHANNELS)].any(), "tables.gain_planes")
        for number in range(1, len(PASSES)):
            check.array(f"first_{number}.prediction", np.int16, (c, c + len(MEAN_CHANNELS), 3, 3))

    def check_encoder(self, arrays: Arrays) -> None:
        check = ArrayCheck(self.name, arrays)
        shape = self.manifest.latent_channels, 3, LATENT_STRIDE, LATENT_STRIDE
        check.array("linear.analysis", np.float16, shape)
        for k in range(self.classes):
            check.array(f"hyper_analysis.{k}.rate", np.float16, (RATE_INDICES, None))
        check.finite()

    @property
    def _is_pyramid(self) -> bool:
        """Whether the first slice is coded in passes, over lapped transforms: entropy profile 2."""
        return self.manifest.entropy_profile > 1

    @property
    def _first_slice(self) -> list[str]:
        """Names of the graphs of the passes over the first slice."""
        return network_names() if self._is_pyramid else []

    @property
    def _integer_steps(self) -> list[str]:
        """Names of the graphs of the other integer networks after hyper synthesis, each with arrays of its name."""
        slices = len(self.manifest.slices)
        if not self._is_pyramid:
            return [f"context_{k}" for k in range(slices + 1)]
        return [*(f"context_{k}" for k in range(1, slices)), *(["gains"] if self.manifest.gains else [])]

    # Tables

    @cached_property
    def steps(self) -> np.ndarray:
        """float32 256 x C: quantisation steps in grey levels, one row per rate index, coarsest first."""
        return self._array("tables.steps").astype(np.float32) / np.float32(STEP_FRACTION)

    @cached_property
    def base_steps(self) -> np.ndarray:
        """float32 256: grey levels that one unit of a synthesis or fusion network's output stands for."""
        return self._array("tables.base_steps").astype(np.float32)

    @cached_property
    def magnitudes(self) -> np.ndarray:
        """uint8: logarithmic feature of a latent magnitude in 1/16 symbol; larger magnitudes give the last entry."""
        return self._array("tables.magnitudes")

    @cached_property
    def slice_tables(self) -> ProbabilityTables:
        """Tables for the number of coded slices of a tile, by band of rates; entropy profile 2."""
        rows = self._array("tables.slices")
        return ProbabilityTables(
            rows.reshape(-1), np.full(len(rows), len(self.manifest.slices)), escapes=False
        )

    def slice_row(self, rate_index: int) -> int:
        """The table that the number of coded slices uses at this rate index."""
        return rate_index * len(self.slice_tables) // RATE_INDICES

    def prediction(self, number: int) -> np.ndarray:
        """int16 c x (c + 3) x 3 x 3: the linear prediction of a pass over the first slice; entropy profile 2."""
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
        """float32 3 x 3: grey levels of R, G, B (rows) per grey level of each block mean; entropy profile 2."""
        weights = self._array("linear.synthesis").astype(np.float32).reshape(3, LATENT_STRIDE**2, -1)
        return weights.mean(1)[:, list(MEAN_CHANNELS)]

    def gain_network(self) -> IntegerNetwork:
        """The integer network from features of hyper synthesis to two gain indices per block, less 32."""
        return self._integer("gains")

    def hyper_row(self, rate_index: int) -> int:
        """First of the Z tables that hyper latents at this rate index use."""
        bands = len(self.hyper_tables) // self.manifest.hyper_channels
        return rate_index * bands // RATE_INDICES * self.manifest.hyper_channels

    # Networks

    def synthesis(self, class_index: int) -> FloatNetwork:
        """The synthesis network of a class."""

        def make() -> FloatNetwork:
            weights = under(self._arrays, f"synthesis.{class_index}.")
            weights |= {"linear.weight": self._array("linear.synthesis")} | self._lapping
            return FloatNetwork(self._graphs["synthesis"], weights)

        return self._network(("synthesis", class_index), make)

    @property
    def _lapping(self) -> Arrays:
        return {"lapping": self._array("linear.lapping")} if self._is_pyramid else {}

    def synthesis_bias(self, class_index: int, rate_index: int) -> np.ndarray:
        """float32 1 x W x 1 x 1 rate bias of a class's synthesis network."""
        return _bias(self._array(f"synthesis.{class_index}.rate"), rate_index)

    def fusion(self) -> FloatNetwork:
        """The fusion network."""
        return self._network(
            ("fusion",), lambda: FloatNetwork(self._graphs["fusion"], under(self._arrays, "fusion."))
        )

    def hyper_synthesis(self) -> IntegerNetwork:
        """The integer hyper synthesis network; its bound is proved when it is built."""
        return self._integer("hyper_synthesis")

    def context(self, step: int) -> IntegerNetwork:
        """The integer network of one context step."""
        return self._integer(f"context_{step}")

    def first_pass(self, number: int, offset: tuple[int, int]) -> IntegerNetwork:
        """The integer network of one pass over the first slice at one offset; entropy profile 2."""
        name = graph_name(number, offset)

        def make() -> IntegerNetwork:
            weights = under(self._arrays, f"first_{number}.")
            weights.pop("prediction", None)
            return IntegerNetwork(name, self._graphs[name], weights)

        return self._network((name,), make)

    def analysis(self, class_index: int) -> FloatNetwork:
        """The analysis network of a class (encoder)."""

        def make() -> FloatNetwork:
            graphs, arrays = self._encoder
            weights = under(arrays, f"analysis.{class_index}.")
            weights |= {"linear.weight": arrays["linear.analysis"]} | self._lapping
            return FloatNetwork(graphs["analysis"], weights)

        return self._network(("analysis", class_index), make)

    @cached_property
    def analyses_deeply(self) -> bool:
        """Whether an analysis network adds to a lapped transform (encoder)."""
        return self._is_pyramid and any(name.startswith("analysis.") for name in self._encoder[1])

    def hyper_analysis(self, class_index: int) -> FloatNetwork:
        """The hyper analysis network of a class (encoder)."""

        def make() -> FloatNetwork:
            graphs, arrays = self._encoder
            return FloatNetwork(graphs["hyper_analysis"], under(arrays, f"hyper_analysis.{class_index}."))

        return self._network(("hyper_analysis", class_index), make)

    def hyper_bias(self, class_index: int, rate_index: int) -> np.ndarray:
        """float32 1 x W x 1 x 1 rate bias of a class's hyper analysis network (encoder)."""
        return _bias(self._encoder[1][f"hyper_analysis.{class_index}.rate"], rate_index)

    def build(self) -> None:
        self.hyper_synthesis()
        for name in self._integer_steps:
            self._integer(name)
        if self._is_pyramid:
            assert len(self.slice_tables)
            for number, places in enumerate(PASSES):
                for offset in places.offsets:
                    self.first_pass(number, offset)
        for k in range(self.classes):
            self.synthesis(k), self.analysis(k), self.hyper_analysis(k)
        if self.manifest.fusion:
            self.fusion()

    def macs(self, tile: int = 256) -> dict[str, float]:
        """Thousand multiply-accumulates per pixel, by part, for a picture of many tiles; halo and fusion included.

        Args:
            tile: tile side in pixels.
        """
        m = self.manifest.macs
        halo = (1 + 2 * self.manifest.halo * LATENT_STRIDE / tile) ** 2
        band = 1 - (1 - 32 / tile) ** 2
        parts = {
            "synthesis": m["synthesis"] * halo,
            "entropy": m["hyper_synthesis"] + m["contexts"],
            "fusion": m["fusion"] * band if self.manifest.fusion else 0.0,
            "analysis": m["analysis"] * (1 + 64 / tile) ** 2,
            "hyper_analysis": m["hyper_analysis"],
        }
        parts["decode"] = parts["synthesis"] + parts["entropy"] + parts["fusion"]
        parts["encode"] = parts["analysis"] + parts["hyper_analysis"] + parts["entropy"]
        return parts


def _bias(table: np.ndarray, rate_index: int) -> np.ndarray:
    return table[rate_index].astype(np.float32)[None, :, None, None]
