"""Pictures of a sheet: of different moments where there are enough."""

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from vigil.evaluation.spacing import choose_apart


def pictures(*frames: tuple[str, int]) -> pd.DataFrame:
    """Pictures named by their frames, as `a 5`."""
    table = pd.DataFrame(frames, columns=["video", "frame_index"])
    return table.set_index(table["video"] + " " + table["frame_index"].astype(str))


def test_frames_of_one_moment_are_shown_once() -> None:
    """The first of an order is always shown; the next ones only with their distance from it."""
    images = pictures(*(("a", frame) for frame in range(0, 300, 2)))
    order = ["a 124", "a 128", "a 126", "a 30", "a 174", "a 172", "a 298"]
    assert choose_apart(order, images, 4, 50) == ["a 124", "a 30", "a 174", "a 298"]


def test_other_videos_and_pictures_of_no_video_are_not_neighbours() -> None:
    images = pictures(("a", 10), ("b", 10), ("", -1))
    images = pd.concat([images, images.loc[[" -1"]].rename(index={" -1": "other"})])
    order = images.index.tolist()
    assert choose_apart(order, images, 9, 50) == order


def test_a_short_video_still_fills_the_sheet_as_far_apart_as_it_can() -> None:
    images = pictures(*(("a", frame) for frame in range(60)))
    chosen = choose_apart(images.index.tolist(), images, 4, 50)
    assert chosen == ["a 0", "a 12", "a 24", "a 36"]
    assert choose_apart(["a 1", "a 2"], images, 4, 50) == ["a 1", "a 2"]


@given(st.lists(st.integers(0, 200), unique=True), st.integers(0, 9), st.integers(1, 99))
def test_the_sheet_has_as_many_pictures_as_are_asked_for(
    frames: list[int], num: int, apart: int
) -> None:
    images = pictures(*(("a", frame) for frame in frames))
    order = images.index.tolist()
    chosen = choose_apart(order, images, num, apart)
    assert len(set(chosen)) == len(chosen) == min(num, len(order))
    assert chosen[:1] == order[: min(num, 1)]
    assert chosen == sorted(chosen, key=order.index)
