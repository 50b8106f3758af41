"""Decides which tracks show people: the classifier judges the crops of each track."""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from vigil.domain.boxes import to_pixels
from vigil.domain.tracking.tracker import TrackedBox
from vigil.pixels.fit_crop import fit_crop
from vigil.pixels.pictures.picture import Picture
from vigil.pixels.video.source import Frame
from vigil.plumbing.errors import InputError, listed, shorten
from vigil.settings.watch import Judging, Watch
from vigil.watch.models import ClassifierModel

Crops = npt.NDArray[np.uint8]


@dataclass
class _Cutting:
    """The last box of a track, and the crops of its unfinished sequence."""

    last: TrackedBox
    crops: list[Crops] = field(default_factory=list)


@dataclass
class Judgement:
    """The classifier's judgement of a track so far.

    Attributes:
        total: the sum of the probabilities of a person, over sequences.
        num_sequences: the number of judged sequences of crops.
    """

    total: float = 0.0
    num_sequences: int = 0

    @property
    def probability(self) -> float | None:
        """The mean probability of a person; None: the track has no full sequence of crops."""
        return self.total / self.num_sequences if self.num_sequences else None


class TrackJudge:
    """Cuts crops of tracks from frames in the way of samples, and judges each full sequence."""

    def __init__(
        self,
        classifier: ClassifierModel,
        settings: Judging,
        memory_s: float,
        classes: Collection[str],
    ) -> None:
        """Makes a judge that has seen nothing.

        Args:
            memory_s: how long frames are kept for boxes that come later.
            classes: those of the detector.

        Raises:
            InputError: the detector has several classes, and none is `person_label`.
        """
        if len(classes) > 1 and settings.person_label not in {"", *classes}:
            raise InputError(
                f"{Watch.section}.judging.person_label: expected one of the detector's classes "
                f"({listed(classes)}), or '' to judge none, got {shorten(settings.person_label)}"
            )
        self._judged = {settings.person_label} if len(classes) > 1 else {*classes}
        self._classifier, self._settings, self._memory_s = classifier, settings, memory_s
        self._num_frames, self._size_px, _ = classifier.input_shape
        self._grey: deque[tuple[int, float, Picture]] = deque()
        self._cuttings: dict[int, _Cutting] = {}
        self._ready: list[tuple[int, Crops]] = []
        self.judgements: dict[int, Judgement] = {}
        """Of the tracks that `forget` has not ended."""

    def add_frame(self, frame: Frame) -> None:
        """Adds the next frame."""
        grey = cv2.cvtColor(frame.picture, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)
        self._grey.append((frame.index, frame.time_s, grey))
        while frame.time_s - self._grey[0][1] > self._memory_s:
            self._grey.popleft()

    def add_box(self, box: TrackedBox) -> None:
        """Adds the next box of a track, in order. Its frame must have been added before."""
        self.judgements.setdefault(box.track_id, Judgement())
        if box.label not in self._judged:
            self._cuttings[box.track_id] = _Cutting(box)  # so that the track ends in time
            return
        cutting = self._cuttings.get(box.track_id)
        if cutting is None:
            cutting = self._cuttings[box.track_id] = _Cutting(box)
            frames = [entry for entry in self._grey if entry[0] == box.frame_index]
        else:
            last_index = cutting.last.frame_index
            frames = [entry for entry in self._grey if last_index < entry[0] <= box.frame_index]
            if len(frames) < box.frame_index - last_index:
                cutting.crops.clear()  # frames are missing, but a sequence needs consecutive ones
        for _, time_s, grey in frames:
            self._add_crop(box.track_id, cutting, grey, _between(cutting.last, box, time_s))
        cutting.last = box

    def judge(self) -> None:
        """Judges all full sequences."""
        if not self._ready:
            return
        probabilities = self._classifier(np.stack([crops for _, crops in self._ready]))
        for (track_id, _), probability in zip(self._ready, probabilities, strict=True):
            judgement = self.judgements[track_id]
            judgement.total += float(probability)
            judgement.num_sequences += 1
        self._ready.clear()

    def forget(self, before_s: float) -> dict[int, Judgement]:
        """Ends tracks whose last box is before a time, and returns their judgements.

        All their sequences must be judged.
        """
        ended = [key for key, cutting in self._cuttings.items() if cutting.last.time_s < before_s]
        for track_id in ended:
            del self._cuttings[track_id]
        return {track_id: self.judgements.pop(track_id) for track_id in ended}

    def _add_crop(
        self, track_id: int, cutting: _Cutting, grey: Picture, box_xyxy: npt.NDArray[np.float64]
    ) -> None:
        box_px = to_pixels(box_xyxy[None], (grey.shape[1], grey.shape[0]))[0]
        short, long = sorted((int(box_px[2] - box_px[0]), int(box_px[3] - box_px[1])))
        if short < self._settings.min_side_px or long > self._settings.max_aspect_ratio * short:
            cutting.crops.clear()
            return
        cutting.crops.append(fit_crop(grey, box_px, self._size_px))
        if len(cutting.crops) == self._num_frames:
            self._ready.append((track_id, np.stack(cutting.crops)))
            cutting.crops.clear()


def _between(first: TrackedBox, last: TrackedBox, time_s: float) -> npt.NDArray[np.float64]:
    """(4,): the box at a time between two boxes, linearly in time."""
    if last.time_s == first.time_s:
        return np.array(last.box_xyxy)
    part = (time_s - first.time_s) / (last.time_s - first.time_s)
    box: npt.NDArray[np.float64] = (1 - part) * np.array(first.box_xyxy) + part * np.array(
        last.box_xyxy
    )
    return box
