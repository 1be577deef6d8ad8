"""Sentences for a caller who gave no callback for them: warnings that name the caller's own line."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable

from .errors import TexcodecWarning

Warn = Callable[[str], None]
"""Takes a sentence for the user."""

_PASSED_OVER = {"texcodec", "PIL"}
"""Packages whose frames lie between the caller and the warning; Pillow's when its plugin is at work."""


def issue(sentence: str) -> None:
    """Issue a ``TexcodecWarning`` at the line outside of texcodec that led to it."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] in _PASSED_OVER:
        level, frame = level + 1, frame.f_back
    warnings.warn(sentence, TexcodecWarning, stacklevel=level)
