"""JSON that comes from others: crop profiles, and manifests of sets."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from texcodec.crop.profile import Profile, profile_from_json, profile_to_json
from texcodec.errors import ModelError, ParameterError
from texcodec.registry.feature_manifest import read_feature_manifest
from texcodec.registry.manifest import MANIFEST
from texcodec.registry.picture_manifest import read_manifest

from .rules import RuleBroken, check_sentence


def profiles(data: bytes) -> None:
    """A crop profile is refused, or gives regions, and stays itself when it is written and read."""
    profile = profile_from_json(data)
    for width, height in (1, 1), (640, 480), (1 << 20, 3):
        try:
            box = profile.box(width, height)
        except ParameterError as error:
            check_sentence(error)
            continue
        if not (0 <= box.left < box.right <= width and 0 <= box.top < box.bottom <= height):
            raise RuleBroken(f"{box} of {width} x {height}")
    _check_written(profile)


def _check_written(profile: Profile) -> None:
    try:
        again = profile_from_json(profile_to_json(profile))
    except ParameterError as error:
        # a region that rounding to nine digits leaves empty, or keep probabilities at the edge of a rule
        check_sentence(error)
        return
    if (again.size, again.form, again.targets) != (profile.size, profile.form, profile.targets):
        raise RuleBroken("a profile that was written is read as another one")


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="texcodec-fuzz-"))


def manifests(data: bytes) -> None:
    """The manifest of a set for pictures or features is refused, or its names stay within the set's folder."""
    (_folder() / MANIFEST).write_bytes(data)
    errors: list[ModelError] = []
    try:
        read_manifest(_folder())
    except ModelError as error:
        errors.append(error)
    try:
        found = read_feature_manifest(_folder())
        for path in (path for task in found.tasks for path in task.files):
            if _folder() not in (_folder() / path).resolve().parents:
                raise RuleBroken(f"{path!r} is not in the folder of the set")
    except ModelError as error:
        errors.append(error)
    for error in errors:
        check_sentence(error)
    if len(errors) == 2:
        raise errors[0]
