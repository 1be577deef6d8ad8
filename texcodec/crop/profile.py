"""Profiles: a learned crop as a JSON file.

A profile is in relative coordinates, so it serves pictures of every size. What an encoder needs of it is the
region; the probabilities that the region comes from are kept for drawing and for inspection.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ParameterError, StreamError, UnsupportedError
from ..files import write_output
from ..tiles import Box
from .region import (
    DIRECTIONS,
    Relative,
    chain_lengths,
    check_relative,
    mirrored_pairs,
    pixel_box,
    reference_pixel,
)

FORMAT = "texcodec crop profile"
VERSION = 1
FORMS = ("isotropic", "symmetric", "free")
"""One chain for all four directions; one for each pair of opposite directions; one for each direction."""
LARGEST_FILE = 16 << 20


@dataclass(frozen=True)
class Profile:
    """Which part of a camera's pictures a task needs.

    Attributes:
        region: left, top, width and height of the part to keep, from 0 to 1 of the picture's width and height.
        size: width and height in pixels of the pictures that the chains were trained on; None of a profile that
            was written by hand.
        reference: relative position of the reference pixel, from which the chains start.
        keep: by direction ("left", "right", "up", "down") the keep probabilities of the pixels from the
            reference pixel to the edge, from 1 to 0, never rising; empty without ``size``.
        form: which directions share a chain, see ``FORMS``.
        correction: see ``texcodec.crop.region.CORRECTIONS``.
        targets: names of the values that the region was learned for.
        budget: largest part of the pixels that training was allowed, or None.
        provenance: how the profile came about; any JSON.

    Raises:
        ParameterError: a field is out of its range; the region is empty or larger than the picture.
    """

    region: Relative
    size: tuple[int, int] | None = None
    reference: tuple[float, float] = (0.5, 0.5)
    keep: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    form: str = "free"
    correction: str = "none"
    targets: tuple[str, ...] = ()
    budget: float | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_relative(self.region)
        mirrored_pairs(self.correction)
        if self.form not in FORMS:
            raise ParameterError(f"The form must be one of {', '.join(FORMS)}, not {self.form!r}.")
        if not all(0 <= value <= 1 for value in self.reference):
            raise ParameterError(f"The reference must be two numbers from 0 to 1, not {self.reference}.")
        if self.budget is not None and not 0 < self.budget <= 1:
            raise ParameterError(f"The budget must be above 0 and at most 1, not {self.budget}.")
        if self.size is None:
            if self.keep:
                raise ParameterError(
                    "Keep probabilities need 'size', the size of the pictures they stand for."
                )
            return
        if min(self.size) < 1:
            raise ParameterError(f"The size must be two numbers above 0, not {self.size}.")
        lengths = chain_lengths(reference_pixel(self.reference, self.size), self.size)
        for name in DIRECTIONS:
            chain = self.keep.get(name, ())
            if len(chain) != lengths[name]:
                raise ParameterError(
                    f"The chain '{name}' has {len(chain)} keep probabilities, but {lengths[name]} pixels lie "
                    "between the reference pixel and the edge."
                )
            if not all(0 <= p <= 1 for p in chain) or any(b > a + 1e-6 for a, b in zip(chain, chain[1:])):
                raise ParameterError(
                    f"The keep probabilities of '{name}' must be from 1 to 0 and never rise."
                )

    @property
    def area(self) -> float:
        """Part of a picture's pixels that the region has, from 0 to 1."""
        return self.region[2] * self.region[3]

    def box(self, width: int, height: int) -> Box:
        """The region in a picture of this size, in pixels.

        Raises:
            ParameterError: it is empty there, the picture is that small.
        """
        return pixel_box(self.region, width, height)


def profile_to_json(profile: Profile) -> str:
    """The text of a profile's file."""
    fields: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "region": [round(value, 9) for value in profile.region],
        "reference": list(profile.reference),
        "form": profile.form,
        "correction": profile.correction,
        "targets": list(profile.targets),
        "budget": profile.budget,
        "size": list(profile.size) if profile.size else None,
        "keep": {name: [round(p, 6) for p in chain] for name, chain in profile.keep.items()},
        "provenance": dict(profile.provenance),
    }
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in fields.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def profile_from_json(text: str | bytes, name: str = "The profile") -> Profile:
    """A profile from the text of its file; only ``format``, ``version`` and ``region`` are required.

    Raises:
        UnsupportedError: it has another version.
        ParameterError: it is no profile, or a field is out of its range; the sentence begins with ``name``.
    """
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise ParameterError(f"{name} is not a crop profile; make one with texcodec crop train.")
    if fields.get("version") != VERSION:
        raise UnsupportedError(
            f"{name} is a crop profile of version {fields.get('version')}, but this version of texcodec reads "
            f"version {VERSION}.",
            advice="Use another version of texcodec, or train the profile again.",
        )
    try:
        size = fields.get("size")
        budget = fields.get("budget")
        return Profile(
            region=check_relative(fields.get("region", ())),
            size=None if size is None else _pair(size, int),
            reference=_pair(fields.get("reference", (0.5, 0.5)), float),
            keep={str(k): tuple(map(float, v)) for k, v in (fields.get("keep") or {}).items()},
            form=fields.get("form", "free"),
            correction=fields.get("correction", "none"),
            targets=tuple(map(str, fields.get("targets") or ())),
            budget=None if budget is None else float(budget),
            provenance=dict(fields.get("provenance") or {}),
        )
    except ParameterError as error:
        raise ParameterError(f"{name} cannot be used: {error}") from None
    except (TypeError, ValueError, AttributeError, OverflowError):
        raise ParameterError(f"{name} has a field of the wrong kind; see docs/guides/crop.md.") from None


def read_profile(path: str | os.PathLike[str]) -> Profile:
    """Read a profile's file.

    Raises:
        StreamError: the file cannot be read.
        UnsupportedError, ParameterError: as ``profile_from_json``.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StreamError(
            f"The profile {os.fspath(path)} cannot be read ({reason}); check its name."
        ) from None
    if len(data) > LARGEST_FILE:
        raise ParameterError(f"{os.fspath(path)} is too long for a crop profile; check its name.")
    return profile_from_json(data, os.fspath(path))


def write_profile(profile: Profile, path: str | os.PathLike[str], *, force: bool = True) -> None:
    """Write a profile's file, completely or not at all."""
    write_output(path, profile_to_json(profile).encode("utf-8"), force=force)


def _pair(values: Sequence[Any], kind: type) -> tuple[Any, Any]:
    first, second = values
    return kind(first), kind(second)
