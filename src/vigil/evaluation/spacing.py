"""Chooses pictures for a sheet so that it does not show one moment of a video several times."""

from collections.abc import Sequence

import pandas as pd


def choose_apart(
    order: Sequence[str], images: pd.DataFrame, num: int, apart_frames: int
) -> list[str]:
    """The first pictures of an order, where those of one video are some frames apart.

    If too few are that far apart, half of the distance is tried, and so on: the sheet is filled
    first of all.

    Args:
        order: names of pictures, the first choice first.
        images: `video` and `frame_index` of each picture; "": it is no frame of a video.
        num: how many to choose, if there are that many.
    """
    num = min(num, len(order))
    chosen: list[str] = []
    while True:
        chosen = _first_apart(order, images, num, apart_frames)
        if len(chosen) == num:
            return chosen
        apart_frames //= 2


def _first_apart(
    order: Sequence[str], images: pd.DataFrame, num: int, apart_frames: int
) -> list[str]:
    chosen: list[str] = []
    frames: dict[str, list[int]] = {}
    shown = images.loc[list(order), ["video", "frame_index"]]
    for name, video, frame in shown.itertuples(name=None):
        if len(chosen) == num:
            break
        known = frames.setdefault(video, [])
        if not video or all(abs(frame - other) >= apart_frames for other in known):
            chosen.append(name)
            known.append(frame)
    return chosen
