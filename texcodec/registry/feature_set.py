"""A loaded feature set: its entropy decoder, its encoder, and the networks of its tasks, each checked against the
manifest's hashes when it is first used.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..constants import HYPER_MAX, LARGEST_SUPPORT, SCALE_LEVELS
from ..entropy import ProbabilityTables
from ..errors import ModelDamagedError, ParameterError
from ..networks import FloatNetwork, IntegerNetwork
from .checks import ArrayCheck
from .feature_manifest import SHARED, FeatureManifest, TaskInfo, read_feature_manifest
from .identity import feature_identity
from .set_files import read_bytes, under, unpack_arrays

_DECODER_GRAPHS = ("generator", "predictor")
_ENCODER_GRAPHS = ("transform", "hyper_extractor")


class FeatureSet:
    """One feature set, read from its folder; networks are built when first used. Safe to share between threads.

    Args:
        folder: holds ``manifest.json``, ``graphs/``, ``tasks/``, ``decoder.safetensors`` and ``encoder.safetensors``.
    Raises:
        ModelNotFoundError: there is no feature set in the folder.
        ModelDamagedError: its contents do not fit its manifest's hashes, or break a rule of the format.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest: FeatureManifest = read_feature_manifest(folder)
        self.name = self.manifest.name
        self.identity = bytes.fromhex(self.manifest.identity)
        self.tasks: dict[str, TaskInfo] = {task.name: task for task in self.manifest.tasks}
        self.stream_tasks = self.manifest.stream_tasks
        self._lock = threading.RLock()
        self._parts: dict[tuple[str, ...], Any] = {}
        self._graphs = {name: self._bytes(f"graphs/{name}.onnx") for name in _DECODER_GRAPHS}
        self._arrays = unpack_arrays(folder, "decoder.safetensors", self._bytes("decoder.safetensors"))
        if feature_identity(self._graphs, self._arrays) != self.identity:
            raise self._damaged("decoder", self.manifest.identity)
        self._check_decoder()

    def task(self, name: str) -> TaskInfo:
        """A task by name; raises ParameterError, naming those that the set has."""
        try:
            return self.tasks[name]
        except KeyError:
            raise ParameterError(
                f"The feature set {self.name} has no task {name!r}; its tasks are {', '.join(self.tasks)}."
            ) from None

    def level(self, level: int | None) -> int:
        """``level``, or the default one for None; raises ParameterError for one that the set does not have."""
        if level is None:
            return self.manifest.default_level
        if not 0 <= level < self.manifest.levels:
            raise ParameterError(
                f"The feature set {self.name} has the levels 0 (smallest) to {self.manifest.levels - 1}, not {level}."
            )
        return level

    # Tables

    @cached_property
    def symbol_tables(self) -> ProbabilityTables:
        """64 tables for symbols, by scale index; index 0 is never coded."""
        return ProbabilityTables(self._arrays["tables.symbols"], self._arrays["tables.support"], escapes=True)

    @cached_property
    def hyper_tables(self) -> ProbabilityTables:
        """Tables for the numbers of the side information: level * V + channel, support 31, no escapes."""
        flat = self._arrays["tables.hyper"].reshape(-1)
        return ProbabilityTables(flat, np.full(len(flat) // (2 * HYPER_MAX + 1), HYPER_MAX), escapes=False)

    @property
    def inverse_gains(self) -> np.ndarray:
        """float32 L x M: what decoded latents are multiplied by."""
        return self._arrays["inverse_gains"]

    @property
    def gains(self) -> np.ndarray:
        """float32 L x M: what latents are multiplied by before rounding (encoder)."""
        return self._encoder[1]["gains"]

    # Networks

    def generator(self) -> IntegerNetwork:
        """Side information and level to maps on the codebook's grid; its bound is proved when it is built."""
        return self._integer("generator")

    def predictor(self) -> IntegerNetwork:
        """Maps to means and scale indices."""
        return self._integer("predictor")

    def transform(self) -> FloatNetwork:
        """Padded features of all stream tasks to latents (encoder)."""
        return self._encoder_network("transform")

    def hyper_extractor(self) -> FloatNetwork:
        """Scaled latents to side information before rounding (encoder)."""
        return self._encoder_network("hyper_extractor")

    def chain(self, task: TaskInfo) -> list[FloatNetwork]:
        """The networks that turn latents into a task's features, in the order they run."""
        return [self._chained(task, name) for name in task.chain]

    def front(self, task: TaskInfo) -> FloatNetwork:
        """The layers that turn a picture into a task's features; raises ParameterError if the set lacks them."""
        return self._end(task, "front", task.front, "encode its features as tensors")

    def tail(self, task: TaskInfo) -> FloatNetwork:
        """The layers that turn features into an answer; raises ParameterError if the set lacks them."""
        return self._end(task, "tail", task.tail, "decode its features and finish the job elsewhere")

    # For people

    def verify(self) -> None:
        """Check everything: hashes, tables, the 2^24 bound of the integer networks, and that all networks build.

        Raises:
            ModelDamagedError: something does not hold.
        """
        assert len(self.symbol_tables) and len(self.hyper_tables)
        self.generator(), self.predictor(), self.transform(), self.hyper_extractor()
        for task in self.manifest.tasks:
            self.chain(task)
            if task.front:
                self.front(task)
            if task.tail:
                self.tail(task)

    # -- inside

    def _bytes(self, path: str) -> bytes:
        return read_bytes(self.folder, self.name, path)

    def _damaged(self, part: str, wanted: str) -> ModelDamagedError:
        return ModelDamagedError(
            f"Feature set {self.name} in {self.folder} is damaged: the hash of {part} is not {wanted}; "
            "install it again."
        )

    def _part(self, key: tuple[str, ...], make: Callable[[], Any]) -> Any:
        with self._lock:
            if key not in self._parts:
                self._parts[key] = make()
            return self._parts[key]

    def _integer(self, name: str) -> IntegerNetwork:
        return self._part(
            (name,), lambda: IntegerNetwork(name, self._graphs[name], under(self._arrays, f"{name}."))
        )

    @cached_property
    def _encoder(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        graphs = {name: self._bytes(f"graphs/{name}.onnx") for name in _ENCODER_GRAPHS}
        arrays = unpack_arrays(self.folder, "encoder.safetensors", self._bytes("encoder.safetensors"))
        if feature_identity(graphs, arrays).hex() != self.manifest.encoder:
            raise self._damaged("its encoder", self.manifest.encoder)
        check = ArrayCheck(self.name, arrays)
        gains = check.array("gains", np.float32, (self.manifest.levels, self.manifest.latent_channels))
        check.finite()
        check.require(bool((gains > 0).all()), "gains")
        return graphs, arrays

    def _encoder_network(self, name: str) -> FloatNetwork:
        def make() -> FloatNetwork:
            graphs, arrays = self._encoder
            return FloatNetwork(graphs[name], under(arrays, f"{name}."))

        return self._part((name,), make)

    def _task_file(self, task: TaskInfo, path: str) -> Any:
        data = self._bytes(path)
        if hashlib.sha256(data).hexdigest() != task.sha256[path]:
            raise self._damaged(path, task.sha256[path])
        return data

    def _chained(self, task: TaskInfo, name: str) -> FloatNetwork:
        def make() -> FloatNetwork:
            arrays: dict[str, np.ndarray] = {}
            for path in task.array_files:
                found = unpack_arrays(self.folder, path, self._task_file(task, path))
                arrays |= under(found, f"{name}.")
            ArrayCheck(self.name, arrays).finite()
            return FloatNetwork(self._task_file(task, f"graphs/{name}.onnx"), arrays)

        return self._part(("chain", name) if name == SHARED else ("chain", name, task.name), make)

    def _end(self, task: TaskInfo, end: str, there: bool, instead: str) -> FloatNetwork:
        if not there:
            raise ParameterError(
                f"The feature set {self.name} has no network {'before' if end == 'front' else 'after'} the features "
                f"of the task {task.name}; {instead}."
            )
        path = f"tasks/{task.name}.{end}.onnx"
        return self._part((end, task.name), lambda: FloatNetwork(self._task_file(task, path), {}))

    def _check_decoder(self) -> None:
        manifest, check = self.manifest, ArrayCheck(self.name, self._arrays)
        rows = manifest.grid[0] * manifest.grid[1]
        check.array("tables.hyper", np.uint32, (manifest.levels, manifest.hyper_channels, 2 * HYPER_MAX + 1))
        support = check.array("tables.support", np.uint16, (SCALE_LEVELS,))
        check.array("tables.symbols", np.uint32, (None,))
        inverse = check.array("inverse_gains", np.float32, (manifest.levels, manifest.latent_channels))
        coefficients = (manifest.groups * manifest.codebook, None, 1, 1)
        check.array("generator.leave.weight", np.int16, coefficients)
        check.array("generator.codebook.weight", np.int16, (rows, manifest.codebook, 1, 1))
        check.array("predictor.leave.weight", np.int16, (2 * manifest.latent_channels, None, None, None))
        check.finite()
        check.require(support.max() <= LARGEST_SUPPORT, "tables.support")
        check.require(bool((inverse > 0).all()), "inverse_gains")

    @property
    def bytes(self) -> int:
        """Size of the set's files on disk."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())
