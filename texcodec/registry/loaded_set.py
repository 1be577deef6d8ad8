"""What sets for pictures and feature sets share: folder, hashes, tables, and networks that are built once and kept."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Generic

import numpy as np
from safetensors import SafetensorError

from ..constants import HYPER_MAX
from ..entropy import ProbabilityTables
from ..errors import ModelDamagedError, ModelNotFoundError
from ..networks import Budget, IntegerNetwork
from .manifest import ENCODER, M, read
from .scaled import unscale
from .stored_arrays import MissingSetError, unpack_arrays

Arrays = dict[str, np.ndarray]


class LoadedSet(ABC, Generic[M]):
    """One set, read from its folder; the encoder is read, and every network built, when it is first used.

    Safe to share between threads. A kind of set, or an entropy profile of it, is a class of its own that says which
    graphs and arrays it holds.

    Args:
        folder: holds ``manifest.json``, ``graphs/``, ``decoder.safetensors`` and, unless the set only decodes,
            ``encoder.safetensors``.
    Attributes:
        folder, manifest: as given and read.
        name: of the set.
        identity: of the decoder, 16 bytes.
    Raises:
        ModelNotFoundError: there is no set of this kind in the folder, or a file of it cannot be read.
        ModelDamagedError: the contents do not fit the manifest's hashes, or break a rule of the format.
    """

    manifest_type: type[M]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest: M = read(folder, self.manifest_type)
        self.name = self.manifest.name
        self.identity = bytes.fromhex(self.manifest.identity)
        self._lock = threading.RLock()
        self._networks: dict[tuple[object, ...], Any] = {}
        self._graphs, arrays = self._read_half("decoder", self.decoder_graphs(), self.manifest.identity)
        self._arrays = unscale(arrays, self.name)
        self.check_decoder(self._arrays)

    # What a kind of set defines

    @staticmethod
    @abstractmethod
    def hash(graphs: Mapping[str, bytes], arrays: Mapping[str, np.ndarray]) -> bytes:
        """The identity of these graphs and arrays."""

    @abstractmethod
    def decoder_graphs(self) -> Sequence[str]:
        """Names of the graphs that decide what a file decodes to."""

    @abstractmethod
    def encoder_graphs(self) -> Sequence[str]:
        """Names of the graphs that only encoding needs."""

    @abstractmethod
    def check_decoder(self, arrays: Arrays) -> None:
        """Raise ModelDamagedError unless the decoder's arrays keep the rules of the format."""

    @abstractmethod
    def check_encoder(self, arrays: Arrays) -> None:
        """The same for the encoder's arrays."""

    @abstractmethod
    def budget(self, name: str) -> Budget:
        """What runs of an integer network may cost, by the name of its graph."""

    @abstractmethod
    def build(self) -> None:
        """Build every network of the set."""

    @abstractmethod
    def hyper_row(self, rate: int) -> int:
        """First of the tables that code hyper latents at a rate index or level."""

    # Tables

    @cached_property
    def symbol_tables(self) -> ProbabilityTables:
        """64 tables for symbols, by scale index; index 0 is never coded."""
        return ProbabilityTables(self._array("tables.symbols"), self._array("tables.support"), escapes=True)

    @cached_property
    def hyper_tables(self) -> ProbabilityTables:
        """Tables for hyper latents, those of a rate one after the other (``hyper_row``); support 31, no escapes."""
        flat = self._array("tables.hyper").reshape(-1)
        return ProbabilityTables(flat, np.full(len(flat) // (2 * HYPER_MAX + 1), HYPER_MAX), escapes=False)

    # For people

    def verify(self) -> None:
        """Check everything: hashes of decoder and encoder, tables, the 2^24 bound of every integer network.

        Raises:
            ModelDamagedError: something does not hold.
        """
        # shapes were checked on loading; building the tables checks their sums
        assert len(self.symbol_tables) and len(self.hyper_tables)
        self.build()

    @property
    def file_bytes(self) -> int:
        """Size of the set's files on disk."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    # For kinds of sets

    @property
    def encodes(self) -> bool:
        """Whether the folder holds an encoder; sets that are superseded may come as decoders only."""
        return (self.folder / ENCODER).is_file()

    def check_encodes(self) -> None:
        """Raise ModelNotFoundError where there is no encoder."""
        if not self.encodes:
            raise ModelNotFoundError(
                f"The set {self.name} in {self.folder} only decodes: it has no {ENCODER}.",
                advice="Encode with another set; without a name, the default one is taken.",
            )

    @cached_property
    def _encoder(self) -> tuple[dict[str, bytes], Arrays]:
        self.check_encodes()
        graphs, arrays = self._read_half("encoder", self.encoder_graphs(), self.manifest.encoder)
        self.check_encoder(arrays)
        return graphs, arrays

    def _read_half(self, half: str, names: Sequence[str], identity: str) -> tuple[dict[str, bytes], Arrays]:
        """The graphs and arrays of the decoder or encoder, whose hash was compared."""
        graphs = {name: self._bytes(f"graphs/{name}.onnx") for name in names}
        path = f"{half}.safetensors"
        arrays = self._unpack(path, self._bytes(path), self.folder / path)
        if self.hash(graphs, arrays).hex() != identity:
            raise self._damaged(f"its {half}", identity)
        return graphs, arrays

    def _bytes(self, path: str) -> bytes:
        try:
            return (self.folder / path).read_bytes()
        except OSError as error:
            raise ModelNotFoundError(
                f"The set {self.name} in {self.folder} lacks {path} ({error.strerror}); complete the folder."
            ) from None

    def _unpack(self, path: str, data: bytes, file: Path | None = None) -> Arrays:
        """The arrays of a file of the set; with ``file``, it may take some of another set's."""
        try:
            return unpack_arrays(data, file)
        except MissingSetError as error:
            other = error.folder
            raise ModelNotFoundError(
                f"The set {self.name} in {self.folder} needs arrays of the set {other}, which is not beside it.",
                advice=f"Put the folder {other} into {self.folder.parent}.",
            ) from None
        except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
            # the last two: types that numpy does not have
            raise ModelDamagedError(f"{self.folder / path} is damaged ({error}).") from None

    def _damaged(self, part: str, wanted: str) -> ModelDamagedError:
        return ModelDamagedError(
            f"The set {self.name} in {self.folder} is damaged: the hash of {part} is not {wanted}."
        )

    def _array(self, name: str) -> np.ndarray:
        try:
            return self._arrays[name]
        except KeyError:
            raise ModelDamagedError(f"The set {self.name} lacks the array {name}.") from None

    def _network(self, key: tuple[object, ...], make: Callable[[], Any]) -> Any:
        """The network of this key, made when first asked for."""
        found = self._networks.get(key)
        if found is None:
            with self._lock:
                found = self._networks.get(key) or self._networks.setdefault(key, make())
        return found

    def _integer(self, name: str) -> IntegerNetwork:
        return self._network(
            (name,),
            lambda: IntegerNetwork(
                name, self._graphs[name], under(self._arrays, f"{name}."), self.budget(name)
            ),
        )


def under(arrays: Mapping[str, np.ndarray], prefix: str) -> Arrays:
    """The arrays whose names begin with ``prefix``, without it."""
    return {key[len(prefix) :]: array for key, array in arrays.items() if key.startswith(prefix)}
