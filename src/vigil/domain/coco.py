"""COCO instances JSON, the field's standard for boxes per picture.

Source: https://cocodataset.org/#format-data. `bbox` is [x, y, width, height] in px.
"""

from collections.abc import Sequence
from typing import Any

from vigil.domain.tracks import COORDINATE_DECIMALS, Track
from vigil.domain.video_facts import VideoFacts


def tracks_to_coco(
    tracks: Sequence[Track], facts: VideoFacts, video: str, file_name: str
) -> dict[str, Any]:
    """The tracks of one video, frame by frame.

    Args:
        file_name: a format string with `frame_index`, such as "{frame_index:06d}.jpg".

    Returns:
        An `images` entry for every frame, with or without boxes (id = frame index + 1), an
        `annotations` entry for every box, and `categories` in alphabetical order.
    """
    width, height = facts.size_wh
    labels = sorted({track.label for track in tracks})
    images = [
        {
            "id": frame_index + 1,
            "file_name": file_name.format(frame_index=frame_index),
            "width": width,
            "height": height,
            "video": video,
            "frame_index": frame_index,
        }
        for frame_index in range(facts.num_frames)
    ]
    annotations = []
    boxes = sorted(
        (int(frame_index), track.id, labels.index(track.label) + 1, *box.tolist())
        for track in tracks
        for frame_index, box in zip(track.frames, track.boxes_xyxy, strict=True)
    )
    for number, (frame_index, track_id, category, x1, y1, x2, y2) in enumerate(boxes, start=1):
        xywh = [round(v, COORDINATE_DECIMALS) for v in (x1, y1, x2 - x1, y2 - y1)]
        annotations.append(
            {
                "id": number,
                "image_id": frame_index + 1,
                "category_id": category,
                "bbox": xywh,
                "area": round(xywh[2] * xywh[3], COORDINATE_DECIMALS),
                "iscrowd": 0,
                "track_id": track_id,
            }
        )
    categories = [{"id": number, "name": label} for number, label in enumerate(labels, start=1)]
    return {"images": images, "annotations": annotations, "categories": categories}
