"""Finds folders of pictures whose numbers are not those of frames from 0 or from 1."""

from collections.abc import Iterable
from pathlib import Path

from vigil.pixels.video.numbered import NUMBERED, list_numbered
from vigil.plumbing.errors import InputError, listed

USUAL_STARTS = (0, 1)


def first_number(folder: Path) -> int:
    """The number of the first picture of a folder.

    Raises:
        InputError: see `list_numbered`.
    """
    parts = NUMBERED.fullmatch(list_numbered(folder)[0])
    assert parts is not None
    return int(parts["number"])


def starts_late(video: Path) -> bool:
    """Whether a video is a folder of pictures whose first number is neither 0 nor 1.

    Raises:
        InputError: see `list_numbered`.
    """
    return video.is_dir() and first_number(video) not in USUAL_STARTS


def warn_of_starts(folder: Path, videos: Iterable[str]) -> list[str]:
    """At most one warning: which videos below a folder start at another number than 0 or 1.

    Raises:
        InputError: see `list_numbered`.
    """
    late = [video for video in videos if starts_late(folder / video)]
    if not late:
        return []
    return [
        f"warning: pictures numbered from neither 0 nor 1: {listed(late)}; frame 0 is the first "
        "picture, whatever its number"
    ]


def check_start(video: Path, place: str) -> None:
    """Refuses a folder whose numbers may be meant by labels of frames, which count from 0.

    Args:
        place: the labels, for the message.

    Raises:
        InputError: its first number is neither 0 nor 1; or see `list_numbered`.
    """
    if starts_late(video):
        raise InputError(
            f"{place}: expected pictures numbered from 0 or 1 where rows name frames, got "
            f"{first_number(video)} as the first number; frame 0 is the first picture, so number "
            "the pictures from 0"
        )
