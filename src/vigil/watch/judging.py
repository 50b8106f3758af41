"""Which tracks are people's: the classifier looks at the crops of each."""

from collections import deque
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from vigil.domain.boxes import to_pixels
from vigil.domain.tracking.tracker import TrackedBox
from vigil.learn.classifier.trained import TrainedClassifier
from vigil.pixels.crops import fit_crop
from vigil.pixels.pictures.picture import Picture
from vigil.settings.watch import Judging
from vigil.watch.frames import Frame

Crops = npt.NDArray[np.uint8]


@dataclass
class _Cut:
    """What is cut of a track so far."""

    last: TrackedBox
    waiting: list[Crops] = field(default_factory=list)


@dataclass
class Judgement:
    """What the classifier says of a track so far.

    Attributes:
        total: sum of the probabilities of a person.
        num_sequences: of crops that were looked at.
    """

    total: float = 0.0
    num_sequences: int = 0

    @property
    def probability(self) -> float | None:
        """The mean one; None where no sequence was long enough to be looked at."""
        return self.total / self.num_sequences if self.num_sequences else None


class TrackJudge:
    """Cuts crops of tracks out of frames, as samples are cut, and judges each full sequence."""

    def __init__(self, classifier: TrainedClassifier, settings: Judging, memory_s: float) -> None:
        """Args: memory_s: frames this old may still be asked for."""
        self._classifier, self._settings, self._memory_s = classifier, settings, memory_s
        self._num_frames, self._size_px, _ = classifier.input_shape
        self._grey: deque[tuple[int, float, Picture]] = deque()
        self._cuts: dict[int, _Cut] = {}
        self._ready: list[tuple[int, Crops]] = []
        self.judgements: dict[int, Judgement] = {}

    def see_frame(self, frame: Frame) -> None:
        """Takes the next frame."""
        grey = cv2.cvtColor(frame.picture, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)
        self._grey.append((frame.index, frame.time_s, grey))
        while frame.time_s - self._grey[0][1] > self._memory_s:
            self._grey.popleft()

    def see_track(self, seen: TrackedBox) -> None:
        """Takes the next box of a track, in order; its frame was taken before."""
        self.judgements.setdefault(seen.track_id, Judgement())
        cut = self._cuts.get(seen.track_id)
        if cut is None:
            cut = self._cuts[seen.track_id] = _Cut(seen)
            frames = [entry for entry in self._grey if entry[0] == seen.frame_index]
        else:
            frames = [e for e in self._grey if cut.last.frame_index < e[0] <= seen.frame_index]
            if len(frames) < seen.frame_index - cut.last.frame_index:
                cut.waiting.clear()  # some frames are gone: a sequence has none left out
        for _, time_s, grey in frames:
            self._add(seen.track_id, cut, grey, _between(cut.last, seen, time_s))
        cut.last = seen

    def judge(self) -> None:
        """Shows the sequences that are full to the classifier."""
        if not self._ready:
            return
        probabilities = self._classifier(np.stack([crops for _, crops in self._ready]))
        for (track_id, _), probability in zip(self._ready, probabilities, strict=True):
            own = self.judgements[track_id]
            own.total += float(probability)
            own.num_sequences += 1
        self._ready.clear()

    def forget(self, before_s: float) -> None:
        """Forgets crops of tracks that were seen last before a time."""
        self._cuts = {n: cut for n, cut in self._cuts.items() if cut.last.time_s >= before_s}

    def _add(
        self, track_id: int, cut: _Cut, grey: Picture, box_xyxy: npt.NDArray[np.float64]
    ) -> None:
        box_px = to_pixels(box_xyxy[None], (grey.shape[1], grey.shape[0]))[0]
        short, long = sorted((int(box_px[2] - box_px[0]), int(box_px[3] - box_px[1])))
        if short < self._settings.min_side_px or long > self._settings.max_aspect_ratio * short:
            cut.waiting.clear()
            return
        cut.waiting.append(fit_crop(grey, box_px, self._size_px))
        if len(cut.waiting) == self._num_frames:
            self._ready.append((track_id, np.stack(cut.waiting)))
            cut.waiting.clear()


def _between(first: TrackedBox, last: TrackedBox, time_s: float) -> npt.NDArray[np.float64]:
    """(4,): the box on a straight line between two that were seen."""
    if last.time_s == first.time_s:
        return np.array(last.box_xyxy)
    part = (time_s - first.time_s) / (last.time_s - first.time_s)
    found: npt.NDArray[np.float64] = (1 - part) * np.array(first.box_xyxy) + part * np.array(
        last.box_xyxy
    )
    return found
