"""Whole files: the container, pictures, features, and the command that writes what it decodes."""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from texcodec.cli.app import run
from texcodec.codec import TcxFile
from texcodec.container import PSUM, Header, Reader, read_header, unpack_pixel_sum, unpack_stream
from texcodec.container.compact_index import unpack_entries
from texcodec.container.index import unpack_index
from texcodec.entropy import SymbolReader
from texcodec.errors import CorruptError, FormatError, LimitError, TexcodecError
from texcodec.features import decode as feature_decode
from texcodec.registry import FeatureSet

from .repair import COMPACT
from .rules import LIMITS, RuleBroken, check_sentence
from .streams import ROOT, TINY_1, TINY_2, model_set

FEATURES = ROOT / "tests" / "data" / "tiny-features"


def container(data: bytes) -> None:
    """All that the container says of a file, with and without salvage."""
    errors = []
    for salvage in (False, True):
        try:
            reader = Reader(data, LIMITS, salvage=salvage)
            for payload in reader.features:
                unpack_stream(payload)
            unpack_pixel_sum(reader.chunks.get(PSUM))
            read_header(data, LIMITS)
            assert reader.crop is None or reader.crop.region
            if sum(entry.length for entry in reader.tiles) > len(data) and not salvage:
                raise RuleBroken("tiles that are longer than the file")
            reader.verify()
        except (FormatError, LimitError) as error:
            errors.append(error)
            check_sentence(error)
    if errors:
        raise errors[0]


def index(data: bytes) -> None:
    """The index of a picture of 6 to 150 tiles, in both forms."""
    first, rest = (data[0], data[1:]) if data else (0, b"")
    side = 300 + 8 * first
    fields = dict(width=side, height=side, channels=3, classes=1 + first % 5, drawn=bool(first & 1))
    errors = []
    for read, more in (
        (unpack_index, dict(identity=bytes(16), rate_index=300)),
        (unpack_entries, dict(identity=bytes(8), rate_index=100, entropy_profile=2, halo=1)),
    ):
        header = Header(**fields, **more)  # type: ignore[arg-type]
        try:
            if len(read(header, rest)) != header.tile_count:
                raise RuleBroken("an index of another number of tiles")
        except CorruptError as error:
            errors.append(error)
            check_sentence(error)
    if errors:
        raise errors[0]


class _Any:
    """Equal to everything."""

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = None  # type: ignore[assignment]


@contextmanager
def forgiving() -> Iterator[None]:
    """No checksum of symbols is looked at, nor where a stream ends.

    Whoever writes a hostile file makes these fit, which no mutator does.
    """
    with (
        mock.patch.object(SymbolReader, "finish", lambda self, start=0: None),
        mock.patch("texcodec.codec.decode.symbols_crc", lambda symbols: _Any()),
        mock.patch("texcodec.features.decode.symbols_crc", lambda symbols: _Any()),
    ):
        yield


def pictures(data: bytes) -> None:
    """A picture is decoded as it is, as if its symbols were meant, and with salvage."""
    models = model_set(TINY_2 if data.startswith(COMPACT) else TINY_1)
    first: TexcodecError | None = None

    def shown(salvage: bool) -> None:
        with TcxFile(data, limits=LIMITS, salvage=salvage) as file:
            picture = file.decode_picture(models=models, threads=1, warn=_quiet)
            if picture.pixels.shape != (file.height, file.width, file.header.channels):
                raise RuleBroken(f"a picture of shape {picture.pixels.shape}")
            file.preview_picture(models=models, threads=1, warn=_quiet)

    try:
        shown(salvage=False)
    except TexcodecError as error:
        first = error
    with forgiving():
        try:
            shown(salvage=bool(zlib.crc32(data) & 1))
        except TexcodecError as error:
            check_sentence(error)
    if first is not None:
        raise first


def _quiet(sentence: str) -> None:
    assert sentence


_features: FeatureSet | None = None


def features(data: bytes) -> None:
    """A feature stream is decoded to answers, as it is and as if its symbols were meant."""
    global _features
    _features = chosen = _features or FeatureSet(FEATURES)
    first: TexcodecError | None = None
    try:
        feature_decode.decode(data, chosen, limits=LIMITS).answers()
    except TexcodecError as error:
        first = error
    with forgiving():
        try:
            feature_decode.decode(data, chosen, limits=LIMITS).answers()
        except TexcodecError as error:
            check_sentence(error)
    if first is not None:
        raise first


OPTIONS = [[], ["--salvage"], ["--preview"], ["--crop-only"], ["--region", "3,2,9,8"], ["--fit", "20"]]
OPTIONS += [["--strict"], ["--no-metadata"]]
FORMATS = ["png", "jpg", "webp", "tif"]


def command(data: bytes) -> None:
    """``texcodec decode`` writes a whole picture and returns 0, or writes nothing; ``info`` and ``verify`` end well."""
    choice = zlib.crc32(data)
    folder = Path(tempfile.mkdtemp(prefix="texcodec-fuzz-"))
    try:
        source, target = folder / "in.tcx", folder / f"out.{FORMATS[choice % 4]}"
        source.write_bytes(data)
        models = TINY_2 if data.startswith(COMPACT) else TINY_1
        limits = ["--limit-pixels", str(LIMITS.pixels), "--limit-memory", str(LIMITS.memory)]
        options = [*OPTIONS[choice // 4 % len(OPTIONS)], "--models", str(models), "--threads", "1", *limits]
        code = _run(["decode", str(source), str(target), *options])
        written = sorted(path.name for path in folder.iterdir())
        if written != (["in.tcx"] if code else ["in.tcx", target.name]):
            raise RuleBroken(f"exit code {code}, and there are {written}")
        if _run(["info", "--json", str(source)]) == 0 and code == 0 and not choice % 7:
            _run(["info", str(source)])
        _run(["verify", str(source)])
    finally:
        shutil.rmtree(folder)


def _run(arguments: list[str]) -> int:
    """The exit code of a command whose output is looked at only for what must never be in it."""
    screen = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="strict")
    with mock.patch.object(sys, "stdout", screen), mock.patch.object(sys, "stderr", screen):
        code = run(arguments)
        screen.flush()
    text = screen.buffer.getvalue().decode()
    if "Internal error" in text or "Traceback" in text:
        raise RuleBroken(text)
    if code not in (0, 1, 2, 3, 4):
        raise RuleBroken(f"exit code {code}")
    if code and not text.strip():
        raise RuleBroken(f"exit code {code} without a word")
    return code
