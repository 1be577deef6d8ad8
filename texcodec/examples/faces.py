"""Two-eyed faces with known gaze, drawn: a camera with fixed geometry to try the learned crop on.

Where the eyes look is drawn exactly: a pupil is displaced by the sine of the gaze angles. Nose, mouth and the face's
outline follow the head, whose turn is only correlated with the gaze, so that they tell something of it but not
enough. Everything comes from the seed, and the same face can be drawn in any size.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ParameterError

HEAD_YAW, HEAD_PITCH = 18.0, 10.0
"""Largest turns of the head in degrees; they are uniform."""
EYE_SPREAD = 6.0
"""Standard deviation in degrees of the eyes' turn in the head, along each axis."""
KAPPA = 0.8
"""Standard deviation in degrees of a person's constant between where the eyes point and where they look."""
EYE_REACH = 0.07
"""Displacement of the iris, in widths of the picture, for a gaze of 90 degrees."""
ASPECT = 0.75
LABELS = "labels.csv"
"""Name of the table beside drawn pictures."""


@dataclass(frozen=True)
class Drawn:
    """Pictures with their labels.

    Attributes:
        pixels: uint8 N x height x width, grey.
        gaze: float64 N x 2, pitch and yaw in degrees.
        people: int N, whose face it is.
    """

    pixels: np.ndarray
    gaze: np.ndarray
    people: np.ndarray


def draw_faces(
    count: int, width: int, height: int, *, people: int, seed: int, first_person: int = 0
) -> Drawn:
    """Faces of several people.

    Args:
        count: pictures; picture i is one of person ``first_person + i % people``.
        seed: of poses and noise; a person looks the same for every seed.
    """
    return draw(count, width, height, people, seed, first_person, _draw_face)


def save_labelled(drawn: Drawn, folder: Path) -> Path:
    """Write PNG files and ``labels.csv`` (file, person, pitch, yaw) into a folder; returns the CSV file's path."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    table = folder / LABELS
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "person", "pitch", "yaw"])
        for i, (pixels, (pitch, yaw), person) in enumerate(zip(drawn.pixels, drawn.gaze, drawn.people)):
            name = f"{i:05d}.png"
            Image.fromarray(pixels).save(folder / name)
            writer.writerow([name, f"person-{person}", f"{pitch:.4f}", f"{yaw:.4f}"])
    return table


def draw(
    count: int, width: int, height: int, people: int, seed: int, first: int, picture: Callable[..., Any]
) -> Drawn:
    """Pictures and labels; arguments as for ``draw_faces``, and what draws one ``picture``."""
    if min(count, people) < 1 or min(width, height) < 8:
        raise ParameterError("Drawing needs at least one picture and person, and 8 pixels per side.")
    canvas = Canvas(width, height)
    pixels = np.empty((count, height, width), np.uint8)
    gaze, who = np.empty((count, 2)), np.empty(count, int)
    for i in range(count):
        who[i] = first + i % people
        # streams of their own: the pose does not depend on the size, and a person not on the picture
        pixels[i], gaze[i] = picture(
            canvas,
            np.random.default_rng([1, who[i]]),
            np.random.default_rng([2, seed, i, first]),
            np.random.default_rng([3, seed, i, first, width]),
        )
    return Drawn(pixels, gaze, who)


class Canvas:
    """Paints shapes with soft edges. Coordinates: x from -0.5 to 0.5 across, y likewise in widths, down."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.x = ((np.arange(width) + 0.5) / width - 0.5)[None, :].astype(np.float32)
        self.y = (((np.arange(height) + 0.5) / height - 0.5) * ASPECT)[:, None].astype(np.float32)
        self.pixel = 1.0 / width

    def begin(self) -> None:
        self.image = np.full((self.height, self.width), 128, np.float32)

    def part(self, box: tuple[float, float, float, float]) -> tuple[slice, slice]:
        """Rows and columns of a box (left, top, right, bottom), cut off at the picture's edge."""
        left, top, right, bottom = box
        x0, x1 = np.searchsorted(self.x[0], [left, right])
        y0, y1 = np.searchsorted(self.y[:, 0], [top, bottom])
        return slice(int(y0), int(y1)), slice(int(x0), int(x1))

    def cover(self, distance: np.ndarray, soft: float = 0.0) -> np.ndarray:
        """From a signed distance (negative inside) to coverage, 0 to 1."""
        return np.clip(0.5 - distance / (self.pixel + soft), 0, 1)

    def ellipse(self, cx: float, cy: float, rx: float, ry: float, level: float, soft: float = 0.0,
                share: float = 1.0) -> None:  # fmt: skip
        margin = self.pixel + soft
        rows, columns = self.part((cx - rx - margin, cy - ry - margin, cx + rx + margin, cy + ry + margin))
        u, v = (self.x[:, columns] - cx) / rx, (self.y[rows] - cy) / ry
        cover = share * self.cover((np.sqrt(u * u + v * v) - 1) * min(rx, ry), soft)
        area = self.image[rows, columns]
        area += cover * (level - area)

    def eye(self, cx: float, cy: float, rx: float, ry: float, iris: tuple[float, float, float],
            levels: tuple[float, float], glint: tuple[float, float]) -> None:  # fmt: skip
        """An almond of white with an iris (x, y, radius), both lids' edges, and the reflection of a lamp."""
        m = 2 * self.pixel
        rows, columns = self.part((cx - rx - m, cy - 1.6 * ry, cx + rx + m, cy + 1.6 * ry))
        x, y = self.x[:, columns] - cx, self.y[rows] - cy
        lid = ry * (1 - (x / rx) ** 2)
        opening = np.abs(y) - lid
        area = self.image[rows, columns]
        area += 0.5 * self.cover(np.abs(opening) - 0.15 * ry) * (40 - area)
        inside = self.cover(opening)
        white = np.full_like(area, levels[0])
        distance = np.hypot(x - iris[0], y - iris[1])
        white += self.cover(distance - iris[2]) * (levels[1] - white)
        white += self.cover(distance - 0.45 * iris[2]) * (12 - white)
        white += self.cover(np.hypot(x - glint[0], y - glint[1]) - 0.12 * iris[2]) * (250 - white)
        area += inside * (white - area)

    def texture(self, random: np.random.Generator, amplitude: float, columns: int) -> np.ndarray:
        """Smooth noise with ``columns`` grains across; the same for every size, but for grains below a pixel."""
        rows = max(int(columns * ASPECT), 2)
        grains = random.normal(0, amplitude, (rows + 1, columns + 1)).astype(np.float32)
        if columns > self.width:
            return np.zeros_like(self.image)
        x, y = (self.x[0] + 0.5) * columns, (self.y[:, 0] / ASPECT + 0.5) * rows
        i, j = np.minimum(y.astype(int), rows - 1), np.minimum(x.astype(int), columns - 1)
        u, v = (y - i)[:, None].astype(np.float32), (x - j).astype(np.float32)
        wide = grains[:, j] * (1 - v) + grains[:, j + 1] * v
        return wide[i] * (1 - u) + wide[i + 1] * u

    def finish(self, noise: np.random.Generator, sigma: float) -> np.ndarray:
        image = self.image + noise.normal(0, sigma, self.image.shape)
        return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def pose_of(pose: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Head and gaze: pitch and yaw in degrees each."""
    head = pose.uniform(-1, 1, 2) * (HEAD_PITCH, HEAD_YAW)
    return head, head + np.clip(pose.normal(0, EYE_SPREAD, 2), -15, 15)


def looking(gaze: np.ndarray) -> tuple[float, float]:
    """Displacement of an iris in widths of the picture."""
    pitch, yaw = np.radians(gaze)
    return EYE_REACH * float(np.sin(yaw)), -EYE_REACH * float(np.sin(pitch))


def _draw_face(
    canvas: Canvas, person: np.random.Generator, pose: np.random.Generator, noise: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    skin, iris_level = person.uniform(110, 190), person.uniform(30, 80)
    apart, eye_rx = person.normal(0.24, 0.006), person.uniform(0.064, 0.076)
    eye_ry, iris_r = person.uniform(0.030, 0.038), person.uniform(0.026, 0.031)
    brow, brow_gap, hair = person.uniform(20, 90), person.uniform(0.055, 0.075), person.uniform(15, 120)
    nose, mouth = person.uniform(0.9, 1.1), person.uniform(0.08, 0.12)
    kappa = person.normal(0, KAPPA, 2)
    pores = person.integers(1 << 30)

    head, gaze = pose_of(pose)
    shift_x, shift_y = pose.normal(0, 0.008, 2)
    scale = pose.normal(1, 0.015)
    light = pose.uniform(-40, 40, 2)
    turn_x, turn_y = np.sin(np.radians(head[1])), -np.sin(np.radians(head[0]))

    canvas.begin()
    canvas.image += (
        canvas.texture(pose, 34, 14) + canvas.texture(pose, 22, 70) + canvas.texture(pose, 12, 300)
    )
    cx, cy = shift_x + 0.03 * turn_x, shift_y + 0.02 * turn_y
    canvas.ellipse(cx, cy - 0.06, 0.44, 0.50, hair, soft=0.02)
    canvas.ellipse(cx + 0.02 * turn_x, cy + 0.04, 0.40, 0.46, skin, soft=0.02)
    canvas.image += canvas.texture(np.random.default_rng(pores), 5, 150)
    for side in (-1, 1):
        ex, ey = cx + side * apart * scale, cy
        canvas.ellipse(ex, ey, 1.35 * eye_rx * scale, 1.9 * eye_ry * scale, skin - 25, soft=0.02)
        dx, dy = looking(gaze + kappa)
        canvas.eye(ex, ey, eye_rx * scale, eye_ry * scale, (dx * scale, dy * scale, iris_r * scale),
                   (215.0, iris_level), (0.008, -0.010))  # fmt: skip
        canvas.ellipse(ex, ey - brow_gap * scale, 0.075, 0.011, brow, soft=0.006)
    tip_x, tip_y = cx + 0.09 * turn_x, cy + 0.13 * nose + 0.06 * turn_y
    canvas.ellipse((cx + tip_x) / 2, (cy + tip_y) / 2, 0.028, 0.085, skin + 22, soft=0.03, share=0.8)
    canvas.ellipse(tip_x, tip_y, 0.042 * nose, 0.03, skin + 12, soft=0.02)
    for side in (-1, 1):
        canvas.ellipse(tip_x + side * 0.02, tip_y + 0.018, 0.009, 0.006, skin - 70, soft=0.006)
    canvas.ellipse(cx + 0.05 * turn_x, cy + 0.255 + 0.03 * turn_y, mouth, 0.018, skin - 55, soft=0.01)
    canvas.image += light[0] * canvas.x + light[1] * canvas.y
    return canvas.finish(noise, 4.0), gaze
