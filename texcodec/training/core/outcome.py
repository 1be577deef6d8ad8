"""How a training command ends: done, stopped by the user, or with one sentence that says what went wrong."""

from __future__ import annotations

from collections.abc import Callable

from ...errors import TexcodecError
from .loop import Stopped


def exit_code(job: Callable[[], None], log: Callable[[str], None]) -> int:
    """Run ``job``; 0, or 130 after the user has stopped it, with a word on how to go on.

    Raises:
        TexcodecError: with a sentence for the user, whatever went wrong with pictures, checkpoints, options or the
            training itself.
    """
    try:
        job()
    except Stopped as stopped:
        log(str(stopped))
        return 130
    except TexcodecError:
        raise
    except (ValueError, FloatingPointError) as error:
        raise TexcodecError(str(error)) from error
    return 0
