"""Draws the boxes of tracks on frames of their video."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vigil.domain.tracks import Track, number_tracks
from vigil.pixels.drawing.on_pictures import draw_boxes, write_picture
from vigil.pixels.frames import FRAME_NAME, FrameArchive


def draw_frames(
    tracks: Sequence[Track], archive: FrameArchive, folder: Path, num_pictures: int
) -> None:
    """Draws the boxes on frames spread evenly over the video.

    Objects are numbered in the order of their first frames. `report_tracks` lists the id of each
    number.
    """
    folder.mkdir()
    names = number_tracks(tracks)
    num_pictures = min(num_pictures, len(archive))
    for frame_index in np.linspace(0, len(archive) - 1, num_pictures).round().astype(int):
        captioned_boxes = [
            (track.boxes_xyxy[row], names[track.id])
            for track in tracks
            for row in np.flatnonzero(track.frames == frame_index)
        ]
        boxes = np.array([box for box, _ in captioned_boxes]).reshape(-1, 4)
        picture = draw_boxes(
            archive.bgr(frame_index), boxes, [caption for _, caption in captioned_boxes]
        )
        write_picture(picture, folder / FRAME_NAME.format(frame_index=frame_index))
