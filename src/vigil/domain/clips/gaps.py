"""Gaps between the frames of a video, over which nothing is measured."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt


def restarts_of(times_s: npt.NDArray[np.float64], longest_s: float) -> npt.NDArray[np.int64]:
    """The indices of frames that come more than `longest_s` after the frame before, ascending.

    Args:
        times_s: (F,) the times of the frames, ascending.
    """
    return np.flatnonzero(np.diff(times_s) > longest_s) + 1


def cut_at_gaps(times_s: npt.NDArray[np.float64], longest_s: float) -> list[range]:
    """The indices of the frames of each part without such a gap; see `restarts_of`."""
    edges = [0, *restarts_of(times_s, longest_s).tolist(), len(times_s)]
    return [range(first, stop) for first, stop in pairwise(edges)]
