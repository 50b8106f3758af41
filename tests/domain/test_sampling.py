from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vigil.domain.samples.index import BACKGROUND, INDEX_DTYPES, PERSON, read_index, write_index
from vigil.domain.sampling import (
    Sample,
    clean,
    index_samples,
    people_sides,
    plan_background,
    plan_people,
    uniform_sides,
)
from vigil.domain.tracks import Track
from vigil.domain.video_facts import VideoFacts
from vigil.plumbing.errors import InputError

SIZE_WH = (64, 48)


def walk(name: str, frames: list[int], side: float = 10.0) -> Track:
    """A box one px further right on each frame."""
    at = np.array(frames, dtype=float)
    boxes = np.stack([at, np.full(len(at), 5.0), at + side, np.full(len(at), 5.0 + 2 * side)], 1)
    return Track(name, "human", np.array(frames, dtype=np.int64), boxes)


def starts(samples: list[Sample]) -> list[int]:
    return [sample.first_frame for sample in samples]


class TestPeople:
    def test_samples_touch_where_the_stride_is_their_length(self) -> None:
        found = plan_people(
            [walk("a", list(range(3, 27)))], SIZE_WH, num_frames=10, stride_frames=10
        )
        assert starts(found) == [3, 13]

    def test_samples_overlap_at_a_shorter_stride(self) -> None:
        track = walk("a", list(range(12)))
        assert starts(plan_people([track], SIZE_WH, num_frames=10, stride_frames=1)) == [0, 1, 2]

    def test_exactly_long_enough_and_one_short(self) -> None:
        for num, expected in ((10, [0]), (9, []), (0, [])):
            track = walk("a", list(range(num)))
            found = plan_people([track], SIZE_WH, num_frames=10, stride_frames=10)
            assert starts(found) == expected

    def test_a_gap_is_never_bridged(self) -> None:
        track = walk("a", [*range(15), *range(16, 27)])
        found = plan_people([track], SIZE_WH, num_frames=10, stride_frames=10)
        assert starts(found) == [0, 16]

    def test_boxes_are_those_of_their_frames(self) -> None:
        (sample,) = plan_people(
            [walk("a", list(range(7, 12)))], SIZE_WH, num_frames=5, stride_frames=5
        )
        assert sample.boxes_px.tolist() == [[x, 5, x + 10, 25] for x in range(7, 12)]
        assert (sample.label, sample.track) == (PERSON, "a")

    @settings(max_examples=60)
    @given(
        st.lists(st.sets(st.integers(0, 40)), max_size=3),
        st.integers(1, 6),
        st.integers(1, 8),
    )
    def test_samples_are_consecutive_and_within_one_run(
        self, frame_sets: list[set[int]], num_frames: int, stride_frames: int
    ) -> None:
        tracks = [walk(f"t{n}", sorted(frames)) for n, frames in enumerate(frame_sets)]
        found = plan_people(tracks, SIZE_WH, num_frames=num_frames, stride_frames=stride_frames)
        for track, frames in zip(tracks, frame_sets, strict=True):
            own = [sample for sample in found if sample.track == track.id]
            covered = [
                index
                for sample in own
                for index in range(sample.first_frame, sample.first_frame + num_frames)
            ]
            assert set(covered) <= frames
            if stride_frames >= num_frames:
                assert len(covered) == len(set(covered))
            # As many as fit into a run of frames, counted frame by frame.
            expected = [
                first
                for run_start in sorted(f for f in frames if f - 1 not in frames)
                for first in range(run_start, 50, stride_frames)
                if all(f in frames for f in range(run_start, first + num_frames))
            ]
            assert starts(own) == expected


def sample_of(*sides_wh: tuple[int, int]) -> Sample:
    boxes = np.array([[3, 4, 3 + width, 4 + height] for width, height in sides_wh])
    return Sample(PERSON, "a", 0, boxes)


class TestCleaning:
    @pytest.mark.parametrize(
        ("sides_wh", "reason"),
        [
            ([(5, 25)], None),
            ([(5, 26)], "aspect_ratio"),
            ([(26, 5)], "aspect_ratio"),
            ([(4, 20)], "line"),
            ([(20, 4)], "line"),
            ([(4, 4)], "point"),
            ([(0, 0)], "point"),
            ([(0, 20)], "line"),
            ([(5, 5)], None),
            ([(10, 20), (4, 20), (10, 20)], "line"),  # one bad box is enough
            ([(10, 20), (10, 20), (3, 2)], "point"),
        ],
    )
    def test_reasons(self, sides_wh: list[tuple[int, int]], reason: str | None) -> None:
        good, reasons = clean([sample_of(*sides_wh)], min_side_px=5, max_aspect_ratio=5.0)
        assert dict(reasons) == ({reason: 1} if reason else {})
        assert len(good) == (reason is None)

    def test_every_sample_is_kept_or_counted_once(self) -> None:
        samples = [sample_of((w, h)) for w in range(12) for h in range(12)]
        good, reasons = clean(samples, min_side_px=4, max_aspect_ratio=2.0)
        assert len(good) + sum(reasons.values()) == len(samples)
        assert len(good) == sum(
            min(w, h) >= 4 and max(w, h) <= 2 * min(w, h) for w in range(12) for h in range(12)
        )


def plan(
    num_samples: int,
    people: list[Track],
    *,
    size_wh: tuple[int, int] = SIZE_WH,
    num_video_frames: int = 20,
    seed: int = 0,
    **options: Any,
) -> list[Sample]:
    facts = VideoFacts(size_wh, num_video_frames, Fraction(10))
    options = {"sides_px": uniform_sides(5, 12), "num_frames": 5, "max_tries": 500, **options}
    rng = np.random.default_rng(seed)
    return plan_background(num_samples, people, facts, rng, place="door.mp4", **options)


def pixels_of(box: list[float]) -> set[tuple[int, int]]:
    x1, y1, x2, y2 = box
    columns = range(int(np.floor(x1)), int(np.ceil(x2)))
    return {(x, y) for x in columns for y in range(int(np.floor(y1)), int(np.ceil(y2)))}


whole_px = st.integers(-5, 60)


@st.composite
def people(draw: st.DrawFn) -> list[Track]:
    drawn = []
    for number in range(draw(st.integers(0, 3))):
        frames = sorted(draw(st.sets(st.integers(0, 19), min_size=1)))
        corner = np.array([[draw(whole_px), draw(whole_px)] for _ in frames], dtype=float)
        side = np.array([draw(st.integers(1, 40)), draw(st.integers(1, 40))])
        boxes = np.concatenate([corner, corner + side], axis=1)
        drawn.append(Track(f"p{number}", "human", np.array(frames, dtype=np.int64), boxes))
    return drawn


class TestBackground:
    @settings(max_examples=60)
    @given(people(), st.integers(1, 6), st.integers(0, 5))
    def test_it_never_meets_a_person_on_any_of_its_frames(
        self, given_people: list[Track], num_frames: int, seed: int
    ) -> None:
        try:
            found = plan(6, given_people, num_frames=num_frames, seed=seed, max_tries=50)
        except InputError as error:
            message = str(error)
            assert "too little room" in message
            return
        assert len(found) == 6
        for sample in found:
            assert (sample.label, sample.track) == (BACKGROUND, "")
            assert sample.boxes_px.shape == (num_frames, 4)
            assert (sample.boxes_px == sample.boxes_px[0]).all()
            assert 0 <= sample.first_frame <= 20 - num_frames
            own = pixels_of(sample.boxes_px[0].tolist())
            for track in given_people:
                for frame, box in zip(track.frames, track.boxes_xyxy.tolist(), strict=True):
                    if 0 <= frame - sample.first_frame < num_frames:
                        assert not own & pixels_of(box)

    def test_it_stays_in_the_picture_and_its_sides_within_bounds(self) -> None:
        found = plan(400, [], sides_px=uniform_sides(5, 12))
        boxes = np.stack([sample.boxes_px[0] for sample in found])
        sides = boxes[:, 2:] - boxes[:, :2]
        assert (sides.min(), sides.max()) == (5, 12)
        assert boxes.min() == 0
        assert boxes[:, 2].max() == SIZE_WH[0]
        assert boxes[:, 3].max() == SIZE_WH[1]
        assert {sample.first_frame for sample in found} == set(range(16))

    def test_sides_that_do_not_fit_the_picture_are_not_drawn(self) -> None:
        found = plan(50, [], size_wh=(8, 30), sides_px=uniform_sides(6, 40))
        sides = np.stack([s.boxes_px[0, 2:] - s.boxes_px[0, :2] for s in found])
        assert sides[:, 0].max() <= 8
        assert sides[:, 1].max() <= 30

    def test_a_box_may_fill_the_picture_and_a_sample_the_video(self) -> None:
        (found,) = plan(
            1, [], size_wh=(9, 9), num_video_frames=5, sides_px=np.array([[9, 9]]), num_frames=5
        )
        assert (found.first_frame, found.boxes_px[0].tolist()) == (0, [0, 0, 9, 9])

    def test_the_same_seed_gives_the_same(self) -> None:
        crowd = [walk("a", list(range(20)))]
        one, same, other = (plan(20, crowd, seed=seed) for seed in (3, 3, 4))
        as_plain = [[(s.first_frame, s.boxes_px.tolist()) for s in x] for x in (one, same, other)]
        assert as_plain[0] == as_plain[1]
        assert as_plain[0] != as_plain[2]

    def test_the_order_of_people_does_not_matter(self) -> None:
        crowd = [walk("a", list(range(20))), walk("b", list(range(4, 9)), side=15.0)]
        plans = [plan(20, crowd), plan(20, crowd[::-1])]
        as_plain = [[(s.first_frame, s.boxes_px.tolist()) for s in x] for x in plans]
        assert as_plain[0] == as_plain[1]

    def test_too_little_room_is_an_error_after_a_bounded_number_of_tries(self) -> None:
        boxes = np.tile([0.0, 0.0, *SIZE_WH], (20, 1))
        everywhere = Track("a", "human", np.arange(20), boxes)

        class Counting:
            num_draws = 0

            def integers(self, *bounds: int) -> int:
                self.num_draws += 1
                return 0

        rng = Counting()
        facts = VideoFacts(SIZE_WH, 20, Fraction(10))
        with pytest.raises(InputError, match=r"^door\.mp4: too little room .* each of 7 tries"):
            plan_background(
                2,
                [everywhere],
                facts,
                rng,  # type: ignore[arg-type]
                sides_px=uniform_sides(5, 12),
                num_frames=5,
                max_tries=7,
                place="door.mp4",
            )
        assert rng.num_draws <= 7 * 4

    def test_room_on_other_frames_is_found(self) -> None:
        boxes = np.tile([0.0, 0.0, *SIZE_WH], (14, 1))
        at_first = Track("a", "human", np.arange(14), boxes)
        found = plan(5, [at_first], num_frames=5)
        assert {sample.first_frame for sample in found} <= {14, 15}

    def test_a_video_too_short_is_an_error(self) -> None:
        with pytest.raises(InputError, match=r"^door\.mp4: .*5 frames, got 4 frames of 64x48"):
            plan(1, [], num_video_frames=4)

    def test_a_picture_too_small_is_an_error(self) -> None:
        with pytest.raises(InputError, match=r"^door\.mp4: .*got 20 frames of 4x4"):
            plan(1, [], size_wh=(4, 4))

    def test_none_asked_for(self) -> None:
        assert plan(0, []) == []
        assert plan(0, [], num_video_frames=1) == []


def test_uniform_sides_are_every_width_with_every_height() -> None:
    found = uniform_sides(3, 5).tolist()
    assert sorted(found) == [[w, h] for w in (3, 4, 5) for h in (3, 4, 5)]
    assert uniform_sides(7, 7).tolist() == [[7, 7]]


def test_sides_like_people_are_those_of_first_boxes() -> None:
    samples = [sample_of((5, 9), (6, 10)), sample_of((7, 20), (1, 1))]
    assert people_sides(samples).tolist() == [[5, 9], [7, 20]]


class TestIndex:
    def test_one_line_for_each_sample(self) -> None:
        samples = [
            Sample(PERSON, "a", 4, np.array([[0, 0, 10, 20], [0, 0, 11, 20]])),
            Sample(BACKGROUND, "", 9, np.array([[5, 5, 10, 10], [5, 5, 10, 10]])),
        ]
        found = index_samples(samples, "door.mp4")
        assert found.to_dict("records") == [
            {
                "video": "door.mp4",
                "row": 0,
                "label": PERSON,
                "track": "a",
                "first_frame": 4,
                "num_frames": 2,
                "width_px": 10.5,
                "height_px": 20.0,
            },
            {
                "video": "door.mp4",
                "row": 1,
                "label": BACKGROUND,
                "track": "",
                "first_frame": 9,
                "num_frames": 2,
                "width_px": 5.0,
                "height_px": 5.0,
            },
        ]

    def test_no_samples(self) -> None:
        found = index_samples([], "door.mp4")
        assert len(found) == 0
        assert list(found.columns) == list(INDEX_DTYPES)

    @pytest.mark.parametrize("name", ["NA", "null", "nan", "0123", "1e5", "true", "-", "a,b", ""])
    def test_names_that_look_like_something_else_survive_the_file(
        self, tmp_path: Any, name: str
    ) -> None:
        samples = [Sample(PERSON, name, 4, np.array([[0, 0, 10, 20]]))]
        write_index(index_samples(samples, f"{name}.mp4"), tmp_path)
        found = read_index(tmp_path)
        assert found["track"].tolist() == [name]
        assert found["video"].tolist() == [f"{name}.mp4"]
        assert found.index.tolist() == [f"{name}.mp4/0"]
        assert found["first_frame"].dtype == np.int64
