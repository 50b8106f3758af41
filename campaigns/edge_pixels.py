"""How much a pixel at the edge weighs: the IoU of true masks with the same masks, slightly changed.

    python campaigns/edge_pixels.py [class]

Reads the test pictures of `split@segmenter`, after `dvc repro split@segmenter`. The class is the
second one if it is not given. Prints the IoU of all pixels of these pictures together.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from vigil.domain.masks.class_map import ClassMaps
from vigil.domain.masks.masked import read_masked
from vigil.domain.sides import TEST, read_side
from vigil.pixels.pictures.picture import Picture

AROUND = np.ones((3, 3), np.uint8)


def coarse(mask: Picture) -> Picture:
    """The mask as it comes back from a map of half its size."""
    height, width = mask.shape
    means = cv2.resize(
        mask.astype(np.float32), (width // 2, height // 2), None, 0, 0, cv2.INTER_AREA
    )
    return (cv2.resize(means, (width, height)) >= 0.5).astype(np.uint8)


CHANGES: dict[str, Callable[[Picture], Picture]] = {
    "a pixel more on each side": lambda mask: cv2.dilate(mask, AROUND).astype(np.uint8),
    "a pixel less on each side": lambda mask: cv2.erode(mask, AROUND).astype(np.uint8),
    "a pixel to the right": lambda mask: np.roll(mask, 1, axis=1),
    "two pixels to the right": lambda mask: np.roll(mask, 2, axis=1),
    "from a map of stride 2": coarse,
}


def main() -> None:
    """Prints a line for each change."""
    known = read_masked(Path("data/masks/instances.json"))
    label = sys.argv[1] if len(sys.argv) > 1 else known.classes[1]
    maps, number = ClassMaps(known), known.classes.index(label)
    sides = read_side(Path("data/splits/segmenter") / f"{TEST}.json")
    masks = [(maps[image] == number).astype(np.uint8) for image in sides]
    for name, change in CHANGES.items():
        changed = [change(mask) for mask in masks]
        both = sum(int((one & other).sum()) for one, other in zip(masks, changed, strict=True))
        either = sum(int((one | other).sum()) for one, other in zip(masks, changed, strict=True))
        print(f"{label}, {name}: IoU {both / either:.3f}")


if __name__ == "__main__":
    main()
