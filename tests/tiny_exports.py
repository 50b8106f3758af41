"""Makes small Label Studio exports."""

from typing import Any

Json = dict[str, Any]


def keyframe(
    frame: Any,
    x: Any = 10.0,
    y: Any = 20.0,
    width: Any = 30.0,
    height: Any = 40.0,
    *,
    enabled: Any = True,
    rotation: Any = 0,
    fps: float | None = 10.0,
) -> Json:
    """`time` is left out where `fps` is None."""
    content = {
        "frame": frame,
        "enabled": enabled,
        "rotation": rotation,
        "x": x,
        "y": y,
        "width": width,
        "height": height,
    }
    return content if fps is None else {**content, "time": frame / fps}


def terminator(frame: int) -> Json:
    """Only ends a span."""
    return {"frame": frame, "enabled": False}


def region(region_id: Any, sequence: Any, labels: Any = ("human",)) -> Json:
    value: Json = {"framesCount": 1, "duration": 0, "sequence": sequence}
    if labels is not None:
        value["labels"] = list(labels) if isinstance(labels, tuple) else labels
    return {
        "id": region_id,
        "type": "videorectangle",
        "from_name": "box",
        "to_name": "video",
        "origin": "manual",
        "value": value,
    }


def annotation(results: Any, **further: Any) -> Json:
    return {
        "id": 1,
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": "2024-03-01T10:00:00.000000Z",
        "result": results,
        **further,
    }


def task(
    video: Any = "/data/upload/1/0a1b2c3d-door.mp4", results: Any = (), **further: Any
) -> Json:
    return {
        "id": 1,
        "data": {"video": video},
        "annotations": [annotation(list(results))],
        "predictions": [],
        **further,
    }
