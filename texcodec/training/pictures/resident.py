"""All training pictures on a GPU, where crops are cut."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class DevicePictures:
    """All pictures as bytes on one device, from which crops are cut there.

    Args:
        arrays: uint8 H x W x 3.
        crop: side in pixels.
    """

    def __init__(self, arrays: list[np.ndarray], crop: int, device: torch.device) -> None:
        sizes = np.cumsum([0, *(a.size for a in arrays)])
        self.pixels = torch.empty(int(sizes[-1]), dtype=torch.uint8, device=device)
        for a, start in zip(arrays, sizes):
            self.pixels[start : start + a.size] = torch.from_numpy(np.array(a).ravel()).to(device)
        self.starts = torch.from_numpy(sizes[:-1].copy()).to(device)
        self.widths = torch.tensor([a.shape[1] for a in arrays], device=device)
        self.crop = crop

    def cut(self, where: Tensor) -> Tensor:
        """The pixels of crops, uint8 B x 3 x crop x crop; ``where``: ``Places.where`` on the device."""
        picture, y, x, mirrored, transposed = (v[:, None, None, None] for v in where.unbind(1))
        i = torch.arange(self.crop, device=where.device)
        row, column = i[:, None], i[None]
        r = torch.where(transposed > 0, column, row)
        s = torch.where(transposed > 0, row, column)
        s = torch.where(mirrored > 0, self.crop - 1 - s, s)
        colour = torch.arange(3, device=where.device)[:, None, None]
        return self.pixels[self.starts[picture] + 3 * ((y + r) * self.widths[picture] + x + s) + colour]


def fits_on(device: torch.device, arrays: list[np.ndarray]) -> bool:
    """Whether a GPU has room for the pictures in half of what is free; False for other devices."""
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return sum(a.size for a in arrays) < free // 2
