"""Tracks as COCO instances JSON, the field's standard for boxes per picture."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from vigil.domain.pictures.coco_file import Json, write_instances
from vigil.domain.tracks import COORDINATE_DECIMALS, Track
from vigil.domain.video_facts import VideoFacts


def write_coco(
    tracks: Sequence[Track], facts: VideoFacts, video: str, file_name: str, path: Path
) -> None:
    """Writes the tracks of one video, frame by frame, an entry at a time.

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
    frames = np.concatenate([track.frames for track in ordered])
    owners = np.repeat(np.arange(len(ordered)), [len(track.frames) for track in ordered])
    rows = np.concatenate([np.arange(len(track.frames)) for track in ordered])
    for number, at in enumerate(np.lexsort((owners, frames)), start=1):
        track = ordered[owners[at]]
        x1, y1, x2, y2 = track.boxes_xyxy[rows[at]].tolist()
        xywh = [round(v, COORDINATE_DECIMALS) for v in (x1, y1, x2 - x1, y2 - y1)]
        yield {
            "id": number,
            "image_id": int(frames[at]) + 1,
            "category_id": labels.index(track.label) + 1,
            "bbox": xywh,
            "area": round(xywh[2] * xywh[3], COORDINATE_DECIMALS),
            "iscrowd": 0,
            "track_id": track.id,
        }
