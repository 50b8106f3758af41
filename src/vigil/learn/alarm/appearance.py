"""The channel `appearance`: vectors of windows or of cells by a network trained on other data."""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vigil.domain.clips.evidence.pieces import Pieces
from vigil.learn.alarm.network.embedding.embedder import NetworkEmbedder
from vigil.learn.networks.machine import describe_prepared, threads_of_an_item
from vigil.pixels.embedding.remembered import VideoRequest
from vigil.pixels.flow.motion import LONGEST_GAP_S
from vigil.pixels.video.source import SourceFrame, frame_bgr, open_source
from vigil.pixels.windows import read_times
from vigil.plumbing.errors import FieldError, InputError
from vigil.settings.embed_clips import APPEARANCE, EmbedClips

BATCHES_AT_ONCE = 4
"""A worker gets so many times as many videos as a batch has windows; a clip may be one window."""


class AppearanceEmbedder:
    """Measures the evidence in windows by a network.

    There is one piece for each window, whose place is the whole picture and window; with cells, one
    for each cell of each sampled frame.

    Attributes:
        machine: the facts of the machine on which the last bits of vectors depend.
        describe_machine, at_once, num_threads, needs_s: see `Embedder`.
        facts: by channel, all other facts on which its evidence depends, except the clip and the
            code.
    """

    describe_machine = staticmethod(describe_prepared)

    def __init__(self, settings: EmbedClips, picture_fps: Fraction) -> None:
        """Args: picture_fps: the frame rate of folders of numbered pictures.

        Raises:
            FieldError: a parameter of the network is not valid.
            InputError: the weights are those of another network, or there is no such device.
        """
        try:
            self._network = NetworkEmbedder(settings.appearance, settings.short_clips, picture_fps)
        except FieldError as error:
            raise FieldError(f"{APPEARANCE}.{error.field}", error.problem) from None
        self._picture_fps, self._settings = picture_fps, settings
        self.at_once = BATCHES_AT_ONCE * settings.appearance.network.batch_size
        self.num_threads = threads_of_an_item()
        self.needs_s: dict[str, float] = {APPEARANCE: 0.0}  # a network needs a number of frames
        self.machine: Any = self._network.machine
        self.facts: dict[str, dict[str, Any]] = {
            APPEARANCE: {"channel": APPEARANCE, **self._network.facts}
        }

    def __reduce__(self) -> tuple[Callable[..., "AppearanceEmbedder"], tuple[Any, ...]]:
        # A worker builds the network itself, once, so the weights are not sent with each group.
        return _build, (self._settings, self._picture_fps)

    def embed(self, videos: Iterable[VideoRequest]) -> Iterator[dict[str, list[Pieces]]]:
        """Yields the evidence in each video, by channel and window, in order.

        Raises:
            InputError: a video cannot be read, a window is too short, or its frames are too far
                apart.
        """
        requests = list(videos)
        times_s = [self._times_s(request) for request in requests]
        embedded = self._network.embed((request.path, request.windows) for request in requests)
        for request, of_windows, vectors in zip(requests, times_s, embedded, strict=True):
            size_wh = _size_wh(request.path, self._picture_fps)
            windows = [
                self._network.place(vector, of_window, size_wh)
                for of_window, vector in zip(of_windows, vectors, strict=True)
            ]
            yield {APPEARANCE: windows}

    def _times_s(self, request: VideoRequest) -> list[npt.NDArray[np.float64]]:
        """The times of the frames of each window.

        Raises:
            InputError: some are too far apart.
        """
        times = read_times(request.path, self._picture_fps)
        of_windows = [times.seconds[list(times.frames_of(window))] for window in request.windows]
        for times_s in of_windows:
            if (gap_s := np.diff(times_s).max(initial=0)) > LONGEST_GAP_S:
                raise InputError(
                    f"{request.path}: expected frames at most {LONGEST_GAP_S:g} s apart, got some "
                    f"{gap_s:g} s apart from {times_s[0]:g} s on"
                )
        return of_windows


@lru_cache(maxsize=1)
def _build(settings: EmbedClips, picture_fps: Fraction) -> AppearanceEmbedder:
    return AppearanceEmbedder(settings, picture_fps)


def _size_wh(path: Path, picture_fps: Fraction) -> tuple[int, int]:
    frames: Iterator[SourceFrame] = iter(open_source(path, picture_fps, 1))
    picture = frame_bgr(next(frames))
    return picture.shape[1], picture.shape[0]
