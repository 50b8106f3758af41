"""Measures the windows of one video in several channels, in one pass over its frames."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vigil.domain.clips.evidence import Pieces
from vigil.pixels.channels.channel import EDGE_S, Channel
from vigil.pixels.flow.motion import MotionMeter
from vigil.pixels.pictures.picture import Picture
from vigil.pixels.video.source import SourceFrame, frame_bgr, open_source
from vigil.pixels.windows import WHOLE, Window, guess_times
from vigil.plumbing.errors import FieldError, InputError


class WindowEvidence(NamedTuple):
    """The evidence in a window, by channel."""

    window: Window
    evidence: dict[str, Pieces]


class PlannedWindow(NamedTuple):
    """A window to be measured.

    Attributes:
        needed_from_s: the earliest frame time that this window or a later one needs.
    """

    window: Window
    needed_from_s: float


class VideoFollower:
    """Follows one video. Channels with equal flow settings share the measurement of motion.

    The memory holds what the open windows need, and only the last frame.
    """

    def __init__(self, channels: Mapping[str, Channel], windows: Iterator[PlannedWindow]) -> None:
        """Args: windows: sorted by their end; the iterator may be infinite."""
        self._meters = {each.flow: MotionMeter(each.flow) for each in channels.values()}
        self._followers = {name: (each.flow, each.follow()) for name, each in channels.items()}
        self._windows = windows
        self._next = next(windows, None)
        self._times_s: list[float] = []
        """The times of the frames that windows still need."""

    def see(self, picture: Picture, time_s: float) -> list[WindowEvidence]:
        """Takes the next frame, (H, W, 3) BGR; returns the windows that ended before it.

        Raises:
            InputError: such a window has too few frames.
            FieldError: such a window is shorter than a channel needs.
        """
        closed = list(self._close(time_s))
        for flow, meter in self._meters.items():
            motion = meter.see(picture, time_s)
            if motion is not None:
                for needed_flow, follower in self._followers.values():
                    if needed_flow == flow:
                        follower.see(motion)
        self._times_s.append(time_s)
        return closed

    def finish(self) -> list[WindowEvidence]:
        """Returns the windows that are still open after the last frame of a video.

        Raises:
            InputError, FieldError: as for `see`.
        """
        return list(self._close(float("inf")))

    def _close(self, time_s: float) -> Iterator[WindowEvidence]:
        while self._next is not None and self._next.window.stop_s - EDGE_S <= time_s:
            window = self._next.window
            num_frames = sum(_holds(window, one) for one in self._times_s)
            if num_frames < 2:
                raise InputError(
                    f"{_part(window)}: expected a clip of at least 2 frames, got {num_frames}"
                )
            try:
                evidence = {
                    name: follower.judge(*window) for name, (_, follower) in self._followers.items()
                }
            except FieldError:
                raise
            except InputError as error:
                raise InputError(f"{_part(window)}: {error}") from None
            yield WindowEvidence(window, evidence)
            self._next = next(self._windows, None)
            if self._next is not None:
                needed_s = self._next.needed_from_s
                self._times_s = [one for one in self._times_s if one >= needed_s - EDGE_S]
                for _, follower in self._followers.values():
                    follower.forget(needed_s)


def _part(window: Window) -> str:
    """The part of the video for error messages; empty if the window is the whole video."""
    return "" if window == WHOLE else f" from {window.start_s:g} to {window.stop_s:g} s"


def _holds(window: Window, time_s: float) -> bool:
    return window.start_s - EDGE_S <= time_s < window.stop_s - EDGE_S


def follow_file(
    path: Path, windows: Sequence[Window], channels: Mapping[str, Channel], picture_fps: Fraction
) -> list[dict[str, Pieces]]:
    """The evidence in each window of a video, by channel. The video is decoded once, in order.

    Args:
        windows: the windows, in any order.
        picture_fps: the frame rate of a folder of numbered pictures.

    Raises:
        InputError: the video cannot be read, or a window has too few frames.
        FieldError: a window is shorter than a channel needs.
    """
    fps = picture_fps
    if not path.is_dir():  # the packets of a file without time stamps give the rate
        with suppress(InputError):
            guess = guess_times(path, picture_fps)
            fps = guess.fps if guess else picture_fps
    order = sorted(range(len(windows)), key=lambda at: (windows[at].stop_s, windows[at].start_s))
    # For each window, the earliest start of this window and all later ones in the order.
    starts = np.array([windows[at].start_s for at in order])
    needed_s = np.minimum.accumulate(starts[::-1])[::-1].tolist()
    planned = (PlannedWindow(windows[at], start) for at, start in zip(order, needed_s, strict=True))
    follower = VideoFollower(channels, planned)
    measured: list[WindowEvidence] = []

    def take(step: Callable[[], list[WindowEvidence]]) -> None:
        try:
            measured.extend(step())
        except FieldError as error:
            raise FieldError(error.field, f"{error.problem} ({path})") from None
        except InputError as error:
            raise InputError(f"{path}{error}") from None

    first_s: float | None = None
    frames: Iterator[SourceFrame] = iter(open_source(path, picture_fps, 1))
    for index, frame in enumerate(frames):
        time_s = float(frame.time) if frame.time is not None else index / float(fps)
        first_s = time_s if first_s is None else first_s
        take(partial(follower.see, frame_bgr(frame), time_s - first_s))
    take(follower.finish)
    evidence: list[dict[str, Pieces]] = [{}] * len(windows)
    for at, window in zip(order, measured, strict=True):
        evidence[at] = window.evidence
    return evidence
