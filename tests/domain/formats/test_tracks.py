"""Tracks as boxes frame by frame."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vigil.domain.formats.tracks import annotate_frames
from vigil.domain.tracks import Track
from vigil.domain.video_facts import VideoFacts
from vigil.plumbing.errors import InputError

NAME = "{video}.zip/{frame_index:03d}.jpg"


def facts(num_frames: int) -> VideoFacts:
    return VideoFacts((64, 48), num_frames, Fraction(10))


def track(name: str, frames: list[int], label: str = "human") -> Track:
    corner = np.array(frames, dtype=float)
    boxes = np.stack([corner, corner + 1, corner + 10, corner + 20], axis=1).reshape(-1, 4)
    return Track(name, label, np.array(frames, dtype=np.int64), boxes)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), max_size=3), st.integers(1, 7))
def test_every_nth_frame_and_the_boxes_on_it(videos: list[tuple[int, int]], stride: int) -> None:
    given_videos, pictures, boxes = [], [], []
    for number, (num_frames, step) in enumerate(videos):
        tracks = [track("a", list(range(0, num_frames, step))), track("b", [], "dog")]
        given_videos.append((f"v{number}", tracks, facts(num_frames)))
        for index in range(num_frames):
            if index % stride == 0:
                name = f"v{number}.zip/{index:03d}.jpg"
                pictures.append((name, f"v{number}", index))
                if index % step == 0:
                    boxes.append((name, "human", index, index + 1, index + 10, index + 20))
    found = annotate_frames(given_videos, frame_stride=stride, frame_name=NAME)
    columns = ["file_name", "video", "frame_index"]
    assert list(found.pictures[columns].itertuples(index=False, name=None)) == pictures
    columns = ["image", "label", "x1", "y1", "x2", "y2"]
    assert list(found.boxes[columns].itertuples(index=False, name=None)) == boxes
    assert found.classes == (("dog", "human") if videos else ())
    assert (found.pictures[["width", "height"]].to_numpy() == [64, 48]).all()


def test_a_track_past_the_end() -> None:
    with pytest.raises(InputError, match="v0: track a: expected frames below 5, got 5"):
        annotate_frames([("v0", [track("a", [1, 5])], facts(5))], frame_stride=2, frame_name=NAME)
