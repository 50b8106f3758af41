"""Runs all models on the frames of a source, in one pass.

    frames -> detector (every detect_every_s, in batches) -> tracker -> classifier
           -> alarm (windows)

The alarm scores in a thread of its own, beside the detector, unless it needs the tracks. The
results are returned step by step. The memory does not grow with the length of the source.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from vigil.domain.clips.verdicts import WindowVerdict
from vigil.domain.detections import Detections
from vigil.domain.tracking.tracker import TrackedBox, Tracker
from vigil.pixels.channels.moments import Moment
from vigil.pixels.clip_tracking import round_found
from vigil.pixels.pictures.picture import swap_red_and_blue
from vigil.pixels.video.source import Frame
from vigil.plumbing.background import Background
from vigil.plumbing.errors import InputError
from vigil.settings.watch import Watch
from vigil.watch.judging import Judgement, TrackJudge
from vigil.watch.models import DETECTOR, Models

EDGE_S = 1e-6
MOST_WAITING = 64
"""How many frames may wait for the alarm."""


@dataclass
class Step:
    """The results of a few frames.

    Attributes:
        detections: frame index, time and boxes of each picture that the detector got.
        boxes: boxes of tracks.
        verdicts: the alarm's verdicts on the windows that ended.
        judgements: the classifier's judgements of the tracks that ended.
    """

    detections: list[tuple[int, float, Detections]] = field(default_factory=list)
    boxes: list[TrackedBox] = field(default_factory=list)
    verdicts: list[WindowVerdict] = field(default_factory=list)
    judgements: dict[int, Judgement] = field(default_factory=dict)


class Analysis:
    """Runs the models on frames, in order."""

    def __init__(self, models: Models, settings: Watch, batch_size: int | None = None) -> None:
        """Args: batch_size: replaces that of the settings, as for a stream that cannot wait."""
        self._models, self._settings = models, settings
        self._batch_size = batch_size or settings.batch_size
        tracking = settings.tracking.in_scores(models.detector_score)
        self._tracker = Tracker(tracking)
        # Earlier frames are kept: a track is judged from its confirmation on, and after a gap.
        self._memory_s = tracking.lost_s + tracking.confirm_s + 2 * settings.detect_every_s
        self._judge = TrackJudge(
            models.classifier, settings.judging, self._memory_s, models.detector.classes
        )
        self._alarm = models.alarm.stream(settings.window_s, settings.stride_s)
        self._scoring: Background[list[WindowVerdict]] = Background(MOST_WAITING)
        self._tracked = models.alarm.tracked
        if self._tracked is not None:
            check_tracks(self._tracked, models, settings)
        self._history = models.detector.history()
        self._frames: deque[tuple[Frame, npt.NDArray[np.uint8] | None]] = deque()
        """The waiting frames, and what the detector gets of those that are due."""
        self._num_due = 0
        self._due_s = -np.inf

    @property
    def judgements(self) -> dict[int, Judgement]:
        """The classifier's judgement, so far, of each track that has not ended."""
        return self._judge.judgements

    def push(self, frame: Frame) -> Step:
        """Adds the next frame."""
        is_due = frame.time_s - self._due_s >= self._settings.detect_every_s - EDGE_S
        if is_due:
            self._due_s = frame.time_s
        rgb = swap_red_and_blue(frame.picture)
        seen = None
        if is_due:
            seen = self._history.add(rgb, frame.time_s)
        else:
            self._history.remember(rgb, frame.time_s)
        self._frames.append((frame, seen))
        self._num_due += is_due
        step = Step()
        if self._tracked is None:
            step.verdicts += chain(*self._scoring.call(self._alarm.push, rgb, frame.time_s))
        if self._num_due == self._batch_size:
            self._detect(step)
        if not self._num_due:  # no picture waits, so nothing runs beside the alarm
            step.verdicts += chain(*self._scoring.finish())
        return step

    def end(self, stop_s: float) -> Step:
        """Ends the source, or a part of it before a loss of the signal."""
        step = Step()
        self._detect(step)
        step.verdicts += chain(*self._scoring.finish())
        step.verdicts += self._alarm.end(stop_s)  # the last windows need the last tracks
        step.judgements |= self._judge.forget(np.inf)
        return step

    def _detect(self, step: Step) -> None:
        """Runs detector, tracker and classifier on the waiting frames."""
        pictures = [picture for _, picture in self._frames if picture is not None]
        num_missing = self._batch_size - len(pictures)
        # The last batch is filled up, since rounding may depend on the batch size.
        batch = self._models.detector.detect_batch(
            [*pictures, *pictures[-1:] * num_missing], self._settings.suppression
        )
        results = iter(batch)
        for frame, picture in self._frames:
            self._judge.add_frame(frame)
            boxes: list[TrackedBox] = []
            if picture is not None:
                boxes = self._track(frame, round_found(next(results)), step)
            if self._tracked is not None:
                self._push_tracked(frame, boxes if picture is not None else None, step)
        self._judge.judge()
        if self._frames:
            step.judgements |= self._judge.forget(self._frames[-1][0].time_s - self._memory_s)
        self._frames.clear()
        self._num_due = 0

    def _push_tracked(self, frame: Frame, boxes: list[TrackedBox] | None, step: Step) -> None:
        """Gives the alarm a frame with what became known of tracks; None: nothing was looked for.

        An alarm that judges tracks gets each frame after the tracker.
        """
        assert self._tracked is not None
        moment = None
        if boxes is not None:
            size_wh = (frame.picture.shape[1], frame.picture.shape[0])
            moment = Moment.of(boxes, frame.time_s, size_wh, self._tracked["classes"])
        rgb = swap_red_and_blue(frame.picture)
        step.verdicts += self._alarm.push(rgb, frame.time_s, moment)

    def _track(self, frame: Frame, detections: Detections, step: Step) -> list[TrackedBox]:
        step.detections.append((frame.index, frame.time_s, detections))
        boxes = self._tracker.update(detections, frame.index, frame.time_s)
        for box in boxes:
            self._judge.add_box(box)
        step.boxes += boxes
        return boxes


def check_tracks(tracked: Mapping[str, Any], models: Models, settings: Watch) -> None:
    """Checks that tracks come about here as those did which the channel `objects` learnt from.

    Args:
        tracked: how those came about.

    Raises:
        InputError: the detector or a setting differs.
    """
    digest = models.digests.get(DETECTOR)
    if digest != tracked["detector"] or models.detector_score != tracked["score"]:
        raise InputError(
            f"{DETECTOR}: expected the detector whose tracks the alarm's channel objects learnt "
            "from, got another; `dvc repro` tracks the clips anew"
        )
    for name in ("detect_every_s", "suppression", "tracking"):
        own = settings.model_dump(mode="json")[name]
        if own != tracked[name]:
            raise InputError(
                f"watch.{name}: expected that with which the clips of the alarm's channel objects "
                "were tracked, got another; set that of the clips too, and run `dvc repro`"
            )
