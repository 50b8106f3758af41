"""Simulates an annotator in Label Studio: sparse keyframes, jitter, Label Studio's frame numbers.

Label Studio numbers frames from 1 at the ``framerate`` of its ``<Video>`` tag.  The default is 24,
whatever the real frame rate of the file is.  The player shows the last frame whose time stamp is
not after the time of the frame number (docs/label-studio.md).  Decoded frame ``i`` is shown at the
annotator's position ``1 + i * annotator_fps / fps``, and is annotated at the first whole number
that shows it.  The keyframe's ``time`` is this number divided by the annotator's rate.  If the
annotator's rate is not below the video's frame rate, each decoded frame has a different number.

A reader of the export must follow these rules.  A span reaches from the decoded frame of its first
keyframe to that of its last keyframe, both included.  Between keyframes the box is linear in the
positions, and the frame of a keyframe has the box of the keyframe.  Then the reader gets exactly
the frames of the exact boxes, and no edge is off by more than ``FIT_TOLERANCE_PX + JITTER_PX``.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from scene.camera import FloatArray
from scene.scene import Track
from vigil.domain.label_studio_writing import keyframe, video_region

FIT_TOLERANCE_PX = 1.8
"""The largest distance of a box edge from the line between keyframes, before jitter."""
JITTER_PX = 0.3
"""Each edge of a keyframe's box is moved by at most this."""
PLAYER_PRECISION_S = 0.002
CREATED_AT = "2024-05-06T09:00:00.000000Z"


@dataclass(frozen=True)
class AnnotatedVideo:
    """The input of the annotator: the finished video, and the exact boxes by region id."""

    file_name: str
    size_wh: tuple[int, int]
    num_frames: int
    fps: Fraction
    annotator_fps: Fraction
    tracks: dict[str, Track]


def annotator_position(frame_index: FloatArray, video: AnnotatedVideo) -> FloatArray:
    """Convert decoded frame indices to the annotator's (1-based, unrounded) frame numbers."""
    return 1 + frame_index * float(video.annotator_fps / video.fps)


def annotator_numbers(positions: FloatArray, video: AnnotatedVideo) -> FloatArray:
    """The first whole frame numbers at which the frames at these positions are on screen.

    Containers may store whole milliseconds, so a frame counts as shown from the next millisecond.
    """
    annotator_fps = float(video.annotator_fps)
    shown_s = (np.floor((positions - 1) / annotator_fps * 1000 + 1e-6) + 1) / 1000
    numbers: FloatArray = np.maximum(np.floor(positions) - 1, 1)
    while (is_early := _seek_s(numbers, annotator_fps) < shown_s - 1e-9).any():
        numbers += is_early
    return numbers


def _seek_s(numbers: FloatArray, annotator_fps: float) -> FloatArray:
    """The times in seconds that the player seeks to."""
    steps = np.floor((numbers - 1) / annotator_fps / PLAYER_PRECISION_S + 0.5)
    return np.asarray(steps * PLAYER_PRECISION_S + PLAYER_PRECISION_S)


def _fit(
    positions: FloatArray,
    chosen: list[int],
    knots: FloatArray,
    boxes: FloatArray,
    size_wh: tuple[int, int],
) -> tuple[FloatArray, FloatArray]:
    """Boxes ``(num_knots, 4)`` whose polyline is closest to ``boxes``, and its errors ``(n,)``.

    The frames ``chosen`` are seen at the ``knots``, which are their frame numbers.  The fit is by
    least squares: as an annotator does, it follows the middle of a walker's swing.
    """
    seen = positions.copy()
    seen[chosen] = knots
    # One hat function for each knot: 1 at the knot, falling linearly to 0 at its neighbours.
    hats = np.stack(
        [np.interp(seen, knots, row) for row in np.eye(len(knots))], axis=-1
    )  # (num_positions, num_knots); np.interp is constant beyond the ends
    # An annotator draws no box outside the picture, though the fitted line may leave it.
    fitted = np.clip(np.linalg.lstsq(hats, boxes, rcond=None)[0], 0, [*size_wh, *size_wh])
    return fitted, np.abs(hats @ fitted - boxes).max(axis=1)


def choose_keyframes(
    positions: FloatArray,
    numbers: FloatArray,
    boxes: FloatArray,
    size_wh: tuple[int, int],
    tolerance_px: float,
) -> tuple[list[int], FloatArray]:
    """Choose few keyframes for one visible span: their indices into the span, and their boxes.

    ``positions`` ``(n,)`` are the unrounded frame numbers at which the frames are shown,
    ``numbers`` ``(n,)`` the whole frame numbers at which they are annotated, ``boxes`` ``(n, 4)``.
    The frame with the largest error becomes a keyframe, until no error is above ``tolerance_px``.
    Then keyframes that are not needed are removed.
    """
    chosen = sorted({0, len(positions) - 1})
    fitted, errors = _fit(positions, chosen, numbers[chosen], boxes, size_wh)
    while errors.max() > tolerance_px and len(chosen) < len(positions):
        errors[chosen] = -1
        chosen = sorted([*chosen, int(errors.argmax())])
        fitted, errors = _fit(positions, chosen, numbers[chosen], boxes, size_wh)
    for candidate in chosen[1:-1]:
        fewer = [index for index in chosen if index != candidate]
        fewer_fitted, errors = _fit(positions, fewer, numbers[fewer], boxes, size_wh)
        if errors.max() <= tolerance_px:
            chosen, fitted = fewer, fewer_fitted
    return chosen, fitted


def _spans(frame_indices: list[int]) -> list[list[int]]:
    spans: list[list[int]] = []
    for frame_index in frame_indices:
        if spans and frame_index == spans[-1][-1] + 1:
            spans[-1].append(frame_index)
        else:
            spans.append([frame_index])
    return spans


def annotate_track(
    track: Track, video: AnnotatedVideo, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Keyframes of one person; the last keyframe of each visible span is disabled.

    A span that reaches the last frame of the video stays enabled, since no frame comes after it.
    """
    sequence = []
    for span in _spans(sorted(track.boxes_xyxy)):
        positions = annotator_position(np.array(span, np.float64), video)
        boxes = np.array([track.boxes_xyxy[frame_index] for frame_index in span])
        numbers = annotator_numbers(positions, video)
        chosen, fitted = choose_keyframes(
            positions, numbers, boxes, video.size_wh, FIT_TOLERANCE_PX
        )
        jittered = fitted + rng.uniform(-JITTER_PX, JITTER_PX, fitted.shape)
        jittered = np.clip(jittered, 0, [*video.size_wh, *video.size_wh])
        for index, (x1, y1, x2, y2) in zip(chosen, jittered.tolist(), strict=True):
            leaves = index == len(span) - 1 and span[index] != video.num_frames - 1
            frame = int(numbers[index])
            sequence.append(
                keyframe(
                    frame,
                    (x1, y1, x2, y2),
                    size_wh=video.size_wh,
                    annotator_fps=video.annotator_fps,
                    is_shown_after=not leaves,
                )
            )
    return sequence


def annotate(video: AnnotatedVideo, task_id: int, rng: np.random.Generator) -> dict[str, Any]:
    """One task of a Label Studio JSON export."""
    duration_s = float(video.num_frames / video.fps)
    results = []
    for region_id, track in video.tracks.items():
        region = video_region(
            region_id,
            annotate_track(track, video, rng),
            ["human"],
            duration_s=duration_s,
            annotator_fps=video.annotator_fps,
        )
        results.append(region)
        if track.activity != "walking":
            choice = region["value"] | {"choices": [track.activity]}
            results.append(region | {"type": "choices", "from_name": "activity", "value": choice})
    return {
        "id": task_id,
        "data": {"video": f"/data/upload/1/{rng.bytes(4).hex()}-{video.file_name}"},
        "annotations": [
            {
                "id": 100 + task_id,
                "was_cancelled": False,
                "ground_truth": False,
                "created_at": CREATED_AT,
                "result": results,
            }
        ],
        "predictions": [],
        "meta": {},
    }
