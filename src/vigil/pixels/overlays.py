"""Draws maps of classes, and masks of objects, over pictures."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from vigil.domain.masks.class_map import IGNORED, ClassMap
from vigil.domain.pictures.run_lengths import decompress, mask_of
from vigil.pixels.class_maps import fit_classes
from vigil.pixels.drawing.on_pictures import PALETTE_BGR
from vigil.pixels.drawing.text import Colour
from vigil.pixels.pictures.picture import Picture

OPACITY = 0.55
GREY: Colour = (160, 160, 160)
IGNORED_NAME = "counts neither way"


def class_colours(classes: Sequence[str], background: str) -> dict[str, Colour]:
    """The BGR colour of each class except the background; the palette goes on in other shades."""
    shown = [name for name in classes if name != background]
    return {name: _colour(number) for number, name in enumerate(shown)}


def _colour(number: int) -> Colour:
    blue, green, red = PALETTE_BGR[number % len(PALETTE_BGR)]
    # Each further round is darker, then lighter: 1, 0.55, then towards white.
    round_number = number // len(PALETTE_BGR)
    if round_number == 0:
        return blue, green, red
    factor = 0.55 / ((round_number + 1) // 2)
    if round_number % 2:
        return int(blue * factor), int(green * factor), int(red * factor)
    return tuple(int(255 - (255 - value) * factor) for value in (blue, green, red))  # type: ignore[return-value]


def overlay(
    picture: Picture, classes: ClassMap, colours: Sequence[Colour | None], *, outlines: bool = True
) -> Picture:
    """Draws a map of classes (H, W) over a picture (H, W, 3) BGR.

    Args:
        colours: the colour of each class; None: the picture stays as it is. Ignored pixels are
            grey.
        outlines: whether the edges of regions are drawn in full colour.
    """
    table = np.zeros((256, 3), np.float32)
    opacity = np.zeros(256, np.float32)
    for number, colour in enumerate(colours):
        if colour is not None:
            table[number], opacity[number] = colour, OPACITY
    table[IGNORED], opacity[IGNORED] = GREY, OPACITY
    alpha = opacity[classes]
    if outlines:
        alpha = np.where(_edges(classes) & (alpha > 0), 1.0, alpha)
    mixed = picture * (1 - alpha[..., None]) + table[classes] * alpha[..., None]
    return mixed.round().astype(np.uint8)


def shade_masks(
    picture: Picture, masks: Sequence[str], colours: Sequence[Colour], size_hw: tuple[int, int]
) -> Picture:
    """Draws the masks of objects over a picture (H, W, 3) BGR, the first one in front.

    Args:
        masks: compressed run lengths; empty: no masks are drawn.
        colours: of each object.
        size_hw: of the masks, which are resized to the picture.
    """
    size_wh = (picture.shape[1], picture.shape[0])
    shaded = picture.copy()
    for text, colour in reversed(list(zip(masks, colours, strict=bool(masks)))):
        mask = fit_classes(mask_of(decompress(text), size_hw).astype(np.uint8), size_wh)
        # An object is a small part of a picture. A pixel more on each side shows where it ends.
        x, y, width, height = cv2.boundingRect(mask)
        place = (slice(max(y - 1, 0), y + height + 1), slice(max(x - 1, 0), x + width + 1))
        shaded[place] = overlay(shaded[place], mask[place], [None, colour])
    return shaded


def _edges(classes: ClassMap) -> npt.NDArray[np.bool_]:
    """(H, W): whether a pixel differs from one of its neighbours."""
    kernel = np.ones((3, 3), np.uint8)
    lowest, highest = cv2.erode(classes, kernel), cv2.dilate(classes, kernel)
    is_edge: npt.NDArray[np.bool_] = np.asarray(lowest != highest)
    return is_edge
