"""Whether the networks' runtime has room: short of address space it ends the process instead of raising an error."""

from __future__ import annotations

from contextlib import suppress

from ..errors import LimitError

RUNTIME_NEEDS = 300 << 20
"""Bytes of address space that onnxruntime and the networks of a small picture take, with room to spare."""


def check_address_space() -> None:
    """Raise LimitError where ``ulimit -v`` leaves less address space than the runtime needs."""
    room = _room()
    if room is not None and room < RUNTIME_NEEDS:
        raise LimitError(
            f"Networks need {RUNTIME_NEEDS >> 20} MB of address space, and {max(0, room) >> 20} MB are left to this "
            "process.",
            advice="Raise the limit, as with ulimit -v unlimited.",
        )


def _room() -> int | None:
    """Bytes that are left; None where there is no limit, or none that is known."""
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return None
    with suppress(OSError, ValueError), open("/proc/self/statm") as file:
        return int(limit) - int(file.read().split()[0]) * resource.getpagesize()
    return None
