"""From pictures or feature tensors to streams and files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from ..container import FEAT, FeatureStream, StreamTask, feature_header, pack_stream, symbols_crc, write
from ..entropy.symbols import CodedSymbols
from ..errors import ModelDamagedError, TensorError
from ..images import Picture, from_array
from ..limits import DEFAULT_LIMITS, Limits
from ..networks import finite
from ..registry import FeatureSet
from .choice import Features, as_set
from .coder import FeatureCoder
from .sizes import check_memory, latent_shape, padded
from .tensors import for_tasks


def encode_picture(
    picture: np.ndarray | Picture,
    features: Features = None,
    *,
    level: int | None = None,
    limits: Limits | None = None,
) -> bytes:
    """A ``.tcx`` file with the features of a picture, and no pixels.

    Args:
        picture: uint8 H x W x 3 (RGB), or another shape that ``texcodec.encode`` takes; alpha is ignored.
        features: name or folder of a feature set; default: ``TEXCODEC_MODELS``, else the one that comes with
            texcodec.
        level: rate level, 0 (smallest) to the set's last one; default: the set's own choice.
        limits: largest picture accepted.
    Raises:
        ParameterError: the set has no such level, or no network that computes features of pictures.
        LimitError: the picture is larger than ``limits`` allows.
        ModelError: the set is missing or damaged.
    """
    chosen = as_set(features)
    pixels = _rgb(picture)
    stream = picture_stream(pixels, chosen, level=level, limits=limits)
    return feature_file(stream, pixels.shape[1], pixels.shape[0])


def encode_tensors(
    tensors: Mapping[str, np.ndarray] | np.ndarray,
    features: Features = None,
    *,
    level: int | None = None,
    limits: Limits | None = None,
) -> bytes:
    """A ``.tcx`` file with feature tensors that were computed elsewhere.

    Args:
        tensors: by task float32 C x H x W, of all stream tasks of the set; a single array for the only one.
        features: as for ``encode_picture``.
        level: as for ``encode_picture``.
        limits: as for ``encode_picture``.
    Raises:
        ParameterError: tensors are missing or belong to no task; no such level.
        TensorError: a tensor does not fit its task or the other tensors, or holds NaN or infinities.
        LimitError, ModelError: as for ``encode_picture``.
    """
    chosen = as_set(features)
    given = {"": tensors} if isinstance(tensors, np.ndarray) else tensors
    fitting = for_tasks(given, chosen.stream_tasks)
    first = fitting[chosen.stream_tasks[0].name]
    stream = tensor_stream(fitting, chosen, level=level, limits=limits)
    return feature_file(stream, first.shape[2], first.shape[1])


def picture_stream(
    picture: np.ndarray | Picture,
    features: FeatureSet,
    *,
    level: int | None = None,
    limits: Limits | None = None,
) -> FeatureStream:
    """The features of a picture as a stream, for a file of its own or beside pixels; see ``encode_picture``."""
    level = features.level(level)
    return tensor_stream(
        picture_features(picture, features, limits=limits), features, level=level, limits=limits
    )


def picture_features(
    picture: np.ndarray | Picture,
    features: FeatureSet,
    tasks: Iterable[str] | None = None,
    *,
    limits: Limits | None = None,
) -> dict[str, np.ndarray]:
    """float32 C x ceil(H / stride) x ceil(W / stride) features of a picture, not coded.

    Args:
        tasks: names; default: those of the streams.
    Raises:
        as ``encode_picture``.
    """
    pixels = _rgb(picture)
    height, width = pixels.shape[:2]
    limits = limits or DEFAULT_LIMITS
    limits.check_picture(width, height, 3)
    chosen = features.stream_tasks if tasks is None else [features.task(name) for name in tasks]
    found = {}
    for task in chosen:
        front, stride = features.front(task), task.pixel_stride or 1
        x = padded(pixels.transpose(2, 0, 1).astype(np.float32), stride)
        shape = 1, task.channels, -(-height // stride), -(-width // stride)
        try:
            found[task.name] = finite(front.ordered(shape, x[None]))[0]
        except ModelDamagedError as error:
            raise ModelDamagedError(
                f"The network before the features of the task {task.name} fails on a picture of {width} x {height}: "
                f"{error}"
            ) from None
    return found


def tensor_stream(
    tensors: Mapping[str, np.ndarray],
    features: FeatureSet,
    *,
    level: int | None = None,
    limits: Limits | None = None,
) -> FeatureStream:
    """Tensors of all stream tasks, float32 C x H x W, as a stream; raises as ``encode_tensors``."""
    coded, level = quantise(tensors, features, level, limits=limits)
    sizes = [tensors[task.name].shape[1:] for task in features.stream_tasks]
    return FeatureStream(
        features.identity,
        level,
        tuple(
            StreamTask(task.identifier, height, width)
            for task, (height, width) in zip(features.stream_tasks, sizes, strict=True)
        ),
        symbols_crc(coded.canonical_bytes()),
        FeatureCoder(features).write(coded, level),
    )


def quantise(
    tensors: Mapping[str, np.ndarray],
    features: FeatureSet,
    level: int | None = None,
    *,
    limits: Limits | None = None,
) -> tuple[CodedSymbols, int]:
    """The symbols of a stream, and its level; arguments and errors as for ``tensor_stream``."""
    level = features.level(level)
    fitting = for_tasks(tensors, features.stream_tasks)
    sizes = {name: tensor.shape[1:] for name, tensor in fitting.items()}
    h, w = latent_shape([(features.task(name), *size) for name, size in sizes.items()], TensorError)
    check_memory(features, h, w, limits or DEFAULT_LIMITS)
    inputs = [padded(fitting[task.name], task.factor)[None] for task in features.stream_tasks]
    shape = 1, features.manifest.latent_channels, h, w
    latents = finite(features.transform().ordered(shape, *inputs))[0]
    return FeatureCoder(features).quantise(latents, level), level


def feature_file(stream: FeatureStream, width: int, height: int) -> bytes:
    """A file that holds a stream and nothing else; width and height of the picture, or of the first tensor."""
    return write(feature_header(width, height), [], [], [(FEAT, pack_stream(stream))])


def _rgb(picture: np.ndarray | Picture) -> np.ndarray:
    """uint8 H x W x 3."""
    pixels = (picture if isinstance(picture, Picture) else from_array(picture)).pixels
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
