"""A tile's payload to its symbols: chapters "The rANS stream" to "Context features" and "Gains" of docs/format.md."""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_right
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .container import TileRecord
from .fields import require
from .model_set import TOTAL, ModelSet
from .pyramid import PASSES, join_block_means, predict

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

    def finish(self, start: int = 0) -> None:
        require(
            self.state == start and not self.words,
            "the state is that of the start and no word is left after the last symbol",
        )


@dataclass(frozen=True)
class TileSymbols:
    """Symbols of a tile, int64: `hyper`, Z x ceil(h/4) x ceil(w/4), and `latents`, C x h x w.

    `values` has the shape of `latents`: u, in sixteenths of a symbol. `gains`, float32, broadcasts to that shape.
    `escapes` counts the symbols that needed an escape, `slices` is the number of coded slices.
    """

    hyper: np.ndarray
    latents: np.ndarray
    values: np.ndarray
    gains: np.ndarray
    escapes: int
    slices: int

    def serialised(self) -> bytes:
        """What the symbol checksum is taken over."""
        return self.hyper.astype("<i1").tobytes() + self.latents.astype("<i2").tobytes()


def decode_tile(models: ModelSet, tile: TileRecord, index: int, height: int, width: int) -> TileSymbols:
    """Decode tile `index` of `height` x `width` pixels; refuse it if its symbols do not match their checksum."""
    require(0 <= tile.rate <= 255, "a tile's rate index is from 0 to 255")
    h, w = -(-height // 16), -(-width // 16)
    stream = Stream(tile.payload)
    slices = len(models.slices)
    if models.profile == 2:
        slices = stream.symbol(models.slice_starts[tile.rate * len(models.slice_starts) // 256]) - slices
        require(1 <= slices <= len(models.slices), "the number of coded slices is from 1 to S")
    hyper = _hyper_latents(models, stream, tile.rate, -(-h // 4), -(-w // 4))
    features = _hyper_synthesis(models, hyper, tile.rate, tile.texture)[:, :h, :w]
    latents = np.zeros((models.channels, h, w), np.int64)
    values = np.zeros_like(latents)
    first = models.slices[0]
    decode_first = _first_slice if models.profile == 1 else _first_slice_in_passes
    decode_first(models, stream, features, latents[:first], values[:first])
    seen = [_context_features(models, values[:first], True)]
    for number in range(1, slices):
        part = slice(first, first + models.slices[number])
        step = number + 1 if models.profile == 1 else number
        means, scales = _context_network(models, f"context_{step}", features, seen)
        latents[part] = step_symbols(models, stream, scales.ravel()).reshape(scales.shape)
        values[part] = 16 * latents[part] + means
        seen.append(_context_features(models, values[part], False))
        first = part.stop
    gains = _gains(models, features) if models.gains else np.ones((1, 1, 1), np.float32)
    symbols = TileSymbols(hyper, latents, values, gains, stream.escapes, slices)
    if models.profile == 2:
        stream.finish(zlib.crc32(struct.pack("<I", index) + symbols.serialised()) & 0xFFFFFF)
        return symbols
    stream.finish()
    checksum = zlib.crc32(symbols.serialised()) & 0xFFFF
    require(checksum == tile.symbol_checksum, "the symbols match their checksum")
    return symbols


def _first_slice(
    models: ModelSet, stream: Stream, features: np.ndarray, latents: np.ndarray, values: np.ndarray
) -> None:
    """Profile 1: fill in symbols and u of the first slice, even positions first."""
    parity = np.add.outer(*map(np.arange, latents.shape[1:])) % 2
    for step in (0, 1):
        context = [_context_features(models, values, True)] if step else []
        means, scales = _context_network(models, f"context_{step}", features, context)
        coded = np.broadcast_to(parity == step, latents.shape)
        latents[coded] = step_symbols(models, stream, scales[coded])
        values[coded] = 16 * latents[coded] + means[coded]


def _first_slice_in_passes(
    models: ModelSet, stream: Stream, features: np.ndarray, latents: np.ndarray, values: np.ndarray
) -> None:
    """Profile 2: fill in symbols and u of the first slice, pass by pass, and put block means in their places."""
    c, h, w = latents.shape
    mark = np.zeros((1, h, w), np.int64)
    for number, (spacing, offsets) in enumerate(PASSES):
        planes = values.copy()
        planes[:3] = join_block_means(values[:3])
        planes = np.concatenate([planes, values[[0, 2, 1]]])[:, ::spacing, ::spacing]
        context = np.concatenate([_context_features(models, planes, True), mark[:, ::spacing, ::spacing]])
        places, outputs = [], []
        for a, b in offsets:
            at = (slice(None), slice(a * spacing, None, 2 * spacing), slice(b * spacing, None, 2 * spacing))
            x = features[at]
            if not x.size:
                continue
            name = f"first_{number}"
            if number:
                # a convolution at every point of the sub-grid, of which the coded ones are kept
                seen = clamped(models, name + ".spread", clamped(models, name + ".squeeze", context))
                x = np.concatenate([x, seen[:, a::2, b::2]])
            out = layer(models, name + ".leave", clamped(models, name + ".joint", x))
            if number:
                out[:c] += predict(models.arrays[name + ".prediction"], planes)[:, a::2, b::2]
            places.append(at)
            outputs.append(out)
        if not places:
            continue
        listed = np.concatenate([out.reshape(2 * c, -1) for out in outputs], 1)
        means, scales = np.clip(listed[:c], -(1 << 18), 1 << 18), np.clip(listed[c:], 0, 63)
        symbols = step_symbols(models, stream, scales.ravel()).reshape(c, -1)
        begin = 0
        for at, out in zip(places, outputs, strict=True):
            part = slice(begin, begin + out[0].size)
            latents[at] = symbols[:, part].reshape(c, *out.shape[1:])
            values[at] = (16 * symbols + means)[:, part].reshape(c, *out.shape[1:])
            mark[at] = 32
            begin = part.stop
    values[:3] = join_block_means(values[:3])


def _gains(models: ModelSet, features: np.ndarray) -> np.ndarray:
    """The gain of every latent, float32, C x h x w."""
    index = np.clip(layer(models, "gains.leave", features) + 32, 0, 63)
    found = models.arrays["tables.gains"][index]
    return np.concatenate([np.ones_like(found[:1]), found])[models.arrays["tables.gain_planes"]]


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
    models: ModelSet, name: str, features: np.ndarray, context: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Means, clamped to +-2^18, and scale indices, 0 to 63, of all positions of a slice."""
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
