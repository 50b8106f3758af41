"""When the frames of a file are shown, by their time stamps."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import numpy.typing as npt

BY_DECODING = {"asf", "avi"}
"""Containers that store when a frame is decoded, not when it is shown, by FFmpeg's names."""

MAX_ROUNDING = Fraction(1, 100)
"""The largest relative difference at which the rate of the header and that of the stamps agree."""


@dataclass(frozen=True)
class Timing:
    """The time stamps of a video's frames, and the frame rates that its header declares.

    AVI and ASF store a time for each frame in order of decoding. If frames are shown in another
    order, FFmpeg guesses when, and the guessed stamps go back and forth. The number of frames and
    the stored times are right, though. So the first frame shown gets the first time, the second
    frame the second time, and so on, as in players of that time.

    Attributes:
        read: the time stamp of each frame in order of presentation; None where there is none.
        unit_s: the unit of a time stamp in seconds.
        declared: frame rates of the header in frames per second, the most trusted one first.
        container: FFmpeg's first name for the container.
    """

    read: Sequence[int | None] = ()
    unit_s: Fraction = Fraction(1)
    declared: tuple[Fraction, ...] = ()
    container: str = ""

    @classmethod
    def of(
        cls,
        container: av.container.InputContainer,
        stream: av.VideoStream,
        read: Sequence[int | None],
    ) -> "Timing":
        """Args: read: see `read`; a list may still grow."""
        rates = (stream.average_rate or stream.guessed_rate, stream.base_rate)
        return cls(
            read,
            stream.time_base or Fraction(1),
            tuple(rate for rate in rates if rate),
            container.format.name.split(",")[0],
        )

    @property
    def is_guessed(self) -> bool:
        """Whether the stamps are guesses, because only the times of decoding are stored."""
        known = self._known
        go_back = any(after <= before for before, after in pairwise(known))
        return self.container in BY_DECODING and go_back

    @property
    def is_even(self) -> bool:
        """Whether each step between frames differs from the median by at most half of the median.

        Where stamps are missing, a step is the mean of the steps between two known stamps.
        """
        steps = self._steps_s()
        if len(steps) == 0:
            return True
        typical = float(np.median(steps))
        # WebM rounds time stamps to milliseconds, so differences of up to 1.5 ms do not count.
        return bool((np.abs(steps - typical) <= max(0.5 * typical, 0.0015)).all())

    @property
    def num_missing(self) -> int:
        """The number of frames without a time stamp."""
        return len(self.read) - len(self._known)

    @property
    def stamps(self) -> list[int] | None:
        """The time stamp of each frame; None where frames have none, or where they are guessed.

        Guessed stamps with gaps are returned: the gaps are in the file.
        """
        if not self.read or self.num_missing or (self.is_guessed and self.is_even):
            return None
        return self._ordered()

    @property
    def fps(self) -> Fraction | None:
        """The mean frame rate in frames per second; None if nothing tells it.

        The rate of the header is taken where the stamps agree with it: it is exact.
        """
        measured = self.measured_fps
        if measured is None:
            return self.declared[0] if self.declared else None
        rates = self.declared if self.container in BY_DECODING else self.declared[:1]
        agree = [rate for rate in rates if abs(rate / measured - 1) <= MAX_ROUNDING]
        return min(agree, key=lambda rate: abs(rate / measured - 1), default=measured)

    @property
    def measured_fps(self) -> Fraction | None:
        """The mean frame rate by the first and the last time stamp, rounded to microseconds."""
        places, seconds = self._places(), self.seconds()
        if len(seconds) < 2 or seconds[-1] <= seconds[0]:
            return None
        span_us = round((float(seconds[-1]) - float(seconds[0])) * 1_000_000)
        num_steps = int(places[-1] - places[0])
        return Fraction(num_steps * 1_000_000, span_us).limit_denominator(100_000)

    @property
    def longest_step_s(self) -> float:
        """The longest step from a frame to the next, in seconds; 0 if there is none."""
        return float(self._steps_s().max(initial=0.0))

    def seconds(self) -> npt.NDArray[np.float64]:
        """The known time stamps in seconds, in order of presentation."""
        return np.array(self._ordered(), np.float64) * float(self.unit_s)

    @property
    def _known(self) -> list[int]:
        return [stamp for stamp in self.read if stamp is not None]

    def _ordered(self) -> list[int]:
        return sorted(self._known) if self.is_guessed else self._known

    def _places(self) -> npt.NDArray[np.int64]:
        """The indices of the frames that have a time stamp."""
        return np.array([at for at, stamp in enumerate(self.read) if stamp is not None], np.int64)

    def _steps_s(self) -> npt.NDArray[np.float64]:
        return np.asarray(np.diff(self.seconds()) / np.maximum(np.diff(self._places()), 1))
