"""Frames sampled from windows of a video: decoded once, in order, and only what is used is kept."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import av
import numpy as np
import numpy.typing as npt

from vigil.pixels.pictures.picture import Picture
from vigil.pixels.video.numbered import NumberedPictures
from vigil.pixels.video.reading import open_video, video_streams
from vigil.pixels.video.source import SourceFrame, frame_bgr, open_source
from vigil.plumbing.errors import FieldError, InputError

Positions = npt.NDArray[np.int64]
Choice = Callable[[int, Fraction], Positions]
"""From the number of a window's frames and their rate to the frames wanted, in any shape."""
Description = TypeVar("Description")
EDGE_S = 1e-4
"""By which a frame may lie before a window and still be its first: stamps are rounded."""


class Window(NamedTuple):
    """A part of a video: the frames shown from `start_s` on and before `stop_s`.

    Times are in seconds from the video's first frame.
    """

    start_s: float
    stop_s: float


WHOLE = Window(0.0, float("inf"))


class FrameTimes(NamedTuple):
    """When the frames of a video are shown.

    Attributes:
        seconds: (N,) from the first frame on, ascending.
        fps: frames per second, exactly.
    """

    seconds: npt.NDArray[np.float64]
    fps: Fraction

    @property
    def duration_s(self) -> float:
        """Until the end of the last frame."""
        return float(self.seconds[-1]) + float(1 / self.fps) if len(self.seconds) else 0.0

    def frames_of(self, window: Window) -> range:
        """The indices of a window's frames."""
        first, stop = np.searchsorted(self.seconds, np.array(window) - EDGE_S)
        return range(int(first), int(stop))


def read_windows(
    path: Path,
    windows: Sequence[Window],
    choose: Choice,
    fit: Callable[[Picture], Picture],
    *,
    picture_fps: Fraction,
    num_threads: int = 1,
) -> tuple[npt.NDArray[np.uint8], Fraction]:
    """The frames that are chosen of each window, as `describe_windows` gives them one by one.

    Returns:
        (W,) + S + F: the frames, and their rate in frames per second.

    Raises:
        InputError: see `describe_windows`.
    """
    rates: list[Fraction] = []

    def keep(frames: npt.NDArray[np.uint8], fps: Fraction) -> npt.NDArray[np.uint8]:
        rates.append(fps)
        return frames

    found = describe_windows(
        path, windows, choose, fit, keep, picture_fps=picture_fps, num_threads=num_threads
    )
    return np.stack(found), rates[-1]


def describe_windows(
    path: Path,
    windows: Sequence[Window],
    choose: Choice,
    fit: Callable[[Picture], Picture],
    describe: Callable[[npt.NDArray[np.uint8], Fraction], Description],
    *,
    picture_fps: Fraction,
    num_threads: int = 1,
) -> list[Description]:
    """Decodes a video once, in order, and describes each window as soon as its last frame is there.

    The packets of the file tell when frames are shown, so that one pass does, and memory holds the
    frames of windows that are open and no others. Where decoding tells other times, which then
    count, all is described again.

    Args:
        windows: at least one.
        choose: gives indices of frames of a window, of any shape S.
        fit: what to keep of a (H, W, 3) BGR frame, of one shape F for all.
        describe: makes something of the frames S + F of a window, and their rate.
        picture_fps: of a folder of numbered pictures.
        num_threads: that decode.

    Returns:
        What `describe` made of each window, in their order.

    Raises:
        InputError: see `open_source` and `VideoReader`; a window of fewer than two frames, in which
            nothing can move, or one that `choose` refuses.
    """
    guess: FrameTimes | None = None
    wanted: list[Positions] = []
    with suppress(InputError):  # of a guess: whether a window is too short, decoding tells
        guess = guess_times(path, picture_fps)
        wanted = _choose_all(path, guess, windows, choose) if guess else []
    found = _Descriptions(wanted, guess.fps if guess else Fraction(1), fit, describe)
    source = open_source(path, picture_fps, num_threads)
    seconds: list[float | None] = []
    for frame in source:
        found.see(frame)
        seconds.append(frame.time)
    times = _times_of(seconds, source.fps)
    right = _choose_all(path, times, windows, choose)
    is_same = len(wanted) == len(right) and all(map(np.array_equal, wanted, right))
    if not (guess and is_same and guess.fps == times.fps):
        found = _Descriptions(right, times.fps, fit, describe)
        for frame in open_source(path, picture_fps, num_threads):
            found.see(frame)
    return found.all()


class _Descriptions(Generic[Description]):
    """Describes windows while the frames of a video go by."""

    def __init__(
        self,
        wanted: Sequence[Positions],
        fps: Fraction,
        fit: Callable[[Picture], Picture],
        describe: Callable[[npt.NDArray[np.uint8], Fraction], Description],
    ) -> None:
        self._wanted, self._fps, self._fit, self._describe = wanted, fps, fit, describe
        self._closing: dict[int, list[int]] = {}
        """Windows by their last frame."""
        self._last_use: dict[int, int] = {}
        """By frame that is wanted: the last frame of the last window that wants it."""
        for number, positions in enumerate(wanted):
            last = int(positions.max())
            self._closing.setdefault(last, []).append(number)
            for index in np.unique(positions).tolist():
                self._last_use[index] = max(last, self._last_use.get(index, 0))
        self._kept: dict[int, Picture] = {}
        self._made: dict[int, Description] = {}
        self._index = 0

    def see(self, frame: SourceFrame) -> None:
        """Takes the next frame."""
        index, self._index = self._index, self._index + 1
        if index not in self._last_use:
            return
        self._kept[index] = self._fit(frame_bgr(frame))
        for number in self._closing.get(index, ()):
            positions = self._wanted[number]
            frames = np.stack([self._kept[at] for at in positions.ravel().tolist()])
            frames = frames.reshape(*positions.shape, *frames.shape[1:])
            self._made[number] = self._describe(frames, self._fps)
        if index in self._closing:
            self._kept = {at: kept for at, kept in self._kept.items() if self._last_use[at] > index}

    def all(self) -> list[Description]:
        """Of all windows, in their order."""
        return [self._made[number] for number in range(len(self._wanted))]


def guess_times(path: Path, picture_fps: Fraction) -> FrameTimes | None:
    """When frames are shown, by the packets of a file; None where they tell nothing.

    Raises:
        InputError: a folder of anything else than numbered pictures.
    """
    if path.is_dir():
        num_frames = len(NumberedPictures(path, picture_fps))
        return FrameTimes(np.arange(num_frames) / float(picture_fps), picture_fps)
    try:
        with open_video(path) as container:
            (stream,) = video_streams(container)
            times = sorted(
                packet.pts * packet.time_base
                for packet in container.demux(stream)
                if packet.size and not packet.is_discard and packet.pts is not None
                and packet.time_base is not None
            )  # fmt: skip
            rate = stream.average_rate or stream.guessed_rate
    except (av.FFmpegError, OSError, ValueError):
        return None  # reading the frames says what is wrong
    if rate is None and len(times) > 1 and times[-1] > times[0]:
        rate = Fraction((len(times) - 1) / (times[-1] - times[0]))
    if not rate or not times:
        return None
    return FrameTimes(np.array([float(time - times[0]) for time in times]), rate)


def read_times(path: Path, picture_fps: Fraction) -> FrameTimes:
    """When frames are shown: by the packets of a file where they tell, else by decoding it.

    Raises:
        InputError: see `open_source` and `VideoReader`.
    """
    if times := guess_times(path, picture_fps):
        return times
    source = open_source(path, picture_fps)
    seconds = [frame.time for frame in source]
    return _times_of(seconds, source.fps)


def _choose_all(
    path: Path, times: FrameTimes, windows: Sequence[Window], choose: Choice
) -> list[Positions]:
    """Frame indices of each window."""
    chosen = []
    for window in windows:
        frames = times.frames_of(window)
        if len(frames) < 2:
            part = "" if window == WHOLE else f" from {window.start_s:g} to {window.stop_s:g} s"
            raise InputError(
                f"{path}{part}: expected a clip of at least 2 frames, got {len(frames)}"
            )
        try:
            chosen.append(frames.start + choose(len(frames), times.fps))
        except FieldError as error:
            raise FieldError(error.field, f"{error.problem} ({path})") from None
    return chosen


def _times_of(seconds: Sequence[float | None], fps: Fraction) -> FrameTimes:
    known = [second for second in seconds if second is not None]
    if len(known) < len(seconds):  # of a file without stamps
        known = [index / float(fps) for index in range(len(seconds))]
    return FrameTimes(np.array(known) - (known[0] if known else 0.0), fps)
