"""Draws a watched frame: boxes and paths of people, the score, and a banner during an event."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from vigil.domain.boxes import Boxes
from vigil.pixels.drawing.on_pictures import PALETTE_BGR, with_head
from vigil.pixels.drawing.text import SIZE_PX, WHITE, Colour, Label, write_labels
from vigil.pixels.overlays import shade_masks
from vigil.pixels.pictures.picture import Picture
from vigil.pixels.video_writing import with_even_sides

STRIP_HEIGHT_PX = 48
MARGIN_PX = 5
HIGHEST_RATIO = 4.0  # higher ratios are drawn at the top of the strip
GROUND: Colour = (36, 36, 36)
GRID: Colour = (110, 110, 110)
CURVE: Colour = (233, 180, 86)
ALARM: Colour = (60, 60, 220)
QUIET_ALARM: Colour = (60, 60, 120)
CURSOR: Colour = (255, 255, 255)
TRACK_NOTE = "box with a number: a tracked object"
PLACES = {"thick box: evidence that raises the alarm": ALARM}

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Banner:
    """The banner of a picture during an event.

    Attributes:
        text: the text of the banner.
        is_alarm: whether the event is an alarm. A suppressed event is none.
    """

    text: str
    is_alarm: bool = True


def colour_of(track_id: int) -> Colour:
    """The colour of a track, the same in all pictures."""
    return PALETTE_BGR[track_id % len(PALETTE_BGR)]


def shown_size(size_wh: tuple[int, int]) -> tuple[int, int]:
    """The size of a drawn frame: with the strip below, and even sides, as H.264 requires."""
    width, height = size_wh
    return width + width % 2, height + height % 2 + STRIP_HEIGHT_PX


def draw_strip(
    width_px: int,
    duration_s: float,
    middles_s: Floats,
    ratios: Floats,
    spans: Sequence[tuple[float, float, bool]],
) -> Picture:
    """The score over time of the whole source, (STRIP_HEIGHT_PX, width_px, 3).

    Args:
        middles_s: (N,) the middle of each window.
        ratios: (N,) score over threshold.
        spans: (start_s, end_s, is_alarm) of each event.
    """
    strip: Picture = np.full((STRIP_HEIGHT_PX, width_px, 3), GROUND, np.uint8)
    for start_s, end_s, is_alarm in spans:
        first, last = _across(np.array([start_s, end_s]), duration_s, width_px).tolist()
        strip[:, first : max(last, first + 1)] = ALARM if is_alarm else QUIET_ALARM
    at_threshold = _down(np.array([1.0]))[0]
    strip[at_threshold, ::2] = GRID
    if len(ratios):
        points = np.stack([_across(middles_s, duration_s, width_px), _down(ratios)], axis=1)
        cv2.polylines(strip, [points.astype(np.int32)[:, None]], False, CURVE, 1, cv2.LINE_AA)
    return strip


def _across(times_s: Floats, duration_s: float, width_px: int) -> npt.NDArray[np.int64]:
    share = np.clip(times_s / max(duration_s, 1e-9), 0, 1)
    return np.asarray((share * (width_px - 1)).round().astype(np.int64))


def _down(ratios: Floats) -> npt.NDArray[np.int64]:
    room = STRIP_HEIGHT_PX - 2 * MARGIN_PX
    share = np.clip(ratios, 0, HIGHEST_RATIO) / HIGHEST_RATIO
    return np.asarray((STRIP_HEIGHT_PX - MARGIN_PX - share * room).round().astype(np.int64))


def draw_watched(
    picture: Picture,
    boxes_xyxy: Boxes,
    track_ids: Sequence[int],
    paths: Sequence[Floats],
    *,
    clock: str,
    banner: Banner | None = None,
    places: Boxes | None = None,
    masks: Sequence[str | None] = (),
    masks_hw: tuple[int, int] = (0, 0),
) -> Picture:
    """A copy of a (H, W, 3) BGR picture with boxes, masks, paths, time and banner.

    Args:
        boxes_xyxy: (N, 4) boxes of people, px.
        track_ids: N track numbers.
        paths: N arrays (K, 2) of earlier positions, px.
        clock: the time as text.
        places: (M, 4) boxes of unusual places, px.
        masks: of each track, compressed run lengths; None: there is none. Empty: no track has one.
        masks_hw: the size of the masks.
    """
    known = {one: mask for one, mask in zip(track_ids, masks, strict=bool(masks)) if mask}
    drawn = shade_masks(picture, list(known.values()), [*map(colour_of, known)], masks_hw).copy()
    labels = []
    for track_id, path in zip(track_ids, paths, strict=True):
        if len(path) > 1:
            points = path.round().astype(np.int32)[:, None]
            cv2.polylines(drawn, [points], False, colour_of(track_id), 1, cv2.LINE_AA)
    if places is not None:
        for x1, y1, x2, y2 in places.round().astype(int).tolist():
            cv2.rectangle(drawn, (x1, y1), (x2 - 1, y2 - 1), ALARM, 2)
    for box, track_id in zip(boxes_xyxy.round().astype(int).tolist(), track_ids, strict=True):
        x1, y1, x2, y2 = box
        colour = colour_of(track_id)
        cv2.rectangle(drawn, (x1, y1), (x2 - 1, y2 - 1), colour, 1)
        height = SIZE_PX + 3
        labels.append(Label(str(track_id), colour, [(x1, y1 - height), (x1, y2), (x2 + 1, y1)]))
    if banner is not None:
        height = SIZE_PX + 2 * MARGIN_PX
        drawn[:height] = ALARM if banner.is_alarm else QUIET_ALARM
    drawn = write_labels(drawn, [*labels, Label(clock, WHITE, [(MARGIN_PX, _bottom(drawn))])])
    if banner is None:
        return drawn
    return write_labels(
        drawn, [Label(banner.text, WHITE, [(MARGIN_PX, MARGIN_PX - 2)])], has_plate=False
    )


def explain(picture: Picture, *, is_live: bool = False) -> Picture:
    """A drawn frame below the meaning of its marks. It becomes wider if they need more room.

    Args:
        is_live: whether the frame is of a live source, without paths and places of evidence.
    """
    if is_live:
        return with_head(picture, note=TRACK_NOTE)
    return with_head(picture, note=f"{TRACK_NOTE}; line: its path", legend=PLACES)


def _bottom(picture: Picture) -> int:
    return int(picture.shape[0]) - SIZE_PX - MARGIN_PX


def with_strip(picture: Picture, strip: Picture, time_s: float, duration_s: float) -> Picture:
    """A drawn frame with the strip below it, and a line at its time. Both sides are even."""
    even = with_even_sides(picture)
    below = strip.copy()
    column = int(_across(np.array([time_s]), duration_s, strip.shape[1])[0])
    below[:, max(column - 1, 0) : column + 1] = CURSOR
    joined: Picture = np.concatenate([even, below])
    return joined
