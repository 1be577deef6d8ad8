"""``texcodec train``: a model set from one's own pictures."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from texcodec.cli.console import Console
from texcodec.cli.options import FiniteRange
from texcodec.errors import ParameterError

STAGES = (
    "scan",
    "parent",
    "anneal",
    "specialists",
    "entropy",
    "fusion",
    "end-to-end",
    "export",
    "self-check",
)
OBJECTIVES = (
    "rate+lambda*distortion",
    "log(rate+lambda*distortion)",
    "distortion+rate/lambda",
    "bound-rate",
    "bound-distortion",
)
QUANTISED = ("entropy", "synthesis")
# The lists are those of texcodec.training, which needs torch: the help shall not.


class Minutes(click.ParamType[float]):
    """A time such as 90m, 2h, 1h30m or 600s; a plain number is minutes."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from texcodec.training.core.times import minutes

        if isinstance(value, float):
            return value
        try:
            return minutes(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command("train", short_help="Train a model set on folders of pictures.")
@click.argument("pictures", nargs=-1, required=True, metavar="FOLDER...", type=click.Path(path_type=Path))
@click.option(
    "--out",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Where the model set goes; needed unless --stage leaves out export.",
)
@click.option("--name", metavar="NAME", help="Name of the set; default: the name of its folder.")
@click.option(
    "--checkpoint",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Go on with the open training in this folder, or begin one, for as long as this run may take or until it is "
    "stopped; makes no model set. With --stage: run that stage on what the training has reached.",
)
@click.option("--time", "minutes", type=Minutes(), help="Time for all stages together; default: 60m.")
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    metavar="N",
    help="Steps of all stages together; with --time, what ends first.",
)
@click.option(
    "--gigapixels",
    type=FiniteRange(min=0, min_open=True),
    metavar="G",
    help="Gigapixels of crops for all stages together; with --time or --steps, what ends first.",
)
@click.option(
    "--preset",
    type=click.Choice(["tiny", "small", "full"]),
    help="Sizes of the networks; default: full; tiny is for trying things out.",
)
@click.option(
    "--from",
    "start",
    metavar="MODELS",
    help="Continue from a model set (name or folder): longer training, or fine-tuning on pictures of a kind.",
)
@click.option(
    "--stage",
    "stages",
    multiple=True,
    type=click.Choice(STAGES),
    help="Run this stage alone; may be repeated. Default: all.",
)
@click.option(
    "--objective",
    type=click.Choice(OBJECTIVES),
    help="What is minimised; default: rate+lambda*distortion, for all rates. The bounded ones train one rate.",
)
@click.option(
    "--bpp-bound",
    "bpp",
    type=click.FloatRange(min=0, min_open=True),
    metavar="B",
    help="Of bound-rate: at most B bits a pixel, on average over balanced crops.",
)
@click.option(
    "--psnr-bound",
    "psnr",
    type=click.FloatRange(min=0, min_open=True),
    metavar="P",
    help="Of bound-distortion: a mean squared error of at most that of P dB.",
)
@click.option(
    "--quantise",
    multiple=True,
    type=click.Choice(QUANTISED),
    help="entropy: train the entropy networks with the integers they are exported with. synthesis: keep synthesis "
    "weights as a byte each. May be repeated.",
)
@click.option(
    "--helpers",
    type=click.IntRange(0, 8),
    metavar="N",
    help="With --quantise entropy: N full-precision structures beside each convolution while training.",
)
@click.option(
    "--work",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Checkpoints and curves; default: OUT.work.",
)
@click.option(
    "--settings",
    metavar="FILE.json",
    type=click.Path(path_type=Path),
    help="Changes to any setting of the run, as in settings.json of the work folder.",
)
@click.option(
    "--device", default="auto", show_default=True, metavar="D", help="auto, cpu, cuda or cuda:N for training."
)
@click.option("--seed", type=click.IntRange(min=0), help="Of everything drawn at random; default: 1.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of torch; default: all cores.")
@click.option("--licence", metavar="TEXT", help="Licence of the set, for its card.")
def command(
    pictures: tuple[Path, ...],
    out: Path | None,
    name: str | None,
    work: Path | None,
    licence: str | None,
    stages: tuple[str, ...],
    checkpoint: Path | None,
    **options: object,
) -> int:
    """Train a model set on all pictures in the FOLDERs.

    A stopped run goes on from its last checkpoint when the same command is given again. Needs `pip install
    "texcodec[train]"`.
    """
    console = Console()
    exports = bool({"export", "self-check"} & set(stages)) if stages else checkpoint is None
    if out is None and exports:
        raise ParameterError("Training needs --out, a folder for the model set; or --stage and --work.")
    if out is not None and not exports and checkpoint is not None:
        raise ParameterError("Open training makes no model set; leave --out out, or name --stage export.")
    if out is not None and out.name in ("", ".."):
        out = out.resolve()
    base = out or checkpoint
    if work is None and base is None:
        raise ParameterError("Without --out, name a folder for the checkpoints with --work.")
    try:
        import onnx  # noqa: F401
        import torch  # noqa: F401
    except ImportError:
        raise ParameterError(
            'Training needs torch and onnx; install them with: pip install "texcodec[train]".'
        ) from None
    from texcodec.training.pictures.command import Options, train, work_beside

    if out is not None:
        from texcodec.training.core.set_folder import check_out

        check_out(out)  # now, and not after hours
    card = {
        "command": shlex.join(["texcodec", *sys.argv[1:]]),
        "data": ", ".join(folder.name or str(folder) for folder in pictures),
    }
    card |= {"licence": licence} if licence else {}
    folder = work or work_beside(base or Path())
    wanted = Options(
        pictures=pictures,
        work=folder,
        stages=stages,
        out=out,
        checkpoint=checkpoint,
        **options,  # type: ignore[arg-type]
    )
    code = train(
        wanted,
        say=lambda sentence: console.error(None, sentence),
        name=name or (out.name if out else ""),
        card=card,
    )
    if code == 0 and out is not None and exports:
        console.error(None, f"{out} holds the model set; use it with --models {out}.")
    return code
