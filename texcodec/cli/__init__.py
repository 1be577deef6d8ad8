"""The command line: one file a command.

    main      the process: interrupts, warnings, the last flush        here
    run       arguments -> exit code                                   app
    commands  encode, decode, batch, info, verify, models, train, evaluate, crop, features, completion, integrate, view
                                                                     one module each
    shared    options -> plan -> runner -> outcomes -> console       options, plan, runner, outcomes, console

Nothing is imported at the top of this file beyond what Python has loaded already, so that an interrupt
during the slow imports that follow finds its handler in place.
"""

import _thread
import os
import signal
import sys
import time
from types import FrameType

__all__ = ["main"]

INTERRUPTED = 130


def main() -> int:
    """The entry point of the ``texcodec`` command: runs ``sys.argv`` and returns the exit code.

    Ends the process itself, with code 130, when the user interrupts it.
    """
    _arm()
    try:
        from texcodec.cli.app import run

        code = run(sys.argv[1:])
        _disarm()
    except BaseException:
        _disarm()
        # An interrupt inside an import may surface as an ImportError, so the flag decides and not the type.
        if not _state.interrupted:
            raise
        code = INTERRUPTED
    code = _flush(code)
    if code == INTERRUPTED:
        # Worker threads may be in the middle of a network; waiting for them would make Ctrl-C feel ignored.
        os._exit(code)
    return code


class _State:
    """What the signal handler leaves behind."""

    interrupted = False


_state = _State()


def _arm() -> None:
    # A process that a shell script started in the background ignores interrupts and shall go on doing so.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
        sys.unraisablehook = _unraisable
    if not sys.warnoptions:
        import warnings

        # Libraries warn about pictures in a programmer's words; what concerns the user comes as a notice.
        warnings.simplefilter("ignore")


def _disarm() -> None:
    if signal.getsignal(signal.SIGINT) is _interrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    _state.interrupted = True
    raise KeyboardInterrupt


def _unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    # Python swallows exceptions in finalisers and in callbacks of the import system. An interrupt that hits
    # one of these leaves no traceback and is sent again: a little later, as it would be lost in here too.
    if unraisable.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(unraisable)
        return
    while True:
        try:
            # not threading.Timer, which waits for its thread: on a busy machine the signal would come before that
            _thread.start_new_thread(_send_again, ())
            return
        except KeyboardInterrupt:
            pass


def _send_again() -> None:
    time.sleep(0.01)
    signal.raise_signal(signal.SIGINT)


def _flush(code: int) -> int:
    """Flushes what Python would flush at its end, when a failure could no longer become an exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError as error:
            # What is still buffered must not raise again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if stream is sys.stdout and not isinstance(error, BrokenPipeError):
                sys.stderr.write(f"texcodec: Cannot write standard output: {error.strerror}.\n")
            code = code or 1
        except ValueError:
            pass  # closed
    return code
