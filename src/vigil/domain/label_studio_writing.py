"""Writes boxes on video as Label Studio stores them: the inverse of the reader.

A region of the type `videorectangle` is one object of a video. Its keyframes have frame numbers
from 1 at the annotator's frame rate, and boxes in percent of the picture (the page of the
`VideoRectangle` tag in Label Studio's documentation; docs/label-studio.md).
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal

PERCENT_DECIMALS, TIME_DECIMALS = 8, 6

Origin = Literal["manual", "prediction", "prediction-changed"]


def keyframe(
    frame: int,
    box_xyxy: tuple[float, float, float, float],
    *,
    size_wh: tuple[int, int],
    annotator_fps: Fraction,
    is_shown_after: bool,
) -> dict[str, Any]:
    """One keyframe of a region.

    Args:
        frame: the annotator's frame number, from 1.
        box_xyxy: x1, y1, x2, y2 in px.
        size_wh: of the picture in px.
        annotator_fps: frames a second of the `Video` tag.
        is_shown_after: whether the object is shown until the next keyframe. The last keyframe of
            each visible span has False, and the object is still shown on it.
    """
    width, height = size_wh
    x1, y1, x2, y2 = box_xyxy
    return {
        "frame": frame,
        "enabled": is_shown_after,
        "rotation": 0,
        "x": round(100 * x1 / width, PERCENT_DECIMALS),
        "y": round(100 * y1 / height, PERCENT_DECIMALS),
        "width": round(100 * (x2 - x1) / width, PERCENT_DECIMALS),
        "height": round(100 * (y2 - y1) / height, PERCENT_DECIMALS),
        "time": float(round(frame / annotator_fps, TIME_DECIMALS)),
    }


def video_region(
    region_id: str,
    sequence: Sequence[Mapping[str, Any]],
    labels: Sequence[str],
    *,
    duration_s: float,
    annotator_fps: Fraction,
    origin: Origin = "manual",
) -> dict[str, Any]:
    """One object of a video, of the control `box` on the video `video`.

    Args:
        sequence: its keyframes by frame number, at least one.
        duration_s: of the video.
        annotator_fps: frames a second of the `Video` tag.
        origin: who drew the keyframes.
    """
    value = {
        "framesCount": round(duration_s * annotator_fps),
        "duration": round(duration_s, TIME_DECIMALS),
        "sequence": list(sequence),
        "labels": list(labels),
    }
    region = {"id": region_id, "to_name": "video", "origin": origin, "value": value}
    return region | {"type": "videorectangle", "from_name": "box"}
