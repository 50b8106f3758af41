"""One pass over the frames of a source: what the models find in it.

    frames -> detector (every detect_every_s, in batches) -> tracker -> classifier
           -> alarm (windows)

What is found is handed out step by step, and nothing is kept that grows with the source but one
judgement a track.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from vigil.domain.detections import COORDINATE_DECIMALS, SCORE_DECIMALS, Detections
from vigil.domain.tracking.tracker import TrackedBox, Tracker
from vigil.settings.watch import Watch
from vigil.watch.frames import Frame
from vigil.watch.judging import Judgement, TrackJudge
from vigil.watch.models import Models
from vigil.watch.scoring import Scored, WindowScorer

EDGE_S = 1e-6


@dataclass
class Step:
    """What a few frames brought.

    Attributes:
        found: what the detector found, with the frame it was shown.
        seen: boxes of tracks.
        scored: windows that ended.
    """

    found: list[tuple[int, float, Detections]] = field(default_factory=list)
    seen: list[TrackedBox] = field(default_factory=list)
    scored: list[Scored] = field(default_factory=list)


class Analysis:
    """Shows frames to the models, in order."""

    def __init__(self, models: Models, settings: Watch, batch_size: int | None = None) -> None:
        """Args: batch_size: in place of the settings', as for a stream that cannot wait."""
        self._models, self._settings = models, settings
        self._batch_size = batch_size or settings.batch_size
        tracking = settings.tracking
        self._tracker = Tracker(tracking)
        # A track may tell of boxes of before it was confirmed, and of a gap that it came back from.
        self._memory_s = tracking.lost_s + tracking.confirm_s + 2 * settings.detect_every_s
        self._judge = TrackJudge(models.classifier, settings.judging, self._memory_s)
        self._scorer = WindowScorer(models.alarm, settings.window_s, settings.stride_s)
        self._frames: deque[tuple[Frame, bool]] = deque()
        self._num_due = 0
        self._due_s = -np.inf

    @property
    def judgements(self) -> dict[int, Judgement]:
        """What the classifier says of each track so far."""
        return self._judge.judgements

    def push(self, frame: Frame) -> Step:
        """Takes the next frame."""
        is_due = frame.time_s - self._due_s >= self._settings.detect_every_s - EDGE_S
        if is_due:
            self._due_s = frame.time_s
        self._frames.append((frame, is_due))
        self._num_due += is_due
        step = Step(scored=self._scorer.push(frame.picture[..., ::-1], frame.time_s))
        if self._num_due == self._batch_size:
            self._detect(step)
        return step

    def end(self, stop_s: float) -> Step:
        """Takes the end of the source, or of a part of it before a loss of the signal."""
        step = Step(scored=self._scorer.end(stop_s))
        self._detect(step)
        return step

    def _detect(self, step: Step) -> None:
        """Goes through the frames that wait: a batch for the detector, then one by one."""
        pictures = [
            np.ascontiguousarray(frame.picture[..., ::-1])
            for frame, is_due in self._frames
            if is_due
        ]
        num_missing = self._batch_size - len(pictures)
        # A batch is always full, so that a source's last pictures round as all others.
        found = self._models.detector.detect_batch(
            [*pictures, *pictures[-1:] * num_missing], self._settings.suppression
        )
        results = iter(found)
        for frame, is_due in self._frames:
            self._judge.see_frame(frame)
            if is_due:
                self._track(frame, _rounded(next(results)), step)
        self._judge.judge()
        self._frames.clear()
        self._num_due = 0

    def _track(self, frame: Frame, found: Detections, step: Step) -> None:
        step.found.append((frame.index, frame.time_s, found))
        seen = self._tracker.update(found, frame.index, frame.time_s)
        for one in seen:
            self._judge.see_track(one)
        self._judge.forget(frame.time_s - self._memory_s)
        step.seen += seen


def _rounded(found: Detections) -> Detections:
    """As they are stored, so that a run from the file goes the same way."""
    return Detections(
        found.boxes_xyxy.round(COORDINATE_DECIMALS),
        found.scores.round(SCORE_DECIMALS),
        found.labels,
    )
