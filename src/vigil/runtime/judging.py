"""How an alarm judges windows of frames: its channels measure evidence, and scorers score it.

The alarm in torch and the exported one share this; they differ in how they score vectors.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from vigil.domain.clips.evidence.pieces import OBJECTS, Pieces, Vectors
from vigil.domain.clips.verdicts import Evidence, Verdict, WindowVerdict, ratio_of
from vigil.pixels.channels.channel import Channel
from vigil.pixels.channels.stream import PlannedWindow, VideoFollower, WindowEvidence
from vigil.pixels.flow.motion import LONGEST_GAP_S
from vigil.pixels.pictures.picture import Picture, swap_red_and_blue
from vigil.plumbing.errors import InputError

MAX_EVIDENCE = 20
"""The largest number of pieces of evidence in a verdict."""
LEAST_SIDE_PX = 16
"""OpenCV's optical flow refuses smaller frames, or ends the process."""

Scores = dict[str, npt.NDArray[np.float64]]


class Tracked(Protocol):
    """A moment of a tracker; `vigil.pixels.channels.moments.Moment` explains it."""

    @property
    def time_s(self) -> float: ...


class ObjectsFollower(Protocol):
    """Collects evidence of tracks; `vigil.pixels.channels.objects` explains its methods."""

    def see(self, moment: Any, /) -> None: ...
    def judge(self, start_s: float, stop_s: float, /) -> Pieces: ...
    def forget(self, before_s: float, /) -> None: ...


class Part(NamedTuple):
    """A part of a stream: the frames with times in [start_s, stop_s)."""

    start_s: float
    stop_s: float


class JudgingAlarm(ABC):
    """An alarm that is ready for windows of frames.

    Attributes:
        thresholds: by scorer, named `<channel>.<scorer>`.
    """

    def __init__(self, channels: Mapping[str, Channel], thresholds: Mapping[str, float]) -> None:
        """Args: channels: the channels of motion."""
        self._channels, self.thresholds = channels, thresholds

    @abstractmethod
    def by_place(self, channel: str, pieces: Pieces) -> Vectors:
        """The vectors of pieces, divided by the usual speed at their places if it was learnt."""

    @abstractmethod
    def score(self, channel: str, vectors: Vectors) -> Scores:
        """The scores of vectors (N, D) of a channel by each of its scorers, after `by_place`.

        Raises:
            InputError: the vectors have another width.
        """

    def fit_frame(self, frame: Picture) -> Picture | None:
        """A frame (H, W, 3) BGR as `measure_fitted` needs it; None: it needs no frames."""
        return None

    def measure_fitted(
        self,
        fitted: Sequence[Picture],
        times_s: npt.NDArray[np.float64],
        shape: tuple[int, ...],
    ) -> dict[str, Pieces]:
        """The evidence by networks. Args: fitted: frames of `fit_frame`. shape: of a frame."""
        return {}

    @property
    def tracked(self) -> Mapping[str, Any] | None:
        """How the tracks came about that `objects` learnt from; None: the alarm needs no tracks."""
        return None

    def follow_objects(self) -> ObjectsFollower | None:
        """A follower of tracks for a new video; None: the alarm needs no tracks."""
        return None

    def features(self, channel: str, vectors: Vectors) -> Sequence[str]:
        """What is most unusual in each vector (N,), for a channel with several features."""
        return [""] * len(vectors)

    def __call__(
        self,
        frames: Sequence[Picture],
        times_s: npt.NDArray[np.float64],
        tracked: Sequence[Tracked] | None = None,
    ) -> Verdict:
        """Returns the verdict on one window.

        Args:
            frames: at least two frames in order, (H, W, 3) RGB uint8 each.
            times_s: (T,) the time of each frame in seconds, ascending.
            tracked: what a tracker told of the frames, for an alarm with the channel `objects`.

        Raises:
            InputError: there are too few frames, or too small ones, times do not ascend or are too
                far apart, there are no thresholds, or there is no `tracked` for a channel that
                needs it.
            FieldError: the window is shorter than a channel needs.
        """
        return self.judge(self.measure(frames, times_s, tracked))

    def stream(self, window_s: float, stride_s: float) -> "AlarmStream":
        """Returns a stream, which gives the verdicts on its windows frame by frame.

        Args:
            window_s: the length of the windows.
            stride_s: the time from the start of a window to the start of the next; at most
                `window_s`.

        Raises:
            InputError: there are no thresholds, or a length is not valid.
        """
        self._check_thresholds()
        return AlarmStream(self, window_s, stride_s)

    def measure(
        self,
        frames: Sequence[Picture],
        times_s: npt.NDArray[np.float64],
        tracked: Sequence[Tracked] | None = None,
    ) -> dict[str, Pieces]:
        """The evidence in one window, by channel; arguments and errors are those of a call."""
        times = np.asarray(times_s, np.float64)
        if len(frames) < 2 or times.shape != (len(frames),) or not (np.diff(times) > 0).all():
            raise InputError(
                f"expected at least 2 frames and as many ascending times, got {len(frames)} and "
                f"times of the shape {times.shape}"
            )
        for frame in frames:
            check_frame(frame, frames[0].shape)
        evidence: dict[str, Pieces] = {}
        self.check_first(frames[0])
        if self._channels:
            follower = VideoFollower(self._channels, iter([PlannedWindow(Part(0.0, np.inf), 0.0)]))
            for frame, time_s in zip(frames, times.tolist(), strict=True):
                follower.see(swap_red_and_blue(frame), time_s - times[0])
            (window,) = follower.finish()
            start_s = float(times[0])
            evidence = {name: pieces.moved(start_s) for name, pieces in window.evidence.items()}
        fitted = [self.fit_frame(swap_red_and_blue(frame)) for frame in frames]
        kept = [frame for frame in fitted if frame is not None]
        if kept and np.diff(times).max() > LONGEST_GAP_S:
            raise InputError(
                f"expected frames at most {LONGEST_GAP_S:g} s apart, got some "
                f"{np.diff(times).max():g} s apart"
            )
        evidence |= self.measure_fitted(kept, times, frames[0].shape)
        return evidence | self._measure_objects(tracked, float(times[0]))

    def _measure_objects(
        self, tracked: Sequence[Tracked] | None, start_s: float
    ) -> dict[str, Pieces]:
        follower = self.follow_objects()
        if follower is None:
            return {}
        if tracked is None:
            raise InputError(
                f"expected the tracks of the frames for the channel {OBJECTS}, got none; "
                "vigil.alarm.track_frames makes them with a detector"
            )
        for moment in tracked:
            follower.see(moment)
        return {OBJECTS: follower.judge(start_s, np.inf)}

    def judge(self, evidence: Mapping[str, Pieces]) -> Verdict:
        """Returns the verdict on the evidence in one window.

        Raises:
            InputError: there are no thresholds, or vectors have another width.
        """
        self._check_thresholds()
        scores: dict[str, float] = {}
        strongest: list[tuple[Evidence, Vectors]] = []
        for name, pieces in evidence.items():
            if not len(pieces):
                continue  # no score stands for a window without evidence
            vectors = self.by_place(name, pieces)
            by_scorer = self.score(name, vectors)
            scores |= {scorer: float(each.max()) for scorer, each in by_scorer.items()}
            raising = next(iter(by_scorer))
            limit, features = self.thresholds[raising], self.features(name, vectors)
            strongest += _strongest(name, pieces, vectors, by_scorer[raising], limit, features)
        strongest.sort(key=lambda found: -found[0].ratio)
        shown = tuple(piece for piece, _ in strongest[:MAX_EVIDENCE])
        # Not a view, which would keep all vectors.
        vector = strongest[0][1].copy() if strongest else None
        return Verdict(scores, self.thresholds, _raising_of(scores), shown, vector)

    def follow(self, windows: "count[int]", window_s: float, stride_s: float) -> VideoFollower:
        """Begins to follow a stream. Args: windows: the numbers of windows from its first frame."""
        starts = (number * stride_s for number in windows)
        planned = (PlannedWindow(Part(start, start + window_s), start) for start in starts)
        return VideoFollower(self._channels, planned)

    def check_first(self, frame: Picture) -> None:
        """Raises InputError if the channels cannot measure motion in frames of this size."""
        height, width = frame.shape[:2]
        if self._channels and min(height, width) < LEAST_SIDE_PX:
            raise InputError(
                f"expected frames with sides of at least {LEAST_SIDE_PX} px, in which motion can "
                f"be measured, got {width}x{height}"
            )

    def _check_thresholds(self) -> None:
        if not self.thresholds:
            raise InputError("expected thresholds for a verdict, got none")


class AlarmStream:
    """Gives verdicts on the windows of one stream, causally: with the first frame after a window.

    Motion between frames is measured once for all windows. The memory holds what the open windows
    need: cells of motion and the last frame, and for `appearance` the fitted frames of the windows.

    Attributes:
        num_restarts: how often the stream restarted after a gap of more than `LONGEST_GAP_S`
            between two frames. Windows that were open at a gap have no verdict.
    """

    def __init__(self, alarm: JudgingAlarm, window_s: float, stride_s: float) -> None:
        """See `JudgingAlarm.stream`."""
        if not 0 < stride_s <= window_s < np.inf:
            raise InputError(
                "expected a stride of more than 0 s and at most the length of a window, got "
                f"{stride_s:g} and {window_s:g}"
            )
        self.num_restarts = 0
        self._alarm, self._window_s, self._stride_s = alarm, window_s, stride_s
        self._first_s: float | None = None
        self._last_s = -np.inf
        self._shape: tuple[int, ...] = ()
        self._follower: VideoFollower | None = None
        self._fitted: list[tuple[float, Picture]] = []
        self._objects = alarm.follow_objects()

    def push(
        self, frame: Picture, time_s: float, tracked: Tracked | None = None
    ) -> list[WindowVerdict]:
        """Takes the next frame; returns the verdicts on the windows that ended before it.

        Args:
            frame: (H, W, 3) RGB uint8, of the same size as earlier frames.
            time_s: the time of the frame, later than those of earlier frames.
            tracked: what a tracker told of this frame, for an alarm with the channel `objects`;
                None: no objects were looked for in it.

        Raises:
            InputError: the frame is of another kind or too small, its time does not ascend, or a
                window has no frame in which objects were looked for.
            FieldError: windows are shorter than a channel needs.
        """
        check_frame(frame, self._shape or frame.shape)
        if not self._shape:
            self._alarm.check_first(frame)
        if not self._last_s < time_s < np.inf:
            raise InputError(f"expected times that ascend, got {time_s} s after {self._last_s} s")
        if self._follower is None or time_s - self._last_s > LONGEST_GAP_S:
            self.num_restarts += self._follower is not None
            self._first_s = time_s
            self._follower = self._alarm.follow(count(), self._window_s, self._stride_s)
            self._fitted, self._objects = [], self._alarm.follow_objects()
        assert self._first_s is not None
        self._shape, self._last_s = frame.shape, time_s
        picture = swap_red_and_blue(frame)
        closed = self._follower.see(picture, time_s - self._first_s)
        verdicts = [self._judge(window, self._first_s) for window in closed]
        fitted = self._alarm.fit_frame(picture)
        if fitted is not None:
            self._fitted.append((time_s, fitted))
        if self._objects is not None and tracked is not None:
            self._objects.see(tracked)
        return verdicts

    def end(self, stop_s: float) -> list[WindowVerdict]:
        """Ends the stream; returns the verdicts on the open windows that end by `stop_s`.

        A window that would end later has no verdict: it would be shorter than the others.

        Args:
            stop_s: the end of the last frame. The next frame begins a new stream.

        Raises:
            FieldError: windows are shorter than a channel needs.
        """
        if self._follower is None or self._first_s is None:
            return []
        first_s, closed = self._first_s, self._follower.finish(stop_s - self._first_s)
        verdicts = [self._judge(window, first_s) for window in closed]
        self._follower, self._fitted = None, []
        return verdicts

    def _judge(self, measured: WindowEvidence, first_s: float) -> WindowVerdict:
        start_s, stop_s = first_s + measured.window.start_s, first_s + measured.window.stop_s
        evidence = {name: pieces.moved(first_s) for name, pieces in measured.evidence.items()}
        if self._fitted:
            within = [(at, frame) for at, frame in self._fitted if start_s <= at < stop_s]
            times = np.array([at for at, _ in within])
            frames = [frame for _, frame in within]
            evidence |= self._alarm.measure_fitted(frames, times, self._shape)
            self._fitted = [one for one in self._fitted if one[0] >= start_s + self._stride_s]
        if self._objects is not None:
            evidence[OBJECTS] = self._objects.judge(start_s, stop_s)
            self._objects.forget(start_s + self._stride_s)
        return WindowVerdict(start_s, stop_s, self._alarm.judge(evidence))


def check_frame(frame: Picture, shape: tuple[int, ...]) -> None:
    """Checks the type and size of a frame.

    Raises:
        InputError: the frame is not (H, W, 3) uint8, or has another size.
    """
    is_rgb = frame.ndim == 3 and frame.shape[2] == 3 and frame.dtype == np.uint8
    if not is_rgb or not frame.size or frame.shape != shape:
        raise InputError(
            f"expected frames (H, W, 3) uint8, all of one size, got {frame.shape} {frame.dtype}"
        )


def _strongest(
    channel: str,
    pieces: Pieces,
    vectors: Vectors,
    scores: npt.NDArray[np.float64],
    threshold: float,
    features: Sequence[str],
) -> list[tuple[Evidence, Vectors]]:
    """The piece with the highest score at each moment, with its vector."""
    best: dict[float, int] = {}
    for at, time_s in enumerate(pieces.spans_s[:, 1].tolist()):
        if time_s not in best or scores[at] > scores[best[time_s]]:
            best[time_s] = at
    return [
        (
            Evidence(
                channel,
                tuple(pieces.boxes_xyxy[at].tolist()),
                ratio_of(float(scores[at]), threshold),
                time_s,
                features[at],
            ),
            vectors[at],
        )
        for time_s, at in best.items()
    ]


def _raising_of(names: Mapping[str, float]) -> dict[str, str]:
    """The scorer of each channel that raises the alarm: the first of its scorers."""
    scorers: dict[str, str] = {}
    for name in names:
        scorers.setdefault(name.split(".")[0], name)
    return scorers
