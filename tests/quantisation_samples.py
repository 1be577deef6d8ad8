"""What the tests of quantisation share: small networks of all kinds of convolutions. Needs torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from texcodec.quantisation import QuantisationSettings


class Branches(nn.Module):
    """Batch normalisation, depthwise, grouped, strided and transposed convolutions, a gate, a skip, a late input."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.gate = nn.Conv2d(8, 16, 1, groups=2)
        self.down = nn.Conv2d(8, 8, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(8, 8, 4, stride=2, padding=1, groups=2)
        self.leave = nn.Conv2d(11, 3, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.norm(self.enter(x)))
        h = h + torch.relu(self.depthwise(h))
        a, b = self.gate(h).chunk(2, 1)
        h = self.up(torch.relu(self.down(torch.relu(a) * b)))
        return self.leave(torch.cat([h, x], 1))


def branches() -> nn.Module:
    torch.manual_seed(0)
    return Branches()


def chain(channels: int = 6) -> nn.Sequential:
    """Three plain convolutions."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, channels, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(channels, 2, 3, padding=1),
    )


def pictures(count: int = 4, side: int = 8) -> Tensor:
    """Positive, smooth from channel to channel."""
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, 3, side, side, generator=generator)


def bits(number: int, **changes: object) -> QuantisationSettings:
    """All layers with so many bits."""
    return QuantisationSettings(number, number, edge_bits=None, **changes)  # type: ignore[arg-type]
