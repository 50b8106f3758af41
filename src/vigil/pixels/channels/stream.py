"""Follows one video frame by frame, and measures its windows in several channels."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

from vigil.domain.clips.evidence.pieces import Pieces
from vigil.pixels.channels.channel import EDGE_S, Channel
from vigil.pixels.flow.motion import MotionMeter
from vigil.pixels.pictures.picture import Picture
from vigil.plumbing.errors import FieldError, InputError


class Interval(Protocol):
    """A part of a video, as `vigil.pixels.windows.Window`, whose module reads video files."""

    @property
    def start_s(self) -> float:
        """The time of the first frame."""

    @property
    def stop_s(self) -> float:
        """The time after the last frame; infinite: the end of the video."""


class WindowEvidence(NamedTuple):
    """The evidence in a window, by channel."""

    window: Interval
    evidence: dict[str, Pieces]


class PlannedWindow(NamedTuple):
    """A window to be measured.

    Attributes:
        needed_from_s: the earliest frame time that this window or a later one needs.
    """

    window: Interval
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

    def finish(self, stop_s: float = float("inf")) -> list[WindowEvidence]:
        """Returns the windows that are still open after the last frame of a video.

        Args:
            stop_s: later windows are not measured; finite where the windows are infinite.

        Raises:
            InputError, FieldError: as for `see`.
        """
        return list(self._close(stop_s))

    def _close(self, time_s: float) -> Iterator[WindowEvidence]:
        while self._next is not None and self._next.window.stop_s - EDGE_S <= time_s:
            window = self._next.window
            num_frames = sum(_holds(window, one) for one in self._times_s)
            if num_frames < 2:
                raise InputError(
                    f"{_part(window)}expected a clip of at least 2 frames, got {num_frames}"
                )
            try:
                evidence = {
                    name: follower.judge(window.start_s, window.stop_s)
                    for name, (_, follower) in self._followers.items()
                }
            except FieldError:
                raise
            except InputError as error:
                raise InputError(f"{_part(window)}{error}") from None
            yield WindowEvidence(window, evidence)
            self._next = next(self._windows, None)
            if self._next is not None:
                needed_s = self._next.needed_from_s
                self._times_s = [one for one in self._times_s if one >= needed_s - EDGE_S]
                for _, follower in self._followers.values():
                    follower.forget(needed_s)


def _part(window: Interval) -> str:
    """The part of the video, in front of a message; empty if the window is the whole video."""
    whole = (window.start_s, window.stop_s) == (0.0, float("inf"))
    return "" if whole else f"from {window.start_s:g} to {window.stop_s:g} s: "


def _holds(window: Interval, time_s: float) -> bool:
    return window.start_s - EDGE_S <= time_s < window.stop_s - EDGE_S
