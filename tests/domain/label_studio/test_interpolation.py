"""Each rule of "what a Label Studio video export means", on keyframes made for it."""

import json
import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import REAL
from hypothesis import given, settings
from hypothesis import strategies as st
from label_studio_sdk._extensions.label_studio_tools.postprocessing.video import extract_key_frames
from tiny_exports import Json, keyframe, region, task, terminator

from vigil.domain.label_studio.clock import Clock
from vigil.domain.label_studio.interpolation import interpolate_task
from vigil.domain.label_studio.names import match_videos
from vigil.domain.label_studio.rate import find_rate
from vigil.domain.label_studio.reading import parse_export
from vigil.domain.label_studio.tasks import Task
from vigil.domain.tracks import Track, clip_track
from vigil.domain.video_facts import Stamps, VideoFacts
from vigil.pixels.frames import FrameArchive, extract_frames
from vigil.plumbing.errors import InputError

PETS = REAL / "pets09"
FPS = Fraction(10)


def tracks_of(
    *sequences: Sequence[Json],
    num_frames: int = 30,
    fps: Fraction = FPS,
    size_wh: tuple[int, int] = (100, 100),
    stamps: Stamps | None = None,
    **options: Any,
) -> list[Track]:
    """Tracks in a video of 100 by 100 px, unless another size is given."""
    regions = [region(f"r{n}", list(sequence)) for n, sequence in enumerate(sequences)]
    (parsed,) = parse_export([task(results=regions)], "export.json", labels=["human"])
    return filled(parsed, VideoFacts(size_wh, num_frames, fps, stamps=stamps), **options)


def filled(
    parsed: Task, facts: VideoFacts, frame_offset: int = -1, past_end_tolerance_s: float = 1.0
) -> list[Track]:
    rate = find_rate(parsed, float(facts.fps), "export.json")
    clock = Clock(rate.fps, facts, frame_offset)
    return interpolate_task(parsed, clock, facts, "export.json", past_end_tolerance_s)


def track_of(*sequence: Json, **options: Any) -> Track:
    return tracks_of(sequence, **options)[0]


def frames_of(*sequence: Json, **options: Any) -> list[int]:
    return track_of(*sequence, **options).frames.tolist()


def x_by_frame(track: Track) -> dict[int, float]:
    return dict(zip(track.frames.tolist(), track.boxes_xyxy[:, 0].tolist(), strict=True))


def off(frame: int, **options: Any) -> Json:
    return keyframe(frame, enabled=False, **options)


class TestFrameNumbers:
    def test_they_start_at_one(self) -> None:
        assert frames_of(keyframe(1), off(3)) == [0, 1, 2]

    def test_exports_of_old_versions_start_at_zero(self) -> None:
        assert frames_of(keyframe(1), off(3), frame_offset=0) == [1, 2, 3]
        assert frames_of(keyframe(0, fps=None), off(3), frame_offset=0) == [0, 1, 2, 3]

    @pytest.mark.parametrize("frame", [0, -1, -1000])
    def test_frames_before_the_first_are_refused(self, frame: int) -> None:
        with pytest.raises(InputError, match=rf"region r0: .*from frame 1 to 30 .*frame {frame}$"):
            frames_of(keyframe(frame, fps=None), off(5))

    def test_minus_one_is_refused_at_offset_zero_too(self) -> None:
        with pytest.raises(InputError, match=r"from frame 0 to 29 .*got frame -1$"):
            frames_of(keyframe(-1, fps=None), frame_offset=0)

    def test_frames_count_and_duration_are_not_believed(self) -> None:
        # `region` says one frame and no duration.
        assert frames_of(keyframe(1)) == list(range(30))


class TestPastTheEnd:
    def test_a_little_is_cut_off(self) -> None:
        track = track_of(keyframe(21, x=0.0), off(40, x=19.0), num_frames=30)
        assert track.frames.tolist() == list(range(20, 30))
        np.testing.assert_allclose(track.boxes_xyxy[:, 0], np.arange(10), atol=1e-9)

    @pytest.mark.parametrize(("tolerance_s", "last"), [(1.0, 40), (0.0, 30), (0.5, 35), (0.01, 31)])
    def test_how_little(self, tolerance_s: float, last: int) -> None:
        options: Any = {"num_frames": 30, "past_end_tolerance_s": tolerance_s}
        assert frames_of(keyframe(29), off(last), **options) == [28, 29]
        with pytest.raises(InputError, match=rf"has 30 frames\), got frame {last + 1}$"):
            frames_of(keyframe(29), off(last + 1), **options)

    def test_a_track_wholly_past_the_end_is_on_the_last_frame(self) -> None:
        """The last frame stays on screen, as where the sound is longer than the picture."""
        track = track_of(keyframe(32, x=1.0), off(35, x=4.0), num_frames=30)
        assert x_by_frame(track) == pytest.approx({29: 1.0})
        assert track.frames_past_last_keyframe == 0

    def test_a_keyframe_past_the_end_does_not_bend_the_last_frame(self) -> None:
        track = track_of(keyframe(29, x=0.0), keyframe(30, x=1.0), off(39, x=50.0), num_frames=30)
        assert x_by_frame(track) == pytest.approx({28: 0.0, 29: 1.0})

    def test_an_end_past_the_end_hides_nothing(self) -> None:
        assert frames_of(keyframe(28), terminator(33), num_frames=30) == [27, 28, 29]

    def test_one_that_stays_on_past_the_end_is_not_held(self) -> None:
        track = track_of(keyframe(25), keyframe(34), num_frames=30)
        assert track.frames.tolist() == list(range(24, 30))
        assert track.frames_past_last_keyframe == 0

    @pytest.mark.parametrize(
        ("sequence", "options", "expected"),
        [
            ([keyframe(30), off(31), off(40)], {}, (31, 40)),
            ([keyframe(30), terminator(31)], {}, (31,)),
            ([keyframe(1), off(30)], {}, ()),
            ([keyframe(29), off(30)], {"frame_offset": 0}, (30,)),
            # 20 in the tag: annotated frames 59 and 60 are decoded frame 29, 61 is past the end.
            ([keyframe(59, fps=20), off(60, fps=20), off(61, fps=20)], {}, (61,)),
        ],
    )
    def test_what_was_past_it_is_told(
        self, sequence: list[Json], options: Any, expected: tuple[int, ...]
    ) -> None:
        track = track_of(*sequence, num_frames=30, **options)
        assert track.keyframes_past_end == expected
        assert clip_track(track, (100, 100))[0].keyframes_past_end == expected

    def test_the_last_frame_is_named_where_rates_differ(self) -> None:
        # 24 in the tag, 10 in the file: annotated frame 72 is decoded frame 29.
        assert frames_of(off(72, fps=24), num_frames=30, past_end_tolerance_s=0.0) == [29]
        with pytest.raises(InputError, match=r"from frame 1 to 72 .*got frame 73$"):
            frames_of(off(73, fps=24), num_frames=30, past_end_tolerance_s=0.0)

    def test_times_in_milliseconds_are_named(self) -> None:
        expected = (
            r"expected keyframe times in seconds, up to 3, the length of the video, got 1000 for "
            r"frame 24; are the times in milliseconds\?$"
        )
        with pytest.raises(InputError, match=expected):
            frames_of(keyframe(24, fps=0.024), off(48, fps=0.024), num_frames=30)


class TestWhichFrames:
    def test_from_an_enabled_keyframe_to_the_next_both_included(self) -> None:
        assert frames_of(keyframe(4), keyframe(6), off(9)) == [3, 4, 5, 6, 7, 8]

    def test_after_a_disabled_one_hidden_until_the_next(self) -> None:
        assert frames_of(keyframe(2), off(4), keyframe(8), off(9)) == [1, 2, 3, 7, 8]

    def test_a_disabled_one_right_before_the_next_hides_nothing(self) -> None:
        assert frames_of(keyframe(2), off(4), keyframe(5), off(6)) == [1, 2, 3, 4, 5]

    def test_before_the_first_hidden(self) -> None:
        assert frames_of(keyframe(29)) == [28, 29]

    def test_a_lone_disabled_one_is_one_visible_frame(self) -> None:
        assert frames_of(off(7)) == [6]

    def test_disabled_ones_in_a_row_are_one_visible_frame_each(self) -> None:
        assert frames_of(keyframe(2), off(4), off(7), off(9)) == [1, 2, 3, 6, 8]

    def test_one_without_geometry_hides_from_its_frame_on(self) -> None:
        assert frames_of(keyframe(2), terminator(6), keyframe(9), off(10)) == [1, 2, 3, 4, 8, 9]

    def test_one_without_geometry_after_a_disabled_one_changes_nothing(self) -> None:
        assert frames_of(keyframe(2), off(4), terminator(8)) == [1, 2, 3]

    def test_one_without_geometry_alone_is_on_no_frame(self) -> None:
        assert frames_of(terminator(5)) == []
        assert frames_of(terminator(5), keyframe(8), off(9)) == [7, 8]

    def test_unsorted_keyframes_count_by_frame(self) -> None:
        assert frames_of(off(9), keyframe(7), off(4), keyframe(2)) == [1, 2, 3, 6, 7, 8]

    def test_of_two_for_one_frame_the_later_in_the_list_counts(self) -> None:
        track = track_of(keyframe(2, x=0.0), off(4, x=90.0), off(4, x=20.0))
        assert x_by_frame(track) == pytest.approx({1: 0.0, 2: 10.0, 3: 20.0})

    def test_after_the_last_enabled_one_held_still_to_the_end(self) -> None:
        track = track_of(keyframe(2, x=0.0), keyframe(5, x=30.0), num_frames=9)
        expected = {1: 0.0, 2: 10.0, 3: 20.0, 4: 30.0, 5: 30.0, 6: 30.0, 7: 30.0, 8: 30.0}
        assert x_by_frame(track) == pytest.approx(expected)

    @pytest.mark.parametrize(
        ("sequence", "expected"),
        [
            ([keyframe(5)], 25),
            ([keyframe(5), off(6)], 0),
            ([keyframe(5), terminator(6)], 0),
            ([keyframe(30)], 0),
            ([off(3), keyframe(29)], 1),
        ],
    )
    def test_how_long_it_was_held_is_told(self, sequence: list[Json], expected: int) -> None:
        assert track_of(*sequence).frames_past_last_keyframe == expected

    def test_a_region_without_frames_does_not_disturb_others(self) -> None:
        first, second = tracks_of([terminator(3)], [keyframe(1), off(2)])
        assert (len(first.frames), len(second.frames)) == (0, 2)
        assert (first.id, second.id) == ("r0", "r1")


class TestWhere:
    def test_per_cent_of_the_size(self) -> None:
        track = track_of(off(1, x=10.0, y=20.0, width=30.0, height=40.0), size_wh=(640, 480))
        np.testing.assert_allclose(track.boxes_xyxy, [[64, 96, 256, 288]])

    def test_linear_in_the_frame_number(self) -> None:
        track = track_of(
            keyframe(1, x=0.0, y=0.0, width=10.0, height=20.0),
            off(5, x=8.0, y=4.0, width=30.0, height=0.0),
        )
        expected = [[2 * i, i, 2 * i + 10 + 5 * i, i + 20 - 5 * i] for i in range(5)]
        np.testing.assert_allclose(track.boxes_xyxy, expected, atol=1e-9)

    def test_hidden_frames_do_not_bend_the_next_span(self) -> None:
        track = track_of(keyframe(1, x=0.0), off(3, x=2.0), keyframe(9, x=50.0), off(11, x=70.0))
        expected = {0: 0.0, 1: 1.0, 2: 2.0, 8: 50.0, 9: 60.0, 10: 70.0}
        assert x_by_frame(track) == pytest.approx(expected)

    def test_held_still_up_to_an_end_without_geometry(self) -> None:
        track = track_of(keyframe(2, x=0.0), keyframe(3, x=5.0), terminator(6), off(9, x=80.0))
        assert x_by_frame(track) == pytest.approx({1: 0.0, 2: 5.0, 3: 5.0, 4: 5.0, 8: 80.0})

    @pytest.mark.parametrize(
        ("start", "end", "middle"),
        [
            (0, 90, 45),
            (350, 10, 0),
            (10, 350, 0),
            (-170, 170, 180),
            (0, 180, 90),  # exactly half a turn goes clockwise
            (180, 0, 270),
            (90, 270, 180),
            (0, 360, 0),
            (720, 90, 45),
            (0, -179, -89.5),
            (0, 181, -89.5),
        ],
    )
    def test_rotation_takes_the_shorter_arc(self, start: int, end: int, middle: float) -> None:
        track = track_of(
            keyframe(1, x=50.0, y=50.0, width=20.0, height=10.0, rotation=start),
            off(3, x=50.0, y=50.0, width=20.0, height=10.0, rotation=end),
        )
        turned = [
            complex(50, 50) + complex(math.cos(angle), math.sin(angle)) * complex(across, down)
            for angle in [math.radians(middle)]
            for across in (0, 20)
            for down in (0, 10)
        ]
        xs, ys = [c.real for c in turned], [c.imag for c in turned]
        expected = [min(xs), min(ys), max(xs), max(ys)]
        np.testing.assert_allclose(track.boxes_xyxy[1], expected, atol=1e-9)

    def test_rotation_goes_on_over_several_keyframes(self) -> None:
        corner: Any = {"x": 50.0, "y": 50.0, "width": 20.0, "height": 10.0}
        around = [keyframe(1 + 2 * n, rotation=(100 * n) % 360, **corner) for n in range(8)]
        track = track_of(*around, num_frames=15)
        for index in range(15):
            angle = math.radians(50 * index)
            turned = [
                complex(math.cos(angle), math.sin(angle)) * complex(across, down)
                for across in (0, 20)
                for down in (0, 10)
            ]
            assert track.boxes_xyxy[index, 0] == pytest.approx(50 + min(c.real for c in turned))
            assert track.boxes_xyxy[index, 3] == pytest.approx(50 + max(c.imag for c in turned))

    def test_rotation_is_about_the_corner_in_px_not_in_per_cent(self) -> None:
        track = track_of(
            off(1, x=50.0, y=50.0, width=10.0, height=10.0, rotation=90), size_wh=(200, 100)
        )
        # 20 px to the right become 20 px down, 10 px down become 10 px to the left.
        np.testing.assert_allclose(track.boxes_xyxy, [[90, 50, 100, 70]], atol=1e-9)

    def test_negative_sizes_are_normalised(self) -> None:
        track = track_of(off(1, x=50.0, y=40.0, width=-20.0, height=-30.0))
        np.testing.assert_allclose(track.boxes_xyxy, [[30, 10, 50, 40]])

    def test_boxes_outside_are_clipped_or_dropped_and_counted(self) -> None:
        # Moves out of the picture to the right by 20 per cent a frame.
        track = track_of(
            keyframe(1, x=0.0, y=-10.0, width=30.0, height=30.0),
            off(7, x=120.0, y=-10.0, width=30.0, height=30.0),
        )
        clipped, counts = clip_track(track, (100, 100))
        assert clipped.frames.tolist() == [0, 1, 2, 3, 4]
        np.testing.assert_allclose(
            clipped.boxes_xyxy,
            [[20 * i, 0, min(20 * i + 30, 100), 20] for i in range(5)],
            atol=1e-9,
        )
        assert counts == {"clipped": 5, "dropped": 2}


class TestAnnotatorRate:
    """Frames are numbered by the rate of the annotator's tag, not by that of the video."""

    def test_a_number_is_a_time(self) -> None:
        # 24 in the tag, 30 in the file: annotated frame 25 is after one second, so index 30.
        assert frames_of(off(25, fps=24), num_frames=60, fps=Fraction(30)) == [30]

    def test_rates_that_are_nearly_one_are_two(self) -> None:
        options: Any = {"num_frames": 3000, "fps": Fraction(30_000, 1001)}
        assert frames_of(off(2001, fps=30), **options) == [1998]
        assert frames_of(off(2001, fps=29.97), **options) == [2000]

    def test_the_frame_on_screen_counts_not_the_nearest(self) -> None:
        # 20 in the tag, 10 in the file: 1 and 2 are the first decoded frame, 3 and 4 the next.
        for frame, expected in ((1, 0), (2, 0), (3, 1), (4, 1), (6, 2)):
            assert frames_of(off(frame, fps=20.0)) == [expected]

    def test_of_two_keyframes_on_one_decoded_frame_the_nearest_counts(self) -> None:
        track = track_of(*(off(n, x=float(n), fps=20.0) for n in (3, 4, 6)))
        assert x_by_frame(track) == pytest.approx({1: 3.0, 2: 6.0})

    def test_the_rate_of_a_task_holds_for_all_its_regions(self) -> None:
        first, second = tracks_of(
            [off(21, fps=20.0)], [off(11, fps=None)], num_frames=30, fps=Fraction(10)
        )
        assert (first.frames.tolist(), second.frames.tolist()) == ([10], [5])

    def test_missing_times_are_no_evidence(self) -> None:
        assert frames_of(off(25, fps=None), num_frames=60, fps=Fraction(30)) == [24]

    @pytest.mark.parametrize("annotator_fps", [5.0, 24.0, 29.97, 60.0, 144.0])
    @pytest.mark.parametrize("video_fps", [Fraction(10), Fraction(30_000, 1001), Fraction(25)])
    def test_every_decoded_frame_of_a_span_gets_a_box(
        self, annotator_fps: float, video_fps: Fraction
    ) -> None:
        last = round(2 * annotator_fps)
        track = track_of(
            keyframe(1, x=0.0, fps=annotator_fps),
            off(last, x=50.0, fps=annotator_fps),
            num_frames=200,
            fps=video_fps,
        )
        end = math.floor(((last - 1) / annotator_fps + 0.002) * video_fps)
        assert track.frames.tolist() == list(range(end + 1))
        # Linear in the annotator's frame numbers, looked up at the decoded frames; the decoded
        # frame of a keyframe has the keyframe's own box.
        expected = np.arange(end + 1) * annotator_fps / float(video_fps) / (last - 1) * 50
        expected[-1] = 50.0
        np.testing.assert_allclose(track.boxes_xyxy[:, 0], expected, atol=1e-6)

    def test_at_other_rates_offset_zero_scales_the_number_itself(self) -> None:
        found = frames_of(off(20, fps=20.0), fps=Fraction(10), frame_offset=0)
        assert found == [10]

    def test_other_rates_hold_to_the_end_too(self) -> None:
        track = track_of(keyframe(11, fps=20.0), fps=Fraction(10), num_frames=30)
        assert track.frames.tolist() == list(range(5, 30))
        assert track.frames_past_last_keyframe == 24

    def test_the_end_is_measured_in_time(self) -> None:
        # 24 in the tag, 10 in the file of 30 frames: annotated frame 73 is three seconds in.
        assert frames_of(off(70, fps=24), num_frames=30, fps=Fraction(10)) == [28]
        with pytest.raises(InputError, match="got frame 120"):
            frames_of(off(120, fps=24), num_frames=30, fps=Fraction(10))


class TestVideosOfNoConstantRate:
    def test_a_phone_that_halves_its_rate(self) -> None:
        """2 s of 30 frames a second, then of 15, annotated at 30."""
        stamps = Stamps.of([*range(60), *range(60, 180, 2)], Fraction(1, 30))
        sequence = [
            *(keyframe(n, x=x, fps=30) for n, x in ((1, 5.0), (31, 20.0), (61, 35.0), (121, 50.0))),
            off(177, x=64.0, fps=30),
        ]
        options: Any = {"num_frames": 120, "fps": Fraction(20), "stamps": stamps}
        found = x_by_frame(track_of(*sequence, **options))
        assert list(found) == list(range(119))
        assert found[40] == pytest.approx(25.0)
        assert found[60] == pytest.approx(35.0)
        assert found[90] == pytest.approx(50.0)
        assert found[75] == pytest.approx(42.5)

    def test_a_track_that_starts_late(self) -> None:
        """Sound from 0 s, pictures from 0.5 s: frame 14 is the first decoded one."""
        stamps = Stamps(Fraction(1, 12_800), 6400, ((512, 99),))
        sequence = [
            keyframe(14, x=5.0, fps=25),
            keyframe(60, x=28.0, fps=25),
            off(112, x=54.0, fps=25),
        ]
        options: Any = {"num_frames": 100, "fps": Fraction(25), "stamps": stamps}
        found = x_by_frame(track_of(*sequence, **options))
        assert list(found) == list(range(99))
        # Frames have numbers ending in .5; frames of keyframes have the boxes of the keyframes.
        own = {0: 5.0, 46: 28.0, 98: 54.0}
        between = {index: 4.75 + index / 2 for index in range(99)}
        assert found == pytest.approx(between | own)

    def test_an_end_without_geometry_leaves_what_was_shown_before_it(self) -> None:
        # 20 in the tag, 10 in the file: 5 and 6 are one decoded frame, seen until 6.
        assert frames_of(keyframe(1, fps=20.0), terminator(6)) == [0, 1, 2]
        assert frames_of(keyframe(1, fps=20.0), terminator(5)) == [0, 1]
        # 5 in the tag: the frame between 2 and 3 is seen.
        assert frames_of(keyframe(1, fps=5.0), terminator(3)) == [0, 1, 2, 3]

    def test_before_a_late_track_the_first_frame_is_on_screen(self) -> None:
        stamps = Stamps(Fraction(1, 12_800), 6400, ((512, 99),))
        options: Any = {"num_frames": 100, "fps": Fraction(25), "stamps": stamps}
        assert frames_of(off(3, fps=25), **options) == [0]
        assert frames_of(keyframe(3, fps=25), terminator(9), **options) == [0]

    def test_in_a_gap_the_frame_before_it_is_on_screen(self) -> None:
        stamps = Stamps(Fraction(1, 30), 0, ((1, 59), (61, 1), (1, 59)))
        sequence = [keyframe(59, x=0.0, fps=30), off(100, x=41.0, fps=30)]
        options: Any = {"num_frames": 120, "fps": Fraction(30), "stamps": stamps}
        assert x_by_frame(track_of(*sequence, **options)) == pytest.approx({58: 0.0, 59: 41.0})
        assert frames_of(off(120, fps=30), **options) == [59]
        assert frames_of(off(121, fps=30), **options) == [60]


numbers = st.floats(-50, 150).map(lambda value: round(value, 2))


@st.composite
def well_formed_sequences(draw: st.DrawFn) -> tuple[list[Json], int]:
    """Unrotated, sorted, each frame once, at the video's rate; and the number of frames."""
    num_frames = draw(st.integers(1, 40))
    frames = draw(st.sets(st.integers(1, num_frames), min_size=1, max_size=8))
    sequence = [
        keyframe(frame, *(draw(numbers) for _ in range(4)), enabled=draw(st.booleans()))
        for frame in sorted(frames)
    ]
    return sequence, num_frames


@settings(max_examples=300)
@given(well_formed_sequences())
def test_agrees_with_label_studio_itself(drawn: tuple[list[Json], int]) -> None:
    sequence, num_frames = drawn
    result = region("r0", sequence)
    result["value"].update(framesCount=num_frames, duration=num_frames / 10)
    (theirs,) = extract_key_frames([result])
    expected = {
        item["frame"] - 1: [item["x"], item["y"], item["width"], item["height"]]
        for item in theirs["value"]["sequence"]
    }
    track = track_of(*sequence, num_frames=num_frames)
    assert track.frames.tolist() == sorted(expected)
    for frame_index, box in zip(track.frames.tolist(), track.boxes_xyxy.tolist(), strict=True):
        x, y, width, height = expected[frame_index]
        bounds = [min(x, x + width), min(y, y + height), max(x, x + width), max(y, y + height)]
        assert box == pytest.approx(bounds, abs=1e-6)


def visible_by_the_rules(sequence: list[Json], num_frames: int) -> set[int]:
    """The same frame by frame, by the definition of an export, at the video's rate."""
    ordered = {item["frame"]: item for item in sequence}
    visible = set()
    if any(number > num_frames and "x" in item for number, item in ordered.items()):
        visible.add(num_frames - 1)  # which stays on screen past the end
    for frame in range(1, num_frames + 1):
        if frame in ordered:
            if "x" in ordered[frame]:
                visible.add(frame - 1)
            continue
        earlier = [number for number in ordered if number < frame]
        if earlier and ordered[max(earlier)]["enabled"]:
            visible.add(frame - 1)
    return visible


@st.composite
def sequences_with_ends(draw: st.DrawFn) -> tuple[list[Json], int]:
    sequence, num_frames = draw(well_formed_sequences())
    for item in sequence:
        if draw(st.integers(0, 3)) == 0:
            for key in ("x", "y", "width", "height"):
                del item[key]
            item["enabled"] = False
        else:
            item["rotation"] = draw(st.integers(-400, 400))
    return draw(st.permutations(sequence)), num_frames


@settings(max_examples=200)
@given(sequences_with_ends(), st.integers(-10, 9))
def test_the_rules_hold_for_any_sequence_cut_anywhere(
    drawn: tuple[list[Json], int], cut: int
) -> None:
    sequence, num_frames = drawn
    num_decoded = max(1, num_frames + cut)  # at most ten keyframes past the end
    track = track_of(*sequence, num_frames=num_decoded)
    assert set(track.frames.tolist()) == visible_by_the_rules(sequence, num_decoded)
    assert (np.diff(track.frames) > 0).all()
    assert np.isfinite(track.boxes_xyxy).all()
    assert (track.boxes_xyxy[:, :2] <= track.boxes_xyxy[:, 2:]).all()


@settings(max_examples=100)
@given(well_formed_sequences())
def test_every_frame_of_a_span_as_a_keyframe_changes_nothing(
    drawn: tuple[list[Json], int],
) -> None:
    """As Label Studio exports it with `interpolate_key_frames`."""
    sequence, num_frames = drawn
    dense = fill_in(sequence, num_frames, duration_s=num_frames / 10)
    sparse_track = track_of(*sequence, num_frames=num_frames)
    dense_track = track_of(*dense, num_frames=num_frames)
    assert dense_track.frames.tolist() == sparse_track.frames.tolist()
    np.testing.assert_allclose(dense_track.boxes_xyxy, sparse_track.boxes_xyxy, atol=1e-6)


def fill_in(sequence: list[Json], num_frames: int, duration_s: float) -> list[Json]:
    result = region("r0", sequence)
    result["value"].update(framesCount=num_frames, duration=duration_s)
    (dense,) = extract_key_frames([result])
    return dense["value"]["sequence"]


@pytest.mark.parametrize("duration_s", [0, 3])
def test_nor_does_it_where_the_duration_is_missing_or_rounded_up(duration_s: float) -> None:
    """Label Studio calculates the times of filled-in keyframes from the duration."""
    sequence = [keyframe(1, x=0.0), keyframe(2, x=10.0)]
    dense = fill_in(sequence, 26, duration_s)
    found = x_by_frame(track_of(*dense, num_frames=26))
    assert found == pytest.approx(x_by_frame(track_of(*sequence, num_frames=26)))


PETS_VIDEOS = ("window_vid_1.mp4", "window_vid_2.webm", "window_vid_4.avi")
needs_pets = pytest.mark.skipif(not PETS.is_dir(), reason=f"{PETS.name} is not beside the project")


def hold_to_dense_boxes(facts: dict[str, VideoFacts]) -> int:
    """Compares the boxes of each video of pets09 with its dense ground truth.

    Returns:
        The number of boxes.
    """
    export = json.loads((PETS / "annotations.json").read_text(encoding="utf-8"))
    dense = json.loads((PETS / "dense_boxes.json").read_text(encoding="utf-8"))
    tasks = parse_export(export, "annotations.json", labels=["human"])
    expected = {
        (video, track, int(frame_index)): box
        for video in facts
        for track, boxes in dense[Path(video).stem].items()
        for frame_index, box in boxes.items()
    }
    found = {
        (video, track.id, frame_index): box
        for video, matched in match_videos(tasks, list(facts), "annotations.json").items()
        for track in filled(matched, facts[video])
        for frame_index, box in zip(track.frames.tolist(), track.boxes_xyxy, strict=True)
    }
    assert found.keys() == expected.keys()
    assert max(np.abs(found[key] - expected[key]).max() for key in expected) <= 1.2
    return len(found)


@needs_pets
def test_a_real_export_gives_its_dense_ground_truth() -> None:
    facts = VideoFacts((480, 360), 265, Fraction(10))
    assert hold_to_dense_boxes(dict.fromkeys(PETS_VIDEOS, facts)) == 4650


@needs_pets
@pytest.mark.parametrize("video", PETS_VIDEOS)
def test_so_does_it_with_what_was_decoded(tmp_path: Path, video: str) -> None:
    extract_frames(PETS / "videos" / video, tmp_path / f"{video}.zip", jpeg_quality=50)
    with FrameArchive(tmp_path / f"{video}.zip") as archive:
        assert hold_to_dense_boxes({video: archive.facts}) > 1000
        assert archive.bgr(len(archive) - 1).shape[1::-1] == archive.facts.size_wh
