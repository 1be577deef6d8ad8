"""Held-out pictures through an exported feature set: actual bytes against the estimates, and what the tasks make of it.

As for picture sets, real streams are written and read back, because no loss shows whether tables fit the networks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...features.coder import FeatureCoder
from ...features.decode import answer
from ...features.encode import quantise
from ...features.metrics import MEASURES, Meter
from ...registry import FeatureSet
from ...registry.feature_manifest import TaskInfo
from .codec import FeatureCodec

TOLERANCE = 0.01
"""Share by which payloads may differ from an estimate before the user is warned."""
STATE_BITS = 24.0
"""What the entropy coder's last state and whole bytes add to the information of the symbols, on average."""


@dataclass(frozen=True)
class FeatureCheck:
    """What held-out pictures showed.

    Attributes:
        streams: how many were written and read, over all levels.
        over_tables: their payloads over what the probability tables promise, minus 1.
        over_training: their payloads over what the training modules promise, minus 1.
        payload_bytes: mean of a stream's payload at each level.
        quality: by task the measure of its kind for features that were not coded ("uncoded") and at each level
            ("levels"); tasks without labels or networks are left out.
    """

    streams: int
    over_tables: float
    over_training: float
    payload_bytes: tuple[float, ...]
    quality: dict[str, dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """What the set's card keeps."""
        return asdict(self)

    @property
    def sound(self) -> bool:
        """Whether actual bytes are what the estimates say."""
        return abs(self.over_tables) <= TOLERANCE and abs(self.over_training) <= TOLERANCE

    def sentence(self) -> str:
        """The outcome for the user."""
        sizes = ", ".join(f"{b:.0f}" for b in self.payload_bytes)
        tasks = "; ".join(
            f"{name}: {q['measure']} {q['uncoded']:.4g} uncoded, {', '.join(f'{v:.4g}' for v in q['levels'])} coded"
            for name, q in self.quality.items()
        )
        warning = "" if self.sound else " That is more than it should be."
        return (
            f"Self-check with {self.streams} streams: payloads of {sizes} bytes at levels 0 to "
            f"{len(self.payload_bytes) - 1} differ from the tables' estimate by {self.over_tables:+.2%} and from that "
            f"of training by {self.over_training:+.2%}.{warning}{' ' + tasks + '.' if tasks else ''}"
        )


def self_check(
    features: FeatureSet,
    trained: FeatureCodec,
    tensors: Mapping[str, Tensor],
    labels: Mapping[str, Tensor | None],
) -> FeatureCheck:
    """Code held-out features with an exported set.

    Args:
        features: the set.
        trained: what it was exported from.
        tensors: N x C x H x W by stream task.
        labels: N x ... by task, or None.
    Raises:
        ValueError: a stream does not decode to the symbols that were coded.
    """
    count = len(next(iter(tensors.values())))
    coder, trained = FeatureCoder(features), trained.eval()
    measured = [t for t in features.stream_tasks if t.tail and labels.get(t.name) is not None]
    sums, sizes = np.zeros(3), []
    answers: dict[str, list[list[np.ndarray]]] = {task.name: [] for task in measured}
    for level in range(features.manifest.levels):
        payloads = 0
        found: dict[str, list[np.ndarray]] = {task.name: [] for task in measured}
        for i in range(count):
            coded, _ = quantise({k: v[i].numpy() for k, v in tensors.items()}, features, level)
            payload = coder.write(coded, level)
            again = coder.read(payload, level, coded.symbols.shape[1:])  # type: ignore[arg-type]
            if again.canonical_bytes() != coded.canonical_bytes():
                raise ValueError(
                    "A stream does not decode to the symbols that were coded: the set is unsound."
                )
            payloads += len(payload)
            sums[:2] += 8 * len(payload), coder.bits(coded, level) + STATE_BITS
            latents = coder.latents(again, level)
            for task in measured:
                h = restored(features, task, latents, tuple(tensors[task.name].shape[2:]))
                found[task.name].append(answer(features, task.name, h))
        sizes.append(payloads / count)
        sums[2] += _promised(trained, tensors, level)
        for name, values in found.items():
            answers[name].append(values)
    quality = {}
    for task in measured:
        label = labels[task.name]
        assert label is not None
        uncoded = [answer(features, task.name, h.numpy()) for h in tensors[task.name]]
        quality[task.name] = {
            "measure": MEASURES[task.kind].name,
            "uncoded": _measure(task.kind, uncoded, label),
            "levels": [_measure(task.kind, values, label) for values in answers[task.name]],
        }
    return FeatureCheck(
        streams=count * features.manifest.levels,
        over_tables=float(sums[0] / sums[1] - 1),
        over_training=float(sums[0] / sums[2] - 1),
        payload_bytes=tuple(sizes),
        quality=quality,
    )


def restored(features: FeatureSet, task: TaskInfo, latents: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """float32 C x H x W features of a task from latents of the set, M x h x w."""
    x = latents[None]
    for network in features.chain(task):
        x = network.ordered(None, x)
    return np.ascontiguousarray(x[0, :, : size[0], : size[1]])


@torch.no_grad()
def _promised(trained: FeatureCodec, tensors: Mapping[str, Tensor], level: int) -> float:
    count = len(next(iter(tensors.values())))
    coded = trained(tensors, torch.full((count,), level), "nearest")
    return float((coded.bits + coded.side_bits).sum()) + count * STATE_BITS


def _measure(kind: str, answers: Sequence[np.ndarray], labels: Tensor) -> float:
    meter = Meter(kind)
    for value, label in zip(answers, labels):
        meter.add(value[None], label.numpy()[None])
    return round(meter.value(), 5)
