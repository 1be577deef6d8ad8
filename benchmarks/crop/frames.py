"""Bytes of real files of large frames, and what the gaze network makes of the decoded pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import regions
import torch

import texcodec
from texcodec.crop import read_profile
from texcodec.crop.faces import angular_error, draw_faces
from texcodec.crop.labels import Labelled, reduce_picture
from texcodec.tiles import Box
from texcodec.training.learned_crop.learner import CropSettings, Learner

WAYS = ("whole", "drop", "coarse", "square before", "region before")
NEUTRAL = 128


def measure(sizes: Any, items: Any, work: Path) -> dict[str, Any]:
    """Bytes and errors of every way at every quality, and the errors without coding.

    All are read with the network for the region. "square before" codes the smallest square in the centre that holds
    the region as a picture of its own, "region before" the region.
    """
    width, height = sizes.frame, sizes.frame * 3 // 4
    drawn = draw_faces(
        sizes.frame_count, width, height, people=sizes.frame_count, seed=3, first_person=regions.SCORED_PEOPLE
    )
    network = _network(sizes, work)
    profile = read_profile(work / f"faces-{sizes.seeds[0]}.json")
    box = profile.box(width, height)
    across, along = width - 2 * min(box.left, width - box.right), height - 2 * min(box.top, height - box.bottom)
    side = min(max(across, along), height)
    square = Box((width - side) // 2, (height - side) // 2, (width + side) // 2, (height + side) // 2)

    def errors(pictures: list[np.ndarray]) -> float:
        small = np.stack([reduce_picture(p, *network.size) for p in pictures])
        found = network.predict(Labelled(small, drawn.gaze, regions.TARGETS))
        return float(angular_error(found, drawn.gaze).mean())

    def coded(way: str, quality: int) -> dict[str, Any]:
        sizes_of, decoded = [], []
        for pixels in drawn.pixels:
            picture, settings = pixels[..., None], {"quality": quality, "models": sizes.models}
            if way.endswith("before"):
                part = box if way == "region before" else square
                inside = np.s_[part.top : part.bottom, part.left : part.right]
                data = texcodec.encode(np.ascontiguousarray(picture[inside]), **settings)
                shown = np.full_like(picture, NEUTRAL)
                shown[inside] = np.asarray(texcodec.decode(data))[..., None]
            else:
                crop = {} if way == "whole" else {"crop": profile, "outside": way}
                data = texcodec.encode(picture, **settings, **crop)
                shown = np.asarray(texcodec.decode(data)).reshape(picture.shape)
            sizes_of.append(len(data))
            decoded.append(shown)
        return {"bytes": float(np.mean(sizes_of)), "error": errors(decoded)}

    found: dict[str, Any] = {
        "frame": [width, height],
        "region": [box.left, box.top, box.width, box.height],
        "uncoded": items.get("frames-uncoded", lambda: {"error": errors([p[..., None] for p in drawn.pixels])}),
    }
    for way in WAYS:
        found[way] = [
            items.get(f"frames-{way.replace(' ', '-')}-{q}", lambda way=way, q=q: coded(way, q)) | {"quality": q}
            for q in sizes.qualities
        ]
    return found


def _network(sizes: Any, work: Path) -> Learner:
    """The network that was learned with the profile."""
    learned, _ = regions.data(sizes, "faces", work)
    seed = sizes.seeds[0]
    learner = Learner(learned, CropSettings(budget=sizes.budget, seed=seed))
    learner.restore(torch.load(work / f"faces-{seed}.pt", weights_only=True))
    return learner
