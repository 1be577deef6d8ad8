"""What only the benchmark needs of faces: the angle between directions, and the control without a region.

Fields of many small eyes are the control: there the signal is everywhere.
"""

from __future__ import annotations

import numpy as np

from texcodec.examples.faces import ASPECT, Canvas, Drawn, draw, looking, pose_of

FIELD_COLUMNS, FIELD_ROWS = 8, 6
FIELD_SPREAD = 14.0
"""Eyes of a field picture, and the standard deviation in degrees of each one's deviation from the truth."""


def draw_fields(
    count: int, width: int, height: int, *, people: int, seed: int, first_person: int = 0
) -> Drawn:
    """Eyes all over the picture, each of which follows the gaze with an error of its own; as ``draw_faces``."""
    return draw(count, width, height, people, seed, first_person, _draw_field)


def angular_error(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Angles in degrees between gaze directions; N x 2 (pitch, yaw in degrees) each, returns N."""
    a, b = (_direction(np.radians(np.asarray(g, float))) for g in (found, truth))
    return np.degrees(np.arccos(np.clip((a * b).sum(-1), -1, 1)))


def _direction(gaze: np.ndarray) -> np.ndarray:
    pitch, yaw = gaze[:, 0], gaze[:, 1]
    return np.stack([np.cos(pitch) * np.sin(yaw), np.sin(pitch), np.cos(pitch) * np.cos(yaw)], -1)


def _draw_field(
    canvas: Canvas, person: np.random.Generator, pose: np.random.Generator, noise: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    skin, iris_level = person.uniform(110, 190), person.uniform(30, 80)
    _, gaze = pose_of(pose)
    canvas.begin()
    canvas.image += skin - 128 + canvas.texture(pose, 10, 40)
    for row in range(FIELD_ROWS):
        for column in range(FIELD_COLUMNS):
            dx, dy = looking(gaze + pose.normal(0, FIELD_SPREAD, 2))
            cx = (column + 0.5) / FIELD_COLUMNS - 0.5 + pose.normal(0, 0.004)
            cy = ((row + 0.5) / FIELD_ROWS - 0.5) * ASPECT + pose.normal(0, 0.004)
            canvas.eye(
                cx, cy, 0.052, 0.040, (0.7 * dx, 0.7 * dy, 0.022), (215.0, iris_level), (0.006, -0.008)
            )
    return canvas.finish(noise, 4.0), gaze
