"""COCO instances JSON, the field's standard for boxes per picture.

Source: https://cocodataset.org/#format-data. `bbox` is [x, y, width, height] in px.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO, TypeAlias

import numpy as np

from vigil.domain.tracks import COORDINATE_DECIMALS, Track
from vigil.domain.video_facts import VideoFacts
from vigil.plumbing.outputs import whole

Json: TypeAlias = dict[str, Any]


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


def write_instances(
    path: Path,
    *,
    annotations: Iterable[Json],
    categories: Iterable[Json],
    images: Iterable[Json],
) -> None:
    """Writes a file of the format, an entry at a time."""
    with whole(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
        file.write('{"annotations": ')
        _write_list(annotations, file)
        file.write(', "categories": ')
        _write_list(categories, file)
        file.write(', "images": ')
        _write_list(images, file)
        file.write("}\n")


def _write_list(entries: Iterable[Json], file: TextIO) -> None:
    file.write("[")
    for number, entry in enumerate(entries):
        file.write(", " if number else "")
        file.write(json.dumps(entry, sort_keys=True, ensure_ascii=False, allow_nan=False))
    file.write("]")


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
