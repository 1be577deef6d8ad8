"""Where model sets, of pictures and of features, are looked for: a folder or name given, ``TEXCODEC_MODELS``, else
the sets that come with texcodec.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ModelError, ModelNotFoundError, ParameterTypeError
from .feature_manifest import read_feature_manifest
from .manifest import ENCODER, FEATURES, MANIFEST, PICTURES, kind_of, read_json
from .picture_manifest import PictureManifest, read_manifest

if TYPE_CHECKING:
    from .feature_set import FeatureSet
    from .model_set import ModelSet

DEFAULT_SET = "std-6"
DEFAULT_FEATURE_SET = "shapes-1"
ENVIRONMENT_VARIABLE = "TEXCODEC_MODELS"
_PACKAGE = Path(__file__).resolve().parent.parent


def _roots() -> list[Path]:
    # an installed wheel carries the sets inside the package, a checkout beside it
    return [p for p in (_PACKAGE / "models", _PACKAGE.parent / "models") if (p / "RELEASED").is_file()]


@dataclass(frozen=True)
class SetInfo:
    """A set that was found: its name, folder, hexadecimal identity of its decoder, whether it is released (and stays
    for ever), its kind (``PICTURES`` or ``FEATURES``), what a set for pictures is tuned for ("psnr" or "ssim"), and
    whether it can encode: sets that are superseded may come as decoders only.
    """

    name: str
    path: Path
    identity: str
    released: bool
    kind: str = PICTURES
    tune: str = ""
    encodes: bool = True


def list_sets(kind: str | None = None) -> list[SetInfo]:
    """The sets in the folder that ``TEXCODEC_MODELS`` names, if it is one, and those that come with texcodec; of one
    kind (``PICTURES`` or ``FEATURES``) or of all.

    Damaged ones are left out. Two sets of one name are both listed, if their decoders differ; the first is
    found by name.

    Raises:
        ModelNotFoundError: ``TEXCODEC_MODELS`` names neither a folder nor one of them.
    """
    found: dict[tuple[str, str], SetInfo] = {}
    for info in list_copies():
        if kind in (None, info.kind):
            found.setdefault((info.name, info.identity), info)
    return list(found.values())


def list_copies() -> list[SetInfo]:
    """As ``list_sets``, but a set that lies in several folders is listed once for each, as the first may lack a part.

    Raises:
        ModelNotFoundError: see there.
    """
    found: list[SetInfo] = []
    for root in [*_extra_roots(), *_roots()]:
        released = _released(root)
        for folder in _folders(root):
            info = _set_info(folder, _stamp(folder / MANIFEST))
            if info is not None:
                encodes = (folder / ENCODER).is_file()
                found.append(replace(info, released=info.name in released, encodes=encodes))
    value = os.environ.get(ENVIRONMENT_VARIABLE, "")
    if value and not Path(value).is_dir() and value not in {info.name for info in found}:
        raise ModelNotFoundError(
            f"{ENVIRONMENT_VARIABLE} is {value!r}, which is neither a folder nor the name of an installed set; "
            "correct it, or unset it."
        )
    return found


def _folders(root: Path) -> list[Path]:
    try:
        return [root, *sorted(root.iterdir())]
    except OSError:
        return []


Stamp = tuple[int, int, int]


def _stamp(path: Path) -> Stamp | None:
    """What changes when a file is written anew; None where there is no such file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


@lru_cache(maxsize=256)
def _set_info(folder: Path, stamp: Stamp | None) -> SetInfo | None:
    """What the manifest in ``folder`` says, unreleased; None if there is no sound one."""
    if stamp is None:
        return None
    try:
        feature = kind_of(read_json(folder)) == FEATURES
        manifest = read_feature_manifest(folder) if feature else read_manifest(folder)
    except ModelError:
        return None
    tune = manifest.tune if isinstance(manifest, PictureManifest) else ""
    return SetInfo(manifest.name, folder, manifest.identity, False, manifest.KIND, tune)


def _extra_roots() -> list[Path]:
    value = os.environ.get(ENVIRONMENT_VARIABLE, "")
    return [Path(value)] if value and Path(value).is_dir() else []


def _released(root: Path) -> set[str]:
    try:
        lines = (root / "RELEASED").read_text("utf-8").splitlines()
    except OSError:
        return set()
    return {line.split()[0] for line in lines if line.strip() and not line.startswith("#")}


def find_set(name: str | os.PathLike[str] | None = None, kind: str = PICTURES) -> Path:
    """The folder of a set.

    Args:
        name: a set's name or a folder with a manifest; ``None`` takes what ``TEXCODEC_MODELS`` names (a set, its
            folder, or a folder of sets, from which the default set's name is looked for first) or the default set.
            A set of the other kind that it names is passed over.
        kind: ``PICTURES`` or ``FEATURES``.
    Raises:
        ModelNotFoundError: no such set.
    """
    if name is not None and not isinstance(name, (str, os.PathLike)):
        raise ParameterTypeError(
            f"A model set is given by its name, its folder, or as a ModelSet, not {type(name).__name__}."
        )
    given = os.fspath(name) if name is not None else os.environ.get(ENVIRONMENT_VARIABLE, "")
    default = DEFAULT_FEATURE_SET if kind == FEATURES else DEFAULT_SET
    wanted = given or default
    try:
        # the default is looked up by its name only: a folder of that name may lie here by accident
        if given and (Path(given) / MANIFEST).is_file():
            if name is not None or not _is_other(Path(given), kind):
                return Path(given)
            wanted = default
        elif name is None and given and Path(given).is_dir():
            wanted = default
    except OSError as error:
        raise ModelNotFoundError(
            f"The model set {given!r} cannot be looked at ({error.strerror}); check its name and permissions."
        ) from None
    every = list_sets()
    sets = [info for info in every if info.kind == kind]
    if name is None and wanted in {info.name for info in every} - {info.name for info in sets}:
        wanted = default
    for info in sets:
        if info.name == wanted:
            return info.path
    what = "feature set" if kind == FEATURES else "model set"
    if wanted in {info.name for info in every}:
        other, command = ("set for pictures", "") if kind == FEATURES else ("feature set", "features ")
        raise ModelNotFoundError(
            f"{wanted} is a {other}, and no {what}; texcodec {command}encode and decode take it."
        )
    known = ", ".join(s.name for s in sets) or "none"
    raise ModelNotFoundError(
        f"There is no {what} named {wanted!r}, and no folder of that name with a manifest; the sets that "
        f"are installed are: {known}."
    )


def kind_of_set(name: str | os.PathLike[str] | None) -> str:
    """Whether the set of this name or folder is for ``PICTURES`` or ``FEATURES``; the former if there is none."""
    try:
        return FEATURES if _is_other(find_set(name), PICTURES) else PICTURES
    except ModelNotFoundError:
        pass
    try:
        find_set(name, FEATURES)
    except ModelNotFoundError:
        return PICTURES
    return FEATURES


def _is_other(folder: Path, kind: str) -> bool:
    """Whether a folder holds a sound manifest of a set of another kind."""
    try:
        return kind_of(read_json(folder)) != kind
    except ModelError:
        return False


def load_set(name: str | os.PathLike[str] | None = None) -> ModelSet:
    """Load a set by name or folder; loaded sets are kept for the next call.

    Raises:
        ModelNotFoundError, ModelDamagedError: see ``ModelSet``.
    """
    folder = find_set(name).resolve()
    return _load(folder, _stamp(folder / MANIFEST))


def load_feature_set(name: str | os.PathLike[str] | None = None) -> FeatureSet:
    """Load a feature set by name or folder; loaded sets are kept for the next call.

    Raises:
        ModelNotFoundError, ModelDamagedError: see ``FeatureSet``.
    """
    folder = find_set(name, FEATURES).resolve()
    return _load_features(folder, _stamp(folder / MANIFEST))


# the stamp is part of the keys so that a set written anew is read anew; importing onnxruntime takes a while, and
# finding a set does not need it


@lru_cache(maxsize=4)
def _load(folder: Path, stamp: Stamp | None) -> ModelSet:
    from .read_set import read_model_set

    return read_model_set(folder)


@lru_cache(maxsize=4)
def _load_features(folder: Path, stamp: Stamp | None) -> FeatureSet:
    from .feature_set import FeatureSet

    return FeatureSet(folder)


def find_identity(identity: bytes, name: str | os.PathLike[str] | None = None) -> ModelSet:
    """The set a file needs.

    Args:
        identity: the file's decoder identity, or the first bytes of it that the file names.
        name: a set to use; by default every known set is tried.
    Raises:
        ModelNotFoundError: the named set has another identity, or no known set has this one.
    """
    if name is not None:
        chosen = load_set(name)
        if not chosen.identity.startswith(identity):
            raise ModelNotFoundError(
                f"The file needs the model set with identity {identity.hex()}, but {chosen.name} has "
                f"{chosen.identity.hex()}; name another set, or none to have it found."
            )
        return chosen
    incomplete: ModelNotFoundError | None = None
    for info in list_copies():
        if info.kind == PICTURES and info.identity.startswith(identity.hex()):
            try:
                return load_set(info.path)
            except ModelNotFoundError as error:  # another copy of it may be complete
                incomplete = incomplete or error
    if incomplete is not None:
        raise incomplete
    raise ModelNotFoundError(
        f"The file needs the model set with identity {identity.hex()}, which is not installed; "
        f"name its folder with --models or {ENVIRONMENT_VARIABLE}."
    )
