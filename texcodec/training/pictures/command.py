"""What ``texcodec train`` and ``python -m texcodec.training`` have in common: from options to a pipeline's
run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ...errors import ParameterError
from ...registry import find_set
from ...registry.picture_manifest import read_manifest
from ..core import processes
from ..core.settings_json import from_json, read_settings
from ..core.stage import Budget, ObjectiveSettings
from ..core.stopping import exit_code
from .architecture import Architecture
from .open_training import open_settings, settings_of
from .options import TORCH_STAGES, Options
from .pieces import find_checkpoint
from .pipeline import Pipeline
from .presets import FUSION_SHARES, preset_settings, usual_shares, with_budget
from .restore import restore_architecture
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
        ModelNotFoundError, ModelDamagedError: there is no sound set to continue from.
        ValueError: the settings in the work folder are damaged.
    """
    given = (options.preset, options.architecture, options.post_filter, options.objective, options.seed)
    known = _of_open_training(options)
    saved = saved_settings(options.work)
    if known is not None:
        usual = usual_shares(known.architecture.profile)
        found = _changed(with_budget(known, options.budget, _open_shares(options, usual)), options)
    elif saved is not None and not options.budget and all(v is None for v in (*given, options.distortion)):
        found = _changed(saved, options)
    else:
        found = _new_settings(options, saved)
    if "entropy" in options.quantise and not (found.entropy.budgeted or found.end_to_end.budgeted):
        raise ParameterError(
            "--quantise entropy needs a stage that trains the entropy networks; give a budget to the stage entropy or "
            "end-to-end, or leave the option out."
        )
    return found


def _changed(base: TrainingSettings, options: Options) -> TrainingSettings:
    """The settings with what --quantise, --helpers and --settings change."""
    changes: dict[str, Any] = dict.fromkeys(options.quantise, True)
    changes |= {"helpers": options.helpers} if options.helpers is not None else {}
    if changes:
        base = from_json(base, {"quantise": changes})
    return read_settings(options.settings, base) if options.settings else base


def _new_settings(options: Options, saved: TrainingSettings | None) -> TrainingSettings:
    """Those of the preset, of the entropy profile of the set that is continued, or of the run in the work folder; a
    new run has profile 2, unless the settings file asks for profile 1.
    """
    if options.start and not options.checkpoint:
        folder = find_set(options.start)
        known = read_manifest(folder)
        kind = kind_of(restore_architecture(folder))
        if options.architecture not in (None, kind) and not can_grow(kind, options.architecture):
            raise ParameterError(
                f"The transforms of {known.name} are {kind}; leave --architecture or --from out."
            )
        # a fusion network that is there goes on with the codec
        shares = FUSION_SHARES if known.fusion else usual_shares(known.entropy_profile)
        return _changed(_preset(options, known.entropy_profile, shares), options)
    begun = saved.architecture.profile if saved and not options.architecture else 2
    found = _changed(_preset(options, begun, usual_shares(begun)), options)
    profile = found.architecture.profile
    if options.architecture and profile == 1:
        raise ParameterError(
            "--architecture is of entropy profile 2, and the settings file asks for profile 1; leave one of them out."
        )
    if profile == begun:
        return found
    return _changed(_preset(options, profile, usual_shares(profile)), options)


def _preset(options: Options, profile: int, shares: Mapping[str, float]) -> TrainingSettings:
    """Those of the preset, with what the options say."""
    stages = options.stages
    if not stages and not options.exports:
        # fusion and what trains with it are for sets with a fusion network, and the decoder alone is trained when asked
        left_out = {"synthesis"} | ({"fusion", "end-to-end"} if not shares["fusion"] else set())
        stages = tuple(s for s in TORCH_STAGES if s not in left_out and not (options.start and s == "parent"))
    base = preset_settings(
        options.preset or DEFAULT_PRESET,
        options.budget or DEFAULT_BUDGET,
        seed=1 if options.seed is None else options.seed,
        shares=_named_shares(stages, shares) if stages else shares,
        continued=options.start is not None and not stages,
        objective=_objective(options),
        architecture=options.architecture or "linear",
        profile=profile,
    )
    base = _filtered(base, options)
    if options.checkpoint:
        base = with_budget(open_settings(base), options.budget, _open_shares(options, shares))
    return tuned(base, options.distortion) if options.distortion else base


def _of_open_training(options: Options) -> TrainingSettings | None:
    """The settings of the open training in the folder, or of the one that it is begun from, with networks that
    --architecture adds; None where there is none.

    Raises:
        ParameterError: options contradict the settings, or there is no training to begin from.
    """
    if options.checkpoint is None:
        return None
    known, asked, folder = settings_of(options.checkpoint), options.distortion, options.checkpoint
    begins = known is None and options.start is not None
    if known is not None:
        own = known.parent.objective.distortion
        if asked not in (None, own):
            raise ParameterError(
                f"The training in {folder} is for the distortion {own}; leave --distortion out, or name a new folder "
                f"and begin from that one with --from {folder}."
            )
    elif options.start is not None:
        folder = Path(options.start)
        known = settings_of(folder)
        if known is None:
            raise ParameterError(
                f"{folder} is no folder of an open training, from which {options.checkpoint} could be begun; a model "
                "set is trained further without --checkpoint."
            )
        known = tuned(known, asked) if asked else known
    if known is None:
        return None
    kind = kind_of(known.architecture)
    if begins and options.architecture and can_grow(kind, options.architecture):
        # what is a repair behind linear transforms may be most of the picture behind others
        grown = replace(known.architecture, nonlinear=True, residual_limit=0.0)
        known = replace(known, architecture=grown)
    elif options.architecture not in (None, kind):
        raise ParameterError(
            f"The transforms of the training in {folder} are {kind}; leave --architecture out"
            + (
                f", or begin a new training with --from {folder}."
                if can_grow(kind, options.architecture)
                else "."
            )
        )
    if options.post_filter not in (None, known.architecture.post_filter):
        if not begins:
            raise ParameterError(
                f"The filter has {known.architecture.post_filter} channels in the training in {folder}; "
                f"leave --post-filter out, or begin a new training with --from {folder}."
            )
        known = _filtered(known, options)
    if any(value is not None for value in (options.preset, options.objective, options.seed)):
        raise ParameterError(
            f"The training in {folder} has settings already; leave --preset, --objective and --seed out, and change "
            "settings with --settings."
        )
    return known


def _filtered(settings: TrainingSettings, options: Options) -> TrainingSettings:
    """The settings with the filter after synthesis that --post-filter asks for."""
    if options.post_filter is None:
        return settings
    return replace(settings, architecture=replace(settings.architecture, post_filter=options.post_filter))


def kind_of(architecture: Architecture) -> str:
    """What --architecture calls the transforms, or a word for those that it cannot mean."""
    if architecture.profile == 1:
        return "of entropy profile 1"
    return "nonlinear" if architecture.nonlinear else "linear"


def can_grow(kind: str, wanted: str | None) -> bool:
    """Whether networks can be added to transforms of one kind that make them of another."""
    return (kind, wanted) == ("linear", "nonlinear")


def _named_shares(stages: Sequence[str], usual: Mapping[str, float]) -> dict[str, float]:
    """All of the budget for the stages that are named, in the usual proportions, also for those that have no budget
    unless they are named.
    """
    usual = {**usual, "anneal": 0.15, "synthesis": 0.15, "fusion": FUSION_SHARES["fusion"], "end_to_end": 0.3}
    whole = sum(v for k, v in usual.items() if k.replace("_", "-") in stages) or 1.0
    return {k: v / whole if k.replace("_", "-") in stages else 0.0 for k, v in usual.items()}


def _open_shares(options: Options, usual: Mapping[str, float]) -> dict[str, float]:
    return _named_shares(options.stages or ("parent",), usual)


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


def _check_adoption(options: Options) -> None:
    if options.checkpoint is None:
        raise ParameterError("--adopt belongs to an open training; name its folder with --checkpoint.")
    if options.budget or options.stages or options.start or options.out:
        raise ParameterError(
            "--adopt trains nothing and begins nothing; leave --time, --steps, --gigapixels, --stage, --from and --out "
            "out."
        )


def train(
    options: Options, *, log: Callable[[str], None], name: str = "", card: dict[str, Any] | None = None
) -> int:
    """Run the pipeline; returns the exit code: 0, or 130 after the user has stopped it.

    Raises:
        TexcodecError: with a sentence for the user, whatever went wrong with pictures, checkpoints, options or
            the training itself.
    """
    if options.piece_size is not None and options.checkpoint is None:
        raise ParameterError("--piece-size belongs to an open training; name its folder with --checkpoint.")
    if options.adopted:
        _check_adoption(options)
    if options.threads:
        torch.set_num_threads(options.threads)
    for place in options.pictures:
        if not place.exists():
            raise ParameterError(f"The folder {place} does not exist; check its name.")
    with processes.group(processes.find_device(options.device or "auto")) as device:
        # of several processes, one logs
        log_once = log if not processes.rank() else lambda sentence: None

        def job() -> None:
            if options.start and options.checkpoint is None and find_checkpoint(Path(options.start)):
                raise ParameterError(
                    f"{options.start} is an open training; begin another one from it with --checkpoint NEW --from "
                    f"{options.start}, or train it further with --checkpoint {options.start}."
                )
            settings = chosen_settings(options)
            start = find_set(options.start) if options.start and not options.checkpoint else None
            if settings.architecture.profile == 1 and start is None:
                log_once(
                    "This training is of entropy profile 1, as it has begun or as its settings ask; without that it "
                    "would be of profile 2."
                )
            run = Pipeline(
                list(options.pictures),
                options.work,
                settings,
                start=start,
                checkpoint=options.checkpoint,
                begin=Path(options.start) if options.start and options.checkpoint else None,
                piece_bytes=(options.piece_size or 0) << 20,
                device=device,
                log=log,
            )
            if options.adopted:
                run.adopt(options.adopted)
                return
            stages = options.stages
            if not stages and not options.exports and options.checkpoint is None:
                own = (s for s in TORCH_STAGES if not (start and s == "parent"))
                stages = tuple(s for s in own if s == "scan" or settings.stage(s).budgeted)
            run.run(stages or None, out=options.out, name=name, card=card)

        return exit_code(job, log_once)
