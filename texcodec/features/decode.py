"""From files with feature streams to tensors, and to the answers of task networks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from ..constants import FEATURE_PROFILE
from ..container import FEAT, FEAT_ANCILLARY, FeatureStream, Header, Reader, symbols_crc, unpack_stream
from ..entropy.symbols import CodedSymbols
from ..errors import ChecksumError, CorruptError, ModelDamagedError, ParameterError, UnsupportedError
from ..limits import DEFAULT_LIMITS, Limits
from ..networks import finite
from ..registry import FeatureSet
from ..registry.feature_manifest import SHARED, TaskInfo
from .choice import Features, stream_and_set
from .coder import FeatureCoder
from .sizes import check_memory, check_size, latent_shape

File = bytes | BinaryIO


@dataclass(frozen=True)
class Decoded:
    """A stream whose symbols were decoded.

    Attributes:
        features: the set.
        stream: the fields of the stream.
        header: of the file.
        symbols: everything that was entropy-coded.
        latents: float32 M x h x w.
    """

    features: FeatureSet
    stream: FeatureStream
    header: Header
    symbols: CodedSymbols
    latents: np.ndarray
    _shared: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    def tensor(self, name: str) -> np.ndarray:
        """float32 C x H x W features of a task."""
        task = self.features.task(name)
        x = self.latents[None]
        for graph, network in zip(task.chain, self.features.chain(task), strict=True):
            if graph != SHARED:
                x = network.ordered(None, x)
            elif graph not in self._shared:
                x = self._shared[graph] = network.ordered(None, x)
            else:
                x = self._shared[graph]
        h, w = self.latents.shape[1:]
        wanted = task.channels, h * task.factor, w * task.factor
        if x.shape != (1, *wanted):
            raise ModelDamagedError(
                f"The networks of the task {name} give {x.shape[1:]} instead of {wanted}."
            )
        height, width = self._size(task)
        return np.ascontiguousarray(finite(x)[0, :, :height, :width])

    def answer(self, name: str) -> np.ndarray:
        """The answer of a task's network to the decoded features, without its batch axis."""
        return answer(self.features, name, self.tensor(name), self._picture_size())

    def answers(self, name: str | None = None) -> dict[str, np.ndarray]:
        """The answer of one task, or of all that have a network behind their features; by task.

        Raises ParameterError when there is no such task or network.
        """
        names = [task.name for task in self.features.manifest.tasks if task.tail] if name is None else [name]
        if not names:
            raise ParameterError(
                f"The feature set {self.features.name} has no network behind the features of any task; "
                "decode them and finish the job elsewhere."
            )
        return {each: self.answer(each) for each in names}

    def _size(self, task: TaskInfo) -> tuple[int, int]:
        """Rows and columns of a task's tensor, as the stream or else the picture has them."""
        for coded in self.stream.tasks:
            if coded.identifier == task.identifier and task.stream:
                return coded.height, coded.width
        h, w = (side * task.factor for side in self.latents.shape[1:])
        picture = self._picture_size()
        if picture and task.pixel_stride:
            height, width = (-(-side // task.pixel_stride) for side in picture)
            return min(h, height), min(w, width)
        return h, w

    def _picture_size(self) -> tuple[int, int] | None:
        """Height and width of the picture that the features are of; None if they came as tensors."""
        sizes = {task.identifier: (task.height, task.width) for task in self.stream.tasks}
        picture = self.header.height, self.header.width
        for task in self.features.stream_tasks:
            if task.pixel_stride and task.identifier in sizes:
                fits = sizes[task.identifier] == tuple(-(-side // task.pixel_stride) for side in picture)
                return picture if fits else None
        return None


def decode_tensors(
    data: File,
    features: Features = None,
    tasks: Iterable[str] | None = None,
    *,
    limits: Limits | None = None,
) -> dict[str, np.ndarray]:
    """The feature tensors of a file, float32 C x H x W by task.

    Args:
        data: the file, or a binary file object.
        features: name or folder of the feature set; default: the installed one that the file names.
        tasks: names; default: all that the set knows, those that it learned later among them.
        limits: largest sizes accepted.
    Raises:
        FormatError: the file is damaged or no ``.tcx`` file.
        ParameterError: the file holds no features, or its set has no such task.
        LimitError: it declares more than ``limits`` allows.
        ModelError: its set is missing or damaged.
    """
    decoded = decode(data, features, limits=limits)
    names = list(decoded.features.tasks) if tasks is None else list(tasks)
    for name in names:
        decoded.features.task(name)
    return {name: decoded.tensor(name) for name in names}


def infer(
    data: File,
    task: str | None = None,
    features: Features = None,
    *,
    limits: Limits | None = None,
) -> dict[str, np.ndarray]:
    """What the task networks answer to the features of a file, by task.

    Args:
        data: as for ``decode_tensors``.
        task: one task; default: all that have a network behind their features.
        features: as for ``decode_tensors``.
        limits: as for ``decode_tensors``.
    Returns:
        float32: K logits (classification), K x H x W logits (segmentation), 3 x H x W (normals), 1 x H x W (depth),
        K values, or what the network gives; H x W are those of the picture, if it was one.
    Raises:
        as ``decode_tensors``; ParameterError too if the set has no network behind a task's features.
    """
    return decode(data, features, limits=limits).answers(task)


def answer(
    features: FeatureSet, name: str, tensor: np.ndarray, picture: tuple[int, int] | None = None
) -> np.ndarray:
    """What a task's network answers to its features (float32 C x H x W).

    Args:
        picture: height and width that an answer with rows and columns is cut to.
    """
    tail = features.tail(features.task(name))
    try:
        out = finite(tail.ordered(None, tensor[None]))[0]
    except ModelDamagedError as error:
        size = " x ".join(map(str, tensor.shape))
        raise ModelDamagedError(
            f"The network after the features of the task {name} fails on {size}: {error}"
        ) from None
    if picture and out.ndim == 3 and out.shape[1] >= picture[0] and out.shape[2] >= picture[1]:
        out = out[:, : picture[0], : picture[1]]
    return np.ascontiguousarray(out)


def decode(data: File, features: Features = None, *, limits: Limits | None = None) -> Decoded:
    """Decode the symbols of a file's first stream for which there is a set; raises as ``decode_tensors``."""
    reader = Reader(data, limits)
    streams = [unpack_stream(payload) for payload in reader.features]
    if not streams:
        raise ParameterError("The file holds no feature streams; decode its picture with texcodec decode.")
    stream, chosen = stream_and_set(streams, features)
    return decode_stream(stream, chosen, reader.header, limits=limits)


def streams_hash(
    header: Header,
    chunks: Iterable[tuple[bytes, bytes]],
    features: Features = None,
    *,
    limits: Limits | None = None,
) -> str:
    """SHA-256, hexadecimal, of the symbols of all streams of a file: the same on every machine.

    Args:
        header, chunks: of the open file; (type, payload), of which the streams are taken.
    Raises: as ``decode_tensors``; ModelNotFoundError too if one of several streams needs another set.
    """
    digest = hashlib.sha256()
    for kind, payload in chunks:
        if kind not in (FEAT, FEAT_ANCILLARY):
            continue
        stream, chosen = stream_and_set([unpack_stream(payload)], features)
        decoded = decode_stream(stream, chosen, header, limits=limits)
        digest.update(decoded.symbols.canonical_bytes())
    return digest.hexdigest()


def decode_stream(
    stream: FeatureStream, features: FeatureSet, header: Header, *, limits: Limits | None = None
) -> Decoded:
    """Decode the symbols of one stream, whose identity is that of the set; raises as ``decode_tensors``."""
    limits = limits or DEFAULT_LIMITS
    if not header.has_pixels and header.entropy_profile != FEATURE_PROFILE:
        raise UnsupportedError(
            f"The file uses entropy profile {header.entropy_profile}, but this version of texcodec knows "
            f"{FEATURE_PROFILE} only."
        )
    if stream.level >= features.manifest.levels:
        raise CorruptError(
            f"The feature stream has level {stream.level}, but its set has {features.manifest.levels}."
        )
    tasks = features.stream_tasks
    if [task.identifier for task in stream.tasks] != [task.identifier for task in tasks]:
        raise CorruptError(
            f"The feature stream is not of the tasks {', '.join(task.name for task in tasks)}, which its set "
            f"{features.name} codes together.",
            advice="Use the set that it was made with, or get another copy of the file.",
        )
    sizes = [(task, coded.height, coded.width) for task, coded in zip(tasks, stream.tasks, strict=True)]
    for task, height, width in sizes:
        check_size(task, height, width, limits)
    shape = latent_shape(sizes, CorruptError)
    check_memory(features, *shape, limits)
    coder = FeatureCoder(features)
    try:
        symbols = coder.read(stream.payload, stream.level, shape)
    except CorruptError as error:
        raise CorruptError(f"The feature stream is damaged: {error}") from None
    if symbols_crc(symbols.canonical_bytes()) != stream.symbols_crc:
        raise ChecksumError(
            "The symbols of the feature stream do not match their checksum: the file is damaged, or this machine "
            "computes differently (please report that)."
        )
    return Decoded(features, stream, header, symbols, coder.latents(symbols, stream.level))
