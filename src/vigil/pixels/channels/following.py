"""Windows of one video, judged by several channels as its frames go by, each frame seen once."""

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


class Judged(NamedTuple):
    """The evidence of a window, by channel."""

    window: Window
    evidence: dict[str, Pieces]


class Awaited(NamedTuple):
    """A window to be judged.

    Attributes:
        needed_from_s: from when on it, or one that is judged later, needs frames.
    """

    window: Window
    needed_from_s: float


class VideoFollower:
    """Follows one video. Channels that want motion measured alike share the work.

    Memory holds what the windows that are still open need, and no frames but the last.
    """

    def __init__(self, channels: Mapping[str, Channel], windows: Iterator[Awaited]) -> None:
        """Args: windows: in the order of their stops; they may go on without end."""
        self._meters = {own.flow: MotionMeter(own.flow) for own in channels.values()}
        self._followers = {name: (own.flow, own.follow()) for name, own in channels.items()}
        self._windows = windows
        self._next = next(windows, None)
        self._times_s: list[float] = []
        """Of the frames that windows still need."""

    def see(self, picture: Picture, time_s: float) -> list[Judged]:
        """Takes the next frame, (H, W, 3) BGR; returns the windows that ended before it.

        Raises:
            InputError: such a window had too few frames, or it is shorter than a channel asks for.
        """
        closed = list(self._close(time_s))
        for flow, meter in self._meters.items():
            motion = meter.see(picture, time_s)
            if motion is not None:
                for wanted, follower in self._followers.values():
                    if wanted == flow:
                        follower.see(motion)
        self._times_s.append(time_s)
        return closed

    def finish(self) -> list[Judged]:
        """The windows that are left once the last frame was seen: a video's last ones.

        Raises:
            InputError: as `see`.
        """
        return list(self._close(float("inf")))

    def _close(self, time_s: float) -> Iterator[Judged]:
        while self._next is not None and self._next.window.stop_s - EDGE_S <= time_s:
            window = self._next.window
            num_frames = sum(_holds(window, one) for one in self._times_s)
            if num_frames < 2:
                raise InputError(
                    f"{_part(window)}: expected a clip of at least 2 frames, got {num_frames}"
                )
            try:
                found = {name: own.judge(*window) for name, (_, own) in self._followers.items()}
            except FieldError:
                raise
            except InputError as error:
                raise InputError(f"{_part(window)}: {error}") from None
            yield Judged(window, found)
            self._next = next(self._windows, None)
            if self._next is not None:
                needed_s = self._next.needed_from_s
                self._times_s = [one for one in self._times_s if one >= needed_s - EDGE_S]
                for _, follower in self._followers.values():
                    follower.forget(needed_s)


def _part(window: Window) -> str:
    """Where in its video a window lies, behind the video's name; nothing for all of it."""
    return "" if window == WHOLE else f" from {window.start_s:g} to {window.stop_s:g} s"


def _holds(window: Window, time_s: float) -> bool:
    return window.start_s - EDGE_S <= time_s < window.stop_s - EDGE_S


def follow_file(
    path: Path, windows: Sequence[Window], channels: Mapping[str, Channel], picture_fps: Fraction
) -> list[dict[str, Pieces]]:
    """The evidence of each window of a video, by channel. It is decoded once, in order.

    Args:
        windows: in any order.
        picture_fps: of a folder of numbered pictures.

    Raises:
        InputError: a video that cannot be read, or a window with too few frames.
        FieldError: a window that is shorter than a channel asks for.
    """
    fps = picture_fps
    if not path.is_dir():  # of a file without stamps, its packets tell the rate
        with suppress(InputError):
            guess = guess_times(path, picture_fps)
            fps = guess.fps if guess else picture_fps
    order = sorted(range(len(windows)), key=lambda at: (windows[at].stop_s, windows[at].start_s))
    starts = np.array([windows[at].start_s for at in order])
    needed_s = np.minimum.accumulate(starts[::-1])[::-1].tolist()
    awaited = (Awaited(windows[at], own) for at, own in zip(order, needed_s, strict=True))
    follower = VideoFollower(channels, awaited)
    judged: list[Judged] = []

    def take(step: Callable[[], list[Judged]]) -> None:
        try:
            judged.extend(step())
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
    found: list[dict[str, Pieces]] = [{}] * len(windows)
    for at, own in zip(order, judged, strict=True):
        found[at] = own.evidence
    return found
