"""One item in one process: its bytes to a .tcx file and its record."""

from __future__ import annotations

import hashlib
import io
import time
from dataclasses import dataclass, replace

from ..errors import TexcodecError
from ..processes import ENDED, Processes
from .records import FAILED, Record
from .settings import Settings
from .storage import content


@dataclass(frozen=True)
class Load:
    """What a process is given.

    Attributes:
        data: of the picture, where it has been read already; else it is read from ``source``.
        extra: other files of its sample in a tar, by their extensions.
    """

    key: str
    source: str
    data: bytes | None = None
    extra: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True)
class Coded:
    """What a process gives back; no data where it failed."""

    load: Load
    record: Record
    data: bytes | None


@dataclass(frozen=True)
class Coder:
    """Codes items; what processes run.

    Attributes:
        threads: of each process; None for all cores.
    """

    settings: Settings
    threads: int | None

    def __call__(self, load: Load) -> Coded:
        """Code an item; what fails becomes its record."""
        start = time.perf_counter()
        record = Record(load.key, load.source, quality=_quality(self.settings), models=self.settings.identity)
        slim = replace(load, data=None)
        notices: dict[str, None] = {}
        data = None
        try:
            source = load.data if load.data is not None else content(load.source, self.settings.limits.memory)
            record = replace(record, bytes_in=len(source), sha256=hashlib.sha256(source).hexdigest())
            record, data = _encoded(source, self.settings, self.threads, record, notices)
        except TexcodecError as error:
            record = replace(record, status=FAILED, error=error.with_advice)
        except MemoryError:
            record = replace(record, status=FAILED, error="There is not enough memory for it.")
        except Exception as error:  # one picture must not end a batch of a million
            what = f"{type(error).__name__}: {error}"
            record = replace(record, status=FAILED, error=f"Internal error, please report it ({what}).")
        record = replace(record, notices=" ".join(notices), seconds=round(time.perf_counter() - start, 4))
        return Coded(slim, record, data)

    def lost(self, load: Load) -> Coded:
        """What an item becomes that ended its process."""
        record = Record(load.key, load.source, status=FAILED, error=ENDED, models=self.settings.identity)
        return Coded(replace(load, data=None), record, None)


def coders(processes: int, settings: Settings) -> Processes[Load, Coded]:
    """Processes with one thread each that code items; one process has all cores."""
    coder = Coder(settings, threads=1 if processes > 1 else None)
    return Processes(processes, coder, coder.lost)


def _encoded(
    source: bytes, settings: Settings, threads: int | None, record: Record, notices: dict[str, None]
) -> tuple[Record, bytes]:
    import texcodec
    from texcodec.images import hold_back_library_output, read_picture

    hold_back_library_output()
    picture = read_picture(
        io.BytesIO(source),
        settings.limits,
        name="The picture",
        strict=settings.strict,
        metadata=settings.metadata,
    )
    record = replace(record, width=picture.width, height=picture.height)
    data = texcodec.encode(
        picture,
        threads=threads,
        limits=settings.limits,
        warn=lambda sentence: notices.update({sentence: None}),
        **settings.arguments(),
    )
    return replace(record, bytes_out=len(data)), data


def _quality(settings: Settings) -> float:
    if settings.quality is not None:
        return settings.quality
    others = (settings.bpp, settings.size, settings.psnr)
    return 0.0 if settings.lossless or any(v is not None for v in others) else 50.0
