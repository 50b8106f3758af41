import json
import tempfile
from collections import defaultdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from vigil.domain.label_studio.coco import write_coco
from vigil.domain.tracks import Track
from vigil.domain.video_facts import VideoFacts

NUM_FRAMES = 6
FACTS = VideoFacts((64, 48), NUM_FRAMES, Fraction(10))
NAME = "{frame_index:06d}.jpg"

milli_px = st.integers(0, 48_000).map(lambda value: value / 1000)


def coco_of(tracks: list[Track], *rest: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coco.json"
        write_coco(tracks, *rest, path)
        return json.loads(path.read_text(encoding="utf-8"))


@st.composite
def tracks(draw: st.DrawFn) -> list[Track]:
    drawn = []
    for number in range(draw(st.integers(0, 4))):
        frames = sorted(draw(st.sets(st.integers(0, NUM_FRAMES - 1))))
        corners = [sorted([draw(milli_px), draw(milli_px)]) for _ in range(2 * len(frames))]
        boxes = np.array(corners).reshape(-1, 2, 2).transpose(0, 2, 1).reshape(-1, 4)
        label = draw(st.sampled_from(["human", "dog", "car"]))
        drawn.append(Track(f"t{number}", label, np.array(frames, dtype=np.int64), boxes))
    return drawn


@settings(max_examples=60)
@given(tracks())
def test_the_tracks_can_be_read_back_from_it(given_tracks: list[Track]) -> None:
    coco = coco_of(given_tracks, FACTS, "a.mp4", NAME)
    frame_of = {image["id"]: image["frame_index"] for image in coco["images"]}
    label_of = {category["id"]: category["name"] for category in coco["categories"]}
    found = defaultdict(dict)
    for item in coco["annotations"]:
        x, y, width, height = item["bbox"]
        key = (item["track_id"], label_of[item["category_id"]])
        found[key][frame_of[item["image_id"]]] = [x, y, x + width, y + height]
        assert item["iscrowd"] == 0
        assert abs(item["area"] - width * height) < 1e-3
    expected = {
        (track.id, track.label): dict(
            zip(track.frames.tolist(), track.boxes_xyxy.tolist(), strict=True)
        )
        for track in given_tracks
        if len(track.frames)
    }
    assert found.keys() == expected.keys()
    for key, boxes in expected.items():
        assert found[key].keys() == boxes.keys()
        for frame_index, box in boxes.items():
            np.testing.assert_allclose(found[key][frame_index], box, atol=2e-3)
    ids = [item["id"] for item in coco["annotations"]]
    assert len(set(ids)) == len(ids) == sum(len(track.frames) for track in given_tracks)
    assert [category["name"] for category in coco["categories"]] == sorted(
        {track.label for track in given_tracks}
    )


def test_every_frame_has_an_image_boxes_or_not() -> None:
    track = Track("a", "human", np.array([2]), np.array([[1.0, 2.0, 3.0, 5.0]]))
    coco = coco_of([track], FACTS, "a.mp4", NAME)
    assert [image["frame_index"] for image in coco["images"]] == list(range(NUM_FRAMES))
    assert len({image["id"] for image in coco["images"]}) == NUM_FRAMES
    assert coco["images"][2] == {
        "id": 3,
        "file_name": "000002.jpg",
        "width": 64,
        "height": 48,
        "video": "a.mp4",
        "frame_index": 2,
    }
    assert coco["annotations"][0]["image_id"] == 3
    assert coco["annotations"][0]["bbox"] == [1, 2, 2, 3]


def test_the_order_of_tracks_does_not_matter() -> None:
    boxes = np.array([[1.0, 2.0, 3.0, 5.0]])
    tracks = [Track(name, "human", np.array([at]), boxes) for at, name in enumerate("abc")]
    assert coco_of(tracks, FACTS, "v", NAME) == coco_of(tracks[::-1], FACTS, "v", NAME)


def test_nothing_annotated() -> None:
    coco = coco_of([], FACTS, "a.mp4", NAME)
    assert (len(coco["images"]), coco["annotations"], coco["categories"]) == (NUM_FRAMES, [], [])
