"""The sequences of frames that a detector sees, and those of a running video; with numpy alone."""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vigil.plumbing.errors import InputError

Pictures = npt.NDArray[np.uint8]
Times = npt.NDArray[np.float64]
TOLERANCE_S = 1e-6  # a step may have no exact binary value
PARTS = 8
"""Kept frames are at least this part of a step apart."""


class Steps(NamedTuple):
    """The sequence that a detector sees, from its card.

    Attributes:
        num: the number of frames; 1: single pictures.
        step_s: from one frame to the next.
        fusion: `background`: the network gets the median of earlier frames, and the last frame.
        control: whether all frames are copies of the last one.
    """

    num: int
    step_s: float
    fusion: str
    control: bool


ONE = Steps(1, 1.0, "stack", False)


class FrameHistory:
    """Keeps the frames of a running video that sequences need.

    These are frames of the last `(num - 1) * step_s` seconds, as they are, an eighth of a step
    apart or more: a camera with many frames a second needs no more memory, and a sequence is at
    most an eighth of a step off.
    """

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._last_s = -np.inf
        self._shape: tuple[int, ...] = ()
        self._kept: deque[tuple[float, Pictures]] = deque()

    def add(self, picture: Pictures, time_s: float) -> Pictures:
        """The sequence (num, H, W, 3) that ends in a frame; of one frame, the picture itself.

        Args:
            picture: (H, W, 3), of the same size as the pictures before.
            time_s: the time at which it is shown, later than the times before.

        Raises:
            InputError: the picture is of another kind or size, or its time does not ascend.
        """
        self.remember(picture, time_s)
        if self._steps.num == 1:
            return picture
        if self._steps.control:
            return np.stack([picture] * self._steps.num)
        times_s = np.array([*(time for time, _ in self._kept), time_s])
        chosen = choose_frames(times_s, self._steps.num, self._steps.step_s)
        return np.stack(
            [*(self._kept[min(at, len(self._kept) - 1)][1] for at in chosen[:-1]), picture]
        )

    def remember(self, picture: Pictures, time_s: float) -> None:
        """Adds a frame that later sequences may hold, and in which none ends.

        Raises:
            InputError: as `add`.
        """
        check_next(picture, self._shape or picture.shape, time_s, self._last_s)
        self._shape, self._last_s = picture.shape, time_s
        if self._steps.num == 1 or self._steps.control:
            return
        if self._kept and time_s - self._kept[-1][0] < self._steps.step_s / PARTS - TOLERANCE_S:
            return
        self._kept.append((time_s, picture))
        span_s = (self._steps.num - 1) * self._steps.step_s + TOLERANCE_S
        while len(self._kept) > 1 and self._kept[1][0] <= time_s - span_s:
            self._kept.popleft()


def choose_frames(times_s: Times, num: int, step_s: float) -> list[int]:
    """The indices of the frames of a sequence, ascending; the last is that of the last frame.

    Each is the last frame that was shown at a time, `step_s` apart. Before the first frame, the
    first frame is repeated.

    Args:
        times_s: the time at which each frame so far was shown, ascending; at least one.
        num: the number of frames of the sequence.
    """
    wanted_s = times_s[-1] - np.arange(num - 1, -1, -1) * step_s + TOLERANCE_S
    chosen = (np.searchsorted(times_s, wanted_s, side="right") - 1).clip(min=0)
    indices: list[int] = chosen.tolist()
    return [*indices[:-1], len(times_s) - 1]


def check_next(picture: Pictures, shape: tuple[int, ...], time_s: float, last_s: float) -> None:
    """Checks the next frame of a running video.

    Args:
        shape: of the frames before.
        time_s, last_s: the time at which it is shown, and that of the frame before.

    Raises:
        InputError: the frame is not (H, W, 3) uint8 or has another size, or its time does not
            ascend.
    """
    is_rgb = picture.ndim == 3 and picture.shape[2] == 3 and picture.dtype == np.uint8
    if not is_rgb or not picture.size or picture.shape != shape:
        raise InputError(
            f"expected frames (H, W, 3) uint8, all of one size, got {picture.shape} {picture.dtype}"
        )
    if not last_s < time_s < np.inf:
        raise InputError(
            f"expected times that ascend, got {time_s} s after {last_s} s; a video that starts "
            "anew needs a new history"
        )


def reduce_frames(canvases: Pictures, fusion: str) -> Pictures:
    """(num, H, W, 3) to the input of a network: for `background`, background and last frame."""
    if fusion != "background":
        return canvases
    return np.stack([median_picture(canvases[:-1]), canvases[-1]])


def median_picture(pictures: Sequence[Pictures] | Pictures) -> Pictures:
    """The median of N pictures at each pixel and colour; of an even number, the lower one.

    An odd-even sort exchanges neighbouring pictures N times, for all pixels at once. It takes a
    hundredth of the time of sorting each pixel alone.
    """
    ordered = list(pictures)
    for round_ in range(len(ordered)):
        for at in range(round_ % 2, len(ordered) - 1, 2):
            lower = np.minimum(ordered[at], ordered[at + 1])
            ordered[at + 1] = np.maximum(ordered[at], ordered[at + 1])
            ordered[at] = lower
    middle: Pictures = ordered[(len(ordered) - 1) // 2]
    return middle
