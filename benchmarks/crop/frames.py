"""Bytes of real files of large frames, and what the gaze networks make of the decoded pictures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import regions
import torch
from gaze import angular_error

import texcodec
from texcodec.crop import Profile, read_profile
from texcodec.crop.labels import Labelled, reduce_picture
from texcodec.examples.faces import draw_faces
from texcodec.tiles import Box
from texcodec.training.crop.learner import CropSettings, Learner

NEUTRAL = 128
SHOWN = 320
"""Pixels of the width of a frame in a picture of it."""


@dataclass(frozen=True)
class Way:
    """How frames are coded.

    Attributes:
        outside: what becomes of tiles outside of the profile's region; "" codes without a profile.
        part: cut this out before encoding, as a picture of its own.
        network: file of the network that reads the decoded frames.
    """

    outside: str = ""
    part: Box | None = None
    network: str = ""


def measure(sizes: Any, items: Any, work: Path) -> dict[str, Any]:
    """Bytes and errors of every way at every quality, and the errors without coding.

    A square cut out before encoding is read by a network that was trained for that square, all else by the one that
    was learned with the profile, which reads nothing but its region.
    """
    width, height = sizes.frame, sizes.frame * 3 // 4
    drawn = draw_faces(
        sizes.frame_count, width, height, people=sizes.frame_count, seed=3, first_person=regions.SCORED_PEOPLE
    )
    profile = read_profile(work / f"faces-{sizes.seeds[0]}.json")
    learned, region = f"faces-{sizes.seeds[0]}", profile.box(width, height)
    ways = {
        "whole": Way(network=learned),
        "coarse": Way("coarse", network=learned),
        "drop": Way("drop", network=learned),
        "region before": Way(part=region, network=learned),
    }
    for part in sizes.squares:
        square = regions.square_box(part, width, height)
        ways[f"square {part:g} before"] = Way(part=square, network=f"faces-squares-{part:g}")

    def errors(pictures: list[np.ndarray], network: Learner) -> float:
        small = np.stack([reduce_picture(p, *network.size) for p in pictures])
        found = network.predict(Labelled(small, drawn.gaze, regions.TARGETS))
        return float(angular_error(found, drawn.gaze).mean())

    def coded(way: Way, quality: int) -> dict[str, Any]:
        counts, decoded = [], []
        for pixels in drawn.pixels:
            picture, settings = pixels[..., None], {"quality": quality, "models": sizes.models, "threads": 1}
            if way.part:
                inside = np.s_[way.part.top : way.part.bottom, way.part.left : way.part.right]
                data = texcodec.encode(np.ascontiguousarray(picture[inside]), **settings)
                shown = np.full_like(picture, NEUTRAL)
                shown[inside] = np.asarray(texcodec.decode(data, threads=1))[..., None]
            else:
                crop = {"crop": profile, "outside": way.outside} if way.outside else {}
                data = texcodec.encode(picture, **settings, **crop)
                shown = np.asarray(texcodec.decode(data, threads=1)).reshape(picture.shape)
            counts.append(len(data))
            decoded.append(shown)
        return {"bytes": float(np.mean(counts)), "error": errors(decoded, _network(sizes, work, way.network))}

    def uncoded(network: str) -> dict[str, Any]:
        return {"error": errors([p[..., None] for p in drawn.pixels], _network(sizes, work, network))}

    found: dict[str, Any] = {
        "frame": [width, height],
        "region": [region.left, region.top, region.width, region.height],
    }
    networks = list(dict.fromkeys(way.network for way in ways.values()))
    points = [(name, quality) for name in ways for quality in sizes.qualities]
    jobs = {f"frames-uncoded-{name}": partial(uncoded, name) for name in networks}
    jobs |= {f"frames-{name.replace(' ', '-')}-{q}": partial(coded, ways[name], q) for name, q in points}
    jobs["frames-picture"] = partial(_draw, drawn.pixels[0], profile, sizes, work)
    results = items.get(jobs)
    errors_of = dict(zip(networks, results))
    found["ways"] = {
        name: {"uncoded": errors_of[way.network]["error"], "points": []} for name, way in ways.items()
    }
    for (name, quality), result in zip(points, results[len(networks) :]):
        found["ways"][name]["points"].append(result | {"quality": quality})
    return found


def _network(sizes: Any, work: Path, name: str) -> Learner:
    """A network that ``regions`` has trained."""
    learned, _ = regions.data(sizes, "faces", work)
    size, square = learned.size, name.rpartition("squares-")[2]
    box = None if square == name else regions.square_box(float(square), *size)
    learner = Learner(learned, CropSettings(budget=sizes.budget, seed=sizes.seeds[0]), box)
    learner.restore(torch.load(work / f"{name}.pt", weights_only=True))
    return learner


def _draw(frame: np.ndarray, profile: Profile, sizes: Any, work: Path) -> dict[str, Any]:
    """Draw a frame, and what it looks like after either kind of coding, side by side."""
    from PIL import Image

    shown = [frame]
    for outside in ("drop", "coarse"):
        data = texcodec.encode(
            frame[..., None],
            quality=sizes.qualities[1],
            models=sizes.models,
            crop=profile,
            outside=outside,
            threads=1,
        )
        shown.append(np.asarray(texcodec.decode(data, threads=1)).reshape(frame.shape))
    size = SHOWN, SHOWN * frame.shape[0] // frame.shape[1]
    reduced = [np.asarray(Image.fromarray(s).resize(size, Image.Resampling.BOX)) for s in shown]
    Image.fromarray(np.hstack(reduced)).save(work / "crop-frame.png")
    return {}
