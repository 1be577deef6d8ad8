"""A loaded model set: its graphs and arrays, checked against the manifest's hashes, and the parts made from
them.
"""

from __future__ import annotations

import threading
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..constants import HYPER_MAX, LATENT_STRIDE, RATE_INDICES, STEP_FRACTION
from ..entropy import ProbabilityTables
from ..entropy.pyramid import PASSES, graph_name, network_names
from ..errors import ModelDamagedError
from ..networks import FloatNetwork, IntegerNetwork
from .checks import check_decoder, check_encoder
from .identity import decoder_identity
from .manifest import Manifest, read_manifest
from .scaled import unscale
from .set_files import read_bytes, under, unpack_arrays

_DECODER_GRAPHS = ("synthesis", "hyper_synthesis", "fusion")
_ENCODER_GRAPHS = ("analysis", "hyper_analysis")


class ModelSet:
    """One model set, read from its folder; networks are built when first used. Safe to share between threads.

    Args:
        folder: holds ``manifest.json``, ``graphs/``, ``decoder.safetensors`` and ``encoder.safetensors``.
    Raises:
        ModelNotFoundError: there is no set in the folder.
        ModelDamagedError: the set's contents do not fit its manifest's hashes, or break a rule of the format
            (``checks``).
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest: Manifest = read_manifest(folder)
        self.name = self.manifest.name
        self.identity = bytes.fromhex(self.manifest.identity)
        self._lock = threading.RLock()
        self._networks: dict[tuple[str, ...], Any] = {}
        names = [*_DECODER_GRAPHS, *self._steps] if self.manifest.fusion else [*_DECODER_GRAPHS[:-1], *self._steps]
        self._graphs = {n: self._read_graph(n) for n in names}
        self._arrays = self._read_arrays("decoder.safetensors")
        if decoder_identity(self._graphs, self._arrays) != self.identity:
            raise ModelDamagedError(
                f"Model set {self.name} in {folder} is damaged: its decoder's hash is not "
                f"{self.manifest.identity}; install it again."
            )
        self._arrays = unscale(self._arrays, self.name)
        check_decoder(self.manifest, self._arrays)
        self.classes = len(self.manifest.classes)

    @property
    def _steps(self) -> list[str]:
        """Names of the graphs of the context steps."""
        if self.manifest.entropy_profile == 1:
            return [f"context_{k}" for k in range(len(self.manifest.slices) + 1)]
        contexts = [f"context_{k}" for k in range(1, len(self.manifest.slices))]
        return [*network_names(), *contexts, *(["gains"] if self.manifest.gains else [])]

    def _read_graph(self, name: str) -> bytes:
        return read_bytes(self.folder, self.name, f"graphs/{name}.onnx")

    def _read_arrays(self, name: str) -> dict[str, np.ndarray]:
        return unpack_arrays(self.folder, name, read_bytes(self.folder, self.name, name))

    def _array(self, name: str) -> np.ndarray:
        try:
            return self._arrays[name]
        except KeyError:
            raise ModelDamagedError(
                f"Model set {self.name} lacks the array {name}; install it again."
            ) from None

    @cached_property
    def _encoder(self) -> tuple[dict[str, bytes], dict[str, np.ndarray]]:
        graphs = {n: self._read_graph(n) for n in _ENCODER_GRAPHS}
        arrays = self._read_arrays("encoder.safetensors")
        if decoder_identity(graphs, arrays).hex() != self.manifest.encoder:
            raise ModelDamagedError(
                f"Model set {self.name} in {self.folder} is damaged: its encoder's hash is not "
                f"{self.manifest.encoder}; install it again."
            )
        check_encoder(self.manifest, arrays)
        return graphs, arrays

    # Tables

    @cached_property
    def steps(self) -> np.ndarray:
        """float32 256 x C: quantisation steps in grey levels, row a rate index, coarsest first."""
        return self._array("tables.steps").astype(np.float32) / np.float32(STEP_FRACTION)

    @cached_property
    def base_steps(self) -> np.ndarray:
        """float32 256: grey levels that one unit of a synthesis or fusion network's output stands for."""
        return self._array("tables.base_steps").astype(np.float32)

    @cached_property
    def magnitudes(self) -> np.ndarray:
        """uint8: the logarithmic feature of a latent magnitude in 1/16 symbol; larger magnitudes give the
        last entry.
        """
        return self._array("tables.magnitudes")

    @cached_property
    def symbol_tables(self) -> ProbabilityTables:
        """64 tables for latents, by scale index; index 0 is never coded."""
        return ProbabilityTables(self._array("tables.symbols"), self._array("tables.support"), escapes=True)

    @cached_property
    def hyper_tables(self) -> ProbabilityTables:
        """Tables for hyper latents: band * Z + channel, support 31, no escapes."""
        flat = self._array("tables.hyper").reshape(-1)
        count = len(flat) // (2 * HYPER_MAX + 1)
        return ProbabilityTables(flat, np.full(count, HYPER_MAX), escapes=False)

    @cached_property
    def slice_tables(self) -> ProbabilityTables:
        """Tables for the number of coded slices of a tile, by band of rates; entropy profile 2."""
        rows = self._array("tables.slices")
        return ProbabilityTables(rows.reshape(-1), np.full(len(rows), len(self.manifest.slices)), escapes=False)

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

    def gain_network(self) -> IntegerNetwork:
        """The integer network from features of hyper synthesis to two gain indices per block, less 32."""
        return self._integer("gains")

    def hyper_row(self, rate_index: int) -> int:
        """First of the Z tables that hyper latents at this rate index use."""
        bands = len(self.hyper_tables) // self.manifest.hyper_channels
        return rate_index * bands // RATE_INDICES * self.manifest.hyper_channels

    # Networks

    def _network(self, key: tuple[str, ...], make: Any) -> Any:
        with self._lock:
            if key not in self._networks:
                self._networks[key] = make()
            return self._networks[key]

    def synthesis(self, cls: int) -> FloatNetwork:
        """The synthesis network of a class."""

        def make() -> FloatNetwork:
            linear = {"linear.weight": self._array("linear.synthesis")} | self._lapping
            return FloatNetwork(self._graphs["synthesis"], under(self._arrays, f"synthesis.{cls}.") | linear)

        return self._network(("synthesis", str(cls)), make)

    @property
    def _lapping(self) -> dict[str, np.ndarray]:
        return {} if self.manifest.entropy_profile == 1 else {"lapping": self._array("linear.lapping")}

    def synthesis_bias(self, cls: int, rate_index: int) -> np.ndarray:
        """float32 1 x W x 1 x 1 rate bias of a class's synthesis network."""
        return self._array(f"synthesis.{cls}.rate")[rate_index].astype(np.float32)[None, :, None, None]

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

    def _integer(self, name: str) -> IntegerNetwork:
        return self._network(
            (name,), lambda: IntegerNetwork(name, self._graphs[name], under(self._arrays, f"{name}."))
        )

    def analysis(self, cls: int) -> FloatNetwork:
        """The analysis network of a class (encoder)."""

        def make() -> FloatNetwork:
            graphs, arrays = self._encoder
            linear = {"linear.weight": arrays["linear.analysis"]}
            return FloatNetwork(graphs["analysis"], under(arrays, f"analysis.{cls}.") | linear | self._lapping)

        return self._network(("analysis", str(cls)), make)

    def hyper_analysis(self, cls: int) -> FloatNetwork:
        """The hyper analysis network of a class (encoder)."""

        def make() -> FloatNetwork:
            graphs, arrays = self._encoder
            return FloatNetwork(graphs["hyper_analysis"], under(arrays, f"hyper_analysis.{cls}."))

        return self._network(("hyper_analysis", str(cls)), make)

    def hyper_bias(self, cls: int, rate_index: int) -> np.ndarray:
        """float32 1 x W x 1 x 1 rate bias of a class's hyper analysis network."""
        return self._encoder[1][f"hyper_analysis.{cls}.rate"][rate_index].astype(np.float32)[
            None, :, None, None
        ]

    # For people

    def verify(self) -> None:
        """Check everything: hashes of decoder and encoder, tables, the 2^24 bound of every integer network.

        Raises:
            ModelDamagedError: something does not hold.
        """
        # shapes were checked on loading; building the tables checks their sums
        assert len(self.symbol_tables) and len(self.hyper_tables)
        self.hyper_synthesis()
        for name in self._steps:
            if not name.startswith("first_"):
                self._integer(name)
        if self.manifest.entropy_profile > 1:
            assert len(self.slice_tables)
            for number, places in enumerate(PASSES):
                for offset in places.offsets:
                    self.first_pass(number, offset)
        for c in range(self.classes):
            self.synthesis(c), self.analysis(c), self.hyper_analysis(c)
        if self.manifest.fusion:
            self.fusion()

    def macs(self, tile: int = 256) -> dict[str, float]:
        """Thousand multiply-accumulates a pixel, by part, for a picture of many tiles; halo and fusion
        included.

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

    @property
    def bytes(self) -> int:
        """Size of the set's files on disk."""
        return sum(p.stat().st_size for p in self.folder.rglob("*") if p.is_file())
