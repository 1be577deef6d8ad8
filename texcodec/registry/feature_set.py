"""A loaded feature set: its entropy decoder, its encoder, and the networks of its tasks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from ..constants import HYPER_MAX, LARGEST_SUPPORT, SCALE_LEVELS
from ..errors import ParameterError
from ..networks import TASK_RULES, Budget, FloatNetwork, IntegerNetwork
from . import budgets
from .checks import ArrayCheck
from .feature_manifest import SHARED, FeatureManifest, TaskInfo
from .identity import feature_identity
from .loaded_set import Arrays, LoadedSet, under


class FeatureSet(LoadedSet[FeatureManifest]):
    """A feature set; see ``LoadedSet``. Its folder holds ``tasks/`` too, whose files are hashed when first used."""

    manifest_type = FeatureManifest

    @staticmethod
    def hash(graphs: Mapping[str, bytes], arrays: Mapping[str, np.ndarray]) -> bytes:
        return feature_identity(graphs, arrays)

    def decoder_graphs(self) -> Sequence[str]:
        return ["generator", "predictor"]

    def encoder_graphs(self) -> Sequence[str]:
        return ["transform", "hyper_extractor"]

    @cached_property
    def tasks(self) -> dict[str, TaskInfo]:
        """All tasks by name."""
        return {task.name: task for task in self.manifest.tasks}

    @property
    def stream_tasks(self) -> tuple[TaskInfo, ...]:
        """The tasks whose features streams hold, in their order."""
        return self.manifest.stream_tasks

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

    def hyper_row(self, level: int) -> int:
        """First of the V tables that code the side information at this level."""
        return level * self.manifest.hyper_channels

    @property
    def inverse_gains(self) -> np.ndarray:
        """float32 L x M: what decoded latents are multiplied by."""
        return self._array("inverse_gains")

    @property
    def gains(self) -> np.ndarray:
        """float32 L x M: what latents are multiplied by before rounding (encoder)."""
        return self._encoder[1]["gains"]

    # Networks

    def budget(self, name: str) -> Budget:
        return budgets.feature_network(self.manifest, name)

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
        networks: list[FloatNetwork] = []
        for name in task.chain:
            networks.append(self._chained(task, name, networks[-1].usual_output if networks else None))
        return networks

    def front(self, task: TaskInfo) -> FloatNetwork:
        """The layers that turn a picture into a task's features; raises ParameterError if the set lacks them."""
        return self._end(task, "front", task.front, "encode its features as tensors")

    def tail(self, task: TaskInfo) -> FloatNetwork:
        """The layers that turn features into an answer; raises ParameterError if the set lacks them."""
        return self._end(task, "tail", task.tail, "decode its features and finish the job elsewhere")

    def build(self) -> None:
        self.generator(), self.predictor()
        if self.encodes:
            self.transform(), self.hyper_extractor()
        for task in self.manifest.tasks:
            self.chain(task)
            if task.front:
                self.front(task)
            if task.tail:
                self.tail(task)

    def _encoder_network(self, name: str) -> FloatNetwork:
        def make() -> FloatNetwork:
            graphs, arrays = self._encoder
            return FloatNetwork(graphs[name], under(arrays, f"{name}."), budget=self.budget(name))

        return self._network((name,), make)

    def _task_file(self, task: TaskInfo, path: str) -> bytes:
        data = self._bytes(path)
        if hashlib.sha256(data).hexdigest() != task.sha256[path]:
            raise self._damaged(path, task.sha256[path])
        return data

    def _chained(self, task: TaskInfo, name: str, before: tuple[int, ...] | None) -> FloatNetwork:
        def make() -> FloatNetwork:
            arrays: Arrays = {}
            for path in task.array_files:
                arrays |= under(self._unpack(path, self._task_file(task, path)), f"{name}.")
            ArrayCheck(self.name, arrays).finite()
            return FloatNetwork(
                self._task_file(task, f"graphs/{name}.onnx"),
                arrays,
                budget=budgets.chained(self.manifest, before),
            )

        return self._network(("chain", name) if name == SHARED else ("chain", name, task.name), make)

    def _end(self, task: TaskInfo, end: str, there: bool, instead: str) -> FloatNetwork:
        if not there:
            raise ParameterError(
                f"The feature set {self.name} has no network {'before' if end == 'front' else 'after'} the features "
                f"of the task {task.name}; {instead}."
            )
        path = f"tasks/{task.name}.{end}.onnx"
        return self._network(
            (end, task.name), lambda: FloatNetwork(self._task_file(task, path), {}, TASK_RULES)
        )

    def check_decoder(self, arrays: Arrays) -> None:
        manifest, check = self.manifest, ArrayCheck(self.name, arrays)
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

    def check_encoder(self, arrays: Arrays) -> None:
        check = ArrayCheck(self.name, arrays)
        gains = check.array("gains", np.float32, (self.manifest.levels, self.manifest.latent_channels))
        check.finite()
        check.require(bool((gains > 0).all()), "gains")
