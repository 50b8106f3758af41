"""Refuses boxes in another unit than Label Studio's, which is per cent of the video's size.

Programs that write such exports also write shares (0 to 1) or px. Read as per cent, shares become
boxes of a px, and px lie outside the picture.
"""

from collections.abc import Iterable

import numpy as np

from vigil.domain.label_studio.tasks import Region
from vigil.plumbing.errors import InputError


def check_per_cent(regions: Iterable[Region], where: str) -> None:
    """Checks the unit of all boxes of an annotation.

    A box may lie outside the picture, where somebody drew beyond its edge. Most boxes do not.

    Args:
        where: the name of the task in messages.

    Raises:
        InputError: all boxes have an area, one begins within the first per cent of the picture, and
            no number is above 1; or most boxes begin beyond the right or lower edge, and one by
            more than the picture's size.
    """
    boxes = [one.geometry for region in regions for one in region.keyframes if one.geometry]
    if not boxes:
        return
    numbers = np.array(boxes)  # (N, 4): x, y, width, height
    positions, sides = numbers[:, :2], numbers[:, 2:]
    is_within = ((positions > 0) & (positions < 1)).any()
    if numbers.max() <= 1 and (sides > 0).all() and is_within:
        raise InputError(
            f"{where}: expected boxes in per cent of the video's size, got no number above 1, as "
            "boxes in shares of it have; multiply them by 100"
        )
    num_outside = int((positions > 100).any(axis=1).sum())
    if num_outside > len(numbers) / 2 and positions.max() > 200:
        raise InputError(
            f"{where}: expected boxes in per cent of the video's size, got {num_outside} of "
            f"{len(numbers)} that begin beyond its edge, as boxes in px do"
        )
