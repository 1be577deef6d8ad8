"""Limits on what a file may declare, checked before anything is allocated for it.

A header of forty bytes can claim a picture of 2**64 pixels. Everything that reads a ``.tcx`` file or a
picture therefore takes a ``Limits`` object and asks it first (docs/format.md, "Limits").
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from .errors import LimitError, ParameterError, ParameterTypeError

__all__ = ["DEFAULT_LIMITS", "Limits"]

# Where Pillow stops with a DecompressionBombError: twice MAX_IMAGE_PIXELS.
PILLOW_BOMB_PIXELS = 178_956_970


@dataclass(frozen=True)
class Limits:
    """What a reader is willing to accept; every field is inclusive and at least 1.

    Attributes:
        pixels: width x height of a picture.
        side: width and height of a picture, in pixels.
        tiles: number of tiles of a file.
        memory: bytes that one decoded picture, or one file read from a pipe, may take.
        metadata: bytes of all ancillary chunks of a file together.

    Raises:
        ParameterError: a limit is not a positive integer.
    """

    pixels: int = PILLOW_BOMB_PIXELS
    side: int = 262_144
    tiles: int = 65_536
    memory: int = 5 << 30
    metadata: int = 16 << 20

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ParameterError(f"The limit '{field.name}' must be a positive integer, not {value!r}.")

    def check_picture(self, width: int, height: int, channels: int) -> None:
        """Raise LimitError unless a uint8 picture of height x width x channels is within the limits."""
        if width > self.side or height > self.side:
            raise _over(
                "side", f"The picture declares {width} x {height} pixels but a side may have {self.side}."
            )
        if width * height > self.pixels:
            raise _over(
                "pixels", f"The picture declares {width} x {height} pixels but {self.pixels} are allowed."
            )
        self.check_memory(width * height * channels, "the decoded picture")

    def check_tiles(self, count: int) -> None:
        """Raise LimitError unless a file of ``count`` tiles is within the limits."""
        if count > self.tiles:
            raise _over("tiles", f"The file declares {count} tiles but {self.tiles} are allowed.")

    def check_memory(self, count: int, what: str) -> None:
        """Raise LimitError unless ``count`` bytes for ``what`` (a noun phrase) are within the limits."""
        if count > self.memory:
            name = f"{what[:1].upper()}{what[1:]}"
            raise _over("memory", f"{name} needs {count} bytes of memory but {self.memory} are allowed.")

    def check_metadata(self, count: int) -> None:
        """Raise LimitError unless ``count`` bytes of ancillary chunks are within the limits."""
        if count > self.metadata:
            sentence = (
                f"The file declares at least {count} bytes of metadata but {self.metadata} are allowed."
            )
            raise _over("metadata", sentence)


def _over(name: str, sentence: str) -> LimitError:
    return LimitError(sentence, advice=f"If it can be trusted, raise the limit with --limit-{name}.")


DEFAULT_LIMITS = Limits()


def limits_or_default(limits: Limits | None) -> Limits:
    """The limits given, or the default ones; raises ParameterTypeError for anything else."""
    if limits is not None and not isinstance(limits, Limits):
        raise ParameterTypeError(f"The limits must be texcodec.Limits or None, not {type(limits).__name__}.")
    return limits or DEFAULT_LIMITS
