"""Numbers of drawn videos are those of the same videos, repeated."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.domain.measures.frames import measure_frames
from vigil.domain.measures.regions import RegionScores, measure_region_scores
from vigil.domain.measures.resampling import ResampledFrames, ResampledRegions

COUNTS = st.lists(st.integers(0, 3), min_size=4, max_size=4)
SCORES = st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0])


def repeated(things: list[Any], counts: list[int]) -> list[Any]:
    return [one for one, count in zip(things, counts, strict=True) for _ in range(count)]


@given(
    videos=st.lists(
        st.lists(st.tuples(st.booleans(), SCORES), min_size=1, max_size=8), min_size=4, max_size=4
    ),
    counts=COUNTS.filter(any),
)
def test_frames_of_drawn_videos(videos: list[list[tuple[bool, float]]], counts: list[int]) -> None:
    labels = [np.array([label for label, _ in video]) for video in videos]
    scores = [np.array([score for _, score in video]) for video in videos]
    drawn = repeated(labels, counts), repeated(scores, counts)
    expected = measure_frames(*drawn, [str(n) for n in range(len(drawn[0]))])
    found = ResampledFrames(labels, scores).measure(np.array(counts))
    for name, value in found.items():
        if value is None:
            assert expected[name] is None
        else:
            assert expected[name] == pytest.approx(value, abs=1e-4)


def arrays(least: int, values: Any) -> Any:
    return st.lists(values, min_size=least, max_size=6).map(lambda one: np.array(one, np.float64))


NEVER = st.one_of(SCORES, st.just(-np.inf))


@given(
    videos=st.lists(
        st.tuples(arrays(0, NEVER), arrays(0, NEVER), arrays(0, SCORES), st.integers(1, 9)),
        min_size=4,
        max_size=4,
    ),
    counts=COUNTS.filter(any),
)
def test_regions_of_drawn_videos(videos: list[Any], counts: list[int]) -> None:
    # A video without regions has no tracks, and the other way round.
    scores = [
        RegionScores(*(one if len(one[0]) and len(one[1]) else (one[0][:0], one[1][:0], *one[2:])))
        for one in videos
    ]
    if not sum(len(one.regions) for one in scores):
        return
    found = ResampledRegions(scores).measure(np.array(counts))
    drawn = repeated(scores, counts)
    if not sum(len(one.regions) for one in drawn):
        assert found == {"rbdc": None, "tbdc": None}
        return
    assert found == pytest.approx(measure_region_scores(drawn), abs=1e-4)
