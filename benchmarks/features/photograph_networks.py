"""Task networks of the benchmark for road scenes and small photographs, split after ``front``."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from texcodec.training.features.task_networks import (
    Block,
    Normalise,
    TaskNetwork,
    class_tail,
    convolution,
)


class Resize(nn.Module):
    """Bilinear enlargement by a whole factor."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=float(self.factor), mode="bilinear", align_corners=False)


def camvid_network(width: int = 48, classes: int = 11) -> TaskNetwork:
    """A network that segments road scenes; features at 1/8 of the picture's size, no connection around them."""
    front = nn.Sequential(
        Normalise(),
        convolution(3, 16, stride=2),
        convolution(16, 32, stride=2),
        convolution(32, width, stride=2),
        Block(width),
    )
    tail = nn.Sequential(
        convolution(width, 64, stride=2),
        Block(64),
        Block(64, dilation=2),
        Block(64, dilation=4),
        Resize(2),
        convolution(64, 48),
        nn.Conv2d(48, classes * 4, 1),
        nn.PixelShuffle(2),
        Resize(4),
    )
    return TaskNetwork("segmentation", front, tail)


def tiny_network(width: int = 48, classes: int = 20) -> TaskNetwork:
    """A network that classifies photographs of 64 x 64 pixels; features at 1/8 of the picture's size."""
    front = nn.Sequential(
        Normalise(),
        convolution(3, 24, stride=2),
        convolution(24, 40, stride=2),
        Block(40),
        convolution(40, width, stride=2),
        Block(width),
    )
    return TaskNetwork("classification", front, class_tail(width, 96, classes))
