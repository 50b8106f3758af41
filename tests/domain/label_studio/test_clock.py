"""The decoded frame of a frame number, compared with what a real Label Studio showed on screen."""

import json
import math
from bisect import bisect_right
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.domain.label_studio.clock import Clock
from vigil.domain.video_facts import Stamps, VideoFacts

ON_SCREEN = json.loads(Path(__file__).with_name("frames_on_screen.json").read_text())
"""Label Studio 1.23.2 in Chromium: the picture on the page's canvas at frame numbers, by the tag's
rate and the video, and the videos' stamps; see exports/README.md."""


def facts_of(stamps: list[int], unit_s: Fraction, fps: Fraction) -> VideoFacts:
    return VideoFacts((64, 48), len(stamps), fps, stamps=Stamps.of(stamps, unit_s))


def recorded(video: str) -> VideoFacts:
    told = ON_SCREEN["stamps"][video]
    stamps = [told["first"]]
    for run in told["steps"].split():
        step, _, number = run.partition("*")
        stamps += [stamps[-1] + int(step) * (n + 1) for n in range(int(number or 1))]
    return facts_of(stamps, Fraction(told["unit_s"]), Fraction(told["fps"]))


@pytest.mark.parametrize("tag_and_video", ON_SCREEN["shown"])
def test_what_was_on_screen(tag_and_video: str) -> None:
    tag, video = tag_and_video.split("|")
    rows = ON_SCREEN["shown"][tag_and_video]
    found = Clock(float(tag), recorded(video)).indices([frame for frame, _ in rows])
    assert found.tolist() == [shown for _, shown in rows]


def shown_by_the_rule(frame: int, tag_fps: float, stamps_us: list[int]) -> int:
    """As the player's code computes it, one number at a time."""
    return max(bisect_right(stamps_us, seek_us(frame, tag_fps)) - 1, 0)


def seek_us(frame: int, tag_fps: float) -> int:
    seconds = math.floor(((frame - 1) / tag_fps) / 0.002 + 0.5) * 0.002 + 0.002
    return math.floor(seconds * 1e6)


rates = st.sampled_from([1.0, 7.0, 10.0, 23.976, 24.0, 25.0, 29.97, 30.0, 60.0, 144.0])
steps_us = st.lists(st.integers(1, 200_000), min_size=1, max_size=40)


@given(st.integers(0, 2_000_000), steps_us, rates)
def test_any_stamps_follow_the_rule(first_us: int, steps: list[int], tag_fps: float) -> None:
    stamps = [first_us + sum(steps[:n]) for n in range(len(steps) + 1)]
    clock = Clock(tag_fps, facts_of(stamps, Fraction(1, 1_000_000), Fraction(25)))
    frames = list(range(1, 300))
    expected = [shown_by_the_rule(frame, tag_fps, stamps) for frame in frames]
    assert clock.indices(frames).tolist() == expected
    # In reverse: the time of a number is that of its frame, without what the player adds.
    seconds = (clock.numbers - 1) / tag_fps
    np.testing.assert_allclose(seconds, np.array(stamps) / 1e6, rtol=0, atol=0.001 + 1e-9)


@given(st.integers(1, 500), st.sampled_from([10, 24, 25, 30, 60]), st.sampled_from([1, 1001]))
def test_at_the_video_s_own_rate_frame_n_is_the_nth(num_frames: int, fps: int, by: int) -> None:
    rate = Fraction(fps * 1000, 1000 if by == 1 else by)
    facts = VideoFacts((64, 48), num_frames, rate)
    clock = Clock(float(rate), facts)
    assert clock.indices(np.arange(1, num_frames + 1)).tolist() == list(range(num_frames))
    np.testing.assert_allclose(clock.numbers, np.arange(1, num_frames + 1), rtol=0, atol=1e-9)


def test_milliseconds_of_webm_do_not_shift_a_frame() -> None:
    stamps = [round(n * 1000 / 30) for n in range(3000)]
    clock = Clock(30.0, facts_of(stamps, Fraction(1, 1000), Fraction(30)))
    assert clock.indices(np.arange(1, 3001)).tolist() == list(range(3000))
    assert clock.numbers.tolist() == list(range(1, 3001))


def test_rates_that_are_nearly_one_are_two() -> None:
    """A tag rate of 30 on a video of 29.97 loses one frame in 33 s, and 17 in ten minutes."""
    facts = VideoFacts((64, 48), 18_000, Fraction(30_000, 1001))
    assert Clock(30.0, facts).indices([100, 17_000, 17_950]).tolist() == [98, 16_982, 17_931]


def test_frames_before_a_late_track_are_its_first() -> None:
    facts = facts_of([6400 + 512 * n for n in range(100)], Fraction(1, 12800), Fraction(25))
    clock = Clock(25.0, facts)
    assert clock.indices([1, 13, 14, 15, 60, 112]).tolist() == [0, 0, 0, 1, 46, 98]
    np.testing.assert_allclose(clock.numbers[[0, 46]], [13.5, 59.5])


def test_stamps_that_go_back_count_as_the_frame_before() -> None:
    clock = Clock(10.0, facts_of([0, 1, 2, 0, 1, 4], Fraction(1, 10), Fraction(10)))
    assert clock.indices([1, 2, 3, 4, 5]).tolist() == [0, 1, 4, 4, 5]
    np.testing.assert_allclose(clock.numbers, [1, 2, 3, 3, 3, 5])


@pytest.mark.parametrize("fps", [Fraction(10), Fraction(30_000, 1001), Fraction(1000)])
def test_without_a_rate_frames_are_counted(fps: Fraction) -> None:
    facts = VideoFacts((64, 48), 50, fps, True, Stamps.of([n * n for n in range(50)], 1 / fps))
    clock = Clock(None, facts)
    assert clock.indices(np.arange(1, 51)).tolist() == list(range(50))
    assert clock.numbers.tolist() == list(range(1, 51))
    assert clock.last_frame() == 50
    assert clock.seconds_past_end(51 + int(fps)) == pytest.approx(int(fps) / float(fps), abs=1e-5)


class TestOldVersions:
    """With offset 0 a number is the time n / rate, as with imprecise seeking."""

    def test_they_show_the_frame_at_that_time(self) -> None:
        clock = Clock(25.0, VideoFacts((64, 48), 150, Fraction(25)), 0)
        assert clock.indices([0, 1, 2, 50, 149]).tolist() == [0, 1, 2, 50, 149]

    def test_at_30_some_numbers_show_the_frame_before(self) -> None:
        """By a third of a microsecond, as measured: 63 of 179."""
        facts = facts_of([n * 512 for n in range(180)], Fraction(1, 15360), Fraction(30))
        found = Clock(30.0, facts, 0).indices(np.arange(1, 180))
        behind = np.arange(1, 180) - found
        assert set(behind.tolist()) == {0, 1}
        assert 50 <= behind.sum() <= 70


class TestTheEnd:
    @given(
        st.integers(1, 500),
        st.sampled_from([1.0, 7.0, 10.0, 23.976, 24.0, 25.0, 29.97, 60.0, 1000.0]),
        st.fractions(1, 240),
        st.sampled_from([-1, 0]),
    )
    def test_the_last_frame_is_the_last_within(
        self, num_frames: int, tag_fps: float, video_fps: Fraction, offset: int
    ) -> None:
        clock = Clock(tag_fps, VideoFacts((64, 48), num_frames, video_fps), offset)
        last = clock.last_frame()
        assert clock.seconds_past_end(last) < 0 <= clock.seconds_past_end(last + 1)
        assert last >= clock.first_frame

    def test_beyond_it_the_last_stays_on_screen(self) -> None:
        """A sound track of 7 s keeps the page at the last picture of 6 s."""
        clock = Clock(30.0, VideoFacts((64, 48), 180, Fraction(30)))
        assert clock.indices([180, 181, 200, 10_000]).tolist() == [179] * 4
        assert clock.seconds_past_end(181) == 0
        assert clock.seconds_past_end(211) == pytest.approx(1)

    def test_the_last_frame_lasts_as_long_as_the_one_before(self) -> None:
        stamps: Any = [0, 1, 2, 12]
        clock = Clock(10.0, facts_of(stamps, Fraction(1, 10), Fraction(10)))
        assert clock.last_frame() == 22
