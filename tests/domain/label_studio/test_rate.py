"""The frame rate by which an annotator's frames are numbered, from the parts of an export."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_exports import Json, keyframe, region, task

from vigil.domain.label_studio.rate import (
    BY_LENGTH,
    BY_STEP,
    BY_TIME,
    DECLARED,
    FROM_ZERO,
    UNKNOWN,
    Rate,
    find_rate,
)
from vigil.domain.label_studio.reading import parse_export
from vigil.plumbing.errors import InputError

Time = Callable[[int], float | None]


def rate_of(
    *sequences: Sequence[Json],
    length: tuple[Any, Any] = (1, 0),
    video_fps: float = 25.0,
    **data: Any,
) -> Rate:
    """Args: length: framesCount and duration of each region; data: of the task."""
    regions = [region(f"r{n}", list(sequence)) for n, sequence in enumerate(sequences)]
    for one in regions:
        one["value"].update(framesCount=length[0], duration=length[1])
    content = task(results=regions)
    content["data"].update(data)
    (parsed,) = parse_export([content], "export.json", labels=["human"])
    return find_rate(parsed, video_fps, "export.json: task 1")


def at(time_of: Time, frames: Sequence[int]) -> list[Json]:
    return [{**keyframe(frame, fps=None), "time": time_of(frame)} for frame in frames]


@given(st.sampled_from([0.5, 7.0, 12.5, 23.976, 24.0, 25.0, 29.97, 30_000 / 1001, 30.0, 144.0]))
def test_the_page_s_times_tell_it_exactly(fps: float) -> None:
    found = rate_of([keyframe(1, fps=fps), keyframe(17, fps=fps), keyframe(31, fps=fps)])
    assert found.fps == pytest.approx(fps, rel=1e-11)
    assert (found.source, found.warnings) == (BY_TIME, ())


@pytest.mark.parametrize("fps", [24.0, 25.0, 29.97, 30.0])
@pytest.mark.parametrize("num_decimals", [2, 3, 6])
def test_rounded_times_tell_it_exactly_too(fps: float, num_decimals: int) -> None:
    found = rate_of(at(lambda n: round(n / fps, num_decimals), range(1, 100)), video_fps=fps)
    assert (found.fps, found.source) == (fps, BY_TIME)


def test_rounded_times_are_not_taken_for_the_video_s_rate() -> None:
    frames = range(1, 20_000, 500)
    found = rate_of(at(lambda n: round(n / 30, 2), frames), video_fps=30_000 / 1001)
    assert found.fps == 30.0


class TestOtherPrograms:
    def test_times_from_zero(self) -> None:
        found = rate_of(at(lambda n: (n - 1) / 25, range(1, 21)))
        assert (found.fps, found.source) == (25.0, FROM_ZERO)
        (warning,) = found.warnings
        assert "25 frames a second was used, from (frame - 1) / time" in warning

    def test_rounded_times_from_zero(self) -> None:
        found = rate_of(at(lambda n: round((n - 1) / 29.97, 2), range(1, 100)), video_fps=29.97)
        assert (found.fps, found.source) == (29.97, FROM_ZERO)

    def test_a_single_one_from_zero_where_the_length_says_so(self) -> None:
        sequence = at(lambda n: (n - 1) / 25, [11])
        assert rate_of(sequence, length=(100, 4.0)).fps == 25.0
        assert rate_of(sequence, length=(100, 4.0)).source == FROM_ZERO
        assert rate_of(sequence, fps="25").fps == 25.0
        assert rate_of(sequence, video_fps=11.0).fps == 25.0  # a usual rate; 27.5 is not

    @pytest.mark.parametrize("num_regions", [1, 3])
    def test_keyframes_on_one_frame_give_the_video_s_rate_or_a_usual_one(
        self, num_regions: int
    ) -> None:
        """51 / 2 s is 25.5, 50 / 2 s is 25: a program that counts times from 0 wrote them."""
        found = rate_of(*[at(lambda n: (n - 1) / 25, [51])] * num_regions)
        assert (found.fps, found.source) == (25.0, FROM_ZERO)
        assert "frame / time gives 25.5" in found.warnings[-1]
        found = rate_of(*[at(lambda n: (n - 1) / 7, [8])] * num_regions, video_fps=7.0)
        assert (found.fps, found.source) == (7.0, FROM_ZERO)

    @pytest.mark.parametrize("fps", [24.0, 25.0, 29.97, 30.0])
    def test_one_keyframe_of_the_page_is_no_riddle(self, fps: float) -> None:
        found = rate_of([keyframe(51, fps=fps)])
        assert found.fps == pytest.approx(fps)
        assert (found.source, found.warnings) == (BY_TIME, ())

    def test_one_keyframe_that_means_two_usual_rates_is_told(self) -> None:
        found = rate_of([keyframe(6, fps=30)])  # 5 / 0.2 s is 25
        assert (found.fps, found.source) == (30.0, BY_TIME)
        (warning,) = found.warnings
        assert "30 frames a second was used, from frame / time; (frame - 1) / time gives" in warning

    def test_one_keyframe_that_means_no_usual_rate_is_told(self) -> None:
        found = rate_of([keyframe(51, fps=17.3)])
        assert found.fps == pytest.approx(17.3)
        assert "can be read in several ways" in found.warnings[0]

    def test_an_exact_reading_goes_before_one_within_the_rounding(self) -> None:
        """6 / 0.2, 7 / 0.24 and 8 / 0.28 agree on one rate too, if times are rounded to 0.01 s."""
        found = rate_of(at(lambda n: (n - 1) / 25, [7, 8, 9]))
        assert (found.fps, found.source) == (25.0, FROM_ZERO)

    def test_times_from_the_start_of_a_window(self) -> None:
        windows = [
            at(lambda n, s=start: (n - s) / 25, range(start, start + 30)) for start in (41, 90)
        ]
        found = rate_of(*windows)
        assert found.fps == pytest.approx(25.0)
        assert found.source == BY_STEP
        assert len(found.warnings) == 1

    def test_a_window_whose_first_keyframe_is_the_page_s(self) -> None:
        """As the SAM2 backend continues a box: the page's keyframe, then its own from 0."""
        own = at(lambda n: (n - 41) / 25, range(41, 101))
        found = rate_of([keyframe(41, fps=25), *own], length=(100, 4.0))
        assert found.fps == pytest.approx(25.0)

    def test_frames_that_the_server_filled_in_tell_nothing(self) -> None:
        auto = [{**keyframe(n, fps=8), "auto": True} for n in range(2, 30)]
        assert rate_of([keyframe(1, fps=24), *auto, keyframe(30, fps=24)]).fps == 24.0


class TestWitnesses:
    def test_those_that_agree_bring_no_warning(self) -> None:
        found = rate_of([keyframe(1, fps=25), keyframe(50, fps=25)], length=(100, 4.0), fps=25)
        assert found.warnings == ()
        assert found.witnesses == {BY_TIME: 25.0, BY_LENGTH: 25.0, DECLARED: 25.0}

    @pytest.mark.parametrize("length", [(240, 8.008), (239, 8.008), (241, 8.008)])
    def test_a_length_is_rounded_either_way(self, length: tuple[int, float]) -> None:
        assert rate_of([keyframe(60, fps=29.97)], length=length).warnings == ()

    def test_the_times_are_believed_against_the_length(self) -> None:
        found = rate_of([keyframe(1, fps=30), keyframe(61, fps=30)], length=(100, 4.0))
        assert (found.fps, found.source) == (30.0, BY_TIME)
        (warning,) = found.warnings
        assert "100 / 4, which gives 25 frames a second; 30 was used" in warning

    def test_the_times_are_believed_against_the_task(self) -> None:
        found = rate_of([keyframe(1, fps=30), keyframe(61, fps=30)], fps=29.97)
        assert found.fps == 30.0
        assert found.warnings == (
            "the task's data name 29.97 frames a second; 30 was used, from frame / time",
        )

    @pytest.mark.parametrize("length", [(1, 0), (None, None), ("100", "4"), (100, 0), (1, 4.0)])
    def test_default_lengths_are_no_evidence(self, length: Any) -> None:
        found = rate_of([keyframe(1, fps=30), keyframe(61, fps=30)], length=length)
        assert (found.fps, found.warnings) == (30.0, ())

    @pytest.mark.parametrize("fps", [None, 25.0])
    def test_lengths_that_differ_are_told(self, fps: float | None) -> None:
        regions = [region(name, [keyframe(1, fps=fps), keyframe(51, fps=fps)]) for name in "abc"]
        for one, length in zip(regions, [(96, 4.0), (100, 4.0), (100, 4.0)], strict=True):
            one["value"].update(framesCount=length[0], duration=length[1])
        (parsed,) = parse_export([task(results=regions)], "export.json", labels=["human"])
        found = find_rate(parsed, 25.0, "export.json: task 1")
        assert found.fps == 25.0
        assert any("100 / 4 counts; others have 96 / 4" in one for one in found.warnings)

    def test_without_times_the_length_tells(self) -> None:
        found = rate_of([keyframe(9, fps=None)], length=(144, 6))
        assert (found.fps, found.source) == (24.0, BY_LENGTH)
        (warning,) = found.warnings
        assert "24 was used, from framesCount / duration" in warning

    def test_without_a_length_the_task_tells(self) -> None:
        found = rate_of([keyframe(9, fps=None)], framerate="29.97")
        assert (found.fps, found.source) == (29.97, DECLARED)
        assert len(found.warnings) == 1

    @pytest.mark.parametrize(("told", "fps"), [(0.04, 25.0), ("30", 30.0), (12.5, 12.5)])
    def test_the_task_s_rate_is_read_as_the_tag_reads_it(self, told: Any, fps: float) -> None:
        assert rate_of([keyframe(9, fps=None)], fps=told).fps == fps

    @pytest.mark.parametrize("told", [0, -1, "fast", None, True, "nan", "inf", [25]])
    def test_what_is_no_rate_tells_nothing(self, told: Any) -> None:
        assert rate_of([keyframe(9, fps=None)], fps=told).source == UNKNOWN

    def test_where_nothing_tells_frames_are_counted_and_that_is_told(self) -> None:
        found = rate_of([keyframe(9, fps=None)])
        assert (found.fps, found.source) == (None, UNKNOWN)
        (warning,) = found.warnings
        assert "the export does not show" in warning

    def test_without_regions_there_is_nothing_to_tell(self) -> None:
        assert rate_of() == Rate(None, UNKNOWN, {}, ())

    def test_times_that_do_not_agree_are_told(self) -> None:
        frames = [(1, 3.0), (11, 20.0), (13, 20.0), (15, 20.0), (17, 90.0)]
        found = rate_of([keyframe(frame, fps=fps) for frame, fps in frames])
        assert (found.fps, found.source) == (20.0, BY_TIME)
        (warning,) = found.warnings
        assert "20 was used, from 3 of 5" in warning

    def test_times_that_mean_nothing_leave_the_length(self) -> None:
        sequence = at({1: 5.0, 7: 0.1, 9: 88.0}.get, [1, 7, 9])
        found = rate_of(sequence, length=(100, 4.0))
        assert (found.fps, found.source) == (25.0, BY_LENGTH)

    @pytest.mark.parametrize("fps", [1e-4, 2e6])
    def test_a_rate_that_is_none_is_refused(self, fps: float) -> None:
        with pytest.raises(InputError, match=r"task 1: expected a frame rate from the keyframes'"):
            rate_of([keyframe(1, fps=fps), keyframe(2, fps=fps)])


times = st.none() | st.floats(-10, 1e6) | st.sampled_from([0.0, 0.04, 1.0, 1e-9])


@given(
    st.lists(st.dictionaries(st.integers(-5, 10_000), times, min_size=1, max_size=8), max_size=3),
    st.tuples(st.integers(0, 10_000), st.floats(0, 1e4)),
)
def test_any_times_give_a_rate_or_are_refused(told: Any, length: tuple[int, float]) -> None:
    sequences = [at(one.get, list(one)) for one in told]
    try:
        found = rate_of(*sequences, length=length)
    except InputError as error:
        message = str(error)
        assert "expected a frame rate" in message
    else:
        assert found.fps is None or 1e-3 <= found.fps <= 1e6
