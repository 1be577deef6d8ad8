"""What a task network answers, for people and programs: in words, as JSON, as a picture, as an array."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from ..errors import ParameterError
from ..registry.feature_manifest import TaskInfo

_SPATIAL = ("segmentation", "normals", "depth")


def default_suffix(task: TaskInfo, answer: np.ndarray) -> str:
    """The format that shows all of an answer: a picture for a map, else JSON."""
    return ".png" if task.kind in _SPATIAL and answer.ndim == 3 else ".json"


def describe(task: TaskInfo, answer: np.ndarray) -> dict[str, Any]:
    """An answer as JSON values: all of it for a class or a few numbers, a summary for maps.

    Args:
        task: the task.
        answer: as ``texcodec.features.infer`` gives it.
    """
    facts: dict[str, Any] = {"task": task.name, "kind": task.kind, "shape": list(answer.shape)}
    if task.kind == "classification" and answer.ndim == 1:
        likely = _softmax(answer)
        facts["class"] = class_name(task, int(likely.argmax()))
        facts["probabilities"] = {class_name(task, k): round(float(p), 6) for k, p in enumerate(likely)}
    elif task.kind == "segmentation" and answer.ndim == 3:
        counts = np.bincount(answer.argmax(0).ravel(), minlength=len(answer))
        order = np.argsort(-counts, kind="stable")
        facts["share"] = {
            class_name(task, int(k)): round(float(counts[k] / counts.sum()), 6) for k in order if counts[k]
        }
    elif task.kind == "values":
        facts["values"] = [round(float(value), 6) for value in answer.ravel()]
    elif task.kind == "normals" and answer.ndim == 3:
        facts["mean"] = [round(float(value), 6) for value in _unit(answer).mean((1, 2))]
    else:
        facts |= {name: round(float(get(answer)), 6) for name, get in _SUMMARY.items()}
    return facts


_SUMMARY: dict[str, Callable[[np.ndarray], Any]] = {"min": np.min, "mean": np.mean, "max": np.max}


def in_words(facts: dict[str, Any]) -> str:
    """What ``describe`` found, in a line."""
    if "class" in facts:
        return f"{facts['class']} ({facts['probabilities'][facts['class']]:.1%})"
    if "share" in facts:
        size = f"{facts['shape'][2]} x {facts['shape'][1]}: "
        return size + ", ".join(f"{name} {share:.1%}" for name, share in facts["share"].items())
    if "values" in facts:
        return ", ".join(f"{value:g}" for value in facts["values"])
    if "probabilities" not in facts and isinstance(facts.get("mean"), list):
        x, y, z = facts["mean"]
        return f"{facts['shape'][2]} x {facts['shape'][1]}, mean direction ({x:.3f}, {y:.3f}, {z:.3f})"
    size = " x ".join(map(str, reversed(facts["shape"])))
    return f"{size}, from {facts['min']:g} to {facts['max']:g}, mean {facts['mean']:g}"


def class_name(task: TaskInfo, number: int) -> str:
    """The name of a class, or its number where the set has none."""
    return task.classes[number] if task.classes and number < len(task.classes) else str(number)


def writer_of(task: TaskInfo, answer: np.ndarray, suffix: str) -> Callable[[BinaryIO], object]:
    """A function that writes an answer to an open file.

    Args:
        suffix: ".npy" for the numbers as they are, ".json" for ``describe``, ".png" for a picture: classes as indices
            with a palette, normals as (n + 1) / 2 of white, others in 16-bit grey from smallest to largest value.
    Raises:
        ParameterError: another suffix, or a picture of an answer that has no rows and columns.
    """
    if suffix == ".npy":
        return lambda file: np.lib.format.write_array(file, answer, allow_pickle=False)
    if suffix == ".json":
        text = json.dumps(describe(task, answer)) + "\n"
        return lambda file: file.write(text.encode())
    if suffix != ".png":
        raise ParameterError(
            f"Answers are written as .png, .npy or .json, not as {suffix or 'a file without one'}."
        )
    # into memory first: Pillow wants to seek, which a pipe cannot
    data = io.BytesIO()
    draw(task, answer).save(data, "png")
    return lambda file: file.write(data.getvalue())


def draw(task: TaskInfo, answer: np.ndarray) -> Image.Image:
    """A picture of an answer with rows and columns; see ``writer_of``."""
    if answer.ndim != 3 or (task.kind not in _SPATIAL and len(answer) != 1) or len(answer) > 256:
        raise ParameterError(
            f"The answer of the task {task.name} ({task.kind}, {' x '.join(map(str, answer.shape))}) is no picture; "
            "write it as .json or .npy."
        )
    if task.kind == "segmentation":
        image = Image.fromarray(answer.argmax(0).astype(np.uint8)).convert("P")
        image.putpalette(_palette(len(answer)).tobytes())
        return image
    if task.kind == "normals" and len(answer) == 3:
        shade = np.floor((_unit(answer) + 1) * 127.5 + 0.5).astype(np.uint8)
        return Image.fromarray(np.ascontiguousarray(shade.transpose(1, 2, 0)))
    low, high = float(answer[0].min()), float(answer[0].max())
    grey = np.floor((answer[0] - low) * (65535 / (high - low) if high > low else 0) + 0.5)
    return Image.fromarray(grey.astype(np.uint16))


def _softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits.astype(np.float64) - logits.max())
    return e / e.sum()


def _unit(vectors: np.ndarray) -> np.ndarray:
    """3 x H x W vectors at length 1; zero ones stay."""
    length = np.sqrt(np.square(vectors.astype(np.float64)).sum(0))
    return vectors / np.where(length > 0, length, 1)


def _palette(count: int) -> np.ndarray:
    """uint8 count x 3: black, then hues a golden angle apart, so that neighbours differ."""
    k = np.arange(count)
    hue = k * 0.618034 % 1
    waves = 0.5 + 0.5 * np.cos(2 * np.pi * (hue[:, None] - np.array([0, 1 / 3, 2 / 3])))
    colours = 55 + 200 * waves * np.where(k % 2, 1.0, 0.75)[:, None]
    colours[0] = 0
    return np.floor(colours).astype(np.uint8)
