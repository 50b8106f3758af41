"""Scores of frames: micro, macro, and what padding does to it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.domain.measures.frames import FrameScores, measure_frames, window_to_frames


def video(scores: list[float], unusual: list[int]) -> FrameScores:
    return FrameScores(np.array(scores, float), np.array(unusual, bool))


def test_micro_joins_frames_and_macro_takes_means():
    """Each video alone is perfect; their scores are of different sizes."""
    both = {"a": video([1, 2], [0, 1]), "b": video([11, 12], [0, 1])}
    measures = measure_frames(both)
    assert measures.auroc_macro == 1
    assert measures.auroc_micro == pytest.approx(3 / 4)


def test_a_video_of_one_kind_is_left_out_and_named():
    measures = measure_frames({"a": video([1, 2], [0, 1]), "b": video([5, 6], [0, 0])})
    assert measures.one_kind == ("b",)
    assert measures.auroc_macro == 1


def test_padding_makes_even_the_worst_video_look_better():
    measures = measure_frames({"a": video([2, 1], [0, 1])})
    assert measures.auroc_macro == 0
    assert measures.auroc_macro_padded == pytest.approx(3 / 4)


def test_nothing_unusual_defines_nothing():
    measures = measure_frames({"a": video([1, 2], [0, 0])})
    assert (measures.auroc_micro, measures.auroc_macro, measures.average_precision) == (
        None,
        None,
        None,
    )


def test_a_frame_has_the_highest_of_its_windows():
    starts, stops = np.array([0.0, 1.0]), np.array([2.0, 3.0])
    times = np.array([0.5, 1.5, 2.5, 9.0])
    assert window_to_frames(starts, stops, np.array([5.0, 1.0]), times).tolist() == [5, 5, 1, 1]


@given(
    scores=st.lists(st.integers(0, 5).map(float), min_size=2, max_size=30),
    unusual=st.data(),
)
def test_the_area_is_the_share_of_pairs_in_order(scores, unusual):
    """The probability that an unusual frame scores higher than another one, ties by halves."""
    flags = unusual.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)))
    drawn_video = video(scores, flags)
    flags = drawn_video.is_unusual
    measures = measure_frames({"a": drawn_video}).auroc_micro
    high, low = drawn_video.scores[flags], drawn_video.scores[~flags]
    if not drawn_video.is_mixed:
        assert measures is None
        return
    above = (high[:, None] > low).mean() + 0.5 * (high[:, None] == low).mean()
    assert measures == pytest.approx(above)
