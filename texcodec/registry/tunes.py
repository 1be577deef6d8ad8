"""Which set to encode with, for what the file shall be best at: squared error ("psnr") or eyes ("ssim")."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, overload

from ..errors import ModelNotFoundError, ParameterError
from .discover import DEFAULT_SET, find_set, list_sets
from .manifest import PICTURES
from .picture_manifest import PSNR, SSIM, TUNES, read_manifest

if TYPE_CHECKING:
    from .model_set import ModelSet

TUNED_SETS = {PSNR: DEFAULT_SET, SSIM: "std-5-ssim"}
"""The set that each tune takes, if it is installed."""


@overload
def set_for(models: str | os.PathLike[str] | None, tune: str | None) -> str | os.PathLike[str] | None: ...


@overload
def set_for(
    models: str | os.PathLike[str] | ModelSet | None, tune: str | None
) -> str | os.PathLike[str] | ModelSet | None: ...


def set_for(
    models: str | os.PathLike[str] | ModelSet | None, tune: str | None
) -> str | os.PathLike[str] | ModelSet | None:
    """What to load for ``models`` and ``tune`` as users give them.

    Without ``models``, a tune takes the default set (also that of ``TEXCODEC_MODELS``) if that is tuned so, else the
    newest released one (``TUNED_SETS``), else the first that ``list_sets`` has. Decoding needs no tune, as files name
    their set.

    Args:
        models: a set, its name or folder; None for none in particular.
        tune: "psnr" or "ssim"; None takes ``models`` as they are.
    Raises:
        ParameterError: there is no such tune, or ``models`` is tuned for another one.
        ModelNotFoundError: there is no set of that name, or none that is tuned so.
        ModelDamagedError: the set has no sound manifest.
    """
    if tune is None:
        return models
    if tune not in TUNES:
        raise ParameterError(f"The tune must be one of {', '.join(TUNES)}, not {tune!r}.")
    named = models is not None
    if models is not None and hasattr(models, "manifest"):
        manifest = models.manifest
    else:
        models = find_set(models)
        manifest = read_manifest(models)
    if manifest.tune == tune:
        return models
    if named:
        raise ParameterError(
            f"The model set {manifest.name} is tuned for {manifest.tune}, not for {tune}; leave tune out, or name "
            "another set."
        )
    every = list_sets(PICTURES)
    found = [info for info in every if info.tune == tune and info.encodes]
    if not found:
        what = "eyes (ssim)" if tune == SSIM else "squared error (psnr)"
        names = ", ".join(dict.fromkeys(info.name for info in every)) or "none"
        raise ModelNotFoundError(
            f"No model set that is tuned for {what} is installed (there are: {names}); leave tune out, or name the "
            "folder of such a set."
        )
    return next((info for info in found if info.name == TUNED_SETS[tune]), found[0]).path
