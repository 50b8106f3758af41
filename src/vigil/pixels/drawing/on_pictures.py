"""Boxes on pictures and pictures side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np

from vigil.domain.boxes import Boxes
from vigil.pixels.video.picture import Picture

# Okabe and Ito's palette, told apart by colour-blind eyes too (https://jfly.uni-koeln.de/color/).
PALETTE_BGR = (
    (0, 159, 230),
    (233, 180, 86),
    (115, 158, 0),
    (66, 228, 240),
    (178, 114, 0),
    (0, 94, 213),
    (167, 121, 204),
)
Colour: TypeAlias = tuple[int, int, int]
FONT = cv2.FONT_HERSHEY_SIMPLEX
CAPTION_HEIGHT_PX = 14


def draw_boxes(
    picture: Picture,
    boxes_xyxy: Boxes,
    captions: Sequence[str],
    colours: Sequence[Colour] | None = None,
) -> Picture:
    """A copy of a (H, W, 3) picture with (N, 4) boxes.

    Args:
        colours: BGR, of each box; without them, equal captions share a colour.
    """
    drawn = picture.copy()
    if colours is None:
        numbers = {caption: i for i, caption in enumerate(sorted(set(captions)))}
        colours = [PALETTE_BGR[numbers[caption] % len(PALETTE_BGR)] for caption in captions]
    rounded = boxes_xyxy.round().astype(int)
    for box, caption, colour in zip(rounded, captions, colours, strict=True):
        x1, y1, x2, y2 = (int(value) for value in box)
        cv2.rectangle(drawn, (x1, y1), (x2 - 1, y2 - 1), colour, 1)
        write_text(drawn, caption, (x1, y1 - 3 if y1 > 10 else y2 + 9), colour)
    return drawn


def write_text(picture: Picture, text: str, corner: tuple[int, int], colour: Colour) -> None:
    """Writes small outlined text into a picture, its lower left corner at `corner`."""
    for shade, thickness in (((0, 0, 0), 2), (colour, 1)):
        cv2.putText(picture, text, corner, FONT, 0.32, shade, thickness, cv2.LINE_AA)


def enlarge(picture: Picture, side_px: int) -> Picture:
    """A square picture with sides of so many px, its pixels kept apart."""
    resized = cv2.resize(picture, (side_px, side_px), interpolation=cv2.INTER_NEAREST)
    return resized.astype(np.uint8, copy=False)


def fit(picture: Picture, size_wh: tuple[int, int]) -> tuple[Picture, float, tuple[int, int]]:
    """Resizes a picture to fit a size, its sides in proportion.

    Returns:
        The picture, the factor by which coordinates grew, and its own width and height.
    """
    height, width = picture.shape[:2]
    scale = min(size_wh[0] / width, size_wh[1] / height)
    own_wh = (max(round(width * scale), 1), max(round(height * scale), 1))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    fitted = cv2.resize(picture, own_wh, interpolation=method).astype(np.uint8, copy=False)
    return fitted, scale, own_wh


def as_caption(name: str, num_characters: int = 48) -> str:
    """A name as OpenCV can write it, which has only ASCII, its end kept where it is too long."""
    short = name if len(name) < num_characters else f"...{name[3 - num_characters :]}"
    return short.encode("ascii", "replace").decode()


def tile(
    pictures: Sequence[Picture], captions: Sequence[str], *, num_columns: int = 1, gap_px: int = 4
) -> Picture:
    """Puts pictures of one size into rows, each with a caption below it.

    Args:
        pictures: (H, W) or (H, W, 3) each; at least one.
    """
    height, width = pictures[0].shape[:2]
    num_columns = min(num_columns, len(pictures))
    num_rows = -(-len(pictures) // num_columns)
    cell_height, cell_width = height + CAPTION_HEIGHT_PX + gap_px, width + gap_px
    sheet = np.full((num_rows * cell_height, num_columns * cell_width, 3), 255, np.uint8)
    for position, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        y = position // num_columns * cell_height
        x = position % num_columns * cell_width
        colour = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR) if picture.ndim == 2 else picture
        sheet[y : y + height, x : x + width] = colour
        below = (x, y + height + CAPTION_HEIGHT_PX - 4)
        cv2.putText(sheet, caption, below, FONT, 0.32, (0, 0, 0), 1, cv2.LINE_AA)
    return sheet


def write_picture(picture: Picture, path: Path) -> None:
    """Writes a picture in the format of the path's ending."""
    _, content = cv2.imencode(path.suffix, picture)
    path.write_bytes(content.tobytes())
