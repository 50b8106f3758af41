"""Writes tracks as COCO instances JSON, the standard format for bounding boxes on pictures."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from vigil.domain.pictures.coco_file import Json, write_instances
from vigil.domain.tracks import COORDINATE_DECIMALS, Track
from vigil.domain.video_facts import VideoFacts


def write_coco(
    tracks: Sequence[Track], facts: VideoFacts, video: str, file_name: str, path: Path
) -> None:
    """Writes the tracks of one video, frame by frame. One entry at a time is in memory.

    There is an `images` entry for every frame, with or without boxes (id = frame index + 1), an
    `annotations` entry for every box, and `categories` in alphabetical order.

    Args:
        file_name: a format string with `frame_index`, such as "{frame_index:06d}.jpg".
    """
    labels = sorted({track.label for track in tracks})
    categories = [{"id": number, "name": label} for number, label in enumerate(labels, start=1)]
    write_instances(
        path,
        annotations=_annotations(tracks, labels),
        categories=categories,
        images=_images(facts, video, file_name),
    )


def _images(facts: VideoFacts, video: str, file_name: str) -> Iterator[Json]:
    width, height = facts.size_wh
    for frame_index in range(facts.num_frames):
        yield {
            "id": frame_index + 1,
            "file_name": file_name.format(frame_index=frame_index),
            "width": width,
            "height": height,
            "video": video,
            "frame_index": frame_index,
        }


def _annotations(tracks: Sequence[Track], labels: Sequence[str]) -> Iterator[Json]:
    if not tracks:
        return
    ordered = sorted(tracks, key=lambda track: track.id)
    # For each box of all tracks (N,): its frame, the position of its track, its row in the track.
    frames = np.concatenate([track.frames for track in ordered])
    track_numbers = np.repeat(np.arange(len(ordered)), [len(track.frames) for track in ordered])
    rows = np.concatenate([np.arange(len(track.frames)) for track in ordered])
    # In order of frame, then of track.
    for number, box in enumerate(np.lexsort((track_numbers, frames)), start=1):
        track = ordered[track_numbers[box]]
        x1, y1, x2, y2 = track.boxes_xyxy[rows[box]].tolist()
        xywh = [round(v, COORDINATE_DECIMALS) for v in (x1, y1, x2 - x1, y2 - y1)]
        yield {
            "id": number,
            "image_id": int(frames[box]) + 1,
            "category_id": labels.index(track.label) + 1,
            "bbox": xywh,
            "area": round(xywh[2] * xywh[3], COORDINATE_DECIMALS),
            "iscrowd": 0,
            "track_id": track.id,
        }
