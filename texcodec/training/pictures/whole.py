"""Whole pictures through the codec as one differentiable module: tiles, classes, codes, stitching, fusion.

It computes what encoder and decoder compute of a picture (docs/format.md, "Decoding a tile" and "Fusion"), so
that the fusion network is trained on the seams that the codec really leaves, and the codec on what fusion
makes of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import ParameterError
from ...texture import classify, complexity
from ...tiles import ENCODER_HALO, STRIDE, Box, Grid
from ..core.stage import StageSettings
from ..core.task import Terms
from .architecture import RATE_INDICES
from .codec import INSIDE, Codec, Sides
from .distortions import Distortions
from .fusion import Fusion, repair
from .objectives import Objective
from .sampler import CropSampler


@dataclass
class CodedPictures:
    """What one pass over B pictures of T tiles gives.

    Attributes:
        pixels: B x 3 x H x W on the 0..255 scale, fused, neither rounded nor clipped.
        stitched: the same before fusion.
        bits: B x T, of the tiles' payloads.
        classes: B x T.
        latents: B x C x ceil(H/16) x ceil(W/16) decoded latents in symbols.
    """

    pixels: Tensor
    stitched: Tensor
    bits: Tensor
    classes: Tensor
    latents: Tensor


def tile_classes(pixels: np.ndarray, grid: Grid, thresholds: Sequence[float]) -> list[int]:
    """The texture class of every tile, as the encoder decides it; pixels: uint8 H x W x 3."""
    boxes = [grid.box(i) for i in range(len(grid))]
    return [classify(complexity(pixels[b.top : b.bottom, b.left : b.right]), thresholds) for b in boxes]


class PictureCodec(nn.Module):
    """Codec and fusion network applied to whole pictures.

    Args:
        thresholds: of texture complexity between the classes.
    """

    def __init__(self, codec: Codec, fusion: Fusion, thresholds: Sequence[float]) -> None:
        super().__init__()
        self.codec, self.fusion = codec, fusion
        self.thresholds = tuple(thresholds)

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        *,
        tile_log2: int,
        classes: Tensor | None = None,
        rounding: str = "relaxed",
    ) -> CodedPictures:
        """Code B pictures of one size.

        Args:
            x: B x 3 x H x W, grey levels (whole numbers), any sides.
            t: B rates in [0, 1] on the grid of rate indices.
            tile_log2: 7 or 8 for tiles of 128 or 256 pixels; smaller ones serve experiments.
            classes: B x T from ``tile_classes``; measured here if left out.
            rounding: as for ``Codec.forward``.
        """
        grid = Grid(x.shape[3], x.shape[2], tile_log2)
        if classes is None:
            arrays = x.detach().cpu().to(torch.uint8).permute(0, 2, 3, 1).numpy()
            classes = torch.tensor([tile_classes(a, grid, self.thresholds) for a in arrays], device=x.device)
        batches = _Batches(t, classes)

        def code(v: Tensor, t: Tensor, k: Tensor, _: Sides) -> tuple[Tensor, Tensor]:
            coded = self.codec.quantise(v, t, k, rounding=rounding)
            return coded.decoded, coded.bits

        coded = batches.run(self._analyse(x, grid, batches), code)
        latents = _assemble([decoded for decoded, _ in coded], grid)
        stitched, pixels = self.render(latents, t, grid, classes)
        return CodedPictures(pixels, stitched, torch.stack([b for _, b in coded], 1), classes, latents)

    def render(self, latents: Tensor, t: Tensor, grid: Grid, classes: Tensor) -> tuple[Tensor, Tensor]:
        """The decoder's part: stitched and fused pixels of decoded latents, all as in ``CodedPictures``."""
        stitched = self._synthesise(latents, grid, _Batches(t, classes))
        return stitched, repair(self.fusion, stitched, grid.side, t)

    def _analyse(self, x: Tensor, grid: Grid, batches: _Batches) -> list[Tensor]:
        """Latents of every tile in symbols, not rounded: B x C x h x w."""
        padded = F.pad(x, (0, -x.shape[3] % STRIDE, 0, -x.shape[2] % STRIDE), mode="replicate")
        bounds = Box(0, 0, padded.shape[3], padded.shape[2])
        seen = [grid.box(i).grow(ENCODER_HALO).clip(bounds) for i in range(len(grid))]
        out = batches.run(
            [box.cut(padded) for box in seen],
            lambda p, t, k, _: (self.codec.analyse(p, k) / self.codec.steps(t)[:, :, None, None],),
        )
        latents = []
        for i, (v,) in enumerate(out):
            box, (h, w) = grid.box(i), grid.latent_shape(i)
            top, left = (box.top - seen[i].top) // STRIDE, (box.left - seen[i].left) // STRIDE
            latents.append(v[..., top : top + h, left : left + w])
        return latents

    def _synthesise(self, latents: Tensor, grid: Grid, batches: _Batches) -> Tensor:
        """Stitched pixels; every tile sees one latent of its neighbours, and zeros beyond the picture."""
        bordered = F.pad(latents, (1, 1, 1, 1))
        pieces, outside = [], []
        for i in range(len(grid)):
            box, (h, w) = grid.box(i), grid.latent_shape(i)
            top, left = box.top // STRIDE, box.left // STRIDE
            pieces.append(bordered[..., top : top + h + 2, left : left + w + 2])
            ends = left == 0, left + w == latents.shape[3], top == 0, top + h == latents.shape[2]
            outside.append(ends if self.codec.architecture.profile > 1 else INSIDE)

        def synthesise(v: Tensor, t: Tensor, k: Tensor, sides: Sides) -> tuple[Tensor, ...]:
            return (self.codec.synthesise(v, t, k, outside=sides),)

        out = batches.run(pieces, synthesise, outside)
        own = []
        for i, (pixels,) in enumerate(out):
            box = grid.box(i)
            own.append(pixels[..., STRIDE : STRIDE + box.height, STRIDE : STRIDE + box.width])
        return _assemble(own, grid)


@dataclass
class _Batches:
    """Runs all tiles of one shape and place, of all pictures, as one batch; the codec sorts them by class.

    Attributes:
        t: B rates.
        classes: B x T.
    """

    t: Tensor
    classes: Tensor

    def run(
        self,
        pieces: list[Tensor],
        network: Callable[[Tensor, Tensor, Tensor, Sides], tuple[Tensor, ...]],
        outside: Sequence[Sides] | None = None,
    ) -> list[tuple[Tensor, ...]]:
        """``network(tiles, rates, classes, sides)`` of T pieces (each with B in front), split up by tile again.

        Args:
            outside: how much of each piece is beyond the picture, for ``sides``: such tiles run together; default:
                nothing.
        """
        kinds: dict[tuple[torch.Size, Sides], list[int]] = {}
        for i, piece in enumerate(pieces):
            kinds.setdefault((piece.shape, outside[i] if outside else INSIDE), []).append(i)
        found: dict[int, tuple[Tensor, ...]] = {}
        for (_, sides), members in kinds.items():
            n = len(members)
            tiles, classes = torch.cat([pieces[i] for i in members]), self.classes[:, members].T.flatten()
            results = network(tiles, self.t.repeat(n), classes, sides)
            found |= zip(members, zip(*(r.chunk(n) for r in results)))
        return [found[i] for i in range(len(pieces))]


def _assemble(pieces: list[Tensor], grid: Grid) -> Tensor:
    """T tiles side by side and one below the other."""
    n = grid.columns
    return torch.cat([torch.cat(pieces[i : i + n], 3) for i in range(0, len(pieces), n)], 2)


@dataclass
class PictureBatch:
    """uint8 B x 3 x H x W pixels, B rates in [0, 1], int64 B x T classes."""

    pixels: Tensor
    t: Tensor
    classes: Tensor


class PictureTask:
    """Rate of the tiles' codes and distortion of the fused picture, on crops that are coded as whole pictures.

    Args:
        pictures: trained in place.
        sampler: of crops with a side of ``settings.crop`` pixels, larger than a tile.
        tile_log2: as for ``PictureCodec.forward``; default: the largest with at least two tiles per side.
    Raises:
        ParameterError: the crops have a single tile, so no seams.
    """

    def __init__(
        self,
        pictures: PictureCodec,
        sampler: CropSampler,
        settings: StageSettings,
        *,
        tile_log2: int | None = None,
    ) -> None:
        if tile_log2 is None:
            tile_log2 = 8 if settings.crop > 1 << 8 else 7
        if settings.crop <= 1 << tile_log2:
            raise ParameterError(
                f"Pictures of {settings.crop} pixels per side have no seams between tiles of {1 << tile_log2}; "
                "set crop to twice as much."
            )
        self.pictures, self.sampler, self.settings = pictures, sampler, settings
        self.tile_log2 = tile_log2
        self.objective = Objective(settings.objective)
        self.distortions = Distortions(settings.objective, settings.crop)
        self.modules: nn.Module = pictures
        pictures.codec.half_precision = False  # until it is chosen

    def draw(self, random: np.random.Generator) -> PictureBatch:
        """Crops, each at a rate of its own, and the classes of their tiles."""
        size = self.settings.batch
        pixels = self.sampler.cut(self.sampler.draw(random, size))
        grid = Grid(pixels.shape[2], pixels.shape[1], self.tile_log2)
        return PictureBatch(
            torch.from_numpy(pixels).permute(0, 3, 1, 2),
            torch.from_numpy(self.objective.draw(random, size)).float() / (RATE_INDICES - 1),
            torch.tensor([tile_classes(p, grid, self.pictures.thresholds) for p in pixels]),
        )

    def cost(self, batch: PictureBatch, device: torch.device) -> Terms:
        """Mean over the pictures; "fusion_gain" is what fusion adds to the PSNR of whole pictures, in dB."""
        x, t = batch.pixels.to(device).float(), batch.t.to(device)
        rounding = self.settings.rounding
        coded = self.pictures(
            x, t, tile_log2=self.tile_log2, classes=batch.classes.to(device), rounding=rounding
        )
        rate = coded.bits.sum(1) / (x.shape[2] * x.shape[3])
        found = self.distortions(coded.pixels, x, t)
        extras = found.extras()
        error = (coded.stitched.detach() - x).square().mean((1, 2, 3))
        unfused = 10 * torch.log10(255.0**2 / error.clamp(min=1e-3))
        extras["fusion_gain"] = extras["psnr"] - unfused.mean()
        loss = self.objective(rate, found.minimised, t)
        return Terms(loss, rate.mean(), found.squared_error.mean(), extras)
