"""Training pictures: decoded once, into memory or a memory map, and cut into crops balanced over texture."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...files import write_atomically
from ...texture import luminance
from ..core import processes
from .settings import DataSettings

BIN_EDGES = (4.0, 8.0, 14.0, 22.0)
"""Crops are drawn equally often from the bins of mean |dx| + |dy| between these values."""
PLACE_STRIDE = 16
"""Pixels between the places of crops, each of which is moved at random by less than that."""
MOST_PLACES = 2_000_000
DEEP_MODES = ("I", "F")
"""Pillow modes of more than 8 bits a channel; converting them to RGB clips them."""


def readable_extensions() -> set[str]:
    """Suffixes (lower case) of all formats that this Pillow can open."""
    Image.init()
    return {suffix for suffix, form in Image.registered_extensions().items() if form in Image.OPEN}


def list_pictures(places: list[Path]) -> list[Path]:
    """All picture files under the folders, sorted; files that are named themselves are taken as they are."""
    suffixes = readable_extensions()
    found = {p for p in places if p.is_file()}
    for folder in places:
        found |= {p for p in folder.rglob("*") if p.suffix.lower() in suffixes and p.is_file()}
    return sorted(found)


def split_held_out(files: list[Path], every: int = 10) -> tuple[list[Path], list[Path]]:
    """Training files and held-out files: one in ``every``, by file; a single file is trained on."""
    if len(files) < 2 or not every:
        return files, []
    return [f for i, f in enumerate(files) if i % every], files[::every]


def physical_memory() -> int | None:
    """Bytes of memory of this machine, where the system tells."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def read_picture(file: Path) -> Image.Image:
    """One picture as 8-bit RGB.

    Raises:
        OSError, ValueError, SyntaxError and others of Pillow's: it cannot be read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about oddities of files, in a programmer's words
        with Image.open(file) as opened:
            if opened.mode.split(";")[0] in DEEP_MODES:
                raise ValueError(f"it has more than 8 bits a channel ({opened.mode})")
            image = opened.convert("RGBA") if "transparency" in opened.info else opened
            return image.convert("RGB")


class Pictures:
    """Decoded pictures at one or more scales.

    Args:
        files: pictures; those that cannot be read are listed in ``skipped``.
        smallest: pictures with a shorter side are padded by reflection.
        settings: scales, and how much memory may be taken.
        work: folder of the memory map; without one all pictures go to memory.
        seed: of the scales drawn.
    Attributes:
        arrays: uint8 H x W x 3.
        skipped: files, and why they cannot be read.
    """

    def __init__(
        self,
        files: list[Path],
        *,
        smallest: int,
        settings: DataSettings | None = None,
        work: Path | None = None,
        seed: int = 1,
    ) -> None:
        self.settings = settings or DataSettings()
        self.smallest, self.seed = smallest, seed
        self.arrays: list[np.ndarray] = []
        self.skipped: list[tuple[Path, str]] = []
        memory = physical_memory()
        mapped = work is not None and memory is not None
        if mapped and self._estimate(files) > self.settings.memory_share * memory / processes.world():  # type: ignore
            assert work is not None
            if processes.rank():
                processes.wait()  # for the first process, whose map the others use
            self._load_mapped(files, work)
            if not processes.rank():
                processes.wait()
        else:
            self.arrays = list(self._decode(files))

    def _estimate(self, files: list[Path]) -> float:
        """Bytes that all scales of all pictures will take, by the sizes that their headers tell."""
        total = 0
        for file in files:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    with Image.open(file) as image:
                        total += 3 * image.width * image.height
            except Exception:  # it is named when it is decoded
                continue
        return total * sum(s**2 for s in self.settings.scales)

    def _decode(self, files: list[Path]) -> Iterator[np.ndarray]:
        s = self.settings
        for number, file in enumerate(files):
            try:
                image = read_picture(file)
            except (
                Exception
            ) as error:  # Pillow raises many types for damaged files; each is named to the user
                self.skipped.append((file, " ".join(str(error).split()) or type(error).__name__))
                continue
            random = np.random.default_rng([self.seed, number])
            for scale in s.scales:
                if scale != 1.0:
                    scale = min(1.0, scale * random.uniform(1 - s.spread, 1 + s.spread))
                size = round(image.width * scale), round(image.height * scale)
                if scale != 1.0 and min(size) < 2 * self.smallest:
                    continue
                array = np.asarray(image if scale == 1.0 else image.resize(size, Image.Resampling.LANCZOS))
                yield _at_least(array, self.smallest)

    def _load_mapped(self, files: list[Path], work: Path) -> None:
        """Decode into one file of raw pixels, or take the one that an earlier run has left."""
        pixels, index = work / "pixels.raw", work / "pixels.json"
        told = [str(self.settings), str(self.smallest), str(self.seed)]
        told += [f"{file} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files]
        key = hashlib.sha256("\n".join(told).encode()).hexdigest()
        try:
            known = json.loads(index.read_text("utf-8"))
        except (OSError, ValueError):
            known = {}
        if known.get("key") != key or not pixels.is_file():
            shapes: list[list[int]] = []

            def fill(file) -> None:  # type: ignore[no-untyped-def]
                for array in self._decode(files):
                    shapes.append(list(array.shape))
                    file.write(np.ascontiguousarray(array).data)

            work.mkdir(parents=True, exist_ok=True)
            write_atomically(pixels, fill, force=True)
            known = {"key": key, "shapes": shapes, "skipped": [[str(f), why] for f, why in self.skipped]}
            write_atomically(index, json.dumps(known).encode(), force=True)
        self.skipped = [(Path(f), why) for f, why in known["skipped"]]
        if not known["shapes"]:
            return
        flat, start = np.memmap(pixels, np.uint8, "r"), 0
        for shape in known["shapes"]:
            size = int(np.prod(shape))
            self.arrays.append(flat[start : start + size].reshape(shape))
            start += size


def _at_least(array: np.ndarray, side: int) -> np.ndarray:
    missing = [max(0, side - n) for n in array.shape[:2]]
    while any(missing):
        step = [min(m, n - 1) for m, n in zip(missing, array.shape[:2])]
        if not any(step):
            return np.pad(array, [(0, missing[0]), (0, missing[1]), (0, 0)], mode="edge")
        array = np.pad(array, [(0, step[0]), (0, step[1]), (0, 0)], mode="reflect")
        missing = [max(0, side - n) for n in array.shape[:2]]
    return array


@dataclass
class Places:
    """Which crops to cut.

    Attributes:
        where: int64 B x 5: number of the picture, row, column, whether mirrored, whether transposed.
        classes: int64 B.
        groups: the number of crops of each class if the crops are sorted by class, else None.
    """

    where: np.ndarray
    classes: np.ndarray
    groups: tuple[int, ...] | None


class CropSampler:
    """Draws crops, balanced over texture, mirrored and transposed at random.

    Args:
        arrays: uint8 H x W x 3, none smaller than a crop.
        crop: side in pixels.
        seed: of the places (fixed for good) and of ``batches``.
        thresholds: of texture complexity between the classes.
        balance: "texture": equally often from every bin of texture that the pictures have; "classes": equally
            many crops of every class that they have, sorted by class, and in a class equally often from its
            bins.
        drawn: drawn pages (``drawn``), uint8 H x W x 3, which belong to no bin.
        drawn_share: share of the crops that are cut from them.
    """

    def __init__(
        self,
        arrays: list[np.ndarray],
        *,
        crop: int,
        seed: int,
        thresholds: tuple[float, ...] = (8.0, 18.0),
        balance: str = "texture",
        drawn: Sequence[np.ndarray] = (),
        drawn_share: float = 0.0,
    ) -> None:
        photographs, arrays = len(arrays), [*arrays, *drawn]
        self.arrays, self.crop, self.seed, self.balance = arrays, crop, seed, balance
        self.drawn_share = drawn_share if drawn else 0.0
        random = np.random.default_rng(seed)
        pixels = sum(a.shape[0] * a.shape[1] for a in arrays)
        stride = max(PLACE_STRIDE, int((pixels / MOST_PLACES) ** 0.5))
        places, measures = [], []
        for k, a in enumerate(arrays):
            y, x = (
                v.ravel()
                for v in np.mgrid[0 : a.shape[0] - crop + 1 : stride, 0 : a.shape[1] - crop + 1 : stride]
            )
            y = np.minimum(y + random.integers(stride, size=len(y)), a.shape[0] - crop)
            x = np.minimum(x + random.integers(stride, size=len(x)), a.shape[1] - crop)
            places.append(np.stack([np.full_like(y, k), y, x], 1).astype(np.int32))
            measures.append(crop_complexities(a, y, x, crop))
        self.places = np.concatenate(places)
        measure = np.concatenate(measures)
        self.classes = np.searchsorted(thresholds, measure, side="right").astype(np.int64)
        bins = np.searchsorted(BIN_EDGES, measure)
        count = len(thresholds) + 1
        keys = bins if balance == "texture" else bins + 100 * self.classes
        is_drawn = self.places[:, 0] >= photographs
        self.cells = [np.flatnonzero((keys == key) & ~is_drawn) for key in np.unique(keys[~is_drawn])]
        self.drawn = [np.flatnonzero(is_drawn & (self.classes == k)) for k in range(count)]
        present = sorted({int(self.classes[c[0]]) for c in self.cells})
        self.by_class = [[c for c in self.cells if self.classes[c[0]] == k] for k in range(count)]
        self._present = present

    def groups(self, size: int) -> tuple[int, ...]:
        """How many of ``size`` crops belong to each class, as equal as may be over those that there are."""
        share, more = divmod(size, len(self._present))
        ranks = {k: i for i, k in enumerate(self._present)}
        return tuple(share + (ranks[k] < more) if k in ranks else 0 for k in range(len(self.by_class)))

    def draw(self, random: np.random.Generator, size: int) -> Places:
        """Draw ``size`` crops."""
        groups = None
        if self.balance == "classes":
            groups = self.groups(size)
            cells = [
                self.by_class[k][random.integers(len(self.by_class[k]))]
                for k, n in enumerate(groups)
                for _ in range(n)
            ]
        else:
            cells = [self.cells[i] for i in random.integers(len(self.cells), size=size)]
        return self._places(random, self._with_drawn(random, cells), groups)

    def _with_drawn(self, random: np.random.Generator, cells: list[np.ndarray]) -> list[np.ndarray]:
        """Some of the cells replaced by drawn crops, of the same class where batches are sorted by class."""
        if not self.drawn_share:
            return cells
        everything = np.concatenate(self.drawn)
        for place in np.flatnonzero(random.random(len(cells)) < self.drawn_share):
            known = self.drawn[self.classes[cells[place][0]]] if self.balance == "classes" else everything
            cells[place] = known if len(known) else cells[place]
        return cells

    def draw_evenly(self, random: np.random.Generator, size: int) -> Places:
        """Draw ``size`` crops, as equally many as may be from every bin instead of by chance."""
        return self._places(random, [self.cells[i % len(self.cells)] for i in range(size)], None)

    def _places(
        self, random: np.random.Generator, cells: list[np.ndarray], groups: tuple[int, ...] | None
    ) -> Places:
        """A crop of each of the cells."""
        chosen = np.array([cell[random.integers(len(cell))] for cell in cells])
        where = np.empty((len(cells), 5), np.int64)
        where[:, :3] = self.places[chosen]
        where[:, 3:] = random.integers(2, size=(len(cells), 2))
        return Places(where, self.classes[chosen], groups)

    def cut(self, places: Places) -> np.ndarray:
        """The pixels of crops: uint8 B x crop x crop x 3."""
        c = self.crop
        out = np.empty((len(places.where), c, c, 3), np.uint8)
        for b, (k, y, x, mirrored, transposed) in enumerate(places.where):
            patch = self.arrays[k][y : y + c, x : x + c]
            if mirrored:
                patch = patch[:, ::-1]
            out[b] = patch.transpose(1, 0, 2) if transposed else patch
        return out

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """Yields uint8 B x crop x crop x 3 for ever."""
        random = np.random.default_rng([self.seed, 1])
        while True:
            yield self.cut(self.draw(random, size))


def crop_complexities(pixels: np.ndarray, y: np.ndarray, x: np.ndarray, crop: int) -> np.ndarray:
    """``texture.complexity`` of many crops of one picture, by sums over all rectangles from its corner.

    Args:
        pixels: uint8 H x W x 3.
        y, x: N, upper left corners.
    Returns:
        float64 N.
    """
    light = luminance(pixels)
    total = np.zeros(len(y))
    for axis, (height, width) in ((1, (crop, crop - 1)), (0, (crop - 1, crop))):
        sums = np.pad(np.abs(np.diff(light, axis=axis)).cumsum(0, np.int64).cumsum(1), ((1, 0), (1, 0)))
        inside = sums[y + height, x + width] - sums[y, x + width] - sums[y + height, x] + sums[y, x]
        total = total + inside / (height * width)
    return total


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
