"""Draws boxes on pictures, and sheets of pictures with titles, captions and a legend."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from vigil.domain.boxes import Boxes
from vigil.pixels.drawing.text import (
    BLACK,
    SIZE_PX,
    WHITE,
    Colour,
    Label,
    measure_text,
    shorten_text,
    write_labels,
)
from vigil.pixels.pictures.picture import Picture

# Okabe and Ito's palette, which colour-blind people can distinguish (https://jfly.uni-koeln.de/color/).
PALETTE_BGR = (
    (0, 159, 230),
    (233, 180, 86),
    (115, 158, 0),
    (66, 228, 240),
    (178, 114, 0),
    (0, 94, 213),
    (167, 121, 204),
)
TITLE_SIZE_PX = 14
MARGIN_PX = 4
CAPTION_HEIGHT_PX = SIZE_PX + 6
SWATCH_PX = 11


def draw_boxes(
    picture: Picture,
    boxes_xyxy: Boxes,
    captions: Sequence[str],
    colours: Sequence[Colour] | None = None,
) -> Picture:
    """Draws (N, 4) boxes on a copy of a (H, W, 3) picture. Captions do not cover each other.

    Args:
        captions: the caption of each box.
        colours: the BGR colour of each box; without them, equal captions have the same colour.
    """
    drawn = picture.copy()
    if colours is None:
        numbers = {caption: i for i, caption in enumerate(sorted(set(captions)))}
        colours = [PALETTE_BGR[numbers[caption] % len(PALETTE_BGR)] for caption in captions]
    labels = []
    for box, caption, colour in zip(boxes_xyxy.round().astype(int), captions, colours, strict=True):
        x1, y1, x2, y2 = (int(value) for value in box)
        cv2.rectangle(drawn, (x1, y1), (x2 - 1, y2 - 1), colour, 1)
        width, height = measure_text(caption)
        # A caption may stand above the box (left or right), below it, or on either side of it.
        corners = [(x1, y1 - height), (x1, y2), (x2 - width, y1 - height), (x2 + 1, y1)]
        labels.append(Label(caption, colour, [*corners, (x1 - width - 1, y1)]))
    return write_labels(drawn, labels)


def tile(
    pictures: Sequence[Picture],
    captions: Sequence[str],
    *,
    num_columns: int = 1,
    gap_px: int = 4,
    title: str = "",
    legend: Mapping[str, Colour] | None = None,
) -> Picture:
    """Arranges pictures of one size in rows, each with a caption below it.

    Args:
        pictures: (H, W) or (H, W, 3) each; at least one.
        title: written above all pictures.
        legend: the colour of each meaning, drawn below the title.
    """
    height, width = pictures[0].shape[:2]
    num_columns = min(num_columns, len(pictures))
    num_rows = -(-len(pictures) // num_columns)
    cell_height, cell_width = height + CAPTION_HEIGHT_PX + gap_px, width + gap_px
    sheet: Picture = np.full((num_rows * cell_height, num_columns * cell_width, 3), 255, np.uint8)
    labels = []
    for position, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        y = position // num_columns * cell_height
        x = position % num_columns * cell_width
        colour = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR) if picture.ndim == 2 else picture
        sheet[y : y + height, x : x + width] = colour
        # A caption may extend over the following columns of its row that have no caption.
        stop = next((n for n in range(position + 1, len(captions)) if captions[n]), len(captions))
        stop = min(stop, (position // num_columns + 1) * num_columns)
        room = max(stop - position, 1) * cell_width - gap_px
        labels.append(Label(shorten_text(caption, room), BLACK, [(x, y + height + 1)]))
    sheet = write_labels(sheet, labels, has_plate=False)
    return _head(sheet, title, legend or {})


def _head(sheet: Picture, title: str, legend: Mapping[str, Colour]) -> Picture:
    """Adds a title and a legend above a sheet, and widens the sheet to fit both."""
    if not title and not legend:
        return sheet
    rows = [(title, TITLE_SIZE_PX)] if title else []
    entries = [(text, colour, measure_text(text)[0]) for text, colour in legend.items()]
    entry_width = sum(SWATCH_PX + 4 + width + 14 for *_, width in entries)
    width = max(
        sheet.shape[1],
        entry_width + 2 * MARGIN_PX,
        *(measure_text(text, size)[0] + 2 * MARGIN_PX for text, size in rows),
    )
    title_height = measure_text(title, TITLE_SIZE_PX)[1] + 2 * MARGIN_PX if title else 0
    head_height = title_height + (measure_text("x")[1] + 2 * MARGIN_PX if legend else 0)
    head: Picture = np.full((head_height, width, 3), 255, np.uint8)
    if title:
        title_label = [Label(title, BLACK, [(MARGIN_PX, MARGIN_PX)])]
        head = write_labels(head, title_label, size_px=TITLE_SIZE_PX, has_plate=False)
    x, labels = MARGIN_PX, []
    for text, colour, text_width in entries:
        y = title_height + MARGIN_PX
        cv2.rectangle(head, (x, y), (x + SWATCH_PX, y + SWATCH_PX), colour, -1)
        labels.append(Label(text, BLACK, [(x + SWATCH_PX + 4, y)]))
        x += SWATCH_PX + 4 + text_width + 14
    head = write_labels(head, labels, has_plate=False)
    body: Picture = np.full((sheet.shape[0], width, 3), WHITE, np.uint8)
    body[:, : sheet.shape[1]] = sheet
    return np.concatenate([head, body])


def write_picture(picture: Picture, path: Path) -> None:
    """Writes a picture in the format that the path's suffix names."""
    _, content = cv2.imencode(path.suffix, picture)
    path.write_bytes(content.tobytes())
