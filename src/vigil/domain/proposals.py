"""Proposes the tracks and alarms of a watched video to an annotator, as a task of Label Studio.

Label Studio numbers frames by the rate of its `<Video>` tag. The task holds a rate at which each
decoded frame has a number of its own, and the tag refers to it (`framerate="$fps"`). So the reader
of exports finds the same frames and boxes again (docs/label-studio.md).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.boxes import CORNERS
from vigil.domain.label_studio.clock import Clock
from vigil.domain.label_studio_writing import keyframe, video_region
from vigil.domain.thinning import choose_keyframes
from vigil.domain.video_facts import VideoFacts
from vigil.settings.proposals import Proposals

MOST_FPS = 240
"""Frames closer together than this rate share a number."""
ALARM = "unusual"
"""The timeline label of an alarm."""
FPS_KEY, SOURCE_KEY, FIRST_KEY = "fps", "source_sha256", "first_frame_s"
"""Keys of the task's data: the rate of the tag, the digest of the video, and the time of its first
frame. The player counts from the start of the file, where sound alone may come first."""
SCORE_DECIMALS, TIME_DECIMALS = 6, 6
EDGE_S = 1e-6  # the difference of two times may have no exact binary value

Json = dict[str, Any]


@dataclass(frozen=True)
class Numbering:
    """The frame numbers of an annotator for the decoded frames of a video.

    Attributes:
        fps: the rate of the `<Video>` tag.
        numbers: (F,) the number at which each decoded frame is on screen; NaN: there is none.
        positions: (F,) the number at the time stamp of each frame, with a fraction. The reader
            interpolates at these positions.
    """

    fps: Fraction
    numbers: npt.NDArray[np.float64]
    positions: npt.NDArray[np.float64]


def served_address(name: str, settings: Proposals) -> str:
    """Where Label Studio finds a file. Args: name: of the file, below the folder of settings."""
    path = quote("/".join(filter(None, (settings.folder, name))))
    return (
        f"/data/local-files/?d={path}"
        if settings.address == "local_files"
        else (f"/data/upload/{path}")
    )


def number_frames(facts: VideoFacts) -> Numbering:
    """Frame numbers at the rate of the video, or at the smallest multiple that shows all frames."""
    numbering = _numbering(facts.fps, facts)
    while np.isnan(numbering.numbers).any() and 2 * numbering.fps <= MOST_FPS:
        numbering = _numbering(2 * numbering.fps, facts)
    return numbering


def _numbering(fps: Fraction, facts: VideoFacts) -> Numbering:
    clock = Clock(float(fps), facts)
    candidates = np.arange(1, clock.last_frame() + 1)
    frames = clock.indices(candidates)
    # Of the numbers that show a frame, the one nearest to its time stamp; of two, the smaller.
    order = np.lexsort((candidates, np.abs(candidates - clock.numbers[frames]), frames))
    shown, first = np.unique(frames[order], return_index=True)
    numbers = np.full(facts.num_frames, np.nan)
    numbers[shown] = candidates[order][first]
    return Numbering(fps, numbers, clock.numbers)


def propose(
    tracks: pd.DataFrame,
    alarms: Iterable[tuple[str, float, float]],
    facts: VideoFacts,
    *,
    address: str,
    source: str,
    model_version: str,
) -> Json:
    """A task with one prediction: a region for each track, and a span for each alarm.

    A track that ends on frames without a number loses these frames, and a track without any
    numbered frame is left out. Both need frames closer together than `MOST_FPS`.

    Args:
        tracks: `TRACK_COLUMNS` with a box on each frame, in order of track and frame.
        alarms: id, start and end of each alarm, in seconds from the first frame.
        address: where Label Studio finds the video.
        source: the digest of the video.
    """
    numbering = number_frames(facts)
    regions = [
        region
        for track_id, boxes in tracks.groupby("track_id", sort=True)
        for region in _track_regions(int(str(track_id)), boxes, numbering, facts)
    ]
    spans = [_alarm_span(*alarm, numbering, facts) for alarm in alarms]
    scores = [region["score"] for region in regions]
    prediction = {
        "model_version": model_version,
        "score": round(float(np.mean(scores)), SCORE_DECIMALS) if scores else 0.0,
        "result": [*regions, *spans],
    }
    data = {
        "video": address,
        FPS_KEY: float(numbering.fps),
        SOURCE_KEY: source,
        FIRST_KEY: round(float(facts.shown_s()[0]), TIME_DECIMALS),
    }
    return {"data": data, "predictions": [prediction]}


def _track_regions(
    track_id: int, boxes: pd.DataFrame, numbering: Numbering, facts: VideoFacts
) -> list[Json]:
    """The region of a track; none if no frame of the track has a number."""
    frames = boxes["frame_index"].to_numpy()
    numbered = np.flatnonzero(~np.isnan(numbering.numbers[frames]))
    if not len(numbered):
        return []
    within = slice(numbered[0], numbered[-1] + 1)
    frames, corners = frames[within], boxes[CORNERS].to_numpy(np.float64)[within]
    numbers = numbering.numbers[frames]
    chosen = choose_keyframes(numbering.positions[frames], numbers, corners)
    x1, y1, x2, y2 = corners[chosen].T.tolist()
    sequence = [
        keyframe(
            int(numbers[index]),
            box,
            size_wh=facts.size_wh,
            annotator_fps=numbering.fps,
            is_shown_after=bool(index != chosen[-1]),
        )
        for index, box in zip(chosen, zip(x1, y1, x2, y2, strict=True), strict=True)
    ]
    region = video_region(
        f"track_{track_id}",
        sequence,
        [str(boxes["label"].iloc[0])],
        duration_s=_duration_s(facts),
        annotator_fps=numbering.fps,
        origin="prediction",
    )
    observed = boxes.loc[boxes["is_observed"] == 1, "score"]
    return [region | {"score": round(float(observed.mean()), SCORE_DECIMALS)}]


def _alarm_span(
    event_id: str, start_s: float, end_s: float, numbering: Numbering, facts: VideoFacts
) -> Json:
    """An alarm on the timeline, from its first to its last frame number."""
    shown_s = facts.shown_s() - facts.shown_s()[0]
    first, last = np.searchsorted(shown_s, [start_s - EDGE_S, end_s - EDGE_S])
    ends = np.clip([first, last - 1], 0, facts.num_frames - 1)
    shown, stamped = numbering.numbers[ends], np.floor(numbering.positions[ends])
    start, end = np.where(np.isnan(shown), stamped, shown).astype(int).tolist()
    value = {"ranges": [{"start": start, "end": max(start, end)}], "timelinelabels": [ALARM]}
    names = {"type": "timelinelabels", "from_name": "events", "to_name": "video"}
    return {"id": f"event_{event_id}", "origin": "prediction", "value": value} | names


def _duration_s(facts: VideoFacts) -> float:
    """From 0 s to the end of the last frame, which stays for the mean duration of a frame."""
    return float(facts.shown_s()[-1]) + float(1 / facts.fps)


def label_config(labels: Sequence[str]) -> str:
    """The labeling interface of proposed tasks, as XML.

    Args:
        labels: the classes of objects.
    """
    values = "\n".join(f"    <Label value={quoteattr(label)}/>" for label in labels)
    return (
        "<View>\n"
        f'  <Video name="video" value="$video" framerate="${FPS_KEY}"/>\n'
        '  <VideoRectangle name="box" toName="video"/>\n'
        '  <Labels name="label" toName="video" allowEmpty="true">\n'
        f"{values}\n"
        "  </Labels>\n"
        '  <TimelineLabels name="events" toName="video">\n'
        f"    <Label value={quoteattr(ALARM)}/>\n"
        "  </TimelineLabels>\n"
        "</View>\n"
    )
