"""Small anti-aliased pictures with transparency, and functions that paint them on a frame.

Shapes are drawn at four times the size without anti-aliasing and averaged down, so that limbs of
two px are drawn correctly.  Colours are RGB, 0..255.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from scene.camera import FloatArray

SUPERSAMPLING = 4
_SHIFT_BITS = 4  # cv2 takes fixed-point coordinates with this many fractional bits

Rgb = tuple[float, float, float]
Float32Array = npt.NDArray[np.float32]
Window = tuple[slice, slice]


@dataclass(frozen=True)
class Sprite:
    """A small picture with its top left corner at ``(left_px, top_px)``, maybe outside the frame.

    ``colour`` is ``(height, width, 3)`` RGB 0..255, already multiplied by ``alpha``, which is
    ``(height, width)`` 0..1.
    """

    left_px: int
    top_px: int
    colour: Float32Array
    alpha: Float32Array

    def overlap(self, size_wh: tuple[int, int]) -> tuple[Window, Window] | None:
        """The part inside a picture of ``size_wh``: rows and columns there, and in the sprite."""
        height, width = self.alpha.shape
        left, top = max(self.left_px, 0), max(self.top_px, 0)
        right = min(self.left_px + width, size_wh[0])
        bottom = min(self.top_px + height, size_wh[1])
        if left >= right or top >= bottom:
            return None
        there = (slice(top, bottom), slice(left, right))
        here = (
            slice(top - self.top_px, bottom - self.top_px),
            slice(left - self.left_px, right - self.left_px),
        )
        return there, here


def paint(image: Float32Array, sprite: Sprite, shown: Float32Array | None = None) -> None:
    """Paint a sprite on ``image`` ``(height, width, 3)`` in place.

    ``shown`` ``(height, width)``, 0..1, is the visibility: 0 where a nearer object is.
    """
    windows = sprite.overlap((image.shape[1], image.shape[0]))
    if windows is None:
        return
    there, here = windows
    colour, alpha = sprite.colour[here], sprite.alpha[here]
    if shown is not None:
        colour = colour * shown[there][..., None]
        alpha = alpha * shown[there]
    image[there] = image[there] * (1 - alpha[..., None]) + colour


def darken(image: Float32Array, sprite: Sprite, shown: Float32Array, strength: float) -> None:
    """Paint a sprite as a shadow: darken ``image`` in place by ``strength`` (0..1) times alpha."""
    windows = sprite.overlap((image.shape[1], image.shape[0]))
    if windows is None:
        return
    there, here = windows
    image[there] *= (1 - strength * sprite.alpha[here] * shown[there])[..., None]


class Canvas:
    """Draws opaque shapes at ``SUPERSAMPLING`` times the size; coordinates are frame px.

    ``bounds_xyxy`` is the part of the (unbounded) frame that may be drawn on.
    """

    def __init__(self, bounds_xyxy: tuple[float, float, float, float]) -> None:
        self.left_px = int(np.floor(bounds_xyxy[0])) - 2
        self.top_px = int(np.floor(bounds_xyxy[1])) - 2
        width = int(np.ceil(bounds_xyxy[2])) + 2 - self.left_px
        height = int(np.ceil(bounds_xyxy[3])) + 2 - self.top_px
        self._pixels = np.zeros((height * SUPERSAMPLING, width * SUPERSAMPLING, 4), np.uint8)

    def _fixed(self, points_px: FloatArray) -> npt.NDArray[np.int32]:
        # -0.5: integer coordinates are pixel centres in cv2, and pixel corners in the frame
        shifted = (np.asarray(points_px, np.float64) - (self.left_px, self.top_px)) * SUPERSAMPLING
        return np.round((shifted - 0.5) * (1 << _SHIFT_BITS)).astype(np.int32)

    @staticmethod
    def _rgba(rgb: Rgb) -> tuple[int, int, int, int]:
        red, green, blue = (int(min(max(value, 0), 255)) for value in rgb)
        return red, green, blue, 255

    def polygon(self, points_px: FloatArray, rgb: Rgb) -> None:
        """Fill a polygon with corners ``(n, 2)``."""
        cv2.fillPoly(
            self._pixels, [self._fixed(points_px)], self._rgba(rgb), cv2.LINE_8, _SHIFT_BITS
        )

    def disc(self, centre_px: FloatArray, radius_px: float, rgb: Rgb) -> None:
        """Fill a disc."""
        x, y = (int(value) for value in self._fixed(centre_px))
        radius = max(round((radius_px * SUPERSAMPLING - 0.5) * (1 << _SHIFT_BITS)), 1)
        cv2.circle(self._pixels, (x, y), radius, self._rgba(rgb), -1, cv2.LINE_8, _SHIFT_BITS)

    def ellipse(
        self, centre_px: FloatArray, radii_px: tuple[float, float], degrees: float, rgb: Rgb
    ) -> None:
        """Fill an ellipse that is turned clockwise by ``degrees``."""
        angles = np.linspace(0, 2 * np.pi, 32, endpoint=False)
        turn = np.radians(degrees)
        along, across = radii_px[0] * np.cos(angles), radii_px[1] * np.sin(angles)
        outline = np.stack(
            [
                along * np.cos(turn) - across * np.sin(turn),
                along * np.sin(turn) + across * np.cos(turn),
            ],
            axis=-1,
        )
        self.polygon(outline + centre_px, rgb)

    def capsule(
        self, start_px: FloatArray, end_px: FloatArray, radii_px: tuple[float, float], rgb: Rgb
    ) -> None:
        """Fill a limb: a stroke with round ends of radius ``radii_px`` at start and end."""
        self.disc(start_px, radii_px[0], rgb)
        self.disc(end_px, radii_px[1], rgb)
        along = np.asarray(end_px, np.float64) - start_px
        length = float(np.hypot(along[0], along[1]))
        if length > 1e-6:
            side = np.array([-along[1], along[0]]) / length
            corners = [
                start_px + side * radii_px[0],
                end_px + side * radii_px[1],
                end_px - side * radii_px[1],
                start_px - side * radii_px[0],
            ]
            self.polygon(np.array(corners), rgb)

    def extent_xyxy(self) -> tuple[float, float, float, float] | None:
        """The tight box of the drawing, frame px, to 1/``SUPERSAMPLING``; None if it is empty."""
        drawn = self._pixels[..., 3] > 0
        columns, rows = np.flatnonzero(drawn.any(axis=0)), np.flatnonzero(drawn.any(axis=1))
        if not len(columns):
            return None
        return (
            self.left_px + float(columns[0]) / SUPERSAMPLING,
            self.top_px + float(rows[0]) / SUPERSAMPLING,
            self.left_px + float(columns[-1] + 1) / SUPERSAMPLING,
            self.top_px + float(rows[-1] + 1) / SUPERSAMPLING,
        )

    def sprite(self) -> Sprite:
        """The drawing, averaged down to frame px."""
        height, width = self._pixels.shape[:2]
        size = (width // SUPERSAMPLING, height // SUPERSAMPLING)
        small = cv2.resize(self._pixels, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        alpha = small[..., 3] / np.float32(255)
        return Sprite(self.left_px, self.top_px, small[..., :3], alpha)


def textured(sprite: Sprite, texture: Float32Array) -> Sprite:
    """The sprite with its colours multiplied by ``texture``, which is stretched over the sprite."""
    height, width = sprite.alpha.shape
    stretched = cv2.resize(texture, (width, height), interpolation=cv2.INTER_LINEAR)
    colour = np.minimum(sprite.colour * stretched[..., None], 255 * sprite.alpha[..., None])
    return Sprite(sprite.left_px, sprite.top_px, colour, sprite.alpha)


def softened(sprite: Sprite, sigma_px: float) -> Sprite:
    """The blurred sprite; its canvas must leave a margin around the drawing."""
    colour = cv2.GaussianBlur(sprite.colour, (0, 0), sigma_px).astype(np.float32)
    alpha = cv2.GaussianBlur(sprite.alpha, (0, 0), sigma_px).astype(np.float32)
    return Sprite(sprite.left_px, sprite.top_px, colour, alpha)
