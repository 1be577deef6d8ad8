"""What ``texcodec train`` and ``python -m texcodec.training`` have in common: from options to a pipeline's
run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ...errors import ParameterError
from ...registry import find_set
from ..core import processes
from ..core.settings_json import from_json, read_settings
from ..core.stage import Budget, ObjectiveSettings
from ..core.stopping import exit_code
from .open_training import open_settings, settings_of
from .options import Options
from .pipeline import Pipeline
from .presets import SHARES, preset_settings, with_budget
from .settings import TrainingSettings
from .tuning import tuned
from .work_folder import saved_settings

DEFAULT_BUDGET = Budget(minutes=60.0)
DEFAULT_PRESET = "full"


def chosen_settings(options: Options) -> TrainingSettings:
    """The settings of a run: those of the preset, or of the run that the work folder (or the folder of the
    open training) is of, with changes.

    Raises:
        ParameterError: an option or the settings file is wrong.
        ValueError: the settings in the work folder are damaged.
    """
    given = (options.preset, options.architecture, options.objective, options.seed)
    known = _known(options)
    saved = saved_settings(options.work)
    if known is not None:
        others = (options.preset, options.objective, options.seed)
        if any(value is not None for value in others) or options.architecture not in (None, kind_of(known)):
            raise ParameterError(
                f"{options.checkpoint} has settings already, of transforms that are {kind_of(known)}; leave --preset, "
                "--architecture, --objective and --seed out, and change settings with --settings."
            )
        base = with_budget(known, options.budget, _shares(options.stages or ("parent",)) or SHARES)
    elif saved is not None and not options.budget and all(v is None for v in (*given, options.distortion)):
        base = saved
    else:
        base = preset_settings(
            options.preset or DEFAULT_PRESET,
            options.budget or DEFAULT_BUDGET,
            seed=1 if options.seed is None else options.seed,
            shares=_shares(options.stages),
            continued=options.start is not None and not options.stages,
            objective=_objective(options),
            architecture=options.architecture,
        )
        if options.checkpoint:
            base = with_budget(
                open_settings(base), options.budget, _shares(options.stages or ("parent",)) or SHARES
            )
        if options.distortion:
            base = tuned(base, options.distortion)
    parts: dict[str, Any] = dict.fromkeys(options.quantise, True)
    changes = parts | ({"helpers": options.helpers} if options.helpers is not None else {})
    if changes:
        base = from_json(base, {"quantise": changes})
    found = read_settings(options.settings, base) if options.settings else base
    if "entropy" in options.quantise and not (found.entropy.budgeted or found.end_to_end.budgeted):
        raise ParameterError(
            "--quantise entropy needs a stage that trains the entropy networks; give a budget to the stage entropy or "
            "end-to-end, or leave the option out."
        )
    return found


def _known(options: Options) -> TrainingSettings | None:
    """The settings of the open training in the folder; of the one that it is begun from; None where there is none.

    Raises:
        ParameterError: the training in the folder is for another distortion, or there is none to begin from.
    """
    if options.checkpoint is None:
        return None
    known, asked = settings_of(options.checkpoint), options.distortion
    if known is not None:
        own = known.parent.objective.distortion
        if asked not in (None, own):
            raise ParameterError(
                f"The training in {options.checkpoint} is for the distortion {own}; leave --distortion out, or name "
                f"a new folder and begin from that one with --from {options.checkpoint}."
            )
        return known
    if options.start is None:
        return None
    begun = settings_of(Path(options.start))
    if begun is None:
        raise ParameterError(
            f"{options.start} is no folder of an open training, from which {options.checkpoint} could be begun."
        )
    return tuned(begun, asked) if asked else begun


def kind_of(settings: TrainingSettings) -> str:
    """What --architecture calls the transforms of a run, or a word for those that it cannot mean."""
    if settings.architecture.profile == 1:
        return "of entropy profile 1"
    return "nonlinear" if settings.architecture.nonlinear else "linear"


def _shares(stages: tuple[str, ...]) -> dict[str, float] | None:
    """All of the budget for the stages that are named, in the usual proportions."""
    if not stages:
        return None
    usual = {**SHARES, "anneal": 0.15, "end_to_end": 0.3}
    whole = sum(v for k, v in usual.items() if k.replace("_", "-") in stages) or 1.0
    return {k: v / whole if k.replace("_", "-") in stages else 0.0 for k, v in usual.items()}


def _objective(options: Options) -> ObjectiveSettings:
    kind = options.objective or ObjectiveSettings().kind
    for name, value, owner in (
        ("bpp", options.bpp, "bound-rate"),
        ("psnr", options.psnr, "bound-distortion"),
    ):
        if value is not None and kind != owner:
            raise ParameterError(f"--{name}-bound belongs to --objective {owner}; give both or neither.")
        if value is None and kind == owner:
            raise ParameterError(f"--objective {owner} needs a bound: give it with --{name}-bound.")
    return replace(ObjectiveSettings(), kind=kind, bpp=options.bpp or 0.0, psnr=options.psnr or 0.0)


def train(
    options: Options, *, log: Callable[[str], None], name: str = "", card: dict[str, Any] | None = None
) -> int:
    """Run the pipeline; returns the exit code: 0, or 130 after the user has stopped it.

    Raises:
        TexcodecError: with a sentence for the user, whatever went wrong with pictures, checkpoints, options or
            the training itself.
    """
    for flag, value in (("--grow-from", options.grow), ("--piece-size", options.piece_size)):
        if value is not None and options.checkpoint is None:
            raise ParameterError(f"{flag} belongs to an open training; name its folder with --checkpoint.")
    if options.threads:
        torch.set_num_threads(options.threads)
    for place in options.pictures:
        if not place.exists():
            raise ParameterError(f"The folder {place} does not exist; check its name.")
    with processes.group(processes.find_device(options.device or "auto")) as device:

        def job() -> None:
            run = Pipeline(
                list(options.pictures),
                options.work,
                chosen_settings(options),
                start=find_set(options.start) if options.start and not options.checkpoint else None,
                checkpoint=options.checkpoint,
                begin=Path(options.start) if options.start and options.checkpoint else None,
                grow=options.grow,
                piece_bytes=(options.piece_size or 0) << 20,
                device=device,
                log=log,
            )
            run.run(options.stages or None, out=options.out, name=name, card=card)

        # of several processes, one speaks
        return exit_code(job, log if not processes.rank() else lambda sentence: None)
