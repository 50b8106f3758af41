"""Refuses boxes in another unit than Label Studio's, which is per cent of the video's size.

Programs that write such exports also write shares (0 to 1) or px. Read as per cent, shares become
boxes of a px, and px lie outside the picture.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from vigil.domain.label_studio.tasks import Region
from vigil.plumbing.errors import InputError


def check_no_shares(regions: Iterable[Region], where: str) -> None:
    """Checks that the boxes of an export are no shares of the video's size.

    A small object in a corner has such numbers, too. So this is for all boxes of an export: one
    person in the midst of one video has numbers above 1.

    Args:
        where: the name of the export in messages.

    Raises:
        InputError: all boxes have an area, one begins within the first per cent of the picture, and
            no number is above 1.
    """
    numbers = _numbers_of(regions)
    positions, sides = numbers[:, :2], numbers[:, 2:]
    is_within = ((positions > 0) & (positions < 1)).any()
    if is_within and numbers.max() <= 1 and (sides > 0).all():
        raise InputError(
            f"{where}: expected boxes in per cent of the video's size, got no number above 1, as "
            "boxes in shares of it have; multiply them by 100"
        )


def check_no_px(regions: Iterable[Region], where: str) -> None:
    """Checks that the boxes of an annotation are not in px.

    A box may lie outside the picture, where somebody drew beyond its edge. Most boxes do not.

    Args:
        where: the name of the task in messages.

    Raises:
        InputError: most boxes begin beyond the right or lower edge, and one by more than the
            picture's size.
    """
    numbers = _numbers_of(regions)
    positions = numbers[:, :2]
    num_outside = int((positions > 100).any(axis=1).sum())
    if num_outside > len(numbers) / 2 and positions.max() > 200:
        raise InputError(
            f"{where}: expected boxes in per cent of the video's size, got {num_outside} of "
            f"{len(numbers)} that begin beyond its edge, as boxes in px do"
        )


def _numbers_of(regions: Iterable[Region]) -> npt.NDArray[np.float64]:
    """x, y, width and height (N, 4) of all boxes."""
    boxes = [one.geometry for region in regions for one in region.keyframes if one.geometry]
    return np.array(boxes, np.float64).reshape(-1, 4)
