"""Tracks: one box on each decoded frame on which an object is visible, and their files.

Each object has a file `{"id", "label", "frames", "coords"}`, with 0-based frames and coords in px.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vigil.domain.boxes import Boxes, clip, outside
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.records import read_json, write_json

COORDINATE_DECIMALS = 3


@dataclass(frozen=True)
class Track:
    """An object's boxes.

    Attributes:
        id: the region's id.
        label: the object's class.
        frames: (N,) 0-based decoded frame indices, ascending, none twice.
        boxes_xyxy: (N, 4) in px.
        frames_past_last_keyframe: the number of frames on which the box stays in place after its
            last keyframe, to the end of the video; 0 where the annotator ended it.
        keyframes_past_end: the annotator's frame numbers, ascending, of keyframes past the end of
            the video.
    """

    id: str
    label: str
    frames: npt.NDArray[np.int64]
    boxes_xyxy: Boxes
    frames_past_last_keyframe: int = 0
    keyframes_past_end: tuple[int, ...] = ()


def number_tracks(tracks: Iterable[Track]) -> dict[str, str]:
    """A short name for each track id: the label, and a number in order of first appearance."""
    ordered = sorted(tracks, key=lambda one: (one.frames[0] if len(one.frames) else -1, one.id))
    return {track.id: f"{track.label} {number}" for number, track in enumerate(ordered, start=1)}


def clip_track(track: Track, size_wh: tuple[int, int]) -> tuple[Track, dict[str, int]]:
    """Clips a track's boxes to the picture, and drops boxes that lie outside it.

    Returns:
        The track, and how many boxes were `clipped` and `dropped`.
    """
    kept = ~outside(track.boxes_xyxy, size_wh)
    boxes = clip(track.boxes_xyxy[kept], size_wh)
    counts = {
        "clipped": int((boxes != track.boxes_xyxy[kept]).any(axis=1).sum()),
        "dropped": int((~kept).sum()),
    }
    return replace(track, frames=track.frames[kept], boxes_xyxy=boxes), counts


def write_tracks(tracks: Iterable[Track], folder: Path) -> None:
    """Writes `<folder>/<track id>.json` for each track."""
    folder.mkdir(parents=True)
    for track in tracks:
        content = {
            "id": track.id,
            "label": track.label,
            "frames": track.frames.tolist(),
            "coords": track.boxes_xyxy.round(COORDINATE_DECIMALS).tolist(),
        }
        write_json(content, folder / f"{track.id}.json", indent=None)


def read_tracks(folder: Path) -> list[Track]:
    """Reads the tracks of one video, in the order of their ids.

    Raises:
        InputError: no such folder, or a file that does not hold a track.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder of tracks, found none")
    return [_parse_track(read_json(file), file) for file in sorted(folder.glob("*.json"))]


def _parse_track(content: Any, file: Path) -> Track:
    try:
        if not all(type(index) is int and index >= 0 for index in content["frames"]):
            raise ValueError("frames must be whole numbers from 0")
        frames = np.array(content["frames"], dtype=np.int64)
        boxes = np.array(content["coords"], dtype=np.float64).reshape(-1, 4)
        if (
            len(frames) != len(boxes)
            or (np.diff(frames) <= 0).any()
            or not np.isfinite(boxes).all()
        ):
            raise ValueError("frames are not ascending, or coords do not match them")
        return Track(str(content["id"]), str(content["label"]), frames, boxes)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{file}: expected id, label, ascending frames and as many coords [x1, y1, x2, y2], "
            f"got: {shorten(str(error), 100)}"
        ) from None
