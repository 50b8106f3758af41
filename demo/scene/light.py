"""The light on a scene: drifting clouds and one flickering lamp."""

from __future__ import annotations

import numpy as np

from scene.background import octave_noise
from scene.camera import Camera
from scene.sprites import Float32Array


class Light:
    """Slow clouds, and one flickering lamp at the facade."""

    def __init__(
        self,
        rng: np.random.Generator,
        size_wh: tuple[int, int],
        duration_s: float,
        facade_depth_m: float,
        camera: Camera,
    ) -> None:
        width, height = size_wh
        self._cloud = 0.10 * octave_noise(rng, (2 * width, height), width / 1.5, 2)
        self._drift_px_s = width / max(duration_s, 1.0)
        self._phase = float(rng.uniform(0, 6))
        self._width = width
        lamp_m = np.array([float(rng.uniform(-9, 9)), 2.6, facade_depth_m])
        lamp_x, lamp_y = camera.project(lamp_m)
        rows, columns = np.mgrid[0:height, 0:width]
        distance = ((columns - lamp_x) / 14) ** 2 + ((rows - lamp_y) / 10) ** 2
        self._glow = (70 * np.exp(-distance)).astype(np.float32)[..., None] * np.array(
            [1.0, 0.92, 0.7], np.float32
        )
        self._flicker = rng.uniform(0.2, 1.0, 97).astype(np.float32)

    def apply(self, image: Float32Array, time_s: float) -> None:
        """Apply the light at ``time_s`` to ``image`` ``(height, width, 3)``, in place."""
        left = int(self._drift_px_s * time_s) % self._width
        gain = 1 + self._cloud[:, left : left + self._width]
        gain = gain + np.float32(0.06 * np.sin(0.45 * time_s + self._phase))
        image *= gain[..., None]
        image += self._glow * self._flicker[int(time_s * 9) % len(self._flicker)]
