"""What tracked objects do: speed, acceleration, shape, place, dwelling, crowd and distance.

A piece of evidence is one track at one moment, with its box as the place. A window without a track
that is long enough has no evidence of this kind: it has no pieces, and no score stands for it.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.clips.evidence.embeddings import Embedding
from vigil.domain.clips.evidence.pieces import Pieces, join_evidence, no_evidence
from vigil.pixels.channels.behaviour import (
    LEAST_BOXES,
    Movement,
    measure_distances,
    measure_dwelling,
    measure_movement,
    width_of,
)
from vigil.pixels.channels.channel import EDGE_S
from vigil.pixels.channels.moments import Moment, read_moments
from vigil.pixels.flow.motion import LONGEST_GAP_S
from vigil.plumbing.errors import FieldError, InputError
from vigil.settings.embed_clips import OBJECTS, EmbedClips, FeatureName, Objects, ShortClips

ROUNDING_S = 1e-6
AS_TRACKED = ("classes", "detect_every_s", "detector", "score", "suppression", "tracking")
"""The facts of tracks: how they came about."""
Floats = npt.NDArray[np.float64]


@dataclass
class _Track:
    """The known past of one track."""

    times_s: deque[float] = field(default_factory=deque)
    boxes_xyxy: deque[Floats] = field(default_factory=deque)
    distances: deque[tuple[float, float]] = field(default_factory=deque)
    """The time, and the distance to the nearest other object then."""

    def since(self, start_s: float) -> tuple[Floats, Floats]:
        """The times (N,) and boxes (N, 4) from a time on."""
        times_s = np.array(self.times_s)
        first = int(np.searchsorted(times_s, start_s))
        return times_s[first:], np.array(self.boxes_xyxy)[first:]


class ObjectsFollower:
    """Follows the tracks of one video, moment by moment."""

    def __init__(self, settings: Objects, short_clips: ShortClips) -> None:
        self._settings, self._short_clips = settings, short_clips
        self._width = width_of(settings.features)
        self._memory_s = max(settings.past_s, settings.dwell_s)
        self._tracks: dict[int, _Track] = {}
        self._counts: deque[tuple[float, int]] = deque()
        """The time and the number of objects of each moment within `past_s`."""
        self._times_s: deque[float] = deque()
        """The moments that windows still need."""
        self._pieces: deque[Pieces] = deque()

    def see(self, moment: Moment) -> None:
        """Takes the next moment.

        Raises:
            InputError: it is not later than the moment before.
        """
        if self._times_s and moment.time_s <= self._times_s[-1]:
            raise InputError(
                f"expected moments in order, got {moment.time_s} s after {self._times_s[-1]} s"
            )
        if self._times_s and moment.time_s - self._times_s[-1] > LONGEST_GAP_S:
            self._tracks.clear()  # after a gap, the measurement restarts
            self._counts.clear()
        self._times_s.append(moment.time_s)
        for track_id, time_s, box in zip(
            moment.track_ids.tolist(), moment.times_s.tolist(), moment.boxes_xyxy, strict=True
        ):
            if (box[2:] > box[:2]).all():
                track = self._tracks.setdefault(track_id, _Track())
                track.times_s.append(time_s)
                track.boxes_xyxy.append(box)
        present = self._meet(moment.time_s)
        self._drop_past(moment.time_s)
        pieces = [self._measure(self._tracks[one], moment) for one in present]
        if found := [one for one in pieces if one is not None]:
            self._pieces.append(join_evidence(found))

    def judge(self, start_s: float, stop_s: float) -> Pieces:
        """The pieces in the window [start_s, stop_s), in order of time and track; may be empty.

        Raises:
            InputError: objects were looked for at no moment within the window.
            FieldError: the window is shorter than the channel needs.
        """
        start_s, stop_s = start_s - EDGE_S, stop_s - EDGE_S
        times_s = [one for one in self._times_s if start_s <= one < stop_s]
        if not times_s:
            raise InputError(
                f"expected a picture in which objects were looked for, for {OBJECTS}, found none"
            )
        if times_s[-1] - times_s[0] < self._settings.past_s and self._short_clips == "error":
            raise FieldError(
                "short_clips",
                f"expected windows of at least {self._settings.past_s:g} s for {OBJECTS}, got one "
                f"of {times_s[-1] - times_s[0]:g} s; repeat_last takes it",
            )
        within = [one.within(start_s, stop_s) for one in self._pieces]
        return join_evidence([no_evidence(self._width), *within])

    def forget(self, before_s: float) -> None:
        """Drops evidence that only windows with an earlier start need."""
        while self._pieces and self._pieces[0].spans_s[:, 0].max() < before_s - EDGE_S:
            self._pieces.popleft()
        while len(self._times_s) > 1 and self._times_s[0] < before_s - EDGE_S:
            self._times_s.popleft()

    def _meet(self, time_s: float) -> list[int]:
        """The tracks with a box in this picture; notes their number and distances."""
        present = sorted(one for one, own in self._tracks.items() if own.times_s[-1] == time_s)
        self._counts.append((time_s, len(present)))
        if present:
            boxes = np.stack([self._tracks[one].boxes_xyxy[-1] for one in present])
            middles = (boxes[:, :2] + boxes[:, 2:]) / 2
            far = self._settings.far_heights
            distances = measure_distances(middles, boxes[:, 3] - boxes[:, 1], far)
            for one, distance in zip(present, distances.tolist(), strict=True):
                self._tracks[one].distances.append((time_s, distance))
        return present

    def _drop_past(self, time_s: float) -> None:
        """Drops what no later moment needs."""
        past_s = time_s - self._settings.past_s - ROUNDING_S
        while self._counts[0][0] < past_s:
            self._counts.popleft()
        for one in list(self._tracks):
            track = self._tracks[one]
            if track.times_s[-1] < time_s - LONGEST_GAP_S - self._memory_s:
                del self._tracks[one]
                continue
            # One older box stays, which shows that the past is complete.
            limit_s = time_s - self._memory_s + ROUNDING_S
            while len(track.times_s) > 1 and track.times_s[1] <= limit_s:
                track.times_s.popleft()
                track.boxes_xyxy.popleft()
            while track.distances and track.distances[0][0] < past_s:
                track.distances.popleft()

    def _measure(self, track: _Track, moment: Moment) -> Pieces | None:
        """The piece of a track at this moment; None: it is too young, or at the edge."""
        settings, time_s = self._settings, moment.time_s
        since_s = time_s - settings.past_s - ROUNDING_S
        times_s, boxes = track.since(since_s)
        # The past is complete if there is an older box, or one at its very start.
        is_whole = track.times_s[0] <= since_s + 2 * ROUNDING_S
        if not is_whole or len(times_s) < LEAST_BOXES or self._touches_edge(boxes, moment.size_wh):
            return None
        movement = measure_movement(times_s, boxes)
        numbers = self._numbers(movement, track, moment.size_wh)
        vector = np.concatenate([np.atleast_1d(numbers[name]) for name in settings.features])
        return Pieces(
            vector[None].astype(np.float32),
            np.clip(boxes[-1:], 0, np.tile(moment.size_wh, 2)),
            np.array([[times_s[0], time_s]]),
            np.array([moment.size_wh], np.float64),
        )

    def _numbers(
        self, movement: Movement, track: _Track, size_wh: tuple[int, int]
    ) -> Mapping[FeatureName, Any]:
        """The numbers of each feature."""
        all_times_s, all_boxes = track.since(-np.inf)
        middles = (all_boxes[:, :2] + all_boxes[:, 2:]) / 2
        near_px = self._settings.dwell_heights * movement.height
        dwelling = measure_dwelling(all_times_s, middles, near_px)
        return {
            "speed": movement.speed,
            "acceleration": movement.acceleration,
            "shape": movement.shape,
            "place": movement.foot / np.array(size_wh),
            "dwelling": min(dwelling, self._settings.dwell_s),
            "crowd": float(np.mean([count for _, count in self._counts])),
            "distance": float(np.median([distance for _, distance in track.distances])),
        }

    def _touches_edge(self, boxes_xyxy: Floats, size_wh: tuple[int, int]) -> bool:
        """Whether the picture may cut off one of these boxes."""
        margin = self._settings.edge * min(size_wh)
        if not margin:
            return False
        inner = (boxes_xyxy[:, :2] >= margin).all()
        return not (inner and (boxes_xyxy[:, 2:] <= np.array(size_wh) - margin).all())


def measure_objects(
    windows: pd.DataFrame,
    moments: Mapping[str, Sequence[Moment]],
    tracked: Mapping[str, Any],
    settings: Objects,
    short_clips: ShortClips,
) -> Embedding:
    """The evidence of the channel in each window, from the moments of each video.

    Args:
        windows: `video`, `start_s` and `stop_s` of each window, in the order of the result.
        tracked: the facts of the tracks.

    Raises:
        InputError: a video was not tracked, or objects were looked for at no moment of a window.
        FieldError: a window is shorter than the channel needs.
    """
    index = windows[["video", "start_s", "stop_s"]].reset_index(drop=True)
    parts: list[Pieces] = [no_evidence(width_of(settings.features))] * len(index)
    for video, rows in index.groupby("video", sort=False):
        if video not in moments:
            raise InputError(f"{video}: expected its tracks for {OBJECTS}, found none")
        follower = ObjectsFollower(settings, short_clips)
        waiting = deque(moments[str(video)])
        rows = rows.sort_values(["stop_s", "start_s"], kind="stable")
        # For each window, the earliest start of this window and all later ones in the order.
        needed_s = np.minimum.accumulate(rows["start_s"].to_numpy()[::-1])[::-1]
        for at, start_s, stop_s, from_s in zip(
            rows.index, rows["start_s"], rows["stop_s"], needed_s, strict=True
        ):
            while waiting and waiting[0].time_s < stop_s - EDGE_S:
                follower.see(waiting.popleft())
            follower.forget(from_s)
            try:
                parts[at] = follower.judge(start_s, stop_s)
            except FieldError as error:
                raise FieldError(error.field, f"{error.problem} ({video})") from None
            except InputError as error:
                raise InputError(f"{video} from {start_s:g} to {stop_s:g} s: {error}") from None
    counts = np.array([len(one) for one in parts], np.int64)
    return Embedding.join(index, parts, counts, facts_of(settings, short_clips, tracked))


def measure_all_objects(windows: pd.DataFrame, tracks: Path, settings: EmbedClips) -> Embedding:
    """The evidence of the channel in each window, from the folder that `track_clips` wrote.

    Args:
        windows: as for `measure_objects`; those of a video and file come together in the result, as
            in the evidence of other channels.

    Raises:
        InputError, FieldError: see `read_moments` and `measure_objects`; or nothing was tracked.
    """
    moments, tracked = read_moments(tracks)
    if not tracked:
        raise InputError(
            f"{tracks}: expected tracks for {OBJECTS}, found none; they are made if a detector is "
            "named for them"
        )
    parts = [rows for _, rows in windows.groupby(["video", "digest"], sort=False)]
    ordered = pd.concat(parts, ignore_index=True)
    return measure_objects(ordered, moments, tracked, settings.objects, settings.short_clips)


def facts_of(
    settings: Objects, short_clips: ShortClips, tracked: Mapping[str, Any]
) -> dict[str, Any]:
    """All that the evidence depends on, except the clips and the code; the card keeps it."""
    return {
        "channel": OBJECTS,
        "short_clips": short_clips,
        "options": settings.model_dump(mode="json"),
        "width": width_of(settings.features),
        "tracked": dict(tracked),
    }
