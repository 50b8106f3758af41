"""Which decoded frame an annotator saw at a frame number.

Label Studio's player knows no frames: it divides the number by the rate of its `<Video>` tag and
seeks to that time. So a frame number is a time, and the decoded frame is the one on screen then.
The rule was measured on Label Studio 1.23.2 in Chromium (docs/label-studio.md, with the table), and
is that of its `VideoCanvas.goToFrame` and `BROWSER_TIME_PRECISION`.
"""

import math

import numpy as np
import numpy.typing as npt

from vigil.domain.video_facts import VideoFacts

PRECISION_S = 0.002
"""The player rounds times to this and adds one of it, so that no frame is missed by a hair."""

ROUNDING_S = 0.00051
"""By how much the stamps of a file may be off: half a millisecond, and the rounding of doubles."""


class Clock:
    """Leads from the annotator's frame numbers to decoded frames, and back.

    Attributes:
        num_frames: of the decoded video.
        first_frame: the smallest frame number there is.
        numbers: the annotator's frame number, with a fraction, at the time at which each decoded
            frame is shown (num_frames,); whole where it is but for the rounding of stamps.
    """

    def __init__(self, tag_fps: float | None, facts: VideoFacts, frame_offset: int = -1) -> None:
        """Frames whose stamps go back count as shown with the frame before them.

        Args:
            tag_fps: frames a second by which the annotator's frames are numbered; None where
                nothing tells it: frame n is then the n-th decoded frame.
            frame_offset: -1, or 0 for the imprecise seeking of old versions: frame n is shown at
                n / tag_fps.
        """
        self.num_frames, self._offset = facts.num_frames, frame_offset
        self.first_frame = -frame_offset
        # Without a rate, frames are counted: one a tick of a clock that goes by frames.
        self._fps = 1.0 if tag_fps is None else tag_fps
        self._tick_s = 1 / float(facts.fps) if tag_fps is None else 1.0
        shown = np.arange(facts.num_frames) if tag_fps is None else facts.shown_s()
        self._shown = np.maximum.accumulate(shown.astype(float))
        self._shown_us = np.floor(self._shown * 1e6 + 0.5)
        usual = 1 / float(facts.fps) / self._tick_s
        self._end = float(self._shown[-1]) + max([usual, *np.diff(self._shown[-2:]).tolist()])
        exact = self._shown * self._fps - frame_offset
        whole = np.round(exact)
        # WebM and recorders round stamps to milliseconds: that is no fraction of a frame.
        rounding_s = 0.0 if facts.stamps is None else ROUNDING_S
        is_whole = np.abs(whole - exact) <= rounding_s * self._fps
        self.numbers = np.where(is_whole, whole, exact)

    def indices(self, frames: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """The decoded frames on screen at frame numbers: the last that is shown by then.

        Before the first frame it is the first, past the end of the video the last.
        """
        times_us = np.floor(self._seek(np.asarray(frames, dtype=float)) * 1e6)
        found = np.searchsorted(self._shown_us, times_us, side="right") - 1
        return np.clip(found, 0, self.num_frames - 1)

    def seconds_past_end(self, frame: int) -> float:
        """How long after the video's end a frame number is; negative within the video."""
        # In whole microseconds, so that the sum of many frames' lengths is not a hair too long.
        ticks = (frame + self._offset) / self._fps - self._end
        return float(round(ticks * self._tick_s * 1e6) / 1e6)

    def last_frame(self) -> int:
        """The last frame number that lies within the video."""
        frame: int = math.ceil(self._end * self._fps) + 1 - self._offset
        while self.seconds_past_end(frame) >= 0:
            frame -= 1
        return frame

    def _seek(self, frames: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The time that the player seeks to, in doubles, as JavaScript's; it rounds halves up."""
        times = (frames + self._offset) / self._fps
        if self._offset == 0:
            return times
        return np.floor(times / PRECISION_S + 0.5) * PRECISION_S + PRECISION_S
