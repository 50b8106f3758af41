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
MARGINS = (MARGIN_PX, MARGIN_PX)
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
    note: str = "",
    legend: Mapping[str, Colour] | None = None,
    heads: Sequence[str] = (),
) -> Picture:
    """Arranges pictures of one size in rows, each with a caption below it.

    Args:
        pictures: (H, W) or (H, W, 3) each; at least one.
        title: written above all pictures.
        note: what the captions mean, in smaller letters below the title.
        legend: the colour of each meaning, drawn below the note.
        heads: what equally wide parts of the sheet show: its columns, or parts of them.
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
    return with_head(sheet, title=title, note=note, legend=legend, heads=heads)


def with_head(
    sheet: Picture,
    *,
    title: str = "",
    note: str = "",
    legend: Mapping[str, Colour] | None = None,
    heads: Sequence[str] = (),
) -> Picture:
    """Adds lines above a (H, W, 3) sheet, which becomes wider if a text needs more room.

    Args:
        title, note, legend: see `tile`. A legend goes on in further lines.
        heads: the heads of parts of the sheet that are equally wide.
    """
    entries = [(text, colour, measure_text(text)[0]) for text, colour in (legend or {}).items()]
    width = max(
        sheet.shape[1],
        measure_text(title, TITLE_SIZE_PX)[0] + 2 * MARGIN_PX,
        measure_text(note)[0] + 2 * MARGIN_PX,
        *(SWATCH_PX + 4 + entry_width + 2 * MARGIN_PX for *_, entry_width in entries),
    )
    lines = [_line([Label(title, BLACK, [MARGINS])], width, TITLE_SIZE_PX)] if title else []
    if note:
        lines.append(_line([Label(note, BLACK, [MARGINS])], width))
    lines += _legend_lines(entries, width)
    if heads:
        part = sheet.shape[1] / len(heads)
        texts = [shorten_text(head, int(part) - MARGIN_PX) for head in heads]
        labels = [Label(t, BLACK, [(round(n * part), MARGIN_PX)]) for n, t in enumerate(texts)]
        lines.append(_line(labels, width))
    body: Picture = np.full((sheet.shape[0], width, 3), WHITE, np.uint8)
    body[:, : sheet.shape[1]] = sheet
    return np.concatenate([*lines, body])


def _legend_lines(entries: Sequence[tuple[str, Colour, int]], width: int) -> list[Picture]:
    """The lines of a legend, from each text, its colour and its width in px."""
    lines: list[tuple[list[Label], list[tuple[int, Colour]]]] = []
    x = width
    for text, colour, text_width in entries:
        if x + SWATCH_PX + 4 + text_width + MARGIN_PX > width:
            lines.append(([], []))
            x = MARGIN_PX
        labels, swatches = lines[-1]
        labels.append(Label(text, BLACK, [(x + SWATCH_PX + 4, MARGIN_PX)]))
        swatches.append((x, colour))
        x += SWATCH_PX + 4 + text_width + 14
    drawn = []
    for labels, swatches in lines:
        line = _line(labels, width)
        for x, colour in swatches:
            end = (x + SWATCH_PX, MARGIN_PX + SWATCH_PX)
            cv2.rectangle(line, (x, MARGIN_PX), end, colour, -1)
        drawn.append(line)
    return drawn


def _line(labels: Sequence[Label], width: int, size_px: int = SIZE_PX) -> Picture:
    """Texts on white, as high as a text with its margins."""
    height = measure_text("x", size_px)[1] + 2 * MARGIN_PX
    line: Picture = np.full((height, width, 3), WHITE, np.uint8)
    return write_labels(line, labels, size_px=size_px, has_plate=False)


def write_picture(picture: Picture, path: Path) -> None:
    """Writes a picture in the format that the path's suffix names."""
    _, content = cv2.imencode(path.suffix, picture)
    path.write_bytes(content.tobytes())
