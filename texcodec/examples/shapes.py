"""Pictures of shaded solids on a tilted, textured ground, with everything that a task could ask of them.

A scene holds one large solid and up to three small ones, seen without perspective and lit from one side. Every
solid is convex: the space where all of its half-spaces and at most one quadric hold, so that a ray enters it at
the last of the entries and leaves it at the first of the exits. All rays run in the same direction, which leaves
a handful of operations on whole arrays a surface.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ParameterError

CLASSES = ("sphere", "box", "cylinder", "cone", "pyramid")
"""What a solid can be; the class of a picture is a position in this list."""
SEGMENTS = ("ground", *CLASSES)
"""What a pixel can show; a segmentation map holds positions in this list."""
FARTHEST = 3.0
"""Distance from the camera that a depth of 1 stands for, in half sides of the picture."""
SMALLEST = 8
"""Pixels that a picture has at least on each side."""

_GROUND = 2.2


@dataclass(frozen=True)
class Scenes:
    """B rendered pictures and the truth about them.

    Attributes:
        pictures: uint8 B x H x W x 3, RGB.
        classes: int64 B, class of the solid that covers the most pixels.
        segmentation: uint8 B x H x W, positions in ``SEGMENTS``.
        normals: float32 B x 3 x H x W, unit length; x to the right, y down, z away from the camera (so z < 0
            wherever the camera sees the surface).
        depth: float32 B x 1 x H x W, distance from the camera in (0, 1).
    """

    pictures: np.ndarray
    classes: np.ndarray
    segmentation: np.ndarray
    normals: np.ndarray
    depth: np.ndarray

    def __len__(self) -> int:
        return len(self.pictures)


def render(seed: int, count: int, *, first: int = 0, width: int = 64, height: int = 64) -> Scenes:
    """Render the pictures ``first`` .. ``first + count - 1`` of a seed; each depends on the seed and its number
    alone.

    Raises:
        ParameterError: a side under SMALLEST, a negative seed, count or first.
    """
    if min(width, height) < SMALLEST or min(seed, count, first) < 0:
        raise ParameterError(
            f"Pictures of shapes need sides of at least {SMALLEST} pixels and a seed, a count and a first number "
            f"of at least 0, not {width} x {height} pixels, {seed}, {count} and {first}."
        )
    out = Scenes(
        np.empty((count, height, width, 3), np.uint8),
        np.empty(count, np.int64),
        np.empty((count, height, width), np.uint8),
        np.empty((count, 3, height, width), np.float32),
        np.empty((count, 1, height, width), np.float32),
    )
    x, y = _coordinates(width, height)
    for i in range(count):
        _render_one(np.random.default_rng([seed, first + i]), x, y, out, i)
    return out


def _coordinates(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Centres of the pixels, x: W, y: H; the shorter side runs from -1 to 1."""
    unit = 2 / min(width, height)
    return tuple(  # type: ignore[return-value]
        ((np.arange(n) + 0.5 - n / 2) * unit).astype(np.float32) for n in (width, height)
    )


def _render_one(rng: np.random.Generator, x: np.ndarray, y: np.ndarray, out: Scenes, index: int) -> None:
    reach = x[-1], y[-1]
    slope = _between(rng, -0.35, 0.35, 2) / reach
    normal = np.array([slope[0], slope[1], -1.0])
    out.normals[index] = (normal / np.linalg.norm(normal)).astype(np.float32)[:, None, None]
    distance = (_GROUND + slope[0] * x[None, :] + slope[1] * y[:, None]).astype(np.float32)
    albedo = _ground(rng, x, y)
    owner = np.zeros(distance.shape, np.uint8)
    count = 1 + int(rng.random() * 4)
    kinds = [int(k) for k in rng.random(count) * len(CLASSES)]
    for number, kind in enumerate(kinds):
        size = _between(rng, 0.42, 0.6) if number == 0 else _between(rng, 0.14, 0.26)
        room = np.maximum(np.array(reach) - 0.8 * size, 0) * (0.6 if number == 0 else 1.0)
        cx, cy = _between(rng, -1, 1, 2) * room
        cz = _GROUND + slope[0] * cx + slope[1] * cy - _between(rng, 0.3, 0.9) * size
        colour, turn = _colour(rng), _rotation(rng)
        rows, columns = (
            slice(*np.searchsorted(axis, (centre - 1.05 * size, centre + 1.05 * size)))
            for axis, centre in ((y, cy), (x, cx))
        )
        if rows.start == rows.stop or columns.start == columns.stop:
            continue
        t, surface, hit = _surface(kind, turn, (x[None, columns] - cx) / size, (y[rows, None] - cy) / size)
        t = t * size + cz
        window = rows, columns
        nearer = hit & (t < distance[window])
        distance[window][nearer] = t[nearer]
        owner[window][nearer] = number + 1
        for axis in range(3):
            out.normals[index, axis][window][nearer] = surface[axis][nearer]
        albedo[:, rows, columns][:, nearer] = colour[:, None]
    areas = np.bincount(owner.ravel(), minlength=count + 1)[1:]
    out.classes[index] = kinds[int(np.argmax(areas))]
    out.segmentation[index] = np.array([0, *(kind + 1 for kind in kinds)], np.uint8)[owner]
    out.depth[index, 0] = np.clip(distance / FARTHEST, 0.001, 0.999)
    out.pictures[index] = _shade(rng, albedo, out.normals[index], out.depth[index, 0])


def _surface(
    kind: int, turn: np.ndarray, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, tuple[np.ndarray, ...], np.ndarray]:
    """Where rays along z meet a solid of radius 1 around the origin.

    Args:
        kind: position in CLASSES.
        turn: 3 x 3 rotation from the solid's frame to the camera's.
        x, y: 1 x w and h x 1, where the rays are.

    Returns:
        z of the first hit (h x w), x, y and z of the normal there, and whether there is one.
    """
    shape = np.broadcast_shapes(x.shape, y.shape)
    if kind == 0:
        square = 1 - x * x - y * y
        hit = square > 0
        z = -np.sqrt(np.where(hit, square, 0))
        return z, (np.broadcast_to(x, shape), np.broadcast_to(y, shape), z), hit
    flats, tube, taper = _SOLIDS[kind]
    enter = np.full(shape, -10.0, np.float32)
    leave = np.full(shape, 10.0, np.float32)
    face = np.zeros(shape, np.int8)
    normals = flats[:, :3] @ turn.T
    for number, ((nx, ny, nz), limit) in enumerate(zip(normals, flats[:, 3])):
        if abs(nz) < 1e-6:
            nz = 1e-6
        t = (limit / nz - (nx / nz) * x) - (ny / nz) * y
        if nz < 0:
            face[t > enter] = number
            np.maximum(enter, t, out=enter)
        else:
            np.minimum(leave, t, out=leave)
    own = turn.T
    if tube:
        # px^2 + py^2 <= (top - taper * pz)^2 in the solid's own frame, where p = origin + t * direction
        px, py, pz = (own[i, 0] * x + own[i, 1] * y for i in range(3))
        dx, dy, dz = own[:, 2]
        rest = tube - taper * pz
        a = dx * dx + dy * dy - (taper * dz) ** 2
        a = a if abs(a) > 1e-6 else 1e-6
        b = px * dx + py * dy + rest * taper * dz
        c = px * px + py * py - rest * rest
        inside = b * b - a * c
        root = np.sqrt(np.maximum(inside, 0))
        low, high = (-b - root) / a, (-b + root) / a
        if a > 0:
            enter[inside <= 0] = 20.0
            last = low
            np.minimum(leave, high, out=leave)
        elif taper * dz > 0:
            # steeper than the side of a cone: a ray towards the tip is inside from the start and leaves once ...
            last = np.full(shape, -20.0, np.float32)
            np.minimum(leave, np.minimum(low, high), out=leave)
        else:
            # ... and one away from the tip enters once
            last = np.maximum(low, high)
        face[last > enter] = -1
        np.maximum(enter, last, out=enter)
    hit = enter < leave
    xyz = [normals[:, i].astype(np.float32)[face] for i in range(3)]
    if tube:
        round_ = face == -1
        qx, qy = (px + enter * dx)[round_], (py + enter * dy)[round_]
        length = np.maximum(np.sqrt(qx * qx + qy * qy), 1e-6)
        rise = np.sqrt(1 + taper * taper)
        qx, qy, qz = qx / length / rise, qy / length / rise, taper / rise
        for i in range(3):
            xyz[i][round_] = own[0, i] * qx + own[1, i] * qy + own[2, i] * qz
    return enter, tuple(xyz), hit


def _solids() -> dict[int, tuple[np.ndarray, float, float]]:
    """Half-spaces (rows of normal and limit), radius at height 0 and taper of each solid; all fit into a ball of
    radius 1.
    """
    third = 1 / np.sqrt(3)
    box = [[*(sign * axis), third] for axis in np.eye(3) for sign in (1, -1)]
    ends = [[0, 0, 1, 0.72], [0, 0, -1, 0.72]]
    # tip at height 1, base at height -0.5 with corners or a rim on the ball
    base, rim = -0.5, np.sqrt(0.75)
    slope = rim / (1 - base)
    sides = []
    side = rim / np.sqrt(2) / (1 - base)
    for axis in np.eye(3)[:2]:
        for sign in (1, -1):
            outward = np.array([*(sign * axis[:2]), side]) / np.sqrt(1 + side * side)
            sides.append([*outward, outward[2]])
    foot = [[0, 0, -1, -base]]
    return {
        1: (np.array(box), 0.0, 0.0),
        2: (np.array(ends), float(np.sqrt(1 - 0.72**2)), 0.0),
        3: (np.array(foot + [[0, 0, 1, 1]]), float(slope), float(slope)),
        4: (np.array(foot + sides), 0.0, 0.0),
    }


_SOLIDS = _solids()


def _ground(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """float32 3 x H x W: two colours, mixed by two waves."""
    waves = []
    for _ in range(2):
        angle, frequency, phase = rng.random(3) * (np.pi, 7, 2 * np.pi) + (0, 2, 0)
        fx, fy = frequency * np.cos(angle), frequency * np.sin(angle)
        # sin(a + b) from the sines of rows and columns: H + W of them instead of H * W
        across, down = (fx * x + phase)[None], (fy * y)[:, None]
        waves.append(np.sin(across) * np.cos(down) + np.cos(across) * np.sin(down))
    mix = (0.5 + 0.25 * (waves[0] + waves[1])).astype(np.float32)
    first, second = _colour(rng), _colour(rng)
    return first[:, None, None] + (second - first)[:, None, None] * mix


def _shade(
    rng: np.random.Generator, albedo: np.ndarray, normals: np.ndarray, depth: np.ndarray
) -> np.ndarray:
    light = np.array([*_between(rng, -0.8, 0.8, 2), -1.0])
    light = (light / np.linalg.norm(light)).astype(np.float32)
    towards = light[0] * normals[0] + light[1] * normals[1] + light[2] * normals[2]
    # 0.3 of the light comes from everywhere, and what is near is a little brighter
    bright = (0.3 + 0.7 * np.maximum(towards, 0)) * (1.15 - 0.3 * depth)
    shine = np.maximum(-2 * towards * normals[2] + light[2], 0)
    for _ in range(4):
        shine *= shine
    shine *= np.float32(0.25 * rng.random())
    colour = albedo * bright + shine
    # a lens is never sharper than its pixels
    colour = np.concatenate([colour[:, :1], colour, colour[:, -1:]], 1)
    colour = 0.25 * (colour[:, :-2] + colour[:, 2:]) + 0.5 * colour[:, 1:-1]
    colour = np.concatenate([colour[:, :, :1], colour, colour[:, :, -1:]], 2)
    colour = 64 * (colour[:, :, :-2] + colour[:, :, 2:]) + 127 * colour[:, :, 1:-1]
    colour += 8 * rng.random(depth.shape, np.float32) - 3.5
    return np.clip(colour, 0, 255).astype(np.uint8).transpose(1, 2, 0)


def _colour(rng: np.random.Generator) -> np.ndarray:
    return (0.2 + 0.75 * rng.random(3)).astype(np.float32)


def _rotation(rng: np.random.Generator) -> np.ndarray:
    """Uniformly random 3 x 3 rotation (Shoemake, "Uniform random rotations", 1992)."""
    u, v, w = rng.random(3) * (1, 2 * np.pi, 2 * np.pi)
    a, b = np.sqrt(1 - u), np.sqrt(u)
    i, j, k, r = a * np.sin(v), a * np.cos(v), b * np.sin(w), b * np.cos(w)
    return np.array(
        [
            [1 - 2 * (j * j + k * k), 2 * (i * j - k * r), 2 * (i * k + j * r)],
            [2 * (i * j + k * r), 1 - 2 * (i * i + k * k), 2 * (j * k - i * r)],
            [2 * (i * k - j * r), 2 * (j * k + i * r), 1 - 2 * (i * i + j * j)],
        ]
    )


def _between(rng: np.random.Generator, low: float, high: float, count: int | None = None) -> Any:
    return (
        (low + (high - low) * rng.random(count)).astype(np.float32)
        if count
        else low + (high - low) * rng.random()
    )
