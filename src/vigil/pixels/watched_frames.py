"""A watched frame: boxes and ways of people, the alarm's score, and a banner while it is raised."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from vigil.domain.boxes import Boxes
from vigil.pixels.drawing.on_pictures import PALETTE_BGR
from vigil.pixels.drawing.text import SIZE_PX, WHITE, Colour, Label, write_labels
from vigil.pixels.pictures.picture import Picture

STRIP_HEIGHT_PX = 48
MARGIN_PX = 5
HIGHEST_RATIO = 4.0  # what is above is drawn at the top of the strip
GROUND: Colour = (36, 36, 36)
GRID: Colour = (110, 110, 110)
CURVE: Colour = (233, 180, 86)
ALARM: Colour = (60, 60, 220)
QUIET_ALARM: Colour = (60, 60, 120)
CURSOR: Colour = (255, 255, 255)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Banner:
    """What stands over a picture while an event goes on.

    Attributes:
        text: what happens.
        is_alarm: whether it is an alarm, or something kept on record alone.
    """

    text: str
    is_alarm: bool = True


def colour_of(track_id: int) -> Colour:
    """The colour of a track, the same in each picture."""
    return PALETTE_BGR[track_id % len(PALETTE_BGR)]


def shown_size(size_wh: tuple[int, int]) -> tuple[int, int]:
    """Of a watched frame of a source of this size: with the strip below, even as H.264 asks."""
    width, height = size_wh
    return width + width % 2, height + height % 2 + STRIP_HEIGHT_PX


def draw_strip(
    width_px: int,
    duration_s: float,
    middles_s: Floats,
    ratios: Floats,
    spans: Sequence[tuple[float, float, bool]],
) -> Picture:
    """The whole source's score over time, (STRIP_HEIGHT_PX, width_px, 3).

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
    trails: Sequence[Floats],
    *,
    clock: str,
    banner: Banner | None = None,
    places: Boxes | None = None,
) -> Picture:
    """A copy of a (H, W, 3) BGR picture with what is known of it.

    Args:
        boxes_xyxy: (N, 4) of the people in it.
        track_ids: their numbers.
        trails: (K, 2) where each stood in the seconds before, px.
        clock: the time, as it is to be read.
        places: (M, 4) what is unusual.
    """
    drawn = picture.copy()
    labels = []
    for track_id, trail in zip(track_ids, trails, strict=True):
        if len(trail) > 1:
            points = trail.round().astype(np.int32)[:, None]
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


def _bottom(picture: Picture) -> int:
    return int(picture.shape[0]) - SIZE_PX - MARGIN_PX


def with_strip(picture: Picture, strip: Picture, time_s: float, duration_s: float) -> Picture:
    """A watched frame with the strip below it and a line where it is in time; of even sides."""
    height, width = picture.shape[:2]
    even = cv2.copyMakeBorder(picture, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    below = strip.copy()
    at = int(_across(np.array([time_s]), duration_s, strip.shape[1])[0])
    below[:, max(at - 1, 0) : at + 1] = CURSOR
    joined: Picture = np.concatenate([even.astype(np.uint8, copy=False), below])
    return joined
