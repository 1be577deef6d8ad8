"""Numbers as they stand in tables."""

from __future__ import annotations


def percent(value: float | None) -> str:
    return "–" if value is None else f"{value:+.1f} %"


def shown(value: object) -> str:
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
