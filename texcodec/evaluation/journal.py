"""What was measured, one line of JSON a point, written as it comes: a stopped run loses nothing."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import StreamError

Key = tuple[str, str, float]


@dataclass(frozen=True)
class Point:
    """One picture coded by one codec at one quality.

    Attributes:
        picture: digest of the samples.
        codec: identity of the codec.
        quality: at which it was coded.
        bytes: of the file.
        encode_s, decode_s: seconds.
        jobs: how many points were measured at a time; seconds are honest at 1 only.
        metrics: by key; None where the picture is too small for it, infinite where nothing was lost.
    """

    picture: str
    codec: str
    quality: float
    bytes: int
    encode_s: float
    decode_s: float
    jobs: int
    metrics: dict[str, float | None]

    @property
    def key(self) -> Key:
        return self.picture, self.codec, self.quality


class Journal:
    """Points by key, in a file if there is one. Safe to share between threads.

    Args:
        path: a file that may exist; None keeps the points in memory only.
    Raises:
        StreamError: the file cannot be read.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._points: dict[Key, Point] = {}
        self._open_line = False
        if path is not None and path.exists():
            try:
                text = path.read_text("utf-8", errors="replace")
            except OSError as error:
                raise StreamError(f"Cannot read {path}: {error.strerror}; check its permissions.") from error
            self._open_line = bool(text) and not text.endswith("\n")
            for line in text.splitlines():
                try:
                    point = Point(**json.loads(line))
                    self._points[point.key] = point
                except (ValueError, TypeError):
                    continue  # the line in which a run was stopped; its point is measured again

    def __len__(self) -> int:
        return len(self._points)

    def get(self, picture: str, codec: str, quality: float, metrics: list[str]) -> Point | None:
        """The point, if it was measured by all of these metrics."""
        point = self._points.get((picture, codec, quality))
        return point if point and set(metrics) <= set(point.metrics) else None

    def add(self, point: Point) -> None:
        """Keep a point.

        Raises:
            StreamError: it cannot be written, for example because the disk is full.
        """
        with self._lock:
            self._points[point.key] = point
            if self.path is None:
                return
            line = "\n" * self._open_line + json.dumps(asdict(point)) + "\n"
            try:
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(line)
                self._open_line = False
            except OSError as error:
                raise StreamError(
                    f"Cannot write {self.path}: {error.strerror}; the points before it are kept, so give the "
                    "same command again once that is mended."
                ) from error
