"""A loaded set for pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from ..constants import (
    COMPACT_PROFILE,
    HYPER_MAX,
    LARGEST_SUPPORT,
    LATENT_STRIDE,
    RATE_INDICES,
    SCALE_LEVELS,
    STEP_FRACTION,
)
from ..errors import ModelDamagedError
from ..networks import Budget, FloatNetwork, IntegerNetwork
from ..tiles import DEFAULT_LOG2, LARGE_LOG2
from . import budgets
from .checks import ArrayCheck
from .identity import decoder_identity
from .loaded_set import Arrays, LoadedSet, under
from .picture_manifest import ENCODER_GRAPHS, PictureManifest


class ModelSet(LoadedSet[PictureManifest]):
    """A set for pictures of entropy profile 1, and what those of all profiles share; see ``LoadedSet`` and
    ``read_model_set``.

    Attributes:
        classes: number of texture classes.
    """

    manifest_type = PictureManifest
    PROFILE = 1

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
        return ENCODER_GRAPHS

    def check_decoder(self, arrays: Arrays) -> None:
        manifest, check = self.manifest, ArrayCheck(self.name, arrays)
        if manifest.entropy_profile != self.PROFILE:
            raise ModelDamagedError(
                f"The set {self.name} is one of entropy profile {self.PROFILE}, but its manifest says "
                f"{manifest.entropy_profile}."
            )
        steps = check.array("tables.steps", np.uint16, (RATE_INDICES, manifest.latent_channels))
        base = check.array("tables.base_steps", np.float32, (RATE_INDICES,))
        check.array("tables.magnitudes", np.uint8, (None,))
        support = check.array("tables.support", np.uint16, (SCALE_LEVELS,))
        check.array("tables.symbols", np.uint32, (None,))
        hyper = check.array("tables.hyper", np.uint32, (None, manifest.hyper_channels, 2 * HYPER_MAX + 1))
        check.weights("linear.synthesis", (None, manifest.latent_channels, 1, 1))
        self._check_profile(check)
        for k in range(self.classes):
            check.weights(f"synthesis.{k}.rate", (RATE_INDICES, None))
        check.require(steps.min() > 0, "tables.steps")
        check.require(bool((base > 0).all()), "tables.base_steps")
        check.require(support.max() <= LARGEST_SUPPORT, "tables.support")
        check.require(len(hyper) <= RATE_INDICES, "tables.hyper")
        check.finite()

    def check_encoder(self, arrays: Arrays) -> None:
        check = ArrayCheck(self.name, arrays)
        shape = self.manifest.latent_channels, 3, LATENT_STRIDE, LATENT_STRIDE
        check.array("linear.analysis", np.float16, shape)
        for k in range(self.classes):
            check.array(f"hyper_analysis.{k}.rate", np.float16, (RATE_INDICES, None))
        check.finite()

    # What differs between entropy profiles

    def _check_profile(self, check: ArrayCheck) -> None:
        """The rules for arrays that only sets of this profile have."""

    @property
    def _first_slice(self) -> Sequence[str]:
        """Names of the graphs of networks that only the first slice has."""
        return []

    @property
    def _integer_steps(self) -> Sequence[str]:
        """Names of the graphs of the other integer networks after hyper synthesis, each with arrays of its name."""
        return [f"context_{k}" for k in range(len(self.manifest.slices) + 1)]

    @property
    def _transform(self) -> Arrays:
        """What analysis and synthesis of all classes share, beside the linear transform."""
        return {}

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

    def hyper_row(self, rate_index: int) -> int:
        """First of the Z tables that hyper latents at this rate index use."""
        bands = len(self.hyper_tables) // self.manifest.hyper_channels
        return rate_index * bands // RATE_INDICES * self.manifest.hyper_channels

    # Networks

    def budget(self, name: str) -> Budget:
        if name == "hyper_synthesis":
            return budgets.hyper_synthesis(self.manifest)
        return budgets.context(self.manifest, name, self._features)

    @property
    def _features(self) -> int:
        """Channels that hyper synthesis gives."""
        shape = self.hyper_synthesis().usual_output or ()
        return shape[1] if len(shape) > 1 else 0

    def synthesis(self, class_index: int) -> FloatNetwork:
        """The synthesis network of a class."""
        class_index = self._first_alike(self._arrays, "synthesis", class_index)

        def make() -> FloatNetwork:
            weights = under(self._arrays, f"synthesis.{class_index}.")
            weights |= {"linear.weight": self._array("linear.synthesis")} | self._transform
            rates = self._array(f"synthesis.{class_index}.rate")
            budget = budgets.synthesis(self.manifest, rates.shape[1])
            return FloatNetwork(self._graphs["synthesis"], weights, budget=budget)

        return self._network(("synthesis", class_index), make)

    def synthesis_bias(self, class_index: int, rate_index: int) -> np.ndarray:
        """float32 1 x W x 1 x 1 rate bias of a class's synthesis network."""
        return _bias(self._array(f"synthesis.{class_index}.rate"), rate_index)

    def fusion(self) -> FloatNetwork:
        """The fusion network."""
        return self._network(
            ("fusion",),
            lambda: FloatNetwork(
                self._graphs["fusion"], under(self._arrays, "fusion."), budget=budgets.fusion()
            ),
        )

    def hyper_synthesis(self) -> IntegerNetwork:
        """The integer hyper synthesis network; its bound is proved when it is built."""
        return self._integer("hyper_synthesis")

    def context(self, step: int) -> IntegerNetwork:
        """The integer network of one context step."""
        return self._integer(f"context_{step}")

    def analysis(self, class_index: int) -> FloatNetwork:
        """The analysis network of a class (encoder)."""
        graphs, arrays = self._encoder
        class_index = self._first_alike(arrays, "analysis", class_index)

        def make() -> FloatNetwork:
            weights = under(arrays, f"analysis.{class_index}.")
            weights |= {"linear.weight": arrays["linear.analysis"]} | self._transform
            return FloatNetwork(graphs["analysis"], weights, budget=budgets.analysis(self.manifest))

        return self._network(("analysis", class_index), make)

    def hyper_analysis(self, class_index: int) -> FloatNetwork:
        """The hyper analysis network of a class (encoder)."""
        graphs, arrays = self._encoder
        class_index = self._first_alike(arrays, "hyper_analysis", class_index)

        def make() -> FloatNetwork:
            weights = under(arrays, f"hyper_analysis.{class_index}.")
            budget = budgets.hyper_analysis(self.manifest, weights["rate"].shape[1])
            return FloatNetwork(graphs["hyper_analysis"], weights, budget=budget)

        return self._network(("hyper_analysis", class_index), make)

    def hyper_bias(self, class_index: int, rate_index: int) -> np.ndarray:
        """float32 1 x W x 1 x 1 rate bias of a class's hyper analysis network (encoder)."""
        return _bias(self._encoder[1][f"hyper_analysis.{class_index}.rate"], rate_index)

    def _first_alike(self, arrays: Arrays, network: str, class_index: int) -> int:
        """The first class whose arrays of a network are the ones of this class: its network is built once for both."""
        key = (network, "alike", class_index)

        def find() -> int:
            own = under(arrays, f"{network}.{class_index}.")
            for k in range(class_index):
                other = under(arrays, f"{network}.{k}.")
                if other.keys() == own.keys() and all(other[name] is own[name] for name in own):
                    return k
            return class_index

        return self._network(key, find)

    def build(self) -> None:
        self.hyper_synthesis()
        for name in self._integer_steps:
            self._integer(name)
        for k in range(self.classes):
            self.synthesis(k)
            if self.encodes:
                self.analysis(k), self.hyper_analysis(k)
        if self.manifest.fusion:
            self.fusion()

    def macs(self, tile: int | None = None) -> dict[str, float]:
        """Thousand multiply-accumulates per pixel, by part, for a picture of many tiles; halo and fusion included.

        Args:
            tile: tile side in pixels; default: that of most pictures, 512 for sets of entropy profile 2, else 256.
        """
        m = self.manifest.macs
        large = self.manifest.entropy_profile == COMPACT_PROFILE
        tile = tile or 1 << (LARGE_LOG2 if large else DEFAULT_LOG2)
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
