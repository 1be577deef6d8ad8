"""The task network: a small CNN from a region of a picture to numbers (torch).

It takes regions of any size: features are pooled by attention, so each head looks where its evidence is, and every
position knows where it lies in the whole picture.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STRIDE = 4
HEADS = 4


class TaskNetwork(nn.Module):
    """Values from pictures.

    Args:
        channels: of the pictures, 1 or 3.
        targets: values a picture.
        width: channels of the widest layers.
    """

    def __init__(self, channels: int, targets: int, width: int = 32) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, width // 2, 5, stride=2, padding=2)
        self.second = nn.Conv2d(width // 2, width, 3, stride=2, padding=1)
        self.third = nn.Conv2d(width, width, 3, padding=1)
        self.fourth = nn.Conv2d(width + 2, width, 3, padding=1)
        self.look = nn.Conv2d(width + 2, HEADS, 1)
        self.join = nn.Linear(HEADS * width, 2 * width)
        self.leave = nn.Linear(2 * width, targets)

    def forward(self, x: Tensor, corner: tuple[int, int], size: tuple[int, int]) -> Tensor:
        """N x T standardised values.

        Args:
            x: N x C x h x w, standardised, the part of the picture that begins at ``corner`` (x, y).
            size: width and height of the whole picture.
        """
        x = F.relu(self.second(F.relu(self.first(x))))
        x = F.relu(self.third(x))
        place = _places(x, corner, size)
        x = F.relu(self.fourth(torch.cat([x, place], 1)))
        weights = self.look(torch.cat([x, place], 1)).flatten(2).softmax(2)
        pooled = torch.einsum("nhp,ncp->nhc", weights, x.flatten(2)).flatten(1)
        out: Tensor = self.leave(F.relu(self.join(pooled)))
        return out


def _places(x: Tensor, corner: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """x and y of every feature position in the whole picture, -1 to 1."""
    n, _, h, w = x.shape
    across = (corner[0] + STRIDE * torch.arange(w)) / size[0] * 2 - 1
    along = (corner[1] + STRIDE * torch.arange(h)) / size[1] * 2 - 1
    place = torch.stack([across.expand(h, w), along[:, None].expand(h, w)])
    return place.to(x.dtype).expand(n, 2, h, w)
