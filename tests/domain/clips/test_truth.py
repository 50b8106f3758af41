"""Frames whose label and masks disagree are counted."""

import pandas as pd

from vigil.domain.boxes import CORNERS
from vigil.domain.clips.truth import FRAME_DTYPES, as_regions, describe_disagreement

FRAMES = pd.DataFrame(
    [(video, frame, frame / 10, frame in {2, 3}, False) for video in "ab" for frame in range(5)],
    columns=list(FRAME_DTYPES),
)


def regions(*places: tuple[str, int]) -> pd.DataFrame:
    rows = [(video, frame, 0, 1.0, 1.0, 5.0, 9.0) for video, frame in places]
    return as_regions([pd.DataFrame(rows, columns=["video", "frame", "track", *CORNERS])])


def test_labels_and_masks_that_agree_are_no_news() -> None:
    assert describe_disagreement(masked("a"), regions(("a", 2), ("a", 3), ("a", 3))) == ""


def masked(*videos: str) -> pd.DataFrame:
    return FRAMES.assign(is_masked=FRAMES["video"].isin(videos))


def test_without_masks_nothing_disagrees() -> None:
    assert describe_disagreement(FRAMES, as_regions([])) == ""


def test_each_way_of_disagreeing_is_counted_in_the_videos_with_masks() -> None:
    note = describe_disagreement(masked("a"), regions(("a", 1), ("a", 2), ("a", 4)))
    assert "2 frames with a mask are labelled normal" in note
    assert "1 anomalous frames have an empty mask" in note


def test_masks_that_are_all_empty_disagree_with_anomalous_frames() -> None:
    note = describe_disagreement(masked("a", "b"), as_regions([]))
    assert "0 frames with a mask are labelled normal, 4 anomalous frames have an empty" in note
