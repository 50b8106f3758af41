"""Maps of classes: the class of each pixel, from the masks of objects and back."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.masks.masked import MaskedPictures
from vigil.domain.pictures.run_lengths import Mask, compress, decompress, mask_of, runs_of

IGNORED = 255
"""The value of pixels that count neither way."""

ClassMap = npt.NDArray[np.uint8]
"""(H, W): the position of the class among all classes, or `IGNORED`."""


class ClassMaps:
    """Makes the map of classes of each picture of a set.

    Where objects overlap, the smaller one is in front. Objects to be ignored are behind all others.
    """

    def __init__(self, known: MaskedPictures) -> None:
        numbers = {label: number for number, label in enumerate(known.classes)}
        self._fill = numbers.get(known.background, IGNORED)
        objects = known.objects.assign(
            value=known.objects["label"].map(numbers).where(~known.is_ignored, IGNORED),
            is_front=~known.is_ignored,
        )
        # The last one painted is in front. The sort is stable, so of equal ones it is the later.
        order = objects.sort_values(["is_front", "area"], ascending=[True, False], kind="stable")
        self._rows = {str(image): rows for image, rows in order.groupby("image")}
        self._sizes: dict[str, tuple[int, int]] = {
            str(name): (int(height), int(width))
            for name, height, width in known.images[["height", "width"]].itertuples(name=None)
        }

    def __getitem__(self, image: str) -> ClassMap:
        """The map of a picture by its id."""
        size_hw = self._sizes[image]
        painted = np.full(size_hw, self._fill, np.uint8)
        rows: pd.DataFrame | None = self._rows.get(image)
        if rows is not None:
            for counts, value in zip(rows["counts"], rows["value"], strict=True):
                painted[mask_of(decompress(counts), size_hw)] = value
        return painted


def compressed(mask: Mask) -> str:
    """A mask (H, W) as compressed RLE."""
    return compress(runs_of(mask))
