"""What a reader must know before it looks at a tile, and its form as THDR.

Source: docs/format.md, "THDR". The form of compact files is in ``compact``.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..constants import (
    COMPACT_PROFILE,
    FEATURE_PROFILE,
    IDENTITY_BYTES,
    LATENT_LOG2,
    MOST_CLASSES,
    MOST_HALO,
    RATE_INDICES,
    SHORT_IDENTITY_BYTES,
)
from ..errors import CorruptError, ParameterError, UnsupportedError
from ..tiles import DEFAULT_LOG2, LARGE_LOG2, SMALL_LOG2, Grid
from .fields import MAX_VARINT, FieldReader, varint
from .flags import ThdrFlag

MAJOR = 1
MINOR = 0
FEATURES_MINOR = 2
"""Of files with feature streams."""
DRAWN_MINOR = 3
"""Of files with drawn tiles, and of compact files."""
NO_ENTROPY = 0
"""Entropy profile of files whose tiles are all drawn; they need no model set."""
DRAWN_LOG2 = 11
"""Log2 of the largest tile's side in such files."""

# BT.709 primaries, sRGB transfer, RGB (no matrix), full range: what an untagged picture is taken to be.
SRGB = (1, 13, 0, 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """The fields of THDR, or of the head of a compact file.

    Attributes:
        width, height: pixels of the displayed picture, 1 to 2**32 - 1.
        channels: colour channels stored: 1 (grey) or 3 (RGB).
        identity: 16 bytes: of the decoder (model set) that the tiles need; without pixels, zeros, or in the lean
            form that of the feature set. In a compact file its first 8 bytes alone.
        rate_index: row of the set's step table, 0 to 65535, in a compact file to 255; a tile adds its offset.
        classes: texture classes that the tiles may name, 1 to 254.
        entropy_profile: the exact integer arithmetic of the entropy model, 0 to 255.
        tile_log2: log2 of the tile's side in pixels, 7 or 8; 9 as well in a compact file without origin; up to 11 if
            all tiles are drawn.
        latent_log2: log2 of the pixels that one latent covers along a side, 0 to ``tile_log2``.
        halo: latents around a tile that its synthesis looks at, 0 to 15 and at most a tile.
        drawn: whether tiles may be of class DRAWN, which are coded without a network.
        fusion: whether the seams are repaired after stitching.
        origin_x, origin_y: grid lines lie at x = origin_x modulo the tile's side, likewise y.
        alpha_mode: 0: none, 1: straight alpha, lossless, in the chunk ALPH.
        cicp: colour primaries, transfer, matrix, full range (ITU-T H.273 code points).
        bit_depth: bits per channel; 8.
        orientation: EXIF orientation still to be applied; 1, as the encoder applies it.
        has_pixels: false in a file that holds feature streams only and has no tiles.
        lean: one tile or one feature stream, nothing else: it lies within THDR (the writer sets this).
        major, minor: version of the format. Compact files do not state it; it is read as 1.3.

    Raises:
        ParameterError: a field is out of its range or contradicts another.
    """

    width: int
    height: int
    channels: int
    identity: bytes
    rate_index: int
    classes: int
    entropy_profile: int = FEATURE_PROFILE
    tile_log2: int = 8
    latent_log2: int = LATENT_LOG2
    halo: int = 0
    fusion: bool = False
    drawn: bool = False
    origin_x: int = 0
    origin_y: int = 0
    alpha_mode: int = 0
    cicp: tuple[int, int, int, int] = SRGB
    bit_depth: int = 8
    orientation: int = 1
    has_pixels: bool = True
    lean: bool = False
    major: int = MAJOR
    minor: int = MINOR

    def __post_init__(self) -> None:
        _check_range("major", self.major, 0, 255)
        _check_range("minor", self.minor, 0, 255)
        _check_range("width", self.width, 1, MAX_VARINT)
        _check_range("height", self.height, 1, MAX_VARINT)
        if self.channels not in (1, 3):
            raise ParameterError(f"The header's 'channels' must be 1 or 3, not {self.channels}.")
        _check_range("alpha_mode", self.alpha_mode, 0, 1)
        _check_range("bit_depth", self.bit_depth, 8, 8)
        _check_range("orientation", self.orientation, 1, 1)
        _check_range("tile_log2", self.tile_log2, SMALL_LOG2, self._largest_log2)
        _check_range("latent_log2", self.latent_log2, 0, self.tile_log2)
        _check_range("halo", self.halo, 0, min(MOST_HALO, self.tile >> self.latent_log2))
        _check_range("origin_x", self.origin_x, 0, min(self.tile - 1, 255))
        _check_range("origin_y", self.origin_y, 0, min(self.tile - 1, 255))
        _check_range("classes", self.classes, 1, MOST_CLASSES)
        _check_range("entropy_profile", self.entropy_profile, 0, 255)
        _check_range("rate_index", self.rate_index, 0, 65_535)
        if len(self.cicp) != 4:
            raise ParameterError(f"The header's 'cicp' must have 4 values, not {len(self.cicp)}.")
        for name, value in zip(("primaries", "transfer", "matrix", "range"), self.cicp, strict=True):
            _check_range(f"cicp {name}", value, 0, 1 if name == "range" else 255)
        wanted = SHORT_IDENTITY_BYTES if self.compact else IDENTITY_BYTES
        if len(self.identity) != wanted:
            raise ParameterError(
                f"The header's 'identity' must have {wanted} bytes, not {len(self.identity)}."
            )
        if self.compact:
            _check_range("rate_index", self.rate_index, 0, RATE_INDICES - 1)
            _check_range("halo", self.halo, 1, 1)
            _check_range("latent_log2", self.latent_log2, LATENT_LOG2, LATENT_LOG2)
            if self.lean:
                raise ParameterError("The header of a compact file must not be lean.")
        if not self.has_pixels and (self.alpha_mode or self.fusion or (any(self.identity) and not self.lean)):
            raise ParameterError(
                "The header of a file without pixels must have no alpha and no fusion, and an identity in the lean "
                "form only."
            )
        if self.drawn and not self.has_pixels:
            raise ParameterError("The header of a file without pixels must announce no drawn tiles.")
        if self.needs_no_set and (
            any(self.identity)
            or self.fusion
            or (self.halo, self.rate_index, self.classes, self.latent_log2) != (0, 0, 1, LATENT_LOG2)
        ):
            raise ParameterError(
                "The header of a file whose tiles are all drawn must name no model set: identity, fusion, halo and "
                "rate index 0, one class, stride 16."
            )
        if self.lean and self.has_pixels and (self.alpha_mode or self.tile_count != 1):
            raise ParameterError("The header's lean form needs exactly one tile and no alpha.")

    @property
    def needs_no_set(self) -> bool:
        """Whether all tiles are drawn ones, which no model set is needed for."""
        return self.drawn and self.entropy_profile == NO_ENTROPY

    @property
    def _largest_log2(self) -> int:
        if self.needs_no_set:
            return DRAWN_LOG2
        # origins are stated in a byte
        return LARGE_LOG2 if self.compact and not (self.origin_x or self.origin_y) else DEFAULT_LOG2

    @property
    def compact(self) -> bool:
        """Whether a file with this header has the compact form, which goes with its entropy profile."""
        return self.has_pixels and self.entropy_profile == COMPACT_PROFILE

    @property
    def tile(self) -> int:
        """Side of a tile in pixels."""
        return 1 << self.tile_log2

    @property
    def grid(self) -> Grid:
        """The tiles of the picture."""
        return Grid(self.width, self.height, self.tile_log2, self.origin_x, self.origin_y)

    @property
    def tile_count(self) -> int:
        """Entries of the index: 0 without pixels, else one for each tile of the grid, absent ones included."""
        return len(self.grid) if self.has_pixels else 0


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        allowed = f"{low}" if low == high else f"from {low} to {high}"
        raise ParameterError(f"The header's '{name}' must be {allowed}, not {value}.")


def pack_header(header: Header) -> bytes:
    """The payload of THDR (of a lean file: its first part)."""
    flags = (
        (0 if header.has_pixels else ThdrFlag.NO_PIXELS)
        | (ThdrFlag.LEAN if header.lean else 0)
        | (ThdrFlag.FUSION if header.fusion else 0)
        | (ThdrFlag.CICP if header.cicp != SRGB else 0)
        | (ThdrFlag.ORIGIN if header.origin_x or header.origin_y else 0)
        | (ThdrFlag.DRAWN if header.drawn else 0)
    )
    parts = [
        bytes([header.major, header.minor, flags]),
        varint(header.width),
        varint(header.height),
        bytes(
            [
                (header.channels - 1) | header.alpha_mode << 2 | (header.bit_depth - 1) << 4,
                header.tile_log2 | header.latent_log2 << 4,
                header.halo | (header.orientation - 1) << 4,
                header.classes,
                header.entropy_profile,
            ]
        ),
        varint(header.rate_index),
        header.identity,
    ]
    if flags & ThdrFlag.CICP:
        parts.append(bytes(header.cicp))
    if flags & ThdrFlag.ORIGIN:
        parts.append(bytes([header.origin_x, header.origin_y]))
    return b"".join(parts)


def unpack_header(payload: bytes) -> tuple[Header, int]:
    """The header, and how many bytes of ``payload`` it took (a lean file's tile follows it).

    Raises:
        UnsupportedError: a version or feature that this version does not know.
        CorruptError: fields are impossible.
    """
    fields = FieldReader(payload, "THDR")
    major = fields.unsigned(1, "major")
    if major != MAJOR:
        raise UnsupportedError(
            f"The file has format version {major} but this version of texcodec reads version {MAJOR}."
        )
    minor = fields.unsigned(1, "minor")
    flags = fields.unsigned(1, "flags")
    if flags & ~ThdrFlag.KNOWN:
        raise _unsupported(f"header flags 0x{flags & ~ThdrFlag.KNOWN:02x}")
    width = fields.varint("width")
    height = fields.varint("height")
    pixel = fields.unsigned(1, "pixel format")
    grid = fields.unsigned(1, "grid")
    border = fields.unsigned(1, "border")
    classes = fields.unsigned(1, "classes")
    entropy_profile = fields.unsigned(1, "entropy profile")
    if entropy_profile == COMPACT_PROFILE:
        raise _unsupported(f"entropy profile {entropy_profile} in chunk THDR")
    drawn_only = bool(flags & ThdrFlag.DRAWN) and entropy_profile == NO_ENTROPY
    _refuse_unsupported(pixel, grid, border, DRAWN_LOG2 if drawn_only else DEFAULT_LOG2)
    rate_index = fields.varint("rate index")
    identity = fields.take(IDENTITY_BYTES, "identity")
    cicp = SRGB
    if flags & ThdrFlag.CICP:
        primaries, transfer, matrix, full_range = fields.take(4, "CICP")
        cicp = (primaries, transfer, matrix, full_range)
    origin_x, origin_y = fields.take(2, "origin") if flags & ThdrFlag.ORIGIN else (0, 0)
    try:
        header = Header(
            major=major,
            minor=minor,
            width=width,
            height=height,
            channels=(pixel & 3) + 1,
            alpha_mode=pixel >> 2 & 3,
            bit_depth=(pixel >> 4) + 1,
            tile_log2=grid & 15,
            latent_log2=grid >> 4,
            halo=border & 15,
            orientation=(border >> 4 & 7) + 1,
            classes=classes,
            entropy_profile=entropy_profile,
            rate_index=rate_index,
            identity=identity,
            cicp=cicp,
            origin_x=origin_x,
            origin_y=origin_y,
            has_pixels=not flags & ThdrFlag.NO_PIXELS,
            lean=bool(flags & ThdrFlag.LEAN),
            fusion=bool(flags & ThdrFlag.FUSION),
            drawn=bool(flags & ThdrFlag.DRAWN),
        )
    except ParameterError as error:
        raise CorruptError(str(error)) from None
    # One spelling for every header: catches defaults spelled out and flags that announce nothing.
    if pack_header(header) != payload[: fields.position]:
        raise CorruptError("Chunk THDR is not in its shortest form.")
    return header, fields.position


def _refuse_unsupported(pixel: int, grid: int, border: int, largest_log2: int) -> None:
    if pixel >> 4 != 7:
        raise _unsupported(f"{(pixel >> 4) + 1} bits per channel")
    if pixel >> 2 & 3 > 1:
        raise _unsupported(f"alpha mode {pixel >> 2 & 3}")
    if not 7 <= grid & 15 <= largest_log2:
        raise _unsupported(f"tiles of 2^{grid & 15} pixels")
    if border >> 4:
        raise _unsupported(f"border field 0x{border:02x}")


def _unsupported(what: str) -> UnsupportedError:
    return UnsupportedError(f"The file uses {what}, which this version of texcodec does not know.")
