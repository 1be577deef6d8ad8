"""``python -m texcodec.training``: the stages of gradient descent where there is torch alone, as on a GPU
machine.

It leaves checkpoints, of which ``texcodec train`` makes a model set elsewhere (docs/guides/train.md).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import TexcodecError
from .pictures.command import train
from .pictures.options import TORCH_STAGES, Option, Options, declared, work_beside


def _converter(option: Option) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        try:
            return option.convert(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    made = argparse.ArgumentParser(prog="python -m texcodec.training", description=__doc__)
    made.add_argument("pictures", nargs="+", type=Path, metavar="FOLDER")
    made.add_argument("--work", type=Path, metavar="FOLDER", help="Checkpoints and curves.")
    for name, option in declared():
        choices = tuple(c for c in option.choices if name != "stages" or c in TORCH_STAGES)
        value: dict[str, Any] = {"choices": choices} if choices else {"metavar": option.metavar}
        value |= {"action": "append", "default": []} if option.repeated else {}
        made.add_argument(option.flag, dest=name, type=_converter(option), help=option.help, **value)
    return made


def main() -> int:
    """Parse the arguments and train; returns the exit code."""
    arguments = parser()
    found: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in vars(arguments.parse_args()).items()
    }
    if not found["work"]:
        if not found["checkpoint"]:
            arguments.error("name a folder for checkpoints and curves with --work")
        found["work"] = work_beside(found["checkpoint"])

    def log(sentence: str) -> None:
        print(sentence, file=sys.stderr, flush=True)

    try:
        return train(Options(**found, exports=False), log=log)
    except TexcodecError as error:
        log(str(error))
        return error.exit_code
    except OSError as error:
        log(f"{error.filename}: {error.strerror}." if error.filename else str(error))
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
