"""What makes the media type known to a desktop and file(1): texts of other programs' formats."""

from __future__ import annotations

import shlex
import shutil
import sys
from xml.sax.saxutils import quoteattr

from texcodec.container import MAGIC

MIME = "image/x-tcx"
COMMENT = "texcodec picture"
EXTENSION = "tcx"


def mime_entry() -> str:
    """An entry for the shared MIME database of freedesktop.org."""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<mime-info xmlns="http://www.freedesktop.org/standards/shared-mime-info">
  <mime-type type={quoteattr(MIME)}>
    <comment>{COMMENT}</comment>
    <magic priority="80">
      <match type="string" offset="0" value={quoteattr(_escaped(MAGIC))}/>
    </magic>
    <glob pattern="*.{EXTENSION}"/>
  </mime-type>
</mime-info>
"""


def magic_entry() -> str:
    """An entry for libmagic, see magic(5)."""
    return f"0\tstring\t{_escaped(MAGIC)}\t{COMMENT}\n!:mime\t{MIME}\n!:ext\t{EXTENSION}\n"


def thumbnailer_entry() -> str:
    """An entry for desktops that let other programs draw thumbnails, which texcodec decode does."""
    program = shutil.which("texcodec")
    command = [program] if program else [sys.executable, "-m", "texcodec"]
    start = " ".join(shlex.quote(word) for word in command).replace("%", "%%")
    return f"""[Thumbnailer Entry]
TryExec={command[0]}
Exec={start} decode --quiet --force --format png --fit %s %i --output %o
MimeType={MIME};
"""


def _escaped(data: bytes) -> str:
    """Bytes as both formats take them: letters, and the others in hexadecimal."""
    return "".join(chr(byte) if chr(byte).isalnum() and byte < 128 else f"\\x{byte:02x}" for byte in data)
