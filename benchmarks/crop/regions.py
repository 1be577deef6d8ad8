"""Errors of networks that see a region: the whole picture, a square, every rectangle of a grid, the learned one."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from texcodec.crop.drawing import draw_probabilities, draw_region
from texcodec.crop.faces import angular_error, draw_faces, draw_fields
from texcodec.crop.labels import Labelled
from texcodec.crop.profile import write_profile
from texcodec.crop.region import pixel_box
from texcodec.tiles import Box
from texcodec.training.learned_crop.chains import expected_cost
from texcodec.training.learned_crop.learner import CropSettings, Learner, chain_rate, run

TARGETS = ("pitch", "yaw")
SCORED_PEOPLE = 1000
"""Number of the first person that is scored on: nobody of these is learned from."""


def data(sizes: Any, kind: str, work: Path) -> tuple[Labelled, Labelled]:
    """Pictures to learn from and pictures of other people to score on."""
    path = work / f"{kind}.npz"
    if not path.exists():
        draw = draw_faces if kind == "faces" else draw_fields
        size = sizes.width, sizes.height
        first = draw(sizes.learned, *size, people=sizes.people, seed=1)
        second = draw(sizes.scored, *size, people=max(2, sizes.people // 3), seed=2, first_person=SCORED_PEOPLE)
        part = path.with_suffix(".part.npz")
        np.savez(part, a=first.pixels, b=first.gaze, c=second.pixels, d=second.gaze)
        part.rename(path)
    with np.load(path) as arrays:
        a, b, c, d = (arrays[name] for name in "abcd")
    return Labelled(a[..., None], b, TARGETS), Labelled(c[..., None], d, TARGETS)


def score(learner: Learner, scored: Labelled, mask: str = "hard") -> float:
    """Mean angle in degrees between where the faces look and what the network says."""
    return float(angular_error(learner.predict(scored, mask), scored.values).mean())


def measure(sizes: Any, kind: str, items: Any, work: Path) -> dict[str, Any]:
    """All errors of one kind of picture; the grid of rectangles for faces only."""
    learned, scored = data(sizes, kind, work)
    size = learned.size
    whole = Box(0, 0, *size)

    def fixed(box: Box, seed: int) -> dict[str, Any]:
        settings = CropSettings(warm_up=0, joint=0, finish=sizes.fixed, batch=sizes.batch, seed=seed)
        learner = Learner(learned, settings, box)
        run(learner, settings.steps)
        return {
            "error": score(learner, scored),
            "box": [box.left, box.top, box.width, box.height],
            "area": box.width * box.height / (size[0] * size[1]),
            "worked": learner.worked,
        }

    def learn(seed: int, soft: bool) -> dict[str, Any]:
        settings = CropSettings(
            budget=sizes.budget, warm_up=sizes.warm_up, joint=sizes.joint, finish=sizes.fixed, batch=sizes.batch,
            chain_rate=chain_rate(sizes.joint), seed=seed,
        )  # fmt: skip
        learner = Learner(learned, settings, soft_finish=soft)
        middle = work / f"{kind}-joint-{seed}.pt"
        if middle.exists():
            learner.restore(torch.load(middle, weights_only=True))
        else:
            run(learner, settings.warm_up + settings.joint)
            torch.save(learner.state(), middle)
        run(learner, settings.steps)
        profile = learner.profile({"pictures": len(learned.values), "seed": seed, "drawn": kind})
        box = learner.hard_box()
        if not soft:
            write_profile(profile, work / f"{kind}-{seed}.json")
            torch.save(learner.state(), work / f"{kind}-{seed}.pt")
            _draw(kind, seed, work, profile, scored, box)
        return {
            "error": score(learner, scored, "soft" if soft else "hard"),
            "box": [box.left, box.top, box.width, box.height],
            "area": profile.area,
            "cost": float(expected_cost(*learner.chains.axes()).detach()),
            "worked": learner.worked,
        }

    found: dict[str, Any] = {"mean": _by_mean(learned, scored)}
    found["whole"] = [items.get(f"{kind}-whole-{s}", lambda s=s: fixed(whole, s)) for s in sizes.seeds]
    found["learned"] = [items.get(f"{kind}-learned-{s}", lambda s=s: learn(s, False)) for s in sizes.seeds]
    if kind != "faces":
        return found
    side = math.sqrt(sizes.budget * size[0] * size[1])
    square = pixel_box(_centred(side / size[0], side / size[1]), *size)
    found["square"] = [items.get(f"{kind}-square-{s}", lambda s=s: fixed(square, s)) for s in sizes.seeds]
    found["soft"] = [items.get(f"{kind}-soft-{s}", lambda s=s: learn(s, True)) for s in sizes.seeds]
    n, grid = sizes.cells, []
    for across in range(1, n + 1):
        for along in range(1, n + 1):
            if across * along <= sizes.budget * n * n:
                box = pixel_box(_centred(across / n, along / n), *size)
                seed = sizes.seeds[0]
                name = f"{kind}-grid-{across}-{along}"
                grid.append(items.get(name, lambda box=box, seed=seed: fixed(box, seed)) | {"cells": [across, along]})
    found["grid"] = grid
    return found


def _centred(width: float, height: float) -> tuple[float, float, float, float]:
    return 0.5 - width / 2, 0.5 - height / 2, width, height


def _by_mean(learned: Labelled, scored: Labelled) -> float:
    guess = np.broadcast_to(learned.values.mean(0), scored.values.shape)
    return float(angular_error(guess, scored.values).mean())


def _draw(kind: str, seed: int, work: Path, profile: Any, scored: Labelled, box: Box) -> None:
    from PIL import Image

    typical = scored.pixels.mean(0).round().astype(np.uint8)
    Image.fromarray(draw_probabilities(profile, typical)).save(work / f"crop-{kind}-{seed}.png")
    shown = draw_region(np.kron(scored.pixels[0], np.ones((4, 4, 1), np.uint8)), Box(
        4 * box.left, 4 * box.top, 4 * box.right, 4 * box.bottom))  # fmt: skip
    Image.fromarray(shown).save(work / f"crop-{kind}-{seed}-region.png")
