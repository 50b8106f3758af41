"""Resizes maps of classes."""

import cv2
import numpy as np

from vigil.domain.masks.class_map import ClassMap


def fit_classes(classes: ClassMap, size_wh: tuple[int, int]) -> ClassMap:
    """Resizes a map of classes; each pixel takes the class at its centre."""
    return cv2.resize(classes, size_wh, interpolation=cv2.INTER_NEAREST_EXACT).astype(np.uint8)
