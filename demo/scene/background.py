"""Draws the empty place: textured ground, lawn, a building facade and its windows.

Nothing of it moves during a video, so it is drawn once.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from scene.camera import Camera, FloatArray
from scene.sprites import Float32Array

_NOISE_CELLS = 512
_CELL_M = 0.05


def octave_noise(
    rng: np.random.Generator, size_wh: tuple[int, int], coarse_px: float, num_octaves: int
) -> Float32Array:
    """Smooth random field ``(height, width)``, about -1..1: octaves of falling size and weight."""
    width, height = size_wh
    field = np.zeros((height, width), np.float32)
    weight, cell, total = 1.0, coarse_px, 0.0
    for _ in range(num_octaves):
        cells = (max(int(height / cell), 1) + 2, max(int(width / cell), 1) + 2)
        grid = rng.uniform(-1, 1, cells).astype(np.float32)
        field += weight * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        total += weight
        weight, cell = weight * 0.6, max(cell / 2, 1.0)
    return field / np.float32(total) * np.float32(1.6)


def _ground_noise(
    rng: np.random.Generator, x_m: FloatArray, z_m: FloatArray, coarse_cells: float
) -> Float32Array:
    """Noise in perspective on the ground; it fades where it is finer than a pixel."""
    field = octave_noise(rng, (_NOISE_CELLS, _NOISE_CELLS), coarse_cells, 6)
    return cv2.remap(
        field,
        (x_m / _CELL_M).astype(np.float32) + 200,
        (z_m / (2.5 * _CELL_M)).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    ).astype(np.float32)


def _line_cover(distance_m: FloatArray, half_width_m: float, pixel_m: FloatArray) -> FloatArray:
    """The part of a pixel that a line covers, 0..1; its distance and the pixel's size are in m."""
    inside = (half_width_m + pixel_m / 2 - distance_m) / pixel_m
    return np.clip(inside, 0, np.minimum(1, 2 * half_width_m / pixel_m))


def _paving(
    rng: np.random.Generator, camera: Camera, x_m: FloatArray, z_m: FloatArray, slab_m: float
) -> Float32Array:
    """Brightness factor ``(height, width)`` of paving: dark joints and varied slabs."""
    # The size of a pixel on the ground, in m, across and along the line of sight.
    wide_m = z_m / camera.focal_px
    deep_m = z_m**2 / (camera.focal_px * camera.height_m)
    cover = np.zeros_like(x_m)
    for along, pixel_m in ((x_m, wide_m), (z_m, deep_m)):
        # the distance in m to the nearest joint between slabs
        distance = np.abs(along / slab_m - np.round(along / slab_m)) * slab_m
        cover = np.maximum(cover, _line_cover(distance, 0.02, pixel_m))
    column = np.floor(x_m / slab_m).astype(np.int64) % 61
    row = np.floor(z_m / slab_m).astype(np.int64) % 67
    slabs = rng.normal(0, 0.035, (61, 67))[column, row]
    slabs *= np.clip(slab_m / deep_m - 0.7, 0, 1)
    return (1 + slabs - 0.28 * cover).astype(np.float32)


def _blend(
    image: Float32Array, colour: npt.NDArray[np.float32], cover: npt.NDArray[np.floating]
) -> None:
    part = cover.astype(np.float32)[..., None]
    image *= 1 - part
    image += colour * part


def _windows(
    rng: np.random.Generator, image: Float32Array, camera: Camera, base_row: int, scale: float
) -> None:
    """Draw windows and doors on the facade, in place, above ``base_row``."""
    width = camera.size_wh[0]
    storey = 3.2 * scale
    pitch = float(rng.uniform(2.4, 3.4)) * scale
    frame = np.array(rng.uniform(90, 190)) * np.array([1.0, 0.98, 0.94])
    for storey_index in range(int(base_row / storey) + 1):
        foot = base_row - storey_index * storey
        for index, left in enumerate(np.arange(pitch * 0.3, width, pitch)):
            door = storey_index == 0 and index % 4 == int(rng.integers(4))
            high = (2.15 if door else rng.uniform(1.35, 1.6)) * scale
            wide = (1.05 if door else rng.uniform(1.0, 1.25)) * scale
            bottom = foot - (0.0 if door else 0.95 * scale)
            x0, x1 = int(left), int(left + wide)
            y0, y1 = max(int(bottom - high), 0), max(int(bottom), 0)
            if y1 - y0 < 3 or x1 >= width:
                continue
            image[y0:y1, x0:x1] = frame
            glass = np.linspace(rng.uniform(50, 110), rng.uniform(25, 60), y1 - y0 - 2)
            tint = np.array([0.86, 0.95, 1.05])
            image[y0 + 1 : y1 - 1, x0 + 1 : x1 - 1] = glass[:, None, None] * tint
            if not door:
                middle = (x0 + x1) // 2
                image[y0:y1, middle] = frame * 0.9
                image[y1 : y1 + 1, x0 - 1 : x1 + 1] = frame * 1.1
                if rng.random() < 0.3:  # a curtain or a blind, half drawn
                    drop = y0 + 1 + int((y1 - y0) * rng.uniform(0.2, 0.7))
                    image[y0 + 1 : drop, x0 + 1 : x1 - 1] = rng.uniform(120, 190)
            elif rng.random() < 0.5:
                image[y0 + 2 : y0 + 5, x0 + 2 : x1 - 2] = (150, 160, 150)


def draw_background(
    rng: np.random.Generator, camera: Camera, facade_depth_m: float
) -> Float32Array:
    """The empty place ``(height, width, 3)``, RGB 0..255: facade down to its foot, then ground."""
    width, height = camera.size_wh
    x_m, z_m = camera.ground()
    z_m = np.minimum(z_m, 4 * facade_depth_m)
    base_row = int(camera.horizon_px + camera.focal_px * camera.height_m / facade_depth_m)

    stone = np.array([1.0, rng.uniform(0.95, 0.99), rng.uniform(0.86, 0.95)])
    image = np.empty((height, width, 3), np.float32)
    image[:] = rng.uniform(118, 150) * stone
    image *= _paving(rng, camera, x_m, z_m, float(rng.uniform(0.8, 1.5)))[..., None]

    # an asphalt lane along the facade and one crossing path
    asphalt = np.array([1.0, 1.0, 1.02], np.float32) * np.float32(rng.uniform(78, 98))
    lane_z_m = float(rng.uniform(0.60, 0.72)) * facade_depth_m
    wobble = 0.4 * _ground_noise(rng, x_m, z_m, 90.0)
    pixel_deep_m = z_m**2 / (camera.focal_px * camera.height_m)
    _blend(image, asphalt, np.clip((z_m - lane_z_m + 0.1 * wobble) / pixel_deep_m, 0, 1))
    kerb = np.array([172, 168, 160], np.float32)
    _blend(image, kerb, 0.8 * _line_cover(np.abs(z_m - lane_z_m), 0.09, pixel_deep_m))

    # a lawn on one side, with a ragged edge and patches of varied green
    side = -1.0 if rng.random() < 0.5 else 1.0
    edge_m = float(rng.uniform(2.5, 5.0)) + 0.12 * (z_m - 14) * float(rng.uniform(-1, 1))
    grass_noise = _ground_noise(rng, x_m, z_m, 60.0)
    inside = (side * x_m - edge_m + 0.25 * wobble) * camera.focal_px / z_m / 2
    lawn = np.clip(inside, 0, 1) * np.clip((lane_z_m - 0.6 - z_m) / pixel_deep_m, 0, 1)
    grass = np.array([84, 104, 58], np.float32) * (1 + 0.22 * grass_noise)[..., None]
    _blend(image, grass, lawn)

    # wear, stains and leaves everywhere
    image *= (1 + 0.10 * _ground_noise(rng, x_m, z_m, 120.0))[..., None]
    image *= (1 + 0.14 * _ground_noise(rng, x_m, z_m, 10.0))[..., None]
    grain = octave_noise(rng, (width, height), 4.0, 3)
    image *= (1 + 0.07 * grain)[..., None]
    for _ in range(60):
        spot_x, spot_z = rng.uniform(-14, 14), rng.uniform(8, 0.95 * facade_depth_m)
        column, row = camera.project(np.array([spot_x, 0.0, spot_z]))
        size = camera.scale(spot_z) * rng.uniform(0.05, 0.5)
        stain = np.zeros((height, width), np.float32)
        centre = (int(column), int(row))
        cv2.ellipse(stain, centre, (max(int(size), 1), max(int(size / 3), 1)), 0, 0, 360, 1.0, -1)
        if size > 2:
            stain = cv2.GaussianBlur(stain, (0, 0), size / 3).astype(np.float32)
        image *= (1 - rng.uniform(-0.08, 0.22) * stain)[..., None]

    # the facade: render with coarse stains and fine courses, windows, a dark foot
    wall = np.array(
        ((168, 150, 128), (150, 112, 92), (176, 172, 162), (140, 134, 120))[int(rng.integers(4))],
        np.float32,
    )
    facade = np.empty((base_row, width, 3), np.float32)
    facade[:] = wall * np.linspace(0.85, 1.05, base_row, dtype=np.float32)[:, None, None]
    _windows(rng, facade, camera, base_row, camera.scale(facade_depth_m))
    facade *= (1 + 0.08 * octave_noise(rng, (width, base_row), 70.0, 6))[..., None]
    facade[::3] *= 0.97
    facade[-3:] *= 0.7
    image[:base_row] = facade
    # the soft shadow of the building on the ground in front of it
    depth_rows = np.arange(base_row, height)
    image[base_row:] *= (1 - 0.25 * np.exp(-(depth_rows - base_row) / 5.0))[:, None, None]
    return np.clip(image, 0, 255).astype(np.float32)
