"""Finds the decoded frame that an annotator saw at a frame number.

Label Studio's player does not count frames. It divides the frame number by the frame rate of its
`<Video>` tag and seeks to that time. So a frame number means a time, and the decoded frame is the
one on screen at that time. The rule was measured on Label Studio 1.23.2 in Chromium
(docs/label-studio.md has the table). It agrees with the player's code, `VideoCanvas.goToFrame` and
`BROWSER_TIME_PRECISION`.
"""

import math

import numpy as np
import numpy.typing as npt

from vigil.domain.video_facts import VideoFacts

PRECISION_S = 0.002
"""The player rounds times to this step and adds one step, so that it does not stop just before the
frame."""

ROUNDING_S = 0.00051
"""The largest rounding error of time stamps: half a millisecond, and the rounding of doubles."""


class Clock:
    """Converts the annotator's frame numbers to decoded frames, and back.

    Attributes:
        num_frames: the number of decoded frames.
        first_frame: the smallest valid frame number.
        numbers: (num_frames,): the annotator's frame number, with a fraction, at the time stamp of
            each decoded frame. It is whole where only the rounding of stamps makes it fractional.
    """

    def __init__(self, tag_fps: float | None, facts: VideoFacts, frame_offset: int = -1) -> None:
        """A frame whose time stamp goes back is taken as shown together with the frame before it.

        Args:
            tag_fps: the frame rate by which the annotator's frames are numbered, in frames per
                second; None where it is unknown: frame n is then the n-th decoded frame.
            frame_offset: -1: frame n is shown at (n - 1) / tag_fps. 0, for the imprecise seeking
                of old versions: frame n is shown at n / tag_fps.
        """
        self.num_frames, self._offset = facts.num_frames, frame_offset
        self.first_frame = -frame_offset
        # All times are in ticks: a tick is a second, or one decoded frame if the rate is unknown.
        self._fps = 1.0 if tag_fps is None else tag_fps
        self._tick_s = 1 / float(facts.fps) if tag_fps is None else 1.0
        shown = np.arange(facts.num_frames) if tag_fps is None else facts.shown_s()
        # The time of each decoded frame (num_frames,), never before that of an earlier frame.
        self._shown = np.maximum.accumulate(shown.astype(float))
        self._shown_us = np.floor(self._shown * 1e6 + 0.5)
        # The last frame stays for the mean frame duration, or for as long as the one before it.
        usual = 1 / float(facts.fps) / self._tick_s
        self._end = float(self._shown[-1]) + max([usual, *np.diff(self._shown[-2:]).tolist()])
        exact = self._shown * self._fps - frame_offset
        whole = np.round(exact)
        # WebM and screen recorders round stamps to milliseconds. Such a small difference from a
        # whole number is a rounding error, not a fraction of a frame.
        rounding_s = 0.0 if facts.stamps is None else ROUNDING_S
        is_whole = np.abs(whole - exact) <= rounding_s * self._fps
        self.numbers = np.where(is_whole, whole, exact)

    def indices(self, frames: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """The decoded frame on screen at each frame number: the last one shown by that time.

        A number before the first frame gives the first frame; past the end, the last.
        """
        times_us = np.floor(self._seek(np.asarray(frames, dtype=float)) * 1e6)
        # The last time stamp that is not after each time.
        positions = np.searchsorted(self._shown_us, times_us, side="right") - 1
        return np.clip(positions, 0, self.num_frames - 1)

    def seconds_past_end(self, frame: int) -> float:
        """Seconds from the video's end to a frame number; negative within the video."""
        # Rounded to microseconds, so that rounding errors put no frame past the end.
        ticks = (frame + self._offset) / self._fps - self._end
        return float(round(ticks * self._tick_s * 1e6) / 1e6)

    def last_frame(self) -> int:
        """The last frame number that lies within the video."""
        frame: int = math.ceil(self._end * self._fps) + 1 - self._offset
        while self.seconds_past_end(frame) >= 0:
            frame -= 1
        return frame

    def _seek(self, frames: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The times that the player seeks to. As in JavaScript, halves are rounded up."""
        times = (frames + self._offset) / self._fps
        if self._offset == 0:
            return times
        return np.floor(times / PRECISION_S + 0.5) * PRECISION_S + PRECISION_S
