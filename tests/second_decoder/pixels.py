"""Symbols to pixels: chapters "Networks", "Fusion" and "Pixels" of docs/format.md, for whole pictures."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .container import ABSENT, DRAWN, File, Header, read_file
from .drawn import DrawnSamples, decode_drawn
from .entropy import TileSymbols, decode_tile, depth_to_space
from .fields import require
from .model_set import ModelSet

STRIDE = 16
SEAM = 16  # pixels on either side of a seam that its blocks change
BLOCK = 64  # length of a fusion block along the seam
MARGIN = 3  # pixels around a block that its network reads


@dataclass(frozen=True)
class Decoded:
    """A whole picture.

    `pixels` is u8, height x width x channels; `alpha` u8, height x width, or None; `symbols` has an entry for
    each tile, None for absent ones.
    """

    file: File
    pixels: np.ndarray
    alpha: np.ndarray | None
    symbols: list[TileSymbols | DrawnSamples | None]

    def symbols_hash(self) -> str:
        """SHA-256 of the symbols of all tiles that are not absent, hexadecimal."""
        return hashlib.sha256(b"".join(tile.serialised() for tile in self.symbols if tile)).hexdigest()


def decode(data: bytes, models: ModelSet) -> Decoded:
    """Decode a file, with a model set if it needs one, or raise `Refused`."""
    file = read_file(data)
    header = file.header
    require(not header.no_pixels, "the file has pixels")
    rows, columns = header.edges()
    boxes = [
        (top, left, bottom, right) for top, bottom in pairwise(rows) for left, right in pairwise(columns)
    ]
    drawn = {
        number: decode_drawn(tile, bottom - top, right - left, header.channels)
        for number, (tile, (top, left, bottom, right)) in enumerate(zip(file.tiles, boxes, strict=True))
        if tile.texture == DRAWN
    }
    picture = np.full((3, header.height, header.width), 128, np.float32)
    symbols: list[TileSymbols | DrawnSamples | None] = [drawn.get(number) for number in range(len(boxes))]
    if header.profile:
        coded = _decode_coded(file, models, boxes, drawn, picture)
        symbols = [drawn.get(number, tile) for number, tile in enumerate(coded)]
    else:
        _show(drawn, boxes, picture)
    if header.channels == 1:
        picture = picture.mean(0, keepdims=True)
    pixels = np.floor(np.clip(picture, 0, 255) + np.float32(0.5)).astype(np.uint8).transpose(1, 2, 0)
    total = file.ancillary.get(b"psum", b"")
    if not header.profile and total[:1] == b"\1":
        require(int.from_bytes(total[1:], "little") == zlib.crc32(pixels.tobytes()), "the pixels' checksum")
    return Decoded(file, pixels, file.alpha, symbols)


def _show(
    drawn: dict[int, DrawnSamples], boxes: list[tuple[int, int, int, int]], picture: np.ndarray
) -> None:
    for number, tile in drawn.items():
        top, left, bottom, right = boxes[number]
        picture[:, top:bottom, left:right] = tile.samples.transpose(2, 0, 1)


def _decode_coded(
    file: File,
    models: ModelSet,
    boxes: list[tuple[int, int, int, int]],
    drawn: dict[int, DrawnSamples],
    picture: np.ndarray,
) -> list[TileSymbols | None]:
    """Decode the tiles of texture classes, show all tiles on `picture`, and repair the seams."""
    header = file.header
    require(
        header.identity == models.identity[: len(header.identity)],
        f"the model set is the one that the file needs, {header.identity.hex()}",
    )
    require(header.stride == STRIDE, "the latent stride is 16")
    require(header.rate <= 255, "the header's rate index is from 0 to 255")
    require(header.profile == models.profile, "the entropy profile is that of the model set")
    require(header.halo == models.halo, "the halo is that of the model set")
    require(header.classes == models.classes, "the number of classes is that of the model set")
    require(models.fusion or not header.fusion, "the model set has a fusion network")
    squares, edges = _lattice(header), header.edges()
    symbols = [
        None
        if tile.texture in (ABSENT, DRAWN)
        else decode_tile(models, tile, number, STRIDE * (bottom - top), STRIDE * (right - left))
        for number, (tile, (top, left, bottom, right)) in enumerate(zip(file.tiles, squares, strict=True))
    ]
    latents = _Latents(models, file, symbols)
    for number, (top, left, bottom, right) in enumerate(boxes):
        if symbols[number] is not None:
            record = file.tiles[number]
            neighbours = _neighbours(symbols, number, len(edges[0]) - 1, len(edges[1]) - 1)
            tile = _synthesise(models, record.texture, record.rate, latents.patch(number), neighbours)
            y = STRIDE * (models.halo - squares[number][0]) + top - header.origin[1]
            x = STRIDE * (models.halo - squares[number][1]) + left - header.origin[0]
            picture[:, top:bottom, left:right] = tile[:, y : y + bottom - top, x : x + right - left]
    _show(drawn, boxes, picture)
    if header.fusion:
        picture[:] = _fused(models, header, picture, [tile.texture == ABSENT for tile in file.tiles])
        _show(drawn, boxes, picture)
    return symbols


def _lattice(header: Header) -> list[tuple[int, int, int, int]]:
    """The lattice squares of every tile, as (top, left, bottom, right); square 0 begins at the origin."""
    spans = []
    for edges, origin in zip(header.edges(), reversed(header.origin), strict=True):
        spans.append([((a - origin) // STRIDE, -((origin - b) // STRIDE)) for a, b in pairwise(edges)])
    return [(top, left, bottom, right) for top, bottom in spans[0] for left, right in spans[1]]


def _neighbours(symbols: list[TileSymbols | None], number: int, rows: int, columns: int) -> list[bool]:
    """Whether a tile has tiles that are not absent above, below, left and right of it."""
    row, column = divmod(number, columns)
    return [
        0 <= y < rows and 0 <= x < columns and symbols[y * columns + x] is not None
        for y, x in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1))
    ]


class _Latents:
    """Dequantised latents of all tiles, in grey levels, side by side as the tiles are."""

    def __init__(self, models: ModelSet, file: File, symbols: list[TileSymbols | None]) -> None:
        self.steps = models.arrays["tables.steps"].astype(np.float32) / 32
        self.rates, self.halo = [tile.rate for tile in file.tiles], models.halo
        squares = _lattice(file.header)
        y, x = squares[0][:2]
        self.boxes = [(top - y, left - x, low - y, right - x) for top, left, low, right in squares]
        n, (bottom, right) = self.halo, self.boxes[-1][2:]
        self.canvas = np.zeros((models.channels, bottom + 2 * n, right + 2 * n), np.float32)
        for (top, left, bottom, right), rate, tile in zip(self.boxes, self.rates, symbols, strict=True):
            if tile is not None:
                values = tile.values.astype(np.float32) / 16 / tile.gains * self.steps[rate][:, None, None]
                self.canvas[:, n + top : n + bottom, n + left : n + right] = values

    def patch(self, number: int) -> np.ndarray:
        """v of a tile with its halo, in units of the tile's own steps; C x (h + 2 halo) x (w + 2 halo)."""
        top, left, bottom, right = self.boxes[number]
        cut = self.canvas[:, top : bottom + 2 * self.halo, left : right + 2 * self.halo]
        return cut / self.steps[self.rates[number]][:, None, None]


def _conv1(weight: np.ndarray, x: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    """1 x 1 convolution, float32."""
    y = weight[:, :, 0, 0].astype(np.float32) @ x.reshape(len(x), -1)
    if bias is not None:
        y += bias.astype(np.float32)[:, None]
    return y.reshape(-1, *x.shape[1:])


def _synthesise(
    models: ModelSet, texture: int, rate: int, v: np.ndarray, neighbours: list[bool]
) -> np.ndarray:
    """Pixels of a patch of latents, float32, 3 x 16 rows x 16 columns.

    `neighbours` says whether there are tiles above, below, left and right.
    """
    prefix = f"synthesis.{texture}."

    def conv(name: str, x: np.ndarray) -> np.ndarray:
        return _conv1(models.arrays[f"{prefix}{name}.weight"], x, models.arrays[f"{prefix}{name}.bias"])

    def spatial(name: str, x: np.ndarray) -> np.ndarray:
        weight = models.arrays[f"{prefix}{name}.weight"].astype(np.float32)
        y = np.repeat(models.arrays[f"{prefix}{name}.bias"].astype(np.float32), x[0].size).reshape(x.shape)
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
        for i in range(3):
            for j in range(3):
                y += weight[:, 0, i, j][:, None, None] * padded[:, i : i + x.shape[1], j : j + x.shape[2]]
        return y

    steps = models.arrays["tables.steps"][rate].astype(np.float32) / 32
    linear = depth_to_space(_conv1(models.arrays["linear.synthesis"], v * steps[:, None, None]), 16)
    if models.profile == 2:
        above, below, left, right = neighbours
        filtered = _unlap(models.arrays["linear.lapping"], linear, left, right)
        linear = _unlap(models.arrays["linear.lapping"], filtered.transpose(0, 2, 1), above, below).transpose(
            0, 2, 1
        )
    t = depth_to_space(conv("enter", _companded(v)), 2)
    values = models.arrays[prefix + "rate"][rate].astype(np.float32)[:, None, None]
    width = len(t)
    t = t + values[:width]
    if prefix + "view.weight" in models.arrays:
        t = t + _companded(values[-width:] * _patches(models, prefix + "view", linear / 64))
    blocks = sorted(
        {int(name.split(".")[3]) for name in models.arrays if name.startswith(prefix + "blocks.")}
    )
    for block in blocks:
        a, b = np.split(spatial(f"blocks.{block}.spatial", conv(f"blocks.{block}.expand", t)), 2)
        t = t + conv(f"blocks.{block}.project", np.maximum(a, 0) * b)
    base = models.arrays["tables.base_steps"][rate]
    limit = models.arrays.get("tables.residual_limit", np.float32(np.inf))
    pixels = linear + base * np.clip(depth_to_space(conv("leave", t), 8), -limit, limit)
    if prefix + "post_filter.view.weight" in models.arrays:
        change = _post_filter(models, prefix + "post_filter.", pixels / base, t, values[width:])
        pixels = pixels + base * np.clip(change, -limit, limit)
    return 128 + pixels


def _post_filter(
    models: ModelSet, prefix: str, pixels: np.ndarray, features: np.ndarray, values: np.ndarray
) -> np.ndarray:
    """What the filter adds to pixels; both in base steps. `values` begins with those of the filter."""
    seen = _window(models, prefix + "view", pixels, size=6, stride=2)
    merge = _conv1(models.arrays[prefix + "merge.weight"], features, models.arrays[prefix + "merge.bias"])
    h = np.concatenate([_companded(seen), depth_to_space(merge, 4)])
    h = h + values[: len(h)]
    number = 0
    while f"{prefix}layers.{number}.weight" in models.arrays:
        h = h + np.maximum(_window(models, f"{prefix}layers.{number}", h, size=3, stride=1), 0)
        number += 1
    leave = _conv1(models.arrays[prefix + "leave.weight"], h, models.arrays[prefix + "leave.bias"])
    return depth_to_space(leave, 2)


def _window(models: ModelSet, name: str, x: np.ndarray, *, size: int, stride: int) -> np.ndarray:
    """A convolution over windows of size x size, with zeros around the planes."""
    weight, pad = models.arrays[f"{name}.weight"].astype(np.float32), (size - stride + 1) // 2
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    rows, columns = x.shape[1] // stride, x.shape[2] // stride
    parts = [
        padded[:, i : i + stride * rows : stride, j : j + stride * columns : stride]
        for i in range(size)
        for j in range(size)
    ]
    taps = weight.transpose(0, 2, 3, 1).reshape(len(weight), -1, 1, 1)
    return _conv1(taps, np.concatenate(parts), models.arrays[f"{name}.bias"])


def _companded(x: np.ndarray) -> np.ndarray:
    return np.sign(x) * np.log1p(np.abs(x))


def _patches(models: ModelSet, name: str, x: np.ndarray) -> np.ndarray:
    """A convolution over the squares of 8 x 8 pixels side by side."""
    weight = models.arrays[f"{name}.weight"].astype(np.float32)
    rows, columns = x.shape[1] // 8, x.shape[2] // 8
    squares = x.reshape(3, rows, 8, columns, 8).transpose(0, 2, 4, 1, 3).reshape(192, rows, columns)
    return _conv1(weight.reshape(len(weight), 192, 1, 1), squares, models.arrays[f"{name}.bias"])


def _unlap(matrix: np.ndarray, x: np.ndarray, first: bool, last: bool) -> np.ndarray:
    """The lapped transform's filter across the vertical block borders of a tile with its halo; `first` and `last` say
    whether its outermost borders are filtered.
    """
    out = x.copy()
    borders = range(16, x.shape[2], 16)
    for border in borders:
        if (border > borders[0] or first) and (border < borders[-1] or last):
            window = slice(border - 8, border + 8)
            out[:, :, window] = x[:, :, window] @ matrix
    return out


def _fused(models: ModelSet, header: Header, picture: np.ndarray, absent: list[bool]) -> np.ndarray:
    """The picture with its seams repaired; 3 x height x width. All blocks read `picture` as it came."""
    result = picture.copy()
    rows, columns = header.edges()
    gaps = np.array(absent).reshape(len(rows) - 1, len(columns) - 1)
    for c, x in enumerate(columns[1:-1]):
        change = _seam(models, header.rate, picture, x, header.origin[1])
        for r, (top, bottom) in enumerate(pairwise(rows)):
            if not gaps[r, c : c + 2].any():
                result[:, top:bottom] += change[:, top:bottom]
    upright = np.zeros(header.width, bool)
    for x in columns[1:-1]:
        upright[max(x - SEAM, 0) : x + SEAM] = True
    for r, y in enumerate(rows[1:-1]):
        turned = picture.transpose(0, 2, 1)
        change = _seam(models, header.rate, turned, y, header.origin[0]).transpose(0, 2, 1)
        change = np.where(upright, 0, change)
        for c, (left, right) in enumerate(pairwise(columns)):
            if not gaps[r : r + 2, c].any():
                result[:, :, left:right] += change[:, :, left:right]
    return result


def _seam(models: ModelSet, rate: int, picture: np.ndarray, seam: int, origin: int) -> np.ndarray:
    """What the blocks of the vertical seam at column `seam` add to the picture; `origin` is that of its rows."""
    _, height, width = picture.shape
    change = np.zeros_like(picture)
    left, right = max(seam - SEAM, 0), min(seam + SEAM, width)
    columns = np.arange(left - MARGIN, right + MARGIN)
    distance = ((columns - seam + 0.5) / SEAM).astype(np.float32)
    window = 1 - distance[MARGIN:-MARGIN] ** 2
    scale = models.arrays["tables.base_steps"][rate]
    for begin in range(origin % BLOCK - BLOCK if origin % BLOCK else 0, height, BLOCK):
        top, bottom = max(begin, 0), min(begin + BLOCK, height)
        rows = np.clip(np.arange(top - MARGIN, bottom + MARGIN), 0, height - 1)
        colours = (picture[:, rows][:, :, np.clip(columns, 0, width - 1)] - 128) / 64
        planes = np.empty((2, *colours.shape[1:]), np.float32)
        planes[0], planes[1] = distance, rate / 255
        x = np.concatenate([colours, planes])
        x = np.maximum(_conv3(models, "fusion.enter", x), 0)
        x = np.maximum(_conv3(models, "fusion.middle", x), 0)
        change[:, top:bottom, left:right] = scale * window * _conv3(models, "fusion.leave", x)
    return change


def _conv3(models: ModelSet, name: str, x: np.ndarray) -> np.ndarray:
    """3 x 3 convolution without padding, float32."""
    weight, bias = (models.arrays[f"{name}.{part}"].astype(np.float32) for part in ("weight", "bias"))
    h, w = x.shape[1] - 2, x.shape[2] - 2
    y = np.zeros((len(weight), h, w), np.float32) + bias[:, None, None]
    for i in range(3):
        for j in range(3):
            y += np.einsum("oc,chw->ohw", weight[:, :, i, j], x[:, i : i + h, j : j + w])
    return y
