"""Tracks that the classifier refuses, and tracks of nobody, name the examples that they show."""

import numpy as np
import pandas as pd
import pytest

from vigil.domain.boxes import CORNERS
from vigil.domain.mined_tracks import HardTracks, find_hard_tracks, followed_nobody, refused_samples
from vigil.domain.mining import BOX_COLUMNS
from vigil.domain.tracking.table import TRACK_COLUMNS, TRACK_TYPES
from vigil.domain.tracks import Track

PERSON, CHAIR, EMPTY = (0, 0, 20, 40), (60, 0, 80, 40), (100, 100, 120, 140)
OBJECTS = [
    Track("p", "human", np.arange(20), np.tile(np.array(PERSON, float), (20, 1))),
    Track("c", "chair", np.arange(20), np.tile(np.array(CHAIR, float), (20, 1))),
]


def table(tracks: dict[int, list[tuple[int, tuple[int, ...]]]]) -> pd.DataFrame:
    """Tracks by number, with frame and corners of each box; odd frames are filled."""
    rows = [
        (number, frame, frame / 10, *box, 0.7, "human", 1 - frame % 2)
        for number, boxes in tracks.items()
        for frame, box in boxes
    ]
    return pd.DataFrame(rows, columns=TRACK_COLUMNS).astype(TRACK_TYPES)


def found(boxes: list[tuple[int, tuple[int, ...]]], probability: float) -> HardTracks:
    tracks, judged = table({7: boxes}), pd.Series([probability], index=[7])
    return find_hard_tracks(tracks, judged, OBJECTS, "human", 0.5)


SAMPLES = pd.DataFrame(
    [("p", 0, 10), ("p", 10, 10), ("c", 0, 10), ("", 0, 10)],
    columns=["track", "first_frame", "num_frames"],
    index=["v/0", "v/1", "v/2", "v/3"],
)


def test_a_refused_person_is_a_miss_in_the_samples_that_the_track_shows() -> None:
    hard = found([(frame, PERSON) for frame in range(14)], 0.3)
    samples = refused_samples(hard, SAMPLES)
    # The track is on 4 of the 10 frames of the second sample, fewer than half.
    assert samples.to_numpy().tolist() == [["v/0", "miss", 0.3]]
    assert hard.on_nobody.empty


@pytest.mark.parametrize("probability", [0.5, 0.9, -1.0])
def test_a_person_who_is_kept_or_not_judged_is_no_example(probability: float) -> None:
    hard = found([(frame, PERSON) for frame in range(14)], probability)
    assert hard.on_people.empty
    assert hard.on_nobody.empty
    assert refused_samples(hard, SAMPLES).empty


def test_a_refused_object_that_is_no_person_was_judged_rightly() -> None:
    hard = found([(frame, CHAIR) for frame in range(14)], 0.1)
    assert hard.on_people.empty
    assert hard.on_nobody.empty


def test_a_track_that_is_seldom_on_the_person_says_nothing_about_the_person() -> None:
    hard = found([(frame, PERSON if frame < 4 else EMPTY) for frame in range(10)], 0.1)
    assert hard.on_people.empty
    assert hard.on_nobody.empty  # it began on a person


@pytest.mark.parametrize("probability", [0.1, 0.9, -1.0])
def test_the_detected_boxes_of_a_track_of_nobody_are_false_alarms(probability: float) -> None:
    hard = found([(frame, EMPTY) for frame in range(6)], probability)
    images = pd.DataFrame({"frame_index": [0, 1, 4, 90]}, index=["a", "b", "c", "d"])
    boxes = followed_nobody(hard, images, pd.DataFrame(columns=BOX_COLUMNS))
    assert boxes[["name", "kind", "score", *CORNERS]].to_numpy().tolist() == [
        ["a", "false_alarm", 0.7, *EMPTY],
        ["c", "false_alarm", 0.7, *EMPTY],
    ]


def test_a_false_alarm_that_is_listed_is_not_listed_again() -> None:
    hard = found([(frame, EMPTY) for frame in range(6)], 0.1)
    images = pd.DataFrame({"frame_index": [0, 2, 4]}, index=["a", "b", "c"])
    moved = (102, 100, 122, 140)
    rows = [
        ("a", "false_alarm", 0.9, "human", *moved),
        ("b", "miss", 0.1, "human", *moved),
        ("c", "false_alarm", 0.9, "human", *PERSON),
    ]
    listed = pd.DataFrame(rows, columns=BOX_COLUMNS)
    assert followed_nobody(hard, images, listed)["name"].tolist() == ["b", "c"]


def test_without_tracks_or_objects_nothing_is_found_or_all_is_nobody() -> None:
    none = find_hard_tracks(table({}), pd.Series(dtype=float), OBJECTS, "human", 0.5)
    assert none.on_people.empty
    assert none.on_nobody.empty
    alone = find_hard_tracks(table({1: [(0, PERSON)]}), pd.Series([0.1], [1]), [], "human", 0.5)
    assert len(alone.on_nobody) == 1
