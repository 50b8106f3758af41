"""Masks of anomalies beside a video: a picture a frame, what is not black is anomalous."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.boxes import pairwise_iou
from vigil.domain.clips.truth import BOX, as_regions
from vigil.pixels.video.numbered import NumberedPictures
from vigil.pixels.video.source import SourceFrame, frame_bgr, open_source
from vigil.plumbing.errors import InputError

MASKS = "_gt"
"""How the folder of a video's masks of anomalies is named, behind the video's own name."""
LEAST_AREA_PX = 4
"""Smaller specks of a mask are no regions of their own."""

Boxes = npt.NDArray[np.float64]


def masks_of(video: Path) -> Path | None:
    """The folder of a video's masks, by its name or its name without ending; None where none is."""
    for name in (f"{video.name}{MASKS}", f"{video.stem}{MASKS}"):
        if (folder := video.with_name(name)).is_dir():
            return folder
    return None


def read_masks(
    folder: Path, video: Path, name: str, num_frames: int, picture_fps: Fraction
) -> pd.DataFrame:
    """The regions of a video's masks: parts that hang together, and which of them are one track.

    A region goes on the track of the region in the frame before that it overlaps most.

    Args:
        name: of the video in tables.
        num_frames: of the video.

    Raises:
        InputError: masks that are not as many as the frames, or of another size.
    """
    masks = NumberedPictures(folder, picture_fps)
    if len(masks) != num_frames:
        raise InputError(
            f"{folder}: expected a mask for each of the {num_frames} frames of {name}, got "
            f"{len(masks)}"
        )
    frames: Iterator[SourceFrame] = iter(open_source(video, picture_fps, 1))
    size = frame_bgr(next(frames)).shape[:2]
    rows: list[list[object]] = []
    before: tuple[Boxes, list[int]] = (np.empty((0, 4)), [])
    num_tracks = 0
    for index, mask in enumerate(masks):
        picture = frame_bgr(mask)
        if picture.shape[:2] != size:
            raise InputError(
                f"{folder}: expected masks of {size[1]}x{size[0]} px as the frames of {name}, got "
                f"{picture.shape[1]}x{picture.shape[0]}"
            )
        boxes = boxes_of(picture.max(axis=2) if picture.ndim == 3 else picture)
        tracks: list[int] = []
        overlaps = pairwise_iou(boxes, before[0])
        for row in overlaps:
            best = int(np.argmax(row)) if len(row) else -1
            if best >= 0 and row[best] > 0 and before[1][best] not in tracks:
                tracks.append(before[1][best])
            else:
                tracks.append(num_tracks)
                num_tracks += 1
        rows += [[name, index, *own] for own in zip(tracks, *boxes.T.tolist(), strict=True)]
        before = boxes, tracks
    return as_regions([pd.DataFrame(rows, columns=["video", "frame", "track", *BOX])])


def boxes_of(mask: npt.NDArray[np.uint8]) -> Boxes:
    """(N, 4): the box of each part of a mask (H, W) that hangs together, corners included."""
    is_marked = (mask > 0).astype(np.uint8)
    _, _, facts, _ = cv2.connectedComponentsWithStats(is_marked, connectivity=8)
    x, y, width, height, area = facts[1:].T  # the first one is what is not marked
    boxes = np.stack([x, y, x + width, y + height], axis=1).astype(np.float64)
    is_large: npt.NDArray[np.bool_] = np.asarray(area) >= LEAST_AREA_PX
    found: Boxes = boxes[is_large]
    return found
