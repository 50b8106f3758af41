"""Converts tracks to boxes on every n-th frame of their video."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from vigil.domain.boxes import CORNERS
from vigil.domain.formats.reading.annotations import Annotations
from vigil.domain.tracks import Track
from vigil.domain.video_facts import VideoFacts
from vigil.plumbing.errors import InputError


def annotate_frames(
    videos: Iterable[tuple[str, Sequence[Track], VideoFacts]],
    *,
    frame_stride: int,
    frame_name: str,
) -> Annotations:
    """The boxes of tracks, frame by frame. Frames without a box are included.

    Args:
        videos: name, tracks and facts of each video.
        frame_stride: n, where frames 0, n, 2n, … are taken.
        frame_name: a format string with `video` and `frame_index`.

    Raises:
        InputError: a track has frames past the end of its video.
    """
    pictures: dict[str, list[Any]] = defaultdict(list)
    boxes: dict[str, list[Any]] = defaultdict(list)
    labels: set[str] = set()
    for video, tracks, facts in videos:
        frames = list(range(0, facts.num_frames, frame_stride))
        pictures["file_name"] += [frame_name.format(video=video, frame_index=i) for i in frames]
        pictures["width"] += [facts.size_wh[0]] * len(frames)
        pictures["height"] += [facts.size_wh[1]] * len(frames)
        pictures["video"] += [video] * len(frames)
        pictures["frame_index"] += frames
        pictures["place"] += [video] * len(frames)
        for track in tracks:
            labels.add(track.label)
            if len(track.frames) and track.frames[-1] >= facts.num_frames:
                raise InputError(
                    f"{video}: track {track.id}: expected frames below {facts.num_frames}, "
                    f"got {track.frames[-1]}"
                )
            kept = np.flatnonzero(track.frames % frame_stride == 0)
            track_frames = track.frames[kept].tolist()
            boxes["image"] += [frame_name.format(video=video, frame_index=i) for i in track_frames]
            for corner, values in zip(CORNERS, track.boxes_xyxy[kept].T, strict=True):
                boxes[corner] += values.tolist()
            boxes["label"] += [track.label] * len(track_frames)
            boxes["place"] += [f"{video}: track {track.id}, frame {i}" for i in track_frames]
    flags = [False] * len(boxes["label"])
    return Annotations.of(
        pictures, {**boxes, "is_crowd": flags, "is_difficult": flags}, sorted(labels)
    )
