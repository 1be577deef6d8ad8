"""``python -m texcodec.training``: the stages of gradient descent where there is torch alone, as on a GPU
machine.

It leaves checkpoints, of which ``texcodec train`` makes a model set elsewhere (docs/guides/train.md).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from ..errors import TexcodecError
from .core.times import minutes
from .pictures.command import QUANTISED, Options, train, work_beside
from .pictures.pipeline import TORCH_STAGES
from .pictures.presets import PRESETS
from .pictures.settings import OBJECTIVES


def _time(text: str) -> float:
    try:
        return minutes(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    def convert(text: str) -> float:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"{text} must be above 0")
        return value

    return convert


def main() -> int:
    """Parse the arguments and train; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m texcodec.training", description=__doc__)
    parser.add_argument("pictures", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--work", type=Path, help="folder of checkpoints and curves")
    parser.add_argument("--from", dest="start", metavar="MODELS", help="model set to continue from")
    parser.add_argument("--checkpoint", type=Path, metavar="FOLDER", help="open training to go on with")
    parser.add_argument(
        "--stage", dest="stages", action="append", choices=TORCH_STAGES, help="may be repeated"
    )
    parser.add_argument("--time", dest="minutes", type=_time, help="of all stages together, such as 90m")
    parser.add_argument("--steps", type=_positive(int), metavar="N", help="of all stages together")
    parser.add_argument("--gigapixels", type=_positive(float), metavar="G", help="of all stages together")
    parser.add_argument("--preset", choices=PRESETS)
    parser.add_argument("--objective", choices=OBJECTIVES)
    parser.add_argument("--bpp-bound", dest="bpp", type=float)
    parser.add_argument("--psnr-bound", dest="psnr", type=float)
    parser.add_argument("--quantise", action="append", choices=QUANTISED, help="may be repeated")
    parser.add_argument("--helpers", type=int, metavar="N")
    parser.add_argument("--settings", type=Path, metavar="FILE.json")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--threads", type=int)
    found = vars(parser.parse_args())
    found["pictures"] = tuple(found["pictures"])
    found["quantise"] = tuple(found["quantise"] or ())
    if not found["work"]:
        if not found["checkpoint"]:
            parser.error("name a folder for checkpoints and curves with --work")
        found["work"] = work_beside(found["checkpoint"])
    found["stages"] = tuple(found["stages"] or (() if found["checkpoint"] else _all_stages(found["start"])))

    def say(sentence: str) -> None:
        print(sentence, file=sys.stderr, flush=True)

    try:
        return train(Options(**found), say=say)
    except TexcodecError as error:
        say(str(error))
        return error.exit_code
    except OSError as error:
        say(f"{error.filename}: {error.strerror}." if error.filename else str(error))
        return 1
    except KeyboardInterrupt:
        return 130


def _all_stages(start: str | None) -> tuple[str, ...]:
    return tuple(s for s in TORCH_STAGES if not (start and s == "parent"))


if __name__ == "__main__":
    sys.exit(main())
