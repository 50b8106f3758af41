"""The side of each video: training, validation or test. A video keeps its side for ever.

The sides are stored as given splits, one for each branch that learns from the videos. So a video
that is added later does not change the side of another one.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from vigil.domain.sides import SIDES, TEST, read_side
from vigil.domain.splits.given import COLUMNS
from vigil.domain.watched import read_truth
from vigil.plumbing.errors import InputError, listed
from vigil.plumbing.memo import tree_digest
from vigil.plumbing.records import read_json, write_csv

ARCHIVE = ".zip"


def sides_of_videos(splits: Path) -> dict[str, str]:
    """The side of each video, from the folder of a split.

    Raises:
        InputError: no such split, or a video whose time is cut into several sides.
    """
    sides: dict[str, str] = {}
    cut: set[str] = set()
    for side in SIDES:
        for name in read_side(splits / f"{side}.json"):
            video = name.rpartition("/")[0].removesuffix(ARCHIVE)
            if sides.setdefault(video, side) != side:
                cut.add(video)
    if cut:
        raise InputError(
            f"{splits}: expected each video on one side, so that its corrections can stay there, "
            f"got several sides for {listed(cut)}; split.given gives a video one side"
        )
    return sides


def write_ledger(sides: Mapping[str, str], file: Path) -> None:
    """Writes sides as a given split."""
    write_csv(pd.DataFrame(sorted(sides.items()), columns=COLUMNS), file)


def digests_for_evaluation(videos: Path, truth: Path) -> dict[str, str]:
    """The digests of watched videos with known events and tracks, which measure `vigil watch`.

    Args:
        videos: the folder of the watched videos.
        truth: the file of true events and tracks; missing: there are none.

    Returns:
        The name of each such video by its digest.
    """
    if not truth.is_file() or read_json(truth) == {}:
        return {}
    files = [videos / name for name in read_truth(truth)]
    return {tree_digest(file): file.name for file in files if file.exists()}


def check_new_side(
    video: str, path: Path, side: str | None, for_evaluation: Mapping[str, str]
) -> str:
    """The side of a video that has none yet.

    Args:
        path: the video.
        side: the side that was asked for.
        for_evaluation: names of watched videos that measure, by their digest.

    Raises:
        InputError: no side was asked for, or a video that measures would be trained on.
    """
    if side is None:
        raise InputError(
            f"{video}: expected --side ({', '.join(SIDES)}), as this video has no side yet"
        )
    if side != TEST and (same := for_evaluation.get(tree_digest(path))):
        raise InputError(
            f"{video}: expected --side {TEST}, got {side}: it is {same}, by which "
            "evaluate.watch.truth measures"
        )
    return side
