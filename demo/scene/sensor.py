"""Simulates lens and sensor: a little blur, grain, and rounding to whole numbers."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from scene.sprites import Float32Array

_NUM_NOISE_FIELDS = 12


class Sensor:
    """Grain is drawn once in ``_NUM_NOISE_FIELDS`` fields, and shifted at random in each frame."""

    def __init__(self, rng: np.random.Generator, size_wh: tuple[int, int]) -> None:
        width, height = size_wh
        self._noise = rng.normal(0, 1, (_NUM_NOISE_FIELDS, height, width)).astype(np.float32)

    def expose(
        self, image: Float32Array, rng: np.random.Generator, sigma: float
    ) -> npt.NDArray[np.uint8]:
        """The frame of the camera, uint8, from ``image`` ``(height, width, 3)``, 0..255.

        ``sigma`` is the grain's standard deviation; ``rng`` picks and shifts it.
        """
        blurred = cv2.GaussianBlur(image, (3, 3), 0.55).astype(np.float32)
        field = self._noise[int(rng.integers(_NUM_NOISE_FIELDS))]
        shifts = (int(rng.integers(field.shape[0])), int(rng.integers(field.shape[1])))
        grain = np.roll(field, shifts, axis=(0, 1)) * np.float32(sigma)
        blurred += grain[..., None]
        return np.clip(np.round(blurred), 0, 255).astype(np.uint8)
