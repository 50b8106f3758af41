import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vigil.domain.tracks import Track, clip_track, read_tracks, write_tracks
from vigil.plumbing.errors import InputError


def track(name: str, frames: list[int], boxes: Any, label: str = "human") -> Track:
    values = np.array(boxes, dtype=float).reshape(-1, 4)
    return Track(name, label, np.array(frames, dtype=np.int64), values)


coordinates = st.floats(-1000, 5000).map(lambda value: round(value, 3))


@st.composite
def tracks(draw: st.DrawFn) -> list[Track]:
    names = draw(st.sets(st.from_regex(r"[a-z0-9_-]{1,12}", fullmatch=True), max_size=4))
    drawn = []
    for name in sorted(names):
        frames = sorted(draw(st.sets(st.integers(0, 10_000), max_size=5)))
        boxes = [[draw(coordinates) for _ in range(4)] for _ in frames]
        drawn.append(track(name, frames, boxes, draw(st.text(min_size=1, max_size=5))))
    return drawn


@settings(max_examples=40)
@given(tracks())
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, given_tracks: list[Track]
) -> None:
    folder = tmp_path_factory.mktemp("tracks") / "video.mp4" / "labels"
    write_tracks(given_tracks, folder)
    found = read_tracks(folder)
    assert [(one.id, one.label) for one in found] == [(one.id, one.label) for one in given_tracks]
    for one, expected in zip(found, given_tracks, strict=True):
        assert one.frames.dtype == np.int64
        assert one.frames.tolist() == expected.frames.tolist()
        assert one.boxes_xyxy.shape == (len(one.frames), 4)
        np.testing.assert_allclose(one.boxes_xyxy, expected.boxes_xyxy, atol=5e-4)


def test_the_files_are_those_of_the_per_object_format(tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    write_tracks([track("0a_b", [3, 5], [[1, 2, 3, 4], [1.23456, 2, 3, 4]])], folder)
    (file,) = folder.iterdir()
    assert file.name == "0a_b.json"
    assert json.loads(file.read_text()) == {
        "id": "0a_b",
        "label": "human",
        "frames": [3, 5],
        "coords": [[1, 2, 3, 4], [1.235, 2, 3, 4]],
    }


def test_no_tracks(tmp_path: Path) -> None:
    write_tracks([], tmp_path / "labels")
    assert read_tracks(tmp_path / "labels") == []


def test_a_missing_folder_is_no_video_without_tracks(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        read_tracks(tmp_path / "nowhere")


GOOD = {"id": "a", "label": "human", "frames": [1, 2], "coords": [[0, 0, 1, 1], [0, 0, 1, 1]]}


@pytest.mark.parametrize(
    "content",
    [
        [],
        3,
        None,
        "text",
        {},
        *({key: value for key, value in GOOD.items() if key != left_out} for left_out in GOOD),
        {**GOOD, "frames": [1]},
        {**GOOD, "frames": [2, 1]},
        {**GOOD, "frames": [1, 1]},
        {**GOOD, "frames": [-1, 1]},
        {**GOOD, "frames": [0.5, 1.5]},
        {**GOOD, "frames": [[1], [2]]},
        {**GOOD, "frames": ["a", "b"]},
        {**GOOD, "frames": [1, None]},
        {**GOOD, "frames": [1, 10**30]},
        {**GOOD, "frames": None},
        {**GOOD, "coords": [[0, 0, 1, 1]]},
        {**GOOD, "coords": [[0, 0, 1], [0, 0, 1]]},
        {**GOOD, "coords": [[0, 0, 1, 1], [0, 0, 1]]},
        {**GOOD, "coords": [[0, 0, 1, float("nan")], [0, 0, 1, 1]]},
        {**GOOD, "coords": [[0, 0, 1, float("inf")], [0, 0, 1, 1]]},
        {**GOOD, "coords": [[0, 0, 1, "x"], [0, 0, 1, 1]]},
        {**GOOD, "coords": {}},
    ],
    ids=lambda content: json.dumps(content)[:60],
)
def test_malformed_files_are_refused_by_name(tmp_path: Path, content: Any) -> None:
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"a\.json: expected"):
        read_tracks(tmp_path)


def test_clipping_keeps_frames_and_boxes_together() -> None:
    before = track("a", [4, 5, 9], [[-5, 0, 5, 5], [200, 0, 210, 5], [1, 1, 2, 2]])
    after, counts = clip_track(before, (100, 50))
    assert after.frames.tolist() == [4, 9]
    assert after.boxes_xyxy.tolist() == [[0, 0, 5, 5], [1, 1, 2, 2]]
    assert (after.id, after.label) == ("a", "human")
    assert counts == {"clipped": 1, "dropped": 1}


def test_clipping_nothing() -> None:
    after, counts = clip_track(track("a", [], []), (100, 50))
    assert after.boxes_xyxy.shape == (0, 4)
    assert counts == {"clipped": 0, "dropped": 0}
