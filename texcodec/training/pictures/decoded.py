"""Training pictures, decoded once, into memory or a memory map."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from ...files import write_atomically
from ..core import processes
from .files import read_picture
from .settings import DataSettings


def physical_memory() -> int | None:
    """Bytes of memory of this machine, where the system states them."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


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
        parts = [str(self.settings), str(self.smallest), str(self.seed)]
        parts += [f"{file} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files]
        key = hashlib.sha256("\n".join(parts).encode()).hexdigest()
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
            index.unlink(missing_ok=True)  # it shall never stand beside pixels of other settings
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
