"""Coding, decoding and measuring, for many pictures, codecs and qualities."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from ..codec.workers import available_cores
from ..errors import StreamError, TexcodecError
from .adapters import Codec
from .journal import Journal, Point
from .metrics import Metric
from .pictures import Source, read_rgb

WARM_UP_SIDE = 256


def threads_of_each(jobs: int) -> int:
    """Threads for each of several jobs that share the cores."""
    return max(1, available_cores() // jobs)


@dataclass
class Bench:
    """Measures points that the journal does not have yet.

    Attributes:
        journal: what is known already.
        metrics: of every point.
        jobs: points measured at a time, in threads: encoders and networks let go of Python's lock while they
            work.
        failed: called with codec, picture and sentence where a codec cannot code a picture.
        measured: called with every new point.
        failures: picture and codec of what failed.
    """

    journal: Journal
    metrics: Sequence[Metric]
    jobs: int = 1
    failed: Callable[[Codec, Source, str], None] = lambda codec, source, sentence: None
    measured: Callable[[Codec, Source, Point], None] = lambda codec, source, point: None
    failures: set[tuple[str, str]] = field(default_factory=set)

    def point(self, codec: Codec, source: Source, quality: float, pixels: np.ndarray | None = None) -> Point:
        """One point, from the journal or measured now."""
        keys = [metric.key for metric in self.metrics]
        known = self.journal.get(source.digest, codec.identity, quality, keys)
        if known:
            return known
        pixels = read_rgb(source.path) if pixels is None else pixels
        start = time.perf_counter()
        data = codec.encode(pixels, quality)
        between = time.perf_counter()
        decoded = codec.decode(data)
        end = time.perf_counter()
        if decoded.shape != pixels.shape:
            raise ValueError(f"it decodes to {decoded.shape[1]} x {decoded.shape[0]} pixels")
        point = Point(
            source.digest,
            codec.identity,
            quality,
            len(data),
            round(between - start, 5),
            round(end - between, 5),
            self.jobs,
            {metric.key: metric.of(pixels, decoded) for metric in self.metrics},
        )
        self.journal.add(point)
        self.measured(codec, source, point)
        return point

    def run(
        self,
        codecs: Sequence[Codec],
        sources: Sequence[Source],
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """All points of all codecs and pictures; afterwards the journal has them, but for the failures.

        Raises:
            StreamError: the journal cannot be written.
        """
        work = [(codec, source) for source in sources for codec in codecs]
        count = _Count(sum(len(codec.qualities) for codec, _ in work), progress)
        if self.jobs == 1:
            warm: set[str] = set()
            for codec, source in work:
                if codec.identity not in warm and not self._complete(codec, source):
                    warm.add(codec.identity)
                    _warm_up(codec, source)
                self._all_qualities(codec, source, count)
            return
        pool = ThreadPoolExecutor(self.jobs)
        try:
            for future in as_completed([pool.submit(self._all_qualities, *unit, count) for unit in work]):
                future.result()
        finally:
            # an interrupt must not wait for the rest of the queue
            pool.shutdown(wait=False, cancel_futures=True)

    def _complete(self, codec: Codec, source: Source) -> bool:
        keys = [metric.key for metric in self.metrics]
        return all(self.journal.get(source.digest, codec.identity, q, keys) for q in codec.qualities)

    def _all_qualities(self, codec: Codec, source: Source, count: _Count) -> None:
        if self._complete(codec, source):
            count(len(codec.qualities))
            return
        left = len(codec.qualities)
        try:
            pixels = read_rgb(source.path)
            for quality in codec.qualities:
                self.point(codec, source, quality, pixels)
                left -= 1
                count(1)
        except StreamError:
            raise
        except Exception as error:  # whatever a codec's library raises concerns this codec and picture only
            self.failures.add((source.digest, codec.identity))
            text = str(error) if isinstance(error, TexcodecError) else " ".join(str(error).split())
            self.failed(codec, source, text or type(error).__name__)
            count(left)


class _Count:
    """Points done, for a progress function that several threads may call."""

    def __init__(self, total: int, progress: Callable[[int, int], None] | None) -> None:
        self._lock = threading.Lock()
        self._done, self._total, self._progress = 0, total, progress

    def __call__(self, points: int) -> None:
        with self._lock:
            self._done += points
            if self._progress:
                self._progress(self._done, self._total)


def _warm_up(codec: Codec, source: Source) -> None:
    """Loads libraries and builds networks, which should not count as the first picture's time."""
    with suppress(Exception):  # a failure shows again, and is reported, when the point is measured
        corner = np.ascontiguousarray(read_rgb(source.path)[:WARM_UP_SIDE, :WARM_UP_SIDE])
        codec.decode(codec.encode(corner, codec.qualities[len(codec.qualities) // 2]))
