"""The frame of a file: its signature, and chunks of type, length, payload and checksum.

Source: docs/format.md, "Signature" and "Chunks".
"""

from __future__ import annotations

import struct
import zlib

from ..errors import NotTcxError, ParameterError, TruncatedError

# Not ASCII first (seven-bit transfers), CR LF (newline conversion), Ctrl-Z (DOS text files), LF alone.
SIGNATURE = b"\x89TCX\r\n\x1a\n"
MAGIC = SIGNATURE[:4]  # of all files; compact ones go on otherwise

THDR = b"THDR"  # header; the first chunk
TIDX = b"TIDX"  # index of the tiles
TDAT = b"TDAT"  # the tiles' payloads; the only chunk without a checksum of its own
ALPH = b"ALPH"  # the alpha plane
FEAT = b"FEAT"  # feature stream of a file without pixels
TEND = b"TEND"  # the last chunk, empty

FEAT_ANCILLARY = b"feat"  # feature stream beside pixels
ICCP = b"iccp"  # ICC colour profile
EXIF = b"exif"  # EXIF, orientation reset to 1
XMPD = b"xmpd"  # XMP packet
TEXT = b"text"  # JSON object: encoder, settings
PREV = b"prev"  # preview, a small JPEG, PNG or WebP file
PSUM = b"psum"  # checksum of the decoded pixels
CROP = b"crop"  # the rectangle that a learned crop kept

CRITICAL = frozenset({THDR, TIDX, TDAT, ALPH, FEAT, TEND})
# These stand at most once in a file; feature streams and types this version does not know may repeat.
SINGLE = (CRITICAL - {FEAT}) | {ICCP, EXIF, XMPD, TEXT, PREV, PSUM, CROP}
KNOWN = CRITICAL | SINGLE | {FEAT_ANCILLARY}

HEAD_BYTES = 8  # type and length
CRC_BYTES = 4
MAX_CHUNK = 0xFFFF_FFFF

_HEAD = struct.Struct("<4sI")

_TEXT_DAMAGE = (
    (b"\x89TCX\n\x1a\n", "its CR LF was converted to LF"),
    (b"\x89TCX\r\r\n\x1a", "its LF was converted to CR LF"),
    (b"\x89TCX\r\n\x1a\r\n", "its LF was converted to CR LF"),
    (b"\x89TCX\r\x1a\r", "its LF was converted to CR"),
    (b"\x89TCX\r\r\x1a", "its LF was converted to CR"),
    (b"\x09TCX", "the eighth bit of its bytes was stripped"),
    (b"\xc2\x89TCX", "it was converted from Latin-1 to UTF-8"),
    (b"\xef\xbf\xbdTCX", "it was read as UTF-8 text, which destroys it"),
    (b"?TCX", "its bytes above 127 were replaced by question marks"),
)


def is_chunk_type(kind: bytes) -> bool:
    """Whether ``kind`` is four ASCII letters."""
    return len(kind) == 4 and kind.isalpha() and kind.isascii()


def is_critical(kind: bytes) -> bool:
    """Whether a reader that does not know this chunk type must refuse the file (first letter upper case)."""
    return kind[:1].isupper()


def pack_head(kind: bytes, length: int) -> bytes:
    """The 8 bytes that open a chunk: type, then u32 length of the payload."""
    if length > MAX_CHUNK:
        raise ParameterError(
            f"Chunk {kind.decode('ascii')} would hold {length} bytes but a chunk holds at most {MAX_CHUNK}; "
            "code the picture in parts."
        )
    return _HEAD.pack(kind, length)


def unpack_head(head: bytes) -> tuple[bytes, int]:
    """Type and payload length from the 8 bytes that open a chunk."""
    kind, length = _HEAD.unpack(head)
    return kind, length


def pack_chunk(kind: bytes, payload: bytes) -> bytes:
    """A whole chunk with its CRC-32 over type, length and payload.

    Raises:
        ParameterError: the type is not four letters, or the payload does not fit.
    """
    if not is_chunk_type(kind):
        raise ParameterError(f"A chunk type is four ASCII letters, not {kind!r}.")
    body = pack_head(kind, len(payload)) + payload
    return body + struct.pack("<I", zlib.crc32(body))


def check_signature(start: bytes) -> None:
    """Raise NotTcxError or TruncatedError unless ``start`` (the first 8 bytes or fewer) is the signature."""
    if start == SIGNATURE:
        return
    if not start:
        raise TruncatedError("The file is empty.", advice="Get a complete copy of the file.")
    if len(start) < len(SIGNATURE) and SIGNATURE.startswith(start):
        raise TruncatedError(f"The file ends after {len(start)} bytes, within its signature.")
    for damaged, how in _TEXT_DAMAGE:
        # The patterns are up to nine bytes long and ``start`` has eight at most.
        if start.startswith(damaged[: len(SIGNATURE)]):
            raise NotTcxError(f"The file was a .tcx file that a text-mode transfer damaged ({how}).")
    raise NotTcxError("The file is not a .tcx file: its first 8 bytes are not the signature.")
