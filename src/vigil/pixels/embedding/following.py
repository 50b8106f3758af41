"""Measures the windows of one video in several channels, in one pass over its frames."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

from vigil.domain.clips.evidence.pieces import Pieces
from vigil.pixels.channels.channel import Channel
from vigil.pixels.channels.stream import PlannedWindow, VideoFollower, WindowEvidence
from vigil.pixels.video.source import frame_bgr, open_source, timed_frames
from vigil.pixels.windows import Window, read_times
from vigil.plumbing.errors import FieldError, InputError


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
    times_s = read_times(path, picture_fps).seconds
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
            raise InputError(f"{path}: {error}") from None

    for _, time_s, frame in timed_frames(path, open_source(path, picture_fps, 1), times_s):
        take(partial(follower.see, frame_bgr(frame), time_s))
    take(follower.finish)
    evidence: list[dict[str, Pieces]] = [{}] * len(windows)
    for at, window in zip(order, measured, strict=True):
        evidence[at] = window.evidence
    return evidence
