"""Whether videos show one place, seen by a camera that does not move.

Videos are compared by their usual picture, in which noise and people who walk by have no part. The
correlation of gradients was 0.82 to 1.00 for videos of one fixed camera (PETS 2009, parts of a
video of an office, three synthetic walkways), and at most 0.21 for the demo's clips of many places.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import combinations, islice
from pathlib import Path

import numpy as np

from vigil.pixels.alike import MIN_CORRELATION, correlate, spread
from vigil.pixels.pictures.picture import Picture
from vigil.pixels.video.source import SourceFrame, frame_bgr, open_source

NUM_VIDEOS = 24
"""At most so many videos are compared."""
NUM_FRAMES, FRAME_STEP = 9, 5
"""The usual picture of a video is the median of so many of its first frames, so many apart."""


def share_of_one_place(videos: Sequence[Path]) -> float:
    """The fraction of pairs of videos that show the same place, in [0, 1].

    Args:
        videos: at least two.

    Raises:
        InputError: a video cannot be read.
    """
    pictures = [usual_picture(video) for video in spread(videos, NUM_VIDEOS)]
    alike = [correlate(one, other) >= MIN_CORRELATION for one, other in combinations(pictures, 2)]
    return float(np.mean(alike))


def usual_picture(video: Path) -> Picture:
    """(H, W, 3) BGR: the median of some of the first frames of a video.

    Raises:
        InputError: the video cannot be read.
    """
    # Any rate does: numbered pictures are counted here.
    source: Iterable[SourceFrame] = open_source(video, Fraction(1), keeps_damaged=True)
    frames = islice(source, 0, NUM_FRAMES * FRAME_STEP, FRAME_STEP)
    usual: Picture = np.median([frame_bgr(frame) for frame in frames], axis=0).astype(np.uint8)
    return usual
