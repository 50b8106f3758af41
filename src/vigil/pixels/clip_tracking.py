"""Detects and tracks objects in videos, in the way of `vigil watch`."""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from vigil.domain.detections import COORDINATE_DECIMALS, SCORE_DECIMALS, Detections
from vigil.domain.tracking.tracker import Tracker
from vigil.pixels.channels.moments import Moment, moment_tables, write_moments
from vigil.pixels.pictures.picture import Picture, swap_red_and_blue
from vigil.pixels.video.source import frame_bgr, open_source, timed_frames
from vigil.pixels.windows import read_times
from vigil.plumbing.errors import FieldError, InputError, listed
from vigil.settings.suppression import Suppression
from vigil.settings.track_clips import TrackClips
from vigil.settings.tracking import Tracking

EDGE_S = 1e-6


class Found(Protocol):
    """Boxes in a picture, as `vigil.domain.detections.Detections` explains."""

    @property
    def boxes_xyxy(self) -> npt.NDArray[np.float64]: ...
    @property
    def scores(self) -> npt.NDArray[np.float64]: ...
    @property
    def labels(self) -> npt.NDArray[np.object_]: ...
    @property
    def masks(self) -> npt.NDArray[np.object_] | None: ...


class History(Protocol):
    """Makes what a detector takes of the frames of one video.

    `vigil.runtime.history.FrameHistory` explains its methods.
    """

    def add(self, picture: Picture, time_s: float) -> npt.NDArray[np.uint8]: ...
    def remember(self, picture: Picture, time_s: float) -> None: ...


class Detector(Protocol):
    """A detector; `vigil.learn.detector.trained.TrainedDetector` explains its methods."""

    @property
    def classes(self) -> tuple[str, ...]: ...
    def history(self) -> History: ...
    def detect_batch(
        self, pictures: Sequence[Picture], suppression: Suppression, /
    ) -> Sequence[Found]: ...


def tracked_facts(settings: TrackClips, score: float, digest: str) -> dict[str, Any]:
    """What tracks depend on, except the video, the code and the size of batches.

    Args:
        score: the detector's score that was picked on the validation set.
        digest: SHA-256 of its weights, in hexadecimal.
    """
    kept = settings.model_dump(mode="json", include={"classes", "detect_every_s"})
    blocks = settings.model_dump(mode="json", include={"suppression", "tracking"})
    return {**kept, **blocks, "score": score, "detector": digest}


def check_classes(detector: Detector, classes: Sequence[str]) -> None:
    """Checks that a detector knows the classes that are tracked.

    Raises:
        FieldError: it does not.
    """
    if unknown := set(classes) - set(detector.classes):
        raise FieldError(
            "classes",
            f"expected classes of the detector ({listed(detector.classes)}), got {listed(unknown)}",
        )


def track_frames(
    detector: Detector,
    frames: Iterable[tuple[Picture, float]],
    tracked: dict[str, Any],
    batch_size: int = 8,
) -> Iterator[Moment]:
    """Yields what becomes known of tracks with each picture that the detector gets.

    Args:
        frames: (H, W, 3) RGB pictures of one size in order, each with its time in seconds.
        tracked: the result of `tracked_facts`.

    Raises:
        InputError: times do not ascend.
    """
    every_s, classes = float(tracked["detect_every_s"]), tuple(tracked["classes"])
    suppression = Suppression(**tracked["suppression"])
    tracker = Tracker(Tracking(**tracked["tracking"]).in_scores(float(tracked["score"])))
    history, waiting, due_s = detector.history(), list[tuple[Picture, float]](), -np.inf
    size_wh = (0, 0)

    def detect() -> Iterator[Moment]:
        pictures = [picture for picture, _ in waiting]
        # The last batch is filled up, since rounding may depend on the batch size.
        pictures += pictures[-1:] * (batch_size - len(pictures))
        for found, (_, time_s) in zip(
            detector.detect_batch(pictures, suppression)[: len(waiting)], waiting, strict=True
        ):
            boxes = tracker.update(round_found(found), 0, time_s)
            yield Moment.of(boxes, time_s, size_wh, classes)
        waiting.clear()

    for picture, time_s in frames:
        size_wh = (picture.shape[1], picture.shape[0])
        if time_s - due_s < every_s - EDGE_S:
            history.remember(picture, time_s)
            continue
        due_s = time_s
        waiting.append((history.add(picture, time_s), time_s))
        if len(waiting) == batch_size:
            yield from detect()
    if waiting:
        yield from detect()


def round_found(found: Found) -> Detections:
    """Rounded as in a stored file, so that a run from the file has the same results."""
    return Detections(
        found.boxes_xyxy.round(COORDINATE_DECIMALS),
        found.scores.round(SCORE_DECIMALS),
        found.labels,
        masks=found.masks,
    )


def track_video(
    path: Path,
    folder: Path,
    *,
    detector: Detector,
    tracked: dict[str, Any],
    batch_size: int,
    picture_fps: Fraction,
) -> None:
    """Writes the moments of a video into a new folder; its name in the tables is empty.

    Args:
        picture_fps: the frame rate of a folder of numbered pictures.

    Raises:
        InputError: the video cannot be read.
    """
    times_s = read_times(path, picture_fps).seconds

    def read() -> Iterator[tuple[Picture, float]]:
        for _, time_s, frame in timed_frames(path, open_source(path, picture_fps, 1), times_s):
            yield swap_red_and_blue(frame_bgr(frame)), time_s

    try:
        moments = list(track_frames(detector, read(), tracked, batch_size))
    except InputError as error:
        text = str(error)
        raise InputError(text if text.startswith(str(path)) else f"{path}: {text}") from None
    folder.mkdir()
    write_moments(*moment_tables({"": moments}), {}, folder)
