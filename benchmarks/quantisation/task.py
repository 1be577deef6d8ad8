"""The task: removing noise from grey pictures of overlapping leaves, with a small network of convolutions.

Dead leaves (discs and rectangles of random size that cover each other, Lee, Mumford and Huang 2001) have the edges, the
occlusions and the scale-free statistics of photographs, and are made in a second: no files, no downloads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

TEST_SEED = 1_000_003
"""Of the test pictures and their noise, which are the same for all runs."""


def leaves(side: int, random: np.random.Generator) -> np.ndarray:
    """One picture, float32 side x side in [0, 1]: leaves in front first, until hardly a pixel is left."""
    picture, empty = np.zeros((side, side), np.float32), np.ones((side, side), bool)
    while empty.mean() > 0.01:
        # density of sizes ~ size^-3 between 3 pixels and the picture
        size = 1 / np.sqrt(random.uniform(1 / side**2, 1 / 3**2))
        left, top = random.uniform(-size, side + size, 2)
        angle, disc = random.uniform(0, np.pi), random.random() < 0.5
        shade, slope = random.uniform(0.05, 0.95, 2)
        striped, contrast, pitch = random.random() < 0.3, random.uniform(0.03, 0.15), random.uniform(0.3, 2.0)
        # the square that holds the leaf
        rows, columns = (
            slice(max(0, int(c - 1.2 * size)), max(0, int(c + 1.2 * size) + 1)) for c in (top, left)
        )
        free = empty[rows, columns]
        if not free.any():
            continue
        y, x = np.mgrid[
            rows.start : rows.start + free.shape[0], columns.start : columns.start + free.shape[1]
        ]
        dx, dy = x - left, y - top
        u, v = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
        inside = free & (u**2 + v**2 < size**2 if disc else (abs(u) < size) & (abs(v) < size / 2))
        grey = shade + 0.2 * (slope - 0.5) * u / size
        if striped:
            grey = grey + contrast * np.sin(v * pitch)
        picture[rows, columns][inside] = grey[inside]
        free &= ~inside
    return np.clip(picture, 0, 1)


class Denoiser(nn.Module):
    """Takes from a picture what convolutions say is noise."""

    def __init__(self, channels: int, middle: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(1, channels, 3, padding=1), nn.ReLU()]
        for _ in range(middle):
            layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, 1, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """B x 1 x H x W noisy pictures around 0 to cleaner ones."""
        return x - self.layers(x)


class Task:
    """Pictures, batches and the score, all fixed by the protocol and a seed.

    Args:
        protocol: protocol.json.
        seed: of training pictures, batches and noise.
    """

    def __init__(self, protocol: dict[str, Any], seed: int) -> None:
        self.protocol, self.seed = protocol, seed
        self.about, self.training = protocol["task"], protocol["training"]
        random = np.random.default_rng([seed, 1])
        self._pictures = np.stack(
            [leaves(self.about["training_side"], random) for _ in range(self.about["training_pictures"])]
        )
        fixed = np.random.default_rng(TEST_SEED)
        clean = np.stack([leaves(self.about["test_side"], fixed) for _ in range(self.about["test_pictures"])])
        self._clean = torch.from_numpy(clean - np.float32(0.5))[:, None]
        noise = fixed.normal(0, self.about["noise"], clean.shape).astype(np.float32)
        self._noisy = self._clean + torch.from_numpy(noise)[:, None]

    def network(self) -> nn.Module:
        """A fresh float network; weights are drawn from torch's generator."""
        return Denoiser(self.about["channels"], self.about["middle_layers"])

    def batch(self, stage: int, step: int) -> tuple[Tensor, Tensor]:
        """Noisy and clean crops; the same for the same seed, stage and step, whatever is trained on them."""
        random = np.random.default_rng([self.seed, 2 + stage, step])
        crop, batch = self.training["crop"], self.training["batch"]
        clean = np.empty((batch, 1, crop, crop), np.float32)
        for out in clean:
            picture = self._pictures[random.integers(len(self._pictures))]
            top, left = random.integers(0, len(picture) - crop + 1, 2)
            piece = np.rot90(picture[top : top + crop, left : left + crop], random.integers(4))
            out[0] = (piece.T if random.random() < 0.5 else piece) - 0.5
        noisy = clean + random.normal(0, self.about["noise"], clean.shape).astype(np.float32)
        return torch.from_numpy(noisy), torch.from_numpy(clean)

    @torch.no_grad()
    def psnr(self, network: nn.Module) -> float:
        """Of the test pictures that a network makes, in dB over all of them."""
        restored = network(self._noisy).clamp(-0.5, 0.5)
        return float(-10 * torch.log10(F.mse_loss(restored.double(), self._clean.double())))

    def psnr_of_input(self) -> float:
        """Of the noisy test pictures."""
        return self.psnr(nn.Identity())
