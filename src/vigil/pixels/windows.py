"""Samples frames from windows of a video. It is decoded once, and only needed frames are kept."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import av
import numpy as np
import numpy.typing as npt

from vigil.pixels.pictures.picture import Picture
from vigil.pixels.video.numbered import NumberedPictures
from vigil.pixels.video.packets import read_packets
from vigil.pixels.video.reading import open_video, video_streams
from vigil.pixels.video.source import Source, SourceFrame, frame_bgr, open_source
from vigil.pixels.video.timing import Timing
from vigil.plumbing.errors import FieldError, InputError

Positions = npt.NDArray[np.int64]
Choice = Callable[[int, Fraction], Positions]
"""Returns indices of frames, in any shape, from a window's number of frames and the frame rate."""
Description = TypeVar("Description")
EDGE_S = 1e-4
"""A frame may be this much before a window and still be its first: time stamps are rounded."""


MAX_REORDERED = 16
"""The largest number of frames by which a frame is coded before it is shown (H.264, HEVC)."""


class Window(NamedTuple):
    """A part of a video: the frames with times in [start_s, stop_s).

    Times are in seconds from the video's first frame.
    """

    start_s: float
    stop_s: float


WHOLE = Window(0.0, float("inf"))


class FrameTimes(NamedTuple):
    """The times of the frames of a video.

    Attributes:
        seconds: (N,) times from the first frame, ascending.
        fps: the frame rate, exactly.
    """

    seconds: npt.NDArray[np.float64]
    fps: Fraction

    @property
    def duration_s(self) -> float:
        """The time from the start of the first frame to the end of the last."""
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
    """The chosen frames of each window; `describe_windows` gives them window by window.

    Returns:
        The frames, (W,) + S + F, and the frame rate.

    Raises:
        InputError: see `describe_windows`.
    """
    rates: list[Fraction] = []

    def keep(frames: npt.NDArray[np.uint8], fps: Fraction) -> npt.NDArray[np.uint8]:
        rates.append(fps)
        return frames

    frames = describe_windows(
        path, windows, choose, fit, keep, picture_fps=picture_fps, num_threads=num_threads
    )
    return np.stack(frames), rates[-1]


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
    """Decodes a video once, in order, and describes each window after its last frame.

    The packets of the file give the times of frames before decoding. So one pass is enough, and the
    memory holds only the frames of open windows. If decoding gives other times, these are right,
    and all windows are described again.

    Args:
        windows: at least one window.
        choose: returns indices of frames of a window, of any shape S.
        fit: returns the stored form of a (H, W, 3) BGR frame, of the same shape F for all frames.
        describe: computes the description from the frames S + F of a window and the frame rate.
        picture_fps: the frame rate of a folder of numbered pictures.
        num_threads: the number of threads that decode.

    Returns:
        The description of each window, in the order of the windows.

    Raises:
        InputError: see `open_source` and `VideoReader`; or a window has fewer than two frames, in
            which nothing can move.
        FieldError: `choose` refuses a window.
    """
    guess: FrameTimes | None = None
    guessed: list[Positions] = []
    with suppress(InputError):  # only decoding is certain that a window is too short
        guess = guess_times(path, picture_fps)
        guessed = _choose_all(path, guess, windows, choose) if guess else []
    descriptions = _Descriptions(guessed, guess.fps if guess else Fraction(1), fit, describe)
    source = open_source(path, picture_fps, num_threads)
    num_frames = 0
    for frame in source:
        descriptions.see(frame)
        num_frames += 1
    times = _times_of(source, num_frames)
    chosen = _choose_all(path, times, windows, choose)
    is_same = len(guessed) == len(chosen) and all(map(np.array_equal, guessed, chosen))
    if not (guess and is_same and guess.fps == times.fps):
        descriptions = _Descriptions(chosen, times.fps, fit, describe)
        for frame in open_source(path, picture_fps, num_threads):
            descriptions.see(frame)
    return descriptions.all()


class _Descriptions(Generic[Description]):
    """Describes windows, frame by frame."""

    def __init__(
        self,
        chosen: Sequence[Positions],
        fps: Fraction,
        fit: Callable[[Picture], Picture],
        describe: Callable[[npt.NDArray[np.uint8], Fraction], Description],
    ) -> None:
        self._chosen, self._fps, self._fit, self._describe = chosen, fps, fit, describe
        self._closing: dict[int, list[int]] = {}
        """The windows that each frame completes."""
        self._last_use: dict[int, int] = {}
        """For each chosen frame: the last frame of the last window that needs it."""
        for number, positions in enumerate(chosen):
            last = int(positions.max())
            self._closing.setdefault(last, []).append(number)
            for index in np.unique(positions).tolist():
                self._last_use[index] = max(last, self._last_use.get(index, 0))
        self._kept: dict[int, Picture] = {}
        self._descriptions: dict[int, Description] = {}
        self._index = 0

    def see(self, frame: SourceFrame) -> None:
        """Takes the next frame."""
        index, self._index = self._index, self._index + 1
        if index not in self._last_use:
            return
        self._kept[index] = self._fit(frame_bgr(frame))
        for number in self._closing.get(index, ()):
            positions = self._chosen[number]
            frames = np.stack([self._kept[at] for at in positions.ravel().tolist()])
            frames = frames.reshape(*positions.shape, *frames.shape[1:])
            self._descriptions[number] = self._describe(frames, self._fps)
        if index in self._closing:
            self._kept = {at: kept for at, kept in self._kept.items() if self._last_use[at] > index}

    def all(self) -> list[Description]:
        """The descriptions of all windows, in order."""
        return [self._descriptions[number] for number in range(len(self._chosen))]


def guess_times(path: Path, picture_fps: Fraction) -> FrameTimes | None:
    """The times of frames from the packets of a file; None if the packets do not give them.

    Raises:
        InputError: a folder holds something other than numbered pictures.
    """
    if path.is_dir():
        num_frames = len(NumberedPictures(path, picture_fps))
        return FrameTimes(np.arange(num_frames) / float(picture_fps), picture_fps)
    try:
        with open_video(path) as container:
            (stream,) = video_streams(container)
            stamps = [
                packet.pts
                for packet in read_packets(container, stream)
                if packet.size and not packet.is_discard
            ]
            timing = Timing.of(container, stream, stamps)
    except (av.FFmpegError, OSError, ValueError):
        return None  # reading the frames reports the problem
    if not stamps or None in stamps or _goes_back(stamps):
        return None
    ordered = replace(timing, read=sorted(stamp for stamp in stamps if stamp is not None))
    if not ordered.fps:
        return None
    seconds = ordered.seconds()
    return FrameTimes(seconds - seconds[0], ordered.fps)


def _goes_back(stamps: Sequence[int | None]) -> bool:
    """Whether the clock goes back, from the time stamps in the order of decoding.

    Frames that are coded out of order have different times, which are close to each other.
    """
    known = np.array([stamp for stamp in stamps if stamp is not None], np.int64)
    latest = np.maximum.accumulate(known)
    step = np.median(np.diff(np.sort(known))) if len(known) > 1 else 0
    far = (latest - known) > MAX_REORDERED * step
    return bool(far.any()) or len(np.unique(known)) < len(known)


def read_times(path: Path, picture_fps: Fraction) -> FrameTimes:
    """The times of frames: from the packets of a file if possible, else by decoding.

    Raises:
        InputError: see `open_source` and `VideoReader`.
    """
    if times := guess_times(path, picture_fps):
        return times
    source = open_source(path, picture_fps)
    num_frames = sum(1 for _ in source)
    return _times_of(source, num_frames)


def _choose_all(
    path: Path, times: FrameTimes, windows: Sequence[Window], choose: Choice
) -> list[Positions]:
    """The chosen frame indices of each window."""
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


def _times_of(source: Source, num_frames: int) -> FrameTimes:
    """The times from the stamps of decoding; evenly spaced if there are no stamps.

    A frame whose time stamp goes back is taken as shown together with the frame before it.
    """
    if (known := source.stamps) is None:
        return FrameTimes(np.arange(num_frames) / float(source.fps), source.fps)
    stamps, unit_s = known
    seconds = np.maximum.accumulate(np.array(stamps, np.float64)) * float(unit_s)
    return FrameTimes(seconds - seconds[0], source.fps)
