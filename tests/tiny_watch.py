"""A tiny source to watch, and exact models of it without a network or randomness."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from tiny_settings import shipped

from vigil.domain.boxes import CORNERS
from vigil.domain.clips.allowed import Allowed
from vigil.domain.clips.verdicts import Evidence, Verdict, WindowVerdict
from vigil.domain.detections import Detections
from vigil.pixels.flow.motion import LONGEST_GAP_S
from vigil.pixels.pictures.picture import Picture
from vigil.pixels.video.source import Frame
from vigil.pixels.video_writing import write_video
from vigil.runtime.history import ONE, FrameHistory
from vigil.settings.suppression import Suppression
from vigil.settings.watch import Watch
from vigil.watch.live import LiveWatch
from vigil.watch.models import Models
from vigil.watch.notifying import Notifier
from vigil.watch.recording import Recorder

SIZE_WH = (96, 72)
FPS = 10
LAMP = (slice(0, 12), slice(0, 24))
"""Where a lamp is lit while something unusual happens."""


def scene_picture(
    index: int, lit: Sequence[tuple[float, float]] = (), fps: int = FPS
) -> npt.NDArray[np.uint8]:
    """(H, W, 3) RGB: a person in white who walks to and fro, a grey post, and the lamp."""
    picture = np.full((SIZE_WH[1], SIZE_WH[0], 3), 60, np.uint8)
    picture[30:60, 80:88] = 215  # the post: the detector takes it for a person, and nobody else
    x = 8 + round(abs((index / fps * 8) % 100 - 50))
    picture[32:58, x : x + 12] = 250
    if any(start <= index / fps < stop for start, stop in lit):
        picture[LAMP] = (250, 120, 120)
    return picture


def write_scene(
    path: Path,
    seconds: float = 12.0,
    lit: Sequence[tuple[float, float]] = ((5.0, 8.0),),
    codec: str = "h264",
) -> Path:
    frames = (scene_picture(index, lit) for index in range(round(seconds * FPS)))
    write_video(path, frames, codec=codec, fps=Fraction(FPS), size_wh=SIZE_WH)
    return path


class SeesBright:
    """A detector of bright areas that records the sizes of its batches."""

    classes = ("human",)

    def __init__(self) -> None:
        self.batches: list[int] = []

    def history(self) -> FrameHistory:
        return FrameHistory(ONE)

    def detect_batch(
        self, pictures: Sequence[Picture], suppression: Suppression
    ) -> list[Detections]:
        self.batches.append(len(pictures))
        return [self._detect(picture) for picture in pictures]

    def _detect(self, picture: Picture) -> Detections:
        is_bright = (picture.min(axis=2) > 170).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(is_bright)
        boxes = [(x, y, x + w, y + h) for x, y, w, h, area in stats[1:] if area > 40]
        corners = np.array(boxes, np.float64).reshape(-1, 4)
        labels = np.array(["human"] * len(boxes), object)
        return Detections(corners, np.full(len(boxes), 0.9), labels)


class SeesWhite:
    """A classifier for which white is a person, and grey is background."""

    classes = ("background", "person")
    input_shape = (10, 50, 50)

    def __call__(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        assert crops.shape[1:] == self.input_shape
        return np.where(crops.max(axis=(1, 2, 3)) > 235, 0.95, 0.05)


class SeesTheLamp:
    """An alarm whose score is the share of a window in which the lamp is lit."""

    tracked = None

    def stream(self, window_s: float, stride_s: float) -> "LampStream":
        return LampStream(window_s, stride_s)


@dataclass
class LampStream:
    """The windows of one source, from the first frame on; its evidence is the lamp."""

    window_s: float
    stride_s: float
    lit: list[tuple[float, bool]] = field(default_factory=list)
    number: int = 0

    def push(self, frame: Picture, time_s: float) -> list[WindowVerdict]:
        if self.lit and time_s - self.lit[-1][0] > LONGEST_GAP_S:
            self.end(0.0)  # windows that are open are given up, as by the real one
        windows = list(self._until(time_s)) if self.lit else []
        lamp = frame[LAMP].astype(float)
        self.lit.append((time_s, bool(lamp[..., 0].mean() - lamp[..., 1].mean() > 60)))
        return windows

    def end(self, stop_s: float) -> list[WindowVerdict]:
        windows = list(self._until(stop_s)) if self.lit else []
        self.lit, self.number = [], 0
        return windows

    def _until(self, time_s: float) -> Iterator[WindowVerdict]:
        while True:
            start_s = self.lit[0][0] + self.number * self.stride_s
            stop_s = start_s + self.window_s
            if stop_s > time_s + 1e-6:
                return
            self.number += 1
            within = [lit for at, lit in self.lit if start_s - 1e-6 <= at < stop_s - 1e-6]
            score = 0.2 + 2 * float(np.mean(within))
            place = Evidence("lamp", (0.0, 0.0, 24.0, 12.0), score, stop_s)
            verdict = Verdict({"lamp.largest": score}, {"lamp.largest": 1.0},
                              {"lamp": "lamp.largest"}, (place,), np.float32([score]))  # fmt: skip
            yield WindowVerdict(start_s, stop_s, verdict)


def models(allowed: Allowed | None = None) -> Models:
    digests = {"detector.safetensors": "0" * 64}
    parts = (SeesBright(), SeesWhite(), SeesTheLamp())
    return Models(*parts, 0.5, digests, allowed)  # type: ignore[arg-type]


def allowed_lamps() -> Allowed:
    """Three pieces of two videos, in which the lamp was lit for a tenth, a half or no time."""
    corners = dict(zip(CORNERS, (0.0, 0.0, 24.0, 12.0), strict=True))
    table = pd.DataFrame(
        {"channel": "lamp", "video": ["day.mp4", "eve.mp4", "eve.mp4"], "time_s": [1.0, 2.0, 61.5]}
    ).assign(**corners)
    vectors = {"lamp": np.array([[0.4], [1.2], [0.2]], np.float32)}
    pictures = []
    for green in (60, 120, 180):
        picture = np.full((*SIZE_WH[::-1], 3), (60, green, 60), np.uint8)
        pictures.append(cv2.imencode(".jpg", picture)[1].tobytes())
    return Allowed("0" * 64, table, vectors, pictures)


def watching(**changes: object) -> Watch:
    """Settings for the scene, with `changes`."""
    defaults = {
        "detect_every_s": 0.2,
        "batch_size": 4,
        "window_s": 1.0,
        "stride_s": 0.5,
        "raising.clear_after_s": 1.0,
        "pictures.before_s": 1.0,
        "pictures.after_s": 1.0,
    }
    return shipped(Watch, **{**defaults, **changes})


class Notes:
    """A sink that stores messages, and fails a given number of times before."""

    def __init__(self, num_failures: int = 0, name: str = "notes") -> None:
        self.name = name
        self.messages: list[dict[str, Any]] = []
        self._num_failures = num_failures

    def send(self, message: Any, picture: Path | None) -> bool:
        if self._num_failures:
            self._num_failures -= 1
            return False
        self.messages.append({**message, "has_picture": picture is not None and picture.is_file()})
        return True


def watched_scene(folder: Path, seconds: float, **scene: Any) -> Path:
    """The results of a scene that was watched, without an annotated video."""
    video = write_scene(folder / "door.mp4", seconds, **scene)
    settings = watching(**{"pictures.annotated": False})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIGIL_STATE_DIR", str(folder / "state"))
        recorder = Recorder({"detector.safetensors": "0"}, models, settings, Fraction(FPS))
        recorder.watch(video, folder / "out")
    return folder / "out"


def watch_of(folder: Path, notes: Notes, run: str = "one", **changes: Any) -> LiveWatch:
    """A live watch that began on 27 November 2026 at 8:00, and whose models need no time."""
    notifier = Notifier([notes], folder, first_wait_s=0.0)
    return StampedWatch(models(), watching(**changes), folder, "door", notifier, run)


BEGIN_S = datetime(2026, 11, 27, 8, tzinfo=UTC).timestamp()


class StampedWatch(LiveWatch):
    """The time of day follows the times of the frames."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts, clock=lambda: BEGIN_S + self._frame_s)
        self._frame_s = 0.0

    def add(self, frame: Frame) -> None:
        self._frame_s = frame.time_s
        super().add(frame)
