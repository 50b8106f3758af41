"""Draws the pictures of evidence of allowed clips that is kept beside an alarm."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from vigil.domain.boxes import CORNERS, Boxes
from vigil.pixels.drawing.on_pictures import draw_boxes
from vigil.pixels.fitting import fit_within
from vigil.pixels.pictures.picture import Picture
from vigil.pixels.windows import WHOLE, Positions, read_windows
from vigil.plumbing.folders import below

WITHIN_WH = (240, 180)
JPEG_QUALITY = 80
CAPTION = "allowed"


def draw_allowed(table: pd.DataFrame, clips: Path, picture_fps: Fraction) -> list[bytes]:
    """The frame at the time of each piece, with the piece's box, as the bytes of a JPEG file.

    Args:
        table: `ALLOWED_DTYPES` of each piece.
        clips: the folder of the videos. Each is decoded once.
        picture_fps: the frame rate of folders of numbered pictures.

    Raises:
        InputError: a video cannot be read.
    """
    drawn: dict[int, bytes] = {}
    for video, rows in table.groupby("video", sort=True):
        (path,) = below(clips, [str(video)])
        frames, scale = _frames_at(path, rows["time_s"], picture_fps)
        for row, frame, box in zip(rows.index, frames, rows[CORNERS].to_numpy(), strict=True):
            drawn[row] = _draw(frame, box[None] * scale)
    return [drawn[row] for row in table.index]


def _frames_at(
    path: Path, times_s: "pd.Series[float]", picture_fps: Fraction
) -> tuple[list[Picture], float]:
    """The frames that are shown nearest to some times, made smaller, and by which factor."""
    scales: list[float] = []

    def choose(num_frames: int, fps: Fraction) -> Positions:
        places = np.rint(times_s.to_numpy() * float(fps)).astype(np.int64)
        clipped: Positions = np.clip(places, 0, num_frames - 1)
        return clipped

    def fit(picture: Picture) -> Picture:
        fitted, scale = fit_within(picture, WITHIN_WH)
        scales.append(scale)
        return fitted

    found, _ = read_windows(path, [WHOLE], choose, fit, picture_fps=picture_fps)
    return list(found[0]), scales[0]


def _draw(frame: Picture, boxes: Boxes) -> bytes:
    drawn = draw_boxes(frame, boxes, [CAPTION] * len(boxes))
    is_encoded, jpeg = cv2.imencode(".jpg", drawn, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    assert is_encoded
    return jpeg.tobytes()
