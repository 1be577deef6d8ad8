"""The task network: a small CNN from a region of a picture to numbers (torch).

Its last layers have weights for every position of the picture, as in pictures of a fixed camera a position has a
meaning. A region uses the weights of its own positions and computes nothing elsewhere.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

STRIDE = 8
"""Pixels between the positions of the last features; regions begin at multiples of it."""
SUMMARY = 8
"""Channels of the last features."""


class TaskNetwork(nn.Module):
    """Values from pictures of one size.

    Args:
        channels: of the pictures, 1 or 3.
        targets: values per picture.
        size: width and height of whole pictures.
        width: channels of the widest layers.
    """

    def __init__(self, channels: int, targets: int, size: tuple[int, int], width: int = 32) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, width // 2, 5, stride=2, padding=2)
        self.second = nn.Conv2d(width // 2, width, 3, stride=2, padding=1)
        self.third = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.fourth = nn.Conv2d(width, width, 3, padding=1)
        self.summary = nn.Conv2d(width, SUMMARY, 1)
        columns, rows = (-(-n // STRIDE) for n in size)
        self.join = nn.Linear(SUMMARY * rows * columns, 2 * width)
        self.leave = nn.Linear(2 * width, targets)
        self.places = SUMMARY, rows, columns
        for layer in (self.first, self.second, self.third, self.fourth, self.summary, self.join):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, corner: tuple[int, int]) -> Tensor:
        """N x T standardised values.

        Args:
            x: N x C x h x w, standardised, the part of the picture that begins at ``corner`` (x, y), both multiples
                of ``STRIDE``.
        """
        for layer in (self.first, self.second, self.third, self.fourth, self.summary):
            x = F.relu(layer(x))
        left, top = (c // STRIDE for c in corner)
        weight = self.join.weight.view(-1, *self.places)
        weight = weight[:, :, top : top + x.shape[2], left : left + x.shape[3]]
        hidden = F.relu(x.flatten(1) @ weight.flatten(1).T + self.join.bias)
        out: Tensor = self.leave(hidden)
        return out


def aligned(start: int) -> int:
    """The last position at or before a pixel's, in pixels."""
    return start // STRIDE * STRIDE
