"""Times as people write them: 45m, 1h30m, 600s."""

from __future__ import annotations

import re

_NUMBER = r"(\d+(?:\.\d*)?|\.\d+)"


def minutes(text: str) -> float:
    """Minutes in a time such as 90m, 2h, 1h30m or 600s; a plain number is minutes.

    Raises:
        ValueError: it is no time, or none at all.
    """
    match = re.fullmatch(f"(?:{_NUMBER}h)?(?:{_NUMBER}(?:m|$))?(?:{_NUMBER}s)?", text)
    if not match or not any(match.groups()):
        raise ValueError(f"{text!r} is not a time such as 45m, 1h30m or 600s.")
    hours, found, seconds = (float(g) if g else 0.0 for g in match.groups())
    total = 60 * hours + found + seconds / 60
    if total <= 0:
        raise ValueError("The time must be longer than nothing.")
    return total
