"""From a trained feature codec to a feature set on disk, and from a new reconstruction to one task more in it.

docs/format.md, "Feature streams", says what of it decides about a stream's symbols; docs/guides/features.md lists
the files.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...constants import FEATURE_PROFILE, HYPER_MAX, SCALE_LEVELS
from ...entropy import quantise_probabilities
from ...errors import ParameterError
from ...files import write_atomically
from ...registry.feature_manifest import SHARED, read_feature_manifest
from ...registry.identity import feature_identity
from ...registry.manifest import FEATURES, MANIFEST_VERSION, read_json
from ...registry.stored_arrays import pack_arrays
from ..core.integer_export import integer_arrays
from ..core.set_folder import check_out, write_manifest, write_set
from ..core.tables import MOST_SUPPORT, hyper_probabilities, symbol_tables
from . import graphs
from .codec import FeatureCodec
from .half_precision import with_half_weights
from .networks import Reconstruction, Separation, Whitening
from .priors import CodebookPrior, SidePrior
from .settings import CodecSettings, TaskShape

SMALLEST_PROBABILITY = 1e-7
ESCAPE_PROBABILITY = 1e-12


@dataclass(frozen=True)
class TaskExport:
    """What a set says and holds of a task besides its reconstruction.

    Attributes:
        shape: name, channels, factor.
        kind: as in ``registry.feature_manifest.TASK_KINDS``.
        pixel_stride: pixels per feature and side; None for tensors that come from no picture.
        classes: names of the answer's channels.
        front, tail: serialised ONNX with weights inside: picture to features, features to answer.
    """

    shape: TaskShape
    kind: str
    pixel_stride: int | None = None
    classes: tuple[str, ...] | None = None
    front: bytes | None = None
    tail: bytes | None = None


def normal_row(sigma: float, support: int) -> np.ndarray:
    """Probabilities of -support .. support under a normal distribution, differences of its CDF at half symbols,
    and of everything beyond, float64.
    """
    below = [0.5 * math.erfc(edge / (sigma * math.sqrt(2))) for edge in np.arange(support + 1) + 0.5]
    upper = -np.diff(below)
    return np.concatenate([upper[::-1], [1 - 2 * below[0]], upper, [max(2 * below[-1], ESCAPE_PROBABILITY)]])


def side_tables(prior: SidePrior) -> np.ndarray:
    """Tables of the side information; uint32 L x V x 63."""
    means = prior.mean.detach().double().numpy()
    scales = np.exp(prior.log_scale.detach().double().numpy()) * math.sqrt(3) / math.pi
    out = np.zeros((*means.shape, 2 * HYPER_MAX + 1), np.uint32)
    for place in np.ndindex(means.shape):
        p = hyper_probabilities(means[place], scales[place])
        out[place] = quantise_probabilities(np.maximum(p, SMALLEST_PROBABILITY))
    return out


def export_feature_set(
    codec: FeatureCodec,
    tasks: Sequence[TaskExport],
    folder: Path,
    *,
    name: str,
    card: Mapping[str, Any],
    default_level: int | None = None,
) -> None:
    """Write a feature set to ``folder``, replacing one that is there (with the tasks added to that).

    Args:
        codec: trained, with the codebook hyperprior.
        tasks: those of the codec, in its order.
        card: what people should know of the set: data, command, seed, hardware, time, licence.
        default_level: of encoding; the middle one unless given.
    Raises:
        ParameterError: the folder holds something else than a feature set.
        ValueError: a network cannot be made integers, or its weights are not finite.
    """
    codec = codec.float().eval()
    s, shapes, prior = codec.settings, codec.shapes, codec.prior
    if not isinstance(prior, CodebookPrior) or tuple(t.shape for t in tasks) != shapes:
        raise ValueError(
            "Only a codec with the codebook hyperprior, and with all of its tasks, can be exported."
        )
    check_out(folder, FEATURES)
    decoder: dict[str, np.ndarray] = {}
    encoder: dict[str, np.ndarray] = {}
    files: dict[str, bytes] = {}
    arrays, shifts = integer_arrays(prior.generator, "generator")
    decoder |= arrays
    files["generator"] = graphs.generator(s, shifts)
    arrays, shifts = integer_arrays(prior.predictor, "predictor")
    decoder |= arrays
    files["predictor"] = graphs.predictor(s, shifts)
    none = np.zeros((SCALE_LEVELS, 2 * MOST_SUPPORT + 1))
    decoder["tables.symbols"], decoder["tables.support"] = symbol_tables(none, row=normal_row)
    decoder["tables.hyper"] = side_tables(prior.side)
    levels = torch.arange(s.levels)
    decoder["inverse_gains"] = _exact(codec.inverse_gain(levels)[:, :, 0, 0])
    encoder["gains"] = _exact(codec.gain(levels)[:, :, 0, 0])
    encoder |= _floats(codec.transform, "transform") | _floats(prior.extractor, "hyper_extractor")
    for k, whitening in enumerate(codec.whitening):
        assert isinstance(whitening, Whitening)
        encoder[f"transform.whitening.{k}.mean"] = _exact(whitening.mean[:, None, None])
        encoder[f"transform.whitening.{k}.inverse"] = _exact(1 / whitening.deviation[:, None, None])
    encoder_graphs = {"transform": graphs.transform(s, shapes), "hyper_extractor": graphs.hyper_extractor(s)}
    contents: dict[str, bytes] = {
        "decoder.safetensors": pack_arrays(decoder),
        "encoder.safetensors": pack_arrays(encoder),
    }
    contents |= {f"graphs/{key}.onnx": graph for key, graph in (files | encoder_graphs).items()}
    entries = []
    if len(tasks) > 1:
        contents[f"graphs/{SHARED}.onnx"] = graphs.trunk(s)
        contents["tasks/shared.safetensors"] = pack_arrays(_floats(codec.trunk, SHARED))
    for task, separation, whitening in zip(tasks, codec.separations, codec.whitening):
        assert isinstance(separation, Separation) and isinstance(whitening, Whitening)
        if len(tasks) > 1:
            chain = [SHARED, f"separation_{task.shape.name}"]
            own = _floats(separation, chain[1]) | _statistics(whitening, chain[1])
            contents[f"graphs/{chain[1]}.onnx"] = graphs.separation(s, task.shape)
            contents[f"tasks/{task.shape.name}.safetensors"] = pack_arrays(own)
        else:
            chain = [SHARED]
            own = _floats(codec.trunk, f"{SHARED}.trunk") | _floats(separation, f"{SHARED}.separation")
            contents[f"graphs/{SHARED}.onnx"] = graphs.reconstruction(s, task.shape)
            contents["tasks/shared.safetensors"] = pack_arrays(own | _statistics(whitening, SHARED))
        entries.append(_entry(task, chain, contents, stream=True))
    manifest = {
        "manifest_version": MANIFEST_VERSION,
        "kind": FEATURES,
        "name": name,
        "entropy_profile": FEATURE_PROFILE,
        "latent_channels": s.latent_channels,
        "hyper_channels": s.hyper_channels,
        "groups": s.groups,
        "codebook": s.codebook,
        "grid": list(s.grid),
        "levels": s.levels,
        "default_level": s.levels // 2 if default_level is None else default_level,
        "tasks": entries,
        "identity": feature_identity(files, decoder).hex(),
        "encoder": feature_identity(encoder_graphs, encoder).hex(),
        "card": dict(card),
        "settings": asdict(s),
    }
    write_set(folder, contents, manifest)


def export_task(
    folder: Path,
    task: TaskExport,
    settings: CodecSettings,
    reconstruction: Reconstruction,
    whitening: Whitening,
    card: Mapping[str, Any],
) -> None:
    """Add a task to the set in ``folder``; nothing that streams depend on changes.

    Args:
        reconstruction: of latents of the set, with sizes ``settings``.
        card: of this task; it goes to the set's card under "tasks".
    Raises:
        ParameterError: the set has a task of that name.
        ModelError: the folder holds no feature set, or a damaged one.
        ValueError: weights are not finite.
    """
    check_task(folder, task.shape.name)
    chain = [f"{SHARED}_{task.shape.name}"]
    arrays = _floats(reconstruction, chain[0]) | _statistics(whitening, chain[0])
    contents = {
        f"graphs/{chain[0]}.onnx": graphs.reconstruction(settings, task.shape),
        f"tasks/{task.shape.name}.safetensors": pack_arrays(arrays),
    }
    manifest = read_json(folder)
    manifest["tasks"].append(_entry(task, chain, contents, stream=False))
    manifest["card"].setdefault("tasks", {})[task.shape.name] = dict(card)
    for path, data in contents.items():
        write_atomically(folder / path, data, force=True)
    write_manifest(folder, manifest)


def check_task(folder: Path, name: str) -> None:
    """Refuse to add a task that is there already.

    Raises:
        ParameterError: the set has a task of that name.
        ModelError: there is no feature set in the folder, or it is damaged.
    """
    manifest = read_feature_manifest(folder)
    if name in {task.name for task in manifest.tasks}:
        raise ParameterError(
            f"The feature set {manifest.name} has a task {name!r} already; choose another name."
        )


def _exact(value: Tensor) -> np.ndarray:
    return np.ascontiguousarray(value.detach().numpy().astype(np.float32))


def _floats(module: nn.Module, prefix: str) -> dict[str, np.ndarray]:
    """Weights of a float network as float16."""
    out = {}
    for name, value in module.state_dict().items():
        with np.errstate(over="ignore"):
            out[f"{prefix}.{name}"] = value.detach().numpy().astype(np.float16)
        if not np.isfinite(out[f"{prefix}.{name}"]).all():
            raise ValueError(
                f"The weights {prefix}.{name} are not finite in float16; train with a lower learning rate."
            )
    return out


def _statistics(whitening: Whitening, prefix: str) -> dict[str, np.ndarray]:
    return {
        f"{prefix}.whitening.mean": _exact(whitening.mean[:, None, None]),
        f"{prefix}.whitening.deviation": _exact(whitening.deviation[:, None, None]),
    }


def _entry(task: TaskExport, chain: list[str], contents: dict[str, bytes], *, stream: bool) -> dict[str, Any]:
    """The task's part of the manifest; its front and tail join the ``contents``."""
    name = task.shape.name
    ends = {f"tasks/{name}.front.onnx": task.front, f"tasks/{name}.tail.onnx": task.tail}
    contents |= {path: with_half_weights(data) for path, data in ends.items() if data is not None}
    used = [f"graphs/{graph}.onnx" for graph in chain]
    used += ["tasks/shared.safetensors"] if SHARED in chain else []
    used += [path for path in (f"tasks/{name}.safetensors", *ends) if path in contents]
    return {
        "name": name,
        "kind": task.kind,
        "channels": task.shape.channels,
        "factor": task.shape.factor,
        "pixel_stride": task.pixel_stride,
        "stream": stream,
        "chain": chain,
        "front": task.front is not None,
        "tail": task.tail is not None,
        "classes": list(task.classes) if task.classes else None,
        "sha256": {path: hashlib.sha256(contents[path]).hexdigest() for path in used},
    }
