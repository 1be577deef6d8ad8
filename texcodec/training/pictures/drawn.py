"""Drawn pages to train on beside photographs: text, windows, charts and icons, made by this module alone.

Networks that have seen photographs only ring around hard edges. Pages are drawn with Pillow and its own font,
in many sizes and colours, some of them smoothed, as screenshots that were scaled.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from numpy.random import Generator

Colour = tuple[int, int, int]
SYLLABLES = (
    "ta",
    "re",
    "mi",
    "lo",
    "na",
    "ku",
    "se",
    "di",
    "por",
    "len",
    "gra",
    "vi",
    "sto",
    "be",
    "chi",
    "dan",
)
PAGE_SIDE = 512
"""Pixels per side of a page."""
SOFTENED = 0.3
"""Share of pages that are drawn larger and reduced, so that their edges are smooth."""


def drawn_page(seed: int, side: int = PAGE_SIDE) -> np.ndarray:
    """One page; uint8 side x side x 3, the same for the same seed and release of Pillow."""
    random = np.random.default_rng([seed, 77])
    factor = random.uniform(1.2, 2.0) if random.random() < SOFTENED else 1.0
    large = round(side * factor)
    dark = random.random() < 0.3
    paper = _paper(random, dark)
    image = Image.new("RGB", (large, large), paper)
    draw = ImageDraw.Draw(image)
    draw.fontmode = "1" if factor == 1.0 and random.random() < 0.2 else "L"
    for _ in range(int(random.integers(3, 8))):
        _PARTS[int(random.integers(len(_PARTS)))](draw, _box(random, large), random, dark)
    if factor != 1.0:
        image = image.resize((side, side), Image.Resampling.LANCZOS)
    return np.asarray(image)


def drawn_pages(count: int, seed: int, side: int = PAGE_SIDE) -> list[np.ndarray]:
    """Several pages, each uint8 side x side x 3."""
    return [drawn_page(seed * 100_003 + n, side) for n in range(count)]


def _paper(random: Generator, dark: bool) -> Colour:
    level = int(random.integers(10, 60)) if dark else int(random.integers(225, 256))
    tint = random.integers(-6, 7, 3)
    r, g, b = np.clip(level + tint, 0, 255).tolist()
    return r, g, b


def _ink(random: Generator, dark: bool) -> Colour:
    if random.random() < 0.6:
        level = int(random.integers(190, 256)) if dark else int(random.integers(0, 80))
        return level, level, level
    return _bright(random)


def _bright(random: Generator) -> Colour:
    r, g, b = random.integers(0, 256, 3).tolist()
    return r, g, b


def _box(random: Generator, side: int) -> tuple[int, int, int, int]:
    w, h = (int(n) for n in random.integers(side // 6, side * 3 // 4, 2))
    x, y = int(random.integers(-w // 4, side - w // 2)), int(random.integers(-h // 4, side - h // 2))
    return x, y, x + w, y + h


def _word(random: Generator) -> str:
    if random.random() < 0.1:
        return "".join(random.choice(list(string.digits + ".,-%$"), int(random.integers(1, 7))))
    word = "".join(random.choice(SYLLABLES, int(random.integers(1, 4))))
    return word.capitalize() if random.random() < 0.2 else word


def _text(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], random: Generator, dark: bool) -> None:
    size = int(random.choice([9, 10, 11, 12, 13, 14, 16, 18, 22, 28, 40]))
    font, ink = ImageFont.load_default(size), _ink(random, dark)
    left, top, right, bottom = box
    y = float(top)
    while y < bottom:
        x = float(left)
        while x < right:
            word = _word(random)
            draw.text((x, y), word, fill=ink, font=font)
            x += draw.textlength(word + " ", font=font)
        y += size * 1.35


def _window(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], random: Generator, dark: bool) -> None:
    left, top, right, _ = box
    face, edge, bar = _paper(random, dark), _ink(random, dark), _bright(random)
    draw.rectangle(box, fill=face, outline=edge)
    draw.rectangle((left, top, right, top + 22), fill=bar, outline=edge)
    draw.text((left + 6, top + 4), _word(random), fill=face, font=ImageFont.load_default(13))
    for k in range(int(random.integers(1, 6))):
        y = top + 32 + 26 * k
        field = (left + 8, y, left + 8 + (right - left) // 2, y + 20)
        draw.rounded_rectangle(field, 4, fill=_paper(random, dark), outline=edge)
        draw.text((left + 14, y + 3), _word(random), fill=edge, font=ImageFont.load_default(12))


def _chart(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], random: Generator, dark: bool) -> None:
    left, top, right, bottom = box
    axis = _ink(random, dark)
    draw.line((left, top, left, bottom, right, bottom), fill=axis, width=int(random.integers(1, 3)))
    count = int(random.integers(4, 16))
    x = np.linspace(left + 4, right - 4, count + 1)
    heights = random.random(count) * (bottom - top)
    if random.random() < 0.5:
        colour = _bright(random)
        for a, b, h in zip(x, x[1:], heights):
            draw.rectangle((int(a), int(bottom - h), int(b) - 2, bottom - 1), fill=colour)
    else:
        for _ in range(int(random.integers(1, 4))):
            heights = np.clip(heights + random.normal(0, 0.1, count) * (bottom - top), 0, bottom - top)
            points = [(float(a), float(bottom - h)) for a, h in zip(x, heights)]
            draw.line(points, fill=_bright(random), width=int(random.integers(1, 4)))


def _icons(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], random: Generator, dark: bool) -> None:
    size = int(random.integers(12, 64))
    for x in range(box[0], box[2], size * 3 // 2):
        colour, kind = _bright(random), int(random.integers(4))
        where = (x, box[1], x + size, box[1] + size)
        if kind == 0:
            draw.ellipse(where, fill=colour, outline=_ink(random, dark))
        elif kind == 1:
            draw.rectangle(where, fill=colour)
        elif kind == 2:
            draw.polygon(
                [(x, box[1] + size), (x + size // 2, box[1]), (x + size, box[1] + size)], fill=colour
            )
        else:
            draw.line((x, box[1], x + size, box[1] + size), fill=colour, width=int(random.integers(1, 6)))
            draw.line((x + size, box[1], x, box[1] + size), fill=colour, width=int(random.integers(1, 6)))


def _table(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], random: Generator, dark: bool) -> None:
    left, top, right, bottom = box
    row, column = int(random.integers(14, 30)), int(random.integers(40, 120))
    line, ink, font = _ink(random, dark), _ink(random, dark), ImageFont.load_default(11)
    for y in range(top, bottom, row):
        draw.line((left, y, right, y), fill=line)
        for x in range(left, right, column):
            draw.text((x + 3, y + 2), _word(random)[:8], fill=ink, font=font)
    for x in range(left, right, column):
        draw.line((x, top, x, bottom), fill=line)


Part = Callable[[ImageDraw.ImageDraw, tuple[int, int, int, int], "Generator", bool], None]
_PARTS: tuple[Part, ...] = (_text, _text, _window, _chart, _icons, _table)
