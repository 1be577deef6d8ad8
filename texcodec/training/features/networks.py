"""The float networks around the latents: fusion subnets and transform, reconstruction and separation subnets.

Like the picture codec they start as a good linear transform, here the principal components of the features, and
networks whose last layers are zero add to it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .settings import CodecSettings, TaskShape, common_factor

SMALLEST_DEVIATION = 1e-3
"""Channels whose standard deviation is below this share of the largest one are not blown up further."""


class Whitening(nn.Module):
    """Features to zero mean and unit variance per channel, and back, with statistics fixed before training."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("deviation", torch.ones(channels))

    @torch.no_grad()
    def measure(self, h: Tensor) -> None:
        """Take the statistics of N x C x H x W features."""
        self.mean.copy_(h.mean((0, 2, 3)))
        deviation = h.std((0, 2, 3), unbiased=False)
        self.deviation.copy_(
            torch.clamp(deviation, min=max(SMALLEST_DEVIATION * float(deviation.max()), 1e-6))
        )

    def forward(self, h: Tensor) -> Tensor:
        """B x C x H x W features to whitened ones."""
        return (h - self.mean[:, None, None]) / self.deviation[:, None, None]

    def undo(self, x: Tensor) -> Tensor:
        """Whitened features to features."""
        return x * self.deviation[:, None, None] + self.mean[:, None, None]


class Block(nn.Module):
    """x + conv 3x3 of ReLU of conv 3x3 of x."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape."""
        return x + self.second(torch.relu(self.first(x)))


def _entrance(inputs: int, outputs: int, factor: int) -> nn.Conv2d:
    """A 3x3 convolution, or one whose stride and kernel are the factor."""
    if factor == 1:
        return nn.Conv2d(inputs, outputs, 3, padding=1)
    return nn.Conv2d(inputs, outputs, factor, stride=factor)


class FusionSubnet(nn.Module):
    """Whitened features of one task to channels that can be concatenated with those of the others."""

    def __init__(self, shape: TaskShape, factor: int, settings: CodecSettings) -> None:
        super().__init__()
        self.enter = _entrance(shape.channels, settings.width, factor)
        self.leave = nn.Conv2d(settings.width, settings.fusion_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """B x C x H x W to B x F x H / factor x W / factor."""
        return torch.relu(self.leave(torch.relu(self.enter(x))))


class Transform(nn.Module):
    """Whitened features of all tasks to latents: linear part of each task plus a network over all of them."""

    def __init__(self, settings: CodecSettings, shapes: tuple[TaskShape, ...]) -> None:
        super().__init__()
        m, w, common = settings.latent_channels, settings.width, common_factor(shapes)
        several = len(shapes) > 1
        self.fusion = nn.ModuleList(
            FusionSubnet(s, s.factor // common, settings) for s in (shapes if several else ())
        )
        inputs = settings.fusion_channels * len(shapes) if several else shapes[0].channels
        self.enter = _entrance(inputs, w, common)
        self.blocks = nn.ModuleList(Block(w) for _ in range(settings.blocks))
        self.leave = nn.Conv2d(w, m, 3, padding=1)
        self.linear = nn.ModuleList(
            nn.Conv2d(s.channels, m, s.factor, stride=s.factor, bias=False) for s in shapes
        )

    def forward(self, x: list[Tensor]) -> Tensor:
        """B x C_k x r_k h x r_k w of every task, in order, to B x M x h x w."""
        fused = torch.cat([f(part) for f, part in zip(self.fusion, x)], 1) if len(self.fusion) else x[0]
        h = torch.relu(self.enter(fused))
        for block in self.blocks:
            h = block(h)
        z = self.leave(torch.relu(h))
        for linear, part in zip(self.linear, x):
            z = z + linear(part)
        return z


class Trunk(nn.Module):
    """Latents to what all separation subnets read: channels of a network, then the latents themselves."""

    def __init__(self, settings: CodecSettings) -> None:
        super().__init__()
        self.enter = nn.Conv2d(settings.latent_channels, settings.width, 3, padding=1)
        self.blocks = nn.ModuleList(Block(settings.width) for _ in range(settings.blocks))

    def forward(self, z: Tensor) -> Tensor:
        """B x M x h x w to B x (width + M) x h x w."""
        h = torch.relu(self.enter(z))
        for block in self.blocks:
            h = block(h)
        return torch.cat([torch.relu(h), z], 1)


class Separation(nn.Module):
    """What the trunk gives to the whitened features of one task."""

    def __init__(self, settings: CodecSettings, shape: TaskShape) -> None:
        super().__init__()
        self.shape, self.width = shape, settings.width
        outputs = shape.channels * shape.factor**2
        self.block = Block(settings.width)
        self.leave = nn.Conv2d(settings.width, outputs, 3, padding=1)
        self.linear = nn.Conv2d(settings.latent_channels, outputs, 1, bias=False)

    def forward(self, t: Tensor) -> Tensor:
        """B x (width + M) x h x w to B x C x r h x r w."""
        h, z = t[:, : self.width], t[:, self.width :]
        return F.pixel_shuffle(self.leave(torch.relu(self.block(h))) + self.linear(z), self.shape.factor)


class Reconstruction(nn.Module):
    """The reconstruction of a task alone: trunk and separation in one."""

    def __init__(self, settings: CodecSettings, shape: TaskShape) -> None:
        super().__init__()
        self.trunk = Trunk(settings)
        self.separation = Separation(settings, shape)

    def forward(self, z: Tensor) -> Tensor:
        """B x M x h x w to B x C x r h x r w whitened features."""
        out: Tensor = self.separation(self.trunk(z))
        return out


def blocks_of(x: Tensor, factor: int) -> Tensor:
    """B x C x r h x r w to B x C r^2 x h x w, ordered as a convolution of stride r reads them."""
    return F.pixel_unshuffle(x, factor)


@torch.no_grad()
def start_from_components(
    transform: Transform, separations: list[Separation], x: list[Tensor], *, seed: int = 0
) -> None:
    """Let transform and reconstruction start as the principal components of the features.

    Args:
        x: whitened features of each task, N x C_k x r_k h x r_k w, of some hundred samples.
    """
    columns = [blocks_of(part, s.shape.factor) for part, s in zip(x, separations)]
    sizes = [c.shape[1] for c in columns]
    # every task counts alike, however many features it has
    samples = (
        torch.cat([c / c.shape[1] ** 0.5 for c in columns], 1).permute(0, 2, 3, 1).reshape(-1, sum(sizes))
    )
    m = transform.leave.out_channels
    found = min(m, *samples.shape)
    generator_state = torch.get_rng_state()
    torch.manual_seed(seed)
    _, _, directions = torch.pca_lowrank(samples, q=found, center=False, niter=4)
    torch.set_rng_state(generator_state)
    # in units of whitened features: the mean size of a task stands for all of them
    scale = (sum(sizes) / len(sizes)) ** 0.5
    for linear, separation, size, part in zip(transform.linear, separations, sizes, directions.split(sizes)):
        assert isinstance(linear, nn.Conv2d)
        kernel = torch.zeros(m, size)
        kernel[:found] = part.T * (scale / size**0.5)
        linear.weight.copy_(kernel.reshape(linear.weight.shape))
        back = torch.zeros(size, m)
        back[:, :found] = part * (size**0.5 / scale)
        separation.linear.weight.copy_(back[:, :, None, None])
        nn.init.zeros_(separation.leave.weight)
        nn.init.zeros_(separation.leave.bias)
    # components that the linear part has none for are the network's
    transform.leave.weight[:found] = 0
    transform.leave.bias[:] = 0


@torch.no_grad()
def start_from_regression(separation: Separation, z: Tensor, x: Tensor, *, ridge: float = 1e-3) -> None:
    """Let a reconstruction start as the best linear prediction of features by latents; the rest of it is random.

    Args:
        z: N x M x h x w latents.
        x: N x C r^2 x h x w whitened features, as ``blocks_of`` orders them.
    """
    inputs = z.permute(0, 2, 3, 1).reshape(-1, z.shape[1]).double()
    outputs = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1]).double()
    moments = inputs.T @ inputs / len(inputs)
    moments += ridge * moments.diagonal().mean() * torch.eye(len(moments), dtype=torch.float64)
    found = torch.linalg.solve(moments, inputs.T @ outputs / len(inputs))
    separation.linear.weight.copy_(found.T[:, :, None, None])
    nn.init.zeros_(separation.leave.weight)
    nn.init.zeros_(separation.leave.bias)
