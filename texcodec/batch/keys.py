"""Keys: where outputs go below the destination, and nowhere else, whatever a list or a tar calls its pictures."""

from __future__ import annotations

import hashlib
import os

_LONGEST_NAME, _LONGEST_KEY = 240, 2000
"""Bytes. File systems take 255 for a name and often 4096 for a path, of which others than keys take a part."""
_MOST_FOLDERS = 64
_NOT_ON_WINDOWS = dict.fromkeys(map(ord, ':*?"<>|'), "_")


def safe_key(name: str) -> str:
    """A relative path of names that a file system takes, from any text; sound ones stay as they are.

    Names that lead elsewhere are left out, characters that no name has become underscores, and what is too long is cut
    and ends in a hash of the whole.
    """
    parts = [
        part for each in name.replace("\\", "/").split("/") if (part := _name(each)) not in ("", ".", "..")
    ]
    folders, last = parts[:_MOST_FOLDERS], "_".join(parts[_MOST_FOLDERS:])
    cut = _cut("/".join([*folders, last]).rstrip("/"), _LONGEST_KEY)
    return "/".join(_cut(part, _LONGEST_NAME) for part in cut.split("/") if part) or "picture"


def _name(part: str) -> str:
    # bytes that are not UTF-8 come as U+DC80 to U+DCFF, and go back as they came
    part = "".join(
        "_" if c == "\0" or "\ud800" <= c < "\udc80" or "\udcff" < c <= "\udfff" else c for c in part
    )
    if os.name == "nt":
        part = part.translate(_NOT_ON_WINDOWS).rstrip(" .")
    return _cut(part, _LONGEST_NAME)


def _cut(text: str, most: int) -> str:
    encoded = text.encode("utf-8", "surrogateescape")
    if len(encoded) <= most:
        return text
    digest = hashlib.sha256(encoded).hexdigest()[:12]
    return f"{encoded[: most - 13].decode('utf-8', 'surrogateescape')}-{digest}"
