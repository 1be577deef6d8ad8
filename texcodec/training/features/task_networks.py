"""Small task networks for the renderer's tasks.

Each one is ``front`` (picture to features) followed by ``tail`` (features to answer), with nothing that bypasses the
layer between them, and takes RGB pictures from 0 to 255. They are ordinary torch modules: everything that codes
their features treats them as it would treat any other network.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import ParameterError
from ...examples.shapes import CLASSES, SEGMENTS

ANSWERS = {"classification": len(CLASSES), "segmentation": len(SEGMENTS), "normals": 3, "depth": 1}
"""Channels of the answer in each of the renderer's tasks."""


class Normalise(nn.Module):
    """Grey levels 0 to 255 to about -2 to 2."""

    def forward(self, x: Tensor) -> Tensor:
        return (x - 116.0) * (1 / 64)


class Block(nn.Module):
    """relu(x + two 3x3 convolutions of x)."""

    def __init__(self, width: int, dilation: int = 1) -> None:
        super().__init__()
        self.first = convolution(width, width)
        self.second = convolution(width, width, dilation=dilation, rectify=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(self.first(x)))


class TaskNetwork(nn.Module):
    """Picture to features to answer.

    Args:
        kind: what is answered (a key of ``texcodec.features.metrics.MEASURES``).
        front: B x 3 x H x W in [0, 255] to B x C x H/s x W/s.
        tail: features to B x K (classification) or B x K x H x W.
    """

    def __init__(self, kind: str, front: nn.Module, tail: nn.Module) -> None:
        super().__init__()
        self.kind = kind
        self.front = front
        self.tail = tail

    def forward(self, picture: Tensor) -> Tensor:
        return self.tail(self.front(picture))


def shapes_network(kind: str, width: int = 32) -> TaskNetwork:
    """A network for one of the renderer's tasks; features of ``width`` channels at 1/8 of the picture's size.

    Raises:
        ParameterError: the renderer knows no such task.
    """
    if kind not in ANSWERS:
        raise ParameterError(f"The renderer has no task {kind!r}; choose from {', '.join(ANSWERS)}.")
    w = width
    front = nn.Sequential(
        Normalise(),
        convolution(3, w // 2, stride=2),
        convolution(w // 2, w * 3 // 4, stride=2),
        convolution(w * 3 // 4, w, stride=2),
        Block(w),
    )
    return TaskNetwork(
        kind, front, class_tail(w, 48, ANSWERS[kind]) if kind == "classification" else _map_tail(w, kind)
    )


def convolution(
    inputs: int, outputs: int, *, stride: int = 1, dilation: int = 1, rectify: bool = True
) -> nn.Sequential:
    """3x3 convolution, batch normalisation and, with ``rectify``, a ReLU; keeps the size apart from the stride."""
    layers = [
        nn.Conv2d(inputs, outputs, 3, stride, padding=dilation, dilation=dilation, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, *([nn.ReLU()] if rectify else []))


def class_tail(inputs: int, width: int, classes: int) -> nn.Module:
    """Features to ``classes`` logits."""
    return nn.Sequential(
        convolution(inputs, width, stride=2),
        Block(width),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, classes),
    )


def _map_tail(inputs: int, kind: str) -> nn.Module:
    leave = nn.Conv2d(48, 16 * ANSWERS[kind], 1)
    if kind == "depth":
        nn.init.constant_(leave.bias, 0.7)  # the mean depth of a scene
    return nn.Sequential(
        convolution(inputs, 48),
        Block(48),
        convolution(48, 96),
        nn.PixelShuffle(2),
        convolution(24, 48),
        leave,
        nn.PixelShuffle(4),
    )
