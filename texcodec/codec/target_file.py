"""The file that serves a target: rates are searched, and a picture without networks is tried beside it."""

from __future__ import annotations

from ..errors import TargetError
from ..lossless import available
from ..notices import Warn
from .drawn_file import DrawnFile, drawn_files, estimate_bytes, exact_file
from .file_coder import COARSEST, FileCoder
from .rate_control import (
    DEFAULT_QUALITY,
    PSNR_TOLERANCE,
    Target,
    gather,
    index_of_quality,
    psnr_of_error,
    search_bytes,
    search_psnr,
    spread,
)
from .rdoq import error_worth

MOSTLY_DRAWN = 1 / 3
"""Share of a picture's pixels in drawn tiles from which on it is tried without any network."""
LOSSLESS_BITS = 1.0
"""Bits per sample of a file from which on it is compared with the picture without loss; photographs need 3 or more."""
NEAR_LOSSLESS = 0.8
"""Share of the estimated bytes without loss from which on the picture is really coded so."""


class TargetFile:
    """Finds the file of a picture that serves a target."""

    def __init__(self, coder: FileCoder) -> None:
        self.coder = coder
        self.pixels = coder.picture.width * coder.picture.height

    def run(self, target: Target, warn: Warn, *, nearest: bool) -> bytes:
        """Find the rates of the region's tiles and write the file.

        Raises:
            TargetError: the target is out of reach and the nearest does not do.
        """
        rates, reached = self._search(target)
        if not reached and max(rates) == COARSEST and self.coder.drawn:
            # drawn tiles are worth their bytes, but there must be fewer
            self.coder.give_up_drawing()
            rates, reached = self._search(target)
        data, instead = self.coder.file(rates), self._without_network(rates, target)
        if instead is not None:
            data, reached = instead.data, True
        blurred = target.psnr is not None and not reached and max(rates) > COARSEST
        worse = blurred or target.too_large(len(data), self.pixels)
        if worse and not nearest:
            raise TargetError(self._out_of_reach(target, rates, data, instead))
        if worse or not (reached or target.size is not None):
            warn(self._out_of_reach(target, rates, data, instead))
        sentence = self.coder.outcome.warning(min(rates), None if instead is None else instead.error)
        if sentence is not None and target.psnr is None:
            warn(sentence)
        return data

    def _out_of_reach(self, target: Target, rates: list[int], data: bytes, instead: DrawnFile | None) -> str:
        """What to say of the nearest file, in the unit of the target as well."""
        nearest = f"{len(data)} bytes"
        if target.bpp is not None:
            nearest += f", {8 * len(data) / self.pixels:.3g} bits per pixel"
        elif target.psnr is not None:
            samples = self.coder.picture.pixels.size
            psnr = psnr_of_error(instead.error, samples) if instead is not None else self.coder.psnr(rates[0])
            nearest += f" and {psnr:.2f} dB"
        return f"{target.asked} is out of reach for this picture; the nearest has {nearest}."

    def _search(self, target: Target) -> tuple[list[int], bool]:
        """Rates that meet the target, or the nearest, and whether they do."""
        tiles = len(self.coder.layout.region_tiles)
        # a set may have rows beyond its best quality that serve nobody
        last = self.coder.models.manifest.qualities[-1]
        if target.psnr is not None:
            index, reached = search_psnr(
                self.coder.psnr, target.psnr, estimate=self.coder.estimated_psnr, last=last
            )
            return [index] * tiles, reached
        if target.bpp is not None or target.size is not None:
            return search_bytes(
                self.coder.estimate,
                target.bytes(self.pixels),
                tiles,
                exact=lambda r: len(self.coder.file(r)),
                strict=target.size is not None,
                last=last,
                arrange=gather if self.coder.compact else spread,
            )
        quality = target.quality if target.quality is not None else DEFAULT_QUALITY
        return [index_of_quality(quality, self.coder.models.manifest.qualities)] * tiles, True

    def _drawn_files(self, size: int) -> list[DrawnFile]:
        """The whole picture as drawings, where one of them may be better than a file of ``size`` bytes."""
        coder, pixels = self.coder, self.coder.picture.pixels
        if coder.cropped:
            return []
        if coder.drawn.share >= MOSTLY_DRAWN:
            return drawn_files(coder.drawn, coder.surroundings, coder.workers)
        if (
            8 * size > LOSSLESS_BITS * pixels.size
            and available()
            and size > NEAR_LOSSLESS * estimate_bytes(pixels)
        ):
            return [exact_file(pixels, coder.surroundings, coder.workers)]
        return []

    def _without_network(self, rates: list[int], target: Target) -> DrawnFile | None:
        """The whole picture as one drawing, if that serves the target better than the file at these rates."""
        size = len(self.coder.file(rates))
        files = self._drawn_files(size)
        if not files:
            return None
        smaller = [f for f in files if len(f.data) < size]
        if target.psnr is not None:
            least, samples = target.psnr - PSNR_TOLERANCE, self.coder.picture.pixels.size
            good = [f for f in smaller if psnr_of_error(f.error, samples) >= least]
            return min(good, key=lambda f: len(f.data), default=None)
        if target.bpp is not None or target.size is not None:
            most = target.bytes(self.pixels)
            fitting = [f for f in files if len(f.data) <= most]
            if not fitting and size > most:  # out of reach: the nearest
                return min(smaller, key=lambda f: len(f.data), default=None)
            best = min(fitting, key=lambda f: (f.error, len(f.data)), default=None)
            missed = target.size is not None and size > most
            return best if best is not None and (missed or self._is_better(best.error, 0.0, rates)) else None
        worth = error_worth(self.coder.models, min(rates)) * 3 / self.coder.picture.channels
        best = min(files, key=lambda f: 8 * len(f.data) + worth * f.error)
        spare = 8 * (size - len(best.data)) / worth
        return best if self._is_better(best.error, spare, rates) else None

    def _is_better(self, error: float, spare: float, rates: list[int]) -> bool:
        """Whether an error is at most ``spare`` more than that of the file at these rates."""
        return error <= spare or error <= spare + self.coder.error(rates)
