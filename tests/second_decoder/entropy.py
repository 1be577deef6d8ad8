"""A tile's payload to its symbols: chapters "The rANS stream" to "Context features" of docs/format.md."""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_right
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .container import TileRecord, require
from .model_set import TOTAL, ModelSet

ESCAPES = range(0, TOTAL + 1, 256)  # first codes of the uniform table, one per entry, and 2^24


class Coded(Protocol):
    """What sets for pictures and for features have in common."""

    arrays: dict[str, np.ndarray]
    shifts: dict[str, int]
    support: list[int]
    symbol_starts: list[list[int]]


class Stream:
    """rANS decoding of one payload."""

    def __init__(self, payload: bytes) -> None:
        require(payload[-1:] != b"\0", "a payload does not end in a zero byte")
        payload += bytes(-len(payload) % 4)
        self.words = list(struct.unpack(f"<{len(payload) // 4}I", payload))
        self.state = self.escapes = 0
        while self.state < 1 << 32 and self.words:
            self._refill()

    def _refill(self) -> None:
        self.state = self.state << 32 | self.words.pop()

    def symbol(self, starts: list[int] | range) -> int:
        """The number of the table's entry that comes next."""
        code = self.state % TOTAL
        entry = bisect_right(starts, code) - 1
        self.state = (starts[entry + 1] - starts[entry]) * (self.state // TOTAL) + code - starts[entry]
        if self.state < 1 << 32 and self.words:
            self._refill()
        return entry

    def finish(self) -> None:
        require(
            self.state == 0 and not self.words, "the state is 0 and no word is left after the last symbol"
        )


@dataclass(frozen=True)
class TileSymbols:
    """Symbols of a tile, int64: `hyper`, Z x ceil(h/4) x ceil(w/4), and `latents`, C x h x w.

    `means` has the shape of `latents`; the value of a latent, in sixteenths, is 16 * latents + means.
    `escapes` counts the symbols that needed an escape.
    """

    hyper: np.ndarray
    latents: np.ndarray
    means: np.ndarray
    escapes: int

    @property
    def values(self) -> np.ndarray:
        """u, int64, C x h x w."""
        return 16 * self.latents + self.means

    def serialised(self) -> bytes:
        """What the symbol checksum is taken over."""
        return self.hyper.astype("<i1").tobytes() + self.latents.astype("<i2").tobytes()


def decode_tile(models: ModelSet, tile: TileRecord, height: int, width: int) -> TileSymbols:
    """Decode a tile of `height` x `width` pixels; refuse it if its symbols do not match their checksum."""
    require(0 <= tile.rate <= 255, "a tile's rate index is from 0 to 255")
    h, w = -(-height // 16), -(-width // 16)
    stream = Stream(tile.payload)
    hyper = _hyper_latents(models, stream, tile.rate, -(-h // 4), -(-w // 4))
    features = _hyper_synthesis(models, hyper, tile.rate, tile.texture)[:, :h, :w]
    latents = np.zeros((models.channels, h, w), np.int64)
    means = np.zeros_like(latents)
    parity = np.add.outer(np.arange(h), np.arange(w)) % 2
    seen: list[np.ndarray] = []
    first = 0
    for number, size in enumerate(models.slices):
        part = slice(first, first + size)
        everywhere = np.ones((size, h, w), bool)
        turns = [everywhere & (parity == 0), everywhere & (parity == 1)] if number == 0 else [everywhere]
        for turn, coded in enumerate(turns):
            values = 16 * latents[part] + means[part]
            context = [_context_features(models, values, True)] if turn else seen
            step = turn if number == 0 else number + 1
            mean, scale = _context_network(models, step, features, context)
            latents[part][coded] = step_symbols(models, stream, scale[coded])
            means[part][coded] = mean[coded]
        seen = [*seen, _context_features(models, 16 * latents[part] + means[part], number == 0)]
        first += size
    stream.finish()
    symbols = TileSymbols(hyper, latents, means, stream.escapes)
    require(
        zlib.crc32(symbols.serialised()) & 0xFFFF == tile.symbol_checksum, "the symbols match their checksum"
    )
    return symbols


def _hyper_latents(models: ModelSet, stream: Stream, rate: int, height: int, width: int) -> np.ndarray:
    band = rate * models.hyper_bands // 256
    tables = models.hyper_starts[band * models.hyper_channels :][: models.hyper_channels]
    flat = [stream.symbol(table) - 31 for table in tables for _ in range(height * width)]
    return np.array(flat, np.int64).reshape(models.hyper_channels, height, width)


def step_symbols(models: Coded, stream: Stream, scales: np.ndarray) -> np.ndarray:
    """Symbols of the positions of one context step, as listed; `scales` are their scale indices."""
    symbols = np.zeros(len(scales), np.int64)
    for index in range(1, 64):
        places = np.flatnonzero(scales == index)
        starts, largest = models.symbol_starts[index], models.support[index]
        decoded = [stream.symbol(starts) - largest for _ in places]
        for place, symbol in enumerate(decoded):
            if symbol > largest:
                decoded[place] = stream.symbol(ESCAPES) - 32768
                stream.escapes += 1
                require(decoded[place] > -32768, "an escaped symbol is from -32767 to 32767")
        symbols[places] = decoded
    return symbols


def layer(models: Coded, name: str, x: np.ndarray) -> np.ndarray:
    """Convolution and shift of an integer layer; float64 is exact, as sums stay below 2^24 < 2^53."""
    weight, bias = models.arrays[name + ".weight"].astype(np.float64), models.arrays[name + ".bias"]
    size = weight.shape[2]
    _, h, w = x.shape
    padded = np.pad(x, ((0, 0), (size // 2,) * 2, (size // 2,) * 2)).astype(np.float64)
    y = np.zeros((len(weight), h * w))
    for i in range(size):
        for j in range(size):
            y += weight[:, :, i, j] @ padded[:, i : i + h, j : j + w].reshape(len(x), h * w)
    return (y.astype(np.int64) + bias[:, None] >> models.shifts[name]).reshape(-1, h, w)


def clamped(models: Coded, name: str, x: np.ndarray) -> np.ndarray:
    return np.clip(layer(models, name, x), 0, 255)


def depth_to_space(x: np.ndarray, n: int) -> np.ndarray:
    """Channels c * n^2 + i * n + j of position (y, x) to channel c of (n * y + i, n * x + j)."""
    channels, h, w = x.shape
    return x.reshape(-1, n, n, h, w).transpose(0, 3, 1, 4, 2).reshape(channels // n**2, h * n, w * n)


def _hyper_synthesis(models: ModelSet, hyper: np.ndarray, rate: int, texture: int) -> np.ndarray:
    """Features, int64, F x 4 ceil(h/4) x 4 ceil(w/4)."""
    planes = np.zeros((1 + models.classes, *hyper.shape[1:]), np.int64)
    planes[0] = rate
    planes[1 + texture] = 32
    x = clamped(models, "hyper_synthesis.enter", np.concatenate([4 * hyper, planes]))
    x = depth_to_space(clamped(models, "hyper_synthesis.up1", x), 2)
    x = depth_to_space(clamped(models, "hyper_synthesis.up2", x), 2)
    return clamped(models, "hyper_synthesis.leave", x)


def _context_network(
    models: ModelSet, step: int, features: np.ndarray, context: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Means, clamped to +-2^18, and scale indices, 0 to 63, of all positions of a slice."""
    name = f"context_{step}"
    x = features
    if context:
        seen = clamped(models, name + ".squeeze", np.concatenate(context))
        x = np.concatenate([features, clamped(models, name + ".spread", seen)])
    x = layer(models, name + ".leave", clamped(models, name + ".joint", x))
    means, scales = np.split(x, 2)
    return np.clip(means, -(1 << 18), 1 << 18), np.clip(scales, 0, 63)


def _context_features(models: ModelSet, u: np.ndarray, first_slice: bool) -> np.ndarray:
    table = models.arrays["tables.magnitudes"].astype(np.int64)
    g = table[np.minimum(np.abs(u), len(table) - 1)]
    return np.concatenate([np.sign(u) * g, g, *([np.clip(u // 4, -255, 255)] if first_slice else [])])
