"""Chooses pictures for a sheet so that it does not show one moment of a video several times."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pandas as pd


class Shown(Protocol):
    """The settings of sheets; `vigil.settings.evaluate_detector` explains the attributes."""

    @property
    def seed(self) -> int: ...  # noqa: D102
    @property
    def num_pictures(self) -> int: ...  # noqa: D102
    @property
    def apart_frames(self) -> int: ...  # noqa: D102


def choose_shown(
    by_picture: "pd.Series[float]", images: pd.DataFrame, settings: Shown
) -> dict[str, list[str]]:
    """The `best`, the `worst` and `random` pictures, each chosen by `choose_apart`.

    Args:
        by_picture: a number for each picture; the larger, the better.
        images: see `choose_apart`.
    """
    order = by_picture.sort_values(kind="stable").index
    rng = np.random.default_rng(settings.seed)
    orders = {"best": order[::-1], "worst": order, "random": rng.permutation(order.to_numpy())}
    return {
        name: choose_apart(list(names), images, settings.num_pictures, settings.apart_frames)
        for name, names in orders.items()
    }


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
