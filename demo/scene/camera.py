"""A fixed surveillance camera, which projects points of the world into the picture.

World coordinates are in metres: ``x`` to the right, ``y`` up from the ground, ``z`` away from the
camera.  The lens is shifted, not tilted, so vertical lines stay vertical.  A standing person is
upright everywhere, and only the scale changes with depth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """Pinhole camera above a flat ground.

    ``size_wh`` is the picture in px, ``focal_px`` the focal length, ``horizon_px`` the row of the
    horizon and ``height_m`` the camera's height above the ground.
    """

    size_wh: tuple[int, int]
    focal_px: float
    horizon_px: float
    height_m: float

    def project(self, points_m: FloatArray) -> FloatArray:
        """World points ``(..., 3)`` in metres to picture points ``(..., 2)`` in px."""
        depth_m = np.maximum(points_m[..., 2], 0.5)
        column = self.size_wh[0] / 2 + self.focal_px * points_m[..., 0] / depth_m
        row = self.horizon_px + self.focal_px * (self.height_m - points_m[..., 1]) / depth_m
        return np.stack([column, row], axis=-1)

    def scale(self, depth_m: float) -> float:
        """Picture px per metre for objects at ``depth_m``."""
        return self.focal_px / depth_m

    def half_width_m(self, depth_m: float) -> float:
        """Half the width of the picture at ``depth_m``, in metres."""
        return self.size_wh[0] / 2 / self.focal_px * depth_m

    def ground(self) -> tuple[FloatArray, FloatArray]:
        """Ground coordinates ``x_m, z_m`` of every pixel, each ``(height, width)``.

        Pixels at or above the horizon show no ground; their depth is a very large number.
        """
        width, height = self.size_wh
        rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
        below = np.maximum(rows + 0.5 - self.horizon_px, 0.5)
        z_m = self.focal_px * self.height_m / below
        x_m = (columns + 0.5 - width / 2) * z_m / self.focal_px
        return x_m, z_m
