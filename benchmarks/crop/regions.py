"""Errors of networks that see a region: the whole picture, a square, every rectangle of a grid, the learned one."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gaze import angular_error, draw_fields

from texcodec.crop.drawing import draw_probabilities, draw_region
from texcodec.crop.labels import Labelled
from texcodec.crop.profile import write_profile
from texcodec.crop.region import pixel_box
from texcodec.examples.faces import draw_faces
from texcodec.tiles import Box
from texcodec.training.crop.learner import CropSettings, Learner, chain_learning_rate

TARGETS = ("pitch", "yaw")
SCORED_PEOPLE = 1000
"""Number of the first person that is scored on: nobody of these is learned from."""


def advance(learner: Learner, until: int) -> None:
    """Take steps up to one."""
    while learner.step < until:
        learner.advance()


def data(sizes: Any, kind: str, work: Path) -> tuple[Labelled, Labelled]:
    """Pictures to learn from and pictures of other people to score on."""
    path = work / f"{kind}.npz"
    if not path.exists():
        draw = draw_faces if kind == "faces" else draw_fields
        size = sizes.width, sizes.height
        first = draw(sizes.learned, *size, people=sizes.people, seed=1)
        second = draw(
            sizes.scored, *size, people=max(2, sizes.people // 3), seed=2, first_person=SCORED_PEOPLE
        )
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
    """All errors of one kind of picture; what the crop is compared with in detail for faces only.

    Every network has as many steps as the learned region's in all of its phases, but for those of the grid, which
    only find the best rectangle: they have as many as the last phase. The best one is trained again.
    """
    learned, scored = data(sizes, kind, work)
    size, seeds = learned.size, sizes.seeds if kind == "faces" else sizes.seeds[:1]
    whole = Box(0, 0, *size)
    equal = sizes.warm_up + sizes.joint // 2 + sizes.fixed

    def fixed(box: Box, seed: int, steps: int = equal, keep: str = "") -> dict[str, Any]:
        settings = CropSettings(warm_up=0, joint=0, finish=steps, batch=sizes.batch, seed=seed)
        learner = Learner(learned, settings, box)
        advance(learner, settings.steps)
        if keep:
            torch.save(learner.state(), work / f"{keep}.pt")
        return {
            "error": score(learner, scored),
            "box": [box.left, box.top, box.width, box.height],
            "area": box.width * box.height / (size[0] * size[1]),
            "worked": learner.worked,
        }

    def learn(seed: int, soft: bool) -> dict[str, Any]:
        settings = CropSettings(
            budget=sizes.budget, warm_up=sizes.warm_up, joint=sizes.joint, finish=sizes.fixed, batch=sizes.batch,
            chain_learning_rate=chain_learning_rate(sizes.joint), seed=seed,
        )  # fmt: skip
        learner = Learner(learned, settings, soft_finish=soft)
        middle = work / f"{kind}-joint-{seed}.pt"
        if middle.exists():
            learner.restore(torch.load(middle, weights_only=True))
        else:
            advance(learner, settings.warm_up + settings.joint)
            torch.save(learner.state(), middle)
        advance(learner, settings.steps)
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
            "cost": learner.chains.cost(),
            "worked": learner.worked,
        }

    def runs(name: str, compute: Callable[[int], dict[str, Any]]) -> dict[str, Callable[[], dict[str, Any]]]:
        return {f"{kind}-{name}-{seed}": partial(compute, seed) for seed in seeds}

    jobs = {
        "whole": runs("whole", lambda seed: fixed(whole, seed)),
        "learned": runs("learned", lambda seed: learn(seed, False)),
    }
    if kind == "faces":
        side = math.sqrt(sizes.budget * size[0] * size[1])
        square = pixel_box(_centred(side / size[0], side / size[1]), *size)
        jobs["square"] = runs("square", lambda seed: fixed(square, seed))
        jobs["grid"] = {
            f"{kind}-grid-{across}-{along}": partial(
                fixed,
                pixel_box(_centred(across / sizes.cells, along / sizes.cells), *size),
                seeds[0],
                sizes.fixed,
            )
            for across in range(1, sizes.cells + 1)
            for along in range(1, sizes.cells + 1)
            if across * along <= sizes.budget * sizes.cells**2
        }
        for part in sizes.squares:
            name = f"{kind}-squares-{part:g}"
            jobs.setdefault("squares", {})[name] = partial(
                fixed, square_box(part, *size), seeds[0], keep=name
            )
    found = _by_group(items, jobs) | {"mean": _by_mean(learned, scored)}
    if kind == "faces":  # what follows begins where the learning of above ended
        left, top, width, height = min(found["grid"], key=lambda entry: entry["error"])["box"]
        best = Box(left, top, left + width, top + height)
        found |= _by_group(items, {
            "soft": runs("soft", lambda seed: learn(seed, True)),
            "best": runs("best", lambda seed: fixed(best, seed)),
        })  # fmt: skip
    return found


def _by_group(items: Any, jobs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    results = iter(items.get({name: job for group in jobs.values() for name, job in group.items()}))
    return {group: [next(results) for _ in names] for group, names in jobs.items()}


def square_box(part: float, width: int, height: int) -> Box:
    """The square in the centre whose side is a part of the height."""
    return pixel_box(_centred(part * height / width, part), width, height)


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
