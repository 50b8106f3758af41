"""Tracks as a table and as files of the MOT Challenge."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.domain.boxes import CORNERS
from vigil.domain.tracking.table import (
    TRACK_COLUMNS,
    fill_tracks,
    read_track_table,
    track_table,
    write_mot,
    write_track_table,
)
from vigil.domain.tracking.tracker import TrackedBox

FPS = 10.0
corners = st.tuples(*[st.integers(0, 400_000).map(lambda n: n / 1000) for _ in range(4)]).map(
    lambda box: (box[0], box[1], round(box[0] + box[2], 3), round(box[1] + box[3], 3))
)
tracked_boxes = st.dictionaries(
    st.tuples(st.integers(1, 5), st.integers(0, 30)),
    st.tuples(corners, st.integers(1, 100).map(lambda n: n / 100)),
    max_size=20,
).map(
    lambda boxes: [
        TrackedBox(track_id, frame, frame / FPS, box, score, "human")
        for (track_id, frame), (box, score) in boxes.items()
    ]
)


@given(tracked=tracked_boxes)
def test_a_table_and_a_mot_file_come_back_as_they_were(tracked, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tracks")
    table = track_table(tracked)
    write_track_table(table, folder / "tracks.csv")
    pd.testing.assert_frame_equal(read_track_table(folder / "tracks.csv"), table)
    write_mot(table, folder / "tracks.txt")
    rows = [line.split(",") for line in (folder / "tracks.txt").read_text().split()]
    boxes = sorted(
        (int(track_id), int(frame) - 1, *map(float, box)) for frame, track_id, *box in rows
    )
    for (track_id, frame, left, top, width, height, score, *_), box in zip(
        boxes, table.itertuples(), strict=True
    ):
        assert (track_id, frame, score) == (box.track_id, box.frame_index, box.score)
        mot = [left - 1, top - 1, left - 1 + width, top - 1 + height]
        assert mot == pytest.approx([box.x1, box.y1, box.x2, box.y2], abs=2e-3)


def test_mot_files_count_from_one(tmp_path: Path):
    table = track_table([TrackedBox(1, 0, 0.0, (0.0, 0.0, 10.0, 20.0), 0.5, "human")])
    write_mot(table, tmp_path / "tracks.txt")
    assert (tmp_path / "tracks.txt").read_text() == "1,1,1.0,1.0,10.0,20.0,0.5,-1,-1,-1\n"


def test_no_tracks_are_tracks_too(tmp_path: Path):
    table = track_table([])
    write_track_table(table, tmp_path / "tracks.csv")
    assert list(read_track_table(tmp_path / "tracks.csv")) == TRACK_COLUMNS
    write_mot(table, tmp_path / "tracks.txt")
    assert (tmp_path / "tracks.txt").read_text() == ""
    assert len(fill_tracks(table, np.arange(5.0))) == 0


def test_between_two_boxes_one_moves_on_a_straight_line_in_time():
    """The frame in the middle is shown late: its box is where the object is by then."""
    times_s = np.array([0.0, 0.1, 0.5, 0.6])
    ends = [TrackedBox(1, 0, 0.0, (0, 0, 10, 10), 0.9, "human")]
    ends += [TrackedBox(1, 3, 0.6, (60, 0, 70, 10), 0.5, "human")]
    filled = fill_tracks(track_table(ends), times_s)
    assert filled["x1"].tolist() == pytest.approx([0, 10, 50, 60])
    assert filled["is_observed"].tolist() == [1, 0, 0, 1]
    assert filled["time_s"].tolist() == times_s.tolist()


@given(tracked=tracked_boxes)
def test_filling_keeps_observed_boxes_and_leaves_no_gap(tracked):
    table = track_table(tracked)
    filled = fill_tracks(table, np.arange(31) / FPS)
    observed = filled[filled["is_observed"] == 1].reset_index(drop=True)
    pd.testing.assert_frame_equal(observed[[*CORNERS, "score"]], table[[*CORNERS, "score"]])
    for _, track in filled.groupby("track_id"):
        assert (np.diff(track["frame_index"]) == 1).all()
