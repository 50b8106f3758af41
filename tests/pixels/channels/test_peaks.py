"""The peaks of a map."""

import numpy as np
import pytest

from vigil.pixels.channels.peaks import find_peaks


def test_peaks_are_bodies_apart_the_fastest_first() -> None:
    speeds = np.zeros((20, 30), np.float32)
    speeds[2:6, 3:5], speeds[10:13, 20:26] = 0.5, 0.9
    speeds[11, 22] = 1.0
    peaks, boxes = find_peaks(speeds, 5)
    assert peaks.tolist() == pytest.approx([1.0, 0.5])
    assert boxes.tolist() == [[20, 10, 26, 13], [3, 2, 5, 6]]
    peaks, boxes = find_peaks(np.zeros((4, 5), np.float32), 3)
    assert peaks.tolist() == [0.0]
    assert len(boxes) == 1
