"""Writes text on pictures in a TrueType font, where it covers no other text."""

import math
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeAlias

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vigil.pixels.pictures.picture import Picture, swap_red_and_blue
from vigil.plumbing.errors import printable

Colour: TypeAlias = tuple[int, int, int]
"""Blue, green, red."""

SIZE_PX = 11
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
GAP_PX = 1
EDGE_PX = 2
"""A text keeps this distance from the edges of its picture."""
PLATE = (32, 32, 32)
LIGHTER = 0.4  # how much the colour of a text on a plate is mixed with white, in [0, 1]


class Place(NamedTuple):
    """The rectangle of a text: [x1, x2) by [y1, y2) px."""

    x1: int
    y1: int
    x2: int
    y2: int


class Label(NamedTuple):
    """A text, its colour, and the possible upper left corners, the best one first."""

    text: str
    colour: Colour
    corners: Sequence[tuple[int, int]]


@cache
def font(size_px: int = SIZE_PX) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib includes: Latin, Greek, Cyrillic and other scripts."""
    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    # The basic layout engine does not depend on the libraries of the system.
    return ImageFont.truetype(str(file), size_px, layout_engine=ImageFont.Layout.BASIC)


def measure_text(text: str, size_px: int = SIZE_PX) -> tuple[int, int]:
    """Width and height in px."""
    ascent, descent = font(size_px).getmetrics()
    return round(font(size_px).getlength(text)), ascent + descent


def shorten_text(text: str, width_px: int) -> str:
    """Fits a text to a width: escapes unprintable characters, and replaces a part of it by "…".

    If the text ends in a path whose file name fits, this part is folders; else it is the middle.
    """
    text = printable(text)
    if measure_text(text)[0] <= width_px:
        return text
    start, slash, name = text.rpartition("/")
    # Whole folders, from the last one on, if something is left: "1.2 s: …/walk.mp4"; else letters.
    stops = [at + 1 for at, one in enumerate(start) if one in "/ "]
    for stop in [*stops[::-1], *range(len(start) - 1, -1, -1)]:
        short = f"{start[:stop]}…{slash}{name}"
        if slash and measure_text(short)[0] <= width_px:
            return short
    for num_kept in range(len(text) - 1, 0, -1):
        head = num_kept // 2
        short = f"{text[:head]}…{text[len(text) - (num_kept - head) :]}"
        if measure_text(short)[0] <= width_px:
            return short
    return "…"


def write_text(
    picture: Picture,
    text: str,
    corner: tuple[int, int],
    colour: Colour = BLACK,
    size_px: int = SIZE_PX,
) -> Picture:
    """Writes a text on a copy of a (H, W, 3) BGR picture, with its upper left at `corner`."""
    return write_labels(picture, [Label(text, colour, [corner])], size_px=size_px, has_plate=False)


def write_labels(
    picture: Picture, labels: Sequence[Label], *, size_px: int = SIZE_PX, has_plate: bool = True
) -> Picture:
    """Writes texts on a copy of a (H, W, 3) BGR picture, each where it covers others the least.

    Args:
        has_plate: whether each text has a dark background; its colour is then made lighter.
    """
    if not any(label.text for label in labels):
        return picture.copy()
    canvas = Image.fromarray(swap_red_and_blue(picture))
    draw = ImageDraw.Draw(canvas)
    height, width = picture.shape[:2]
    taken: list[Place] = []
    for label in labels:
        if not label.text:
            continue
        place = _choose(label, (width, height), taken, size_px)
        taken.append(place)
        blue, green, red = label.colour
        if has_plate:
            draw.rectangle((place.x1, place.y1, place.x2 - 1, place.y2 - 1), fill=PLATE)
            blue, green, red = (round(c + LIGHTER * (255 - c)) for c in label.colour)
        draw.text((place.x1, place.y1), label.text, fill=(red, green, blue), font=font(size_px))
    return swap_red_and_blue(np.asarray(canvas, np.uint8))


def _choose(label: Label, size_wh: tuple[int, int], taken: Sequence[Place], size_px: int) -> Place:
    """The first place within the picture that covers the smallest area of the places taken."""
    best: Place | None = None
    least = math.inf
    for place in _places(label, size_wh, size_px):
        shared = sum(_shared(place, other) for other in taken)
        if shared < least:
            best, least = place, shared
        if not shared:
            break
    assert best is not None
    return best


def _places(label: Label, size_wh: tuple[int, int], size_px: int) -> Iterator[Place]:
    """The corners of a label, then places further down and further up, one line at a time."""
    text_wh = measure_text(label.text, size_px)
    for corner in label.corners:
        yield _within(corner, text_wh, size_wh)
    first = _within(label.corners[0], text_wh, size_wh)
    line = text_wh[1] + GAP_PX
    for step in range(1, size_wh[1] // line + 1):
        for y in (first.y1 + step * line, first.y1 - step * line):
            yield _within((first.x1, y), text_wh, size_wh)


def _within(corner: tuple[int, int], text_wh: tuple[int, int], size_wh: tuple[int, int]) -> Place:
    """The place of a text at a corner, moved so that it lies within the picture."""
    x = max(EDGE_PX, min(corner[0], size_wh[0] - text_wh[0] - EDGE_PX))
    y = max(EDGE_PX, min(corner[1], size_wh[1] - text_wh[1] - EDGE_PX))
    return Place(x, y, x + text_wh[0], y + text_wh[1])


def _shared(a: Place, b: Place) -> int:
    """The area in px that two places share."""
    width = min(a.x2, b.x2) - max(a.x1, b.x1)
    height = min(a.y2, b.y2) - max(a.y1, b.y1)
    return max(width, 0) * max(height, 0)
