"""Writing a set of networks to its folder: never among other files, and the manifest last."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import ModelError, ParameterError
from ...files import write_atomically
from ...registry import load_set
from ...registry.manifest import FEATURES, MANIFEST, PICTURES, kind_of, read_json
from ...registry.stored_arrays import MOST_FILES, MissingSetError, origins

OWN_FILES = {MANIFEST, "graphs", "tasks", *(f"{k}.safetensors" for k in ("decoder", "encoder", "master"))}
_NAMES = {PICTURES: "model set", FEATURES: "feature set"}


def check_out(folder: Path, kind: str = PICTURES) -> None:
    """Refuse to write a set among files that are not one.

    Args:
        kind: of the set, ``registry.manifest.PICTURES`` or ``FEATURES``.
    Raises:
        ParameterError: ``folder`` is a file, or holds something but no set of this kind.
    """
    if folder.exists() and not folder.is_dir():
        raise ParameterError(f"{folder} is a file; name a folder for the {_NAMES[kind]}.")
    names = {p.name for p in folder.iterdir()} if folder.exists() else set()
    try:
        found = kind_of(read_json(folder))
    except ModelError:  # a damaged set may be replaced
        found = kind
    if found != kind:
        raise ParameterError(
            f"{folder} holds a model set for {found}; name another folder for the {_NAMES[kind]}."
        )
    if MANIFEST not in names and not names <= OWN_FILES:
        raise ParameterError(
            f"The folder {folder} holds files but no {_NAMES[kind]}; name an empty or new folder for it."
        )


def check_like(like: Path, out: Path) -> None:
    """Refuse to leave out of the set in ``out`` what a set beside it has, if no reader would find it there.

    Args:
        like: folder of that set.
    Raises:
        ParameterError: it is the folder that is written to, takes arrays of it, or needs those of so many sets that no
            reader would find one more.
        ModelNotFoundError, ModelDamagedError: there is no sound set.
    """
    if like.resolve() == out.resolve():
        raise ParameterError(f"The set in {out} cannot be like itself; name another one in export.like.")
    load_set(like)
    for file in like.glob("*.safetensors"):
        try:
            others = origins(file)
        except MissingSetError as error:
            raise ParameterError(
                f"{file} cannot be read: {error}; put the folder {error.folder} there, or name another set."
            ) from None
        if any((like.parent / other).resolve() == out.resolve() for other in others):
            raise ParameterError(
                f"The set {like.name} takes arrays of {out.name} itself; name another one in export.like."
            )
        if len(others) > MOST_FILES - 2:
            raise ParameterError(
                f"The set {like.name} takes arrays of {others[0]}, and that of {others[1]}, which is as far as "
                "readers follow; name one of these in export.like, or another set."
            )


def write_set(folder: Path, contents: Mapping[str, bytes], manifest: Mapping[str, Any]) -> None:
    """Replace the set in ``folder``; files that belong to no set are left alone.

    Args:
        contents: files by their path in the folder.
    """
    # the manifest goes first and comes last: a folder half-written is no set
    (folder / MANIFEST).unlink(missing_ok=True)
    # a file that the new set lacks must not stay, as would the master of other networks
    for part in OWN_FILES:
        if (folder / part).is_dir():
            shutil.rmtree(folder / part)
        elif part not in contents:
            (folder / part).unlink(missing_ok=True)
    for path, data in contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    write_manifest(folder, manifest)


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write or replace the manifest alone."""
    write_atomically(folder / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode(), force=True)


def add_to_card(folder: Path, entries: Mapping[str, Any]) -> None:
    """Add entries to the card of the set in ``folder``; no identity depends on it."""
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    manifest["card"] |= entries
    write_manifest(folder, manifest)
