"""Moving objects that are not people: swaying plants, a bird, a ball, a dog, a robot.

Each is a function of time, so that a frame can be drawn without the frames before it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from scene.camera import Camera, FloatArray
from scene.props import Prop
from scene.sprites import Canvas, Rgb, Sprite


@dataclass(frozen=True)
class Moving:
    """A sprite at one moment, and its depth."""

    sprite: Sprite
    depth_m: float


Distractor = Callable[[float], Moving | None]
"""Time in s -> the sprite at this time; None if the object is not in the scene."""


def swaying(prop: Prop, *, amplitude_px: float, rate_hz: float, phase: float) -> Distractor:
    """A swaying plant: its foot stands still, its top moves sideways by up to ``amplitude_px``."""
    height, width = prop.sprite.alpha.shape
    pad = int(np.ceil(amplitude_px)) + 2
    colour = cv2.copyMakeBorder(prop.sprite.colour, 0, 0, pad, pad, cv2.BORDER_CONSTANT)
    alpha = cv2.copyMakeBorder(prop.sprite.alpha, 0, 0, pad, pad, cv2.BORDER_CONSTANT)
    rows, columns = np.mgrid[0:height, 0 : width + 2 * pad].astype(np.float32)
    above = (1 - rows / height) ** 1.3

    def at(time_s: float) -> Moving:
        turn = 2 * np.pi * rate_hz * time_s + phase
        gust = 0.65 + 0.35 * np.sin(0.31 * turn)
        ripple = 0.25 * np.sin(2.7 * turn + rows * (9 / height))
        shift = amplitude_px * gust * above * (0.75 * np.sin(turn) + ripple)
        source = (columns + shift.astype(np.float32)).astype(np.float32)
        sprite = Sprite(
            prop.sprite.left_px - pad,
            prop.sprite.top_px,
            cv2.remap(colour, source, rows, cv2.INTER_LINEAR).astype(np.float32),
            cv2.remap(alpha, source, rows, cv2.INTER_LINEAR).astype(np.float32),
        )
        return Moving(sprite, prop.depth_m)

    return at


@dataclass(frozen=True)
class Crossing:
    """A straight path on the ground: start ``(x, z)`` in m, speed in m/s, start and end in s."""

    start_m: tuple[float, float]
    speed_m_s: tuple[float, float]
    start_s: float
    end_s: float


def _crossing(
    camera: Camera,
    way: Crossing,
    half_size_m: tuple[float, float],
    draw: Callable[[Canvas, float, tuple[float, float], float], None],
    lift: Callable[[float], float] = lambda _: 0.0,
) -> Distractor:
    """Calls ``draw(canvas, scale, foot, time)`` where the thing is; ``lift`` is its height in m."""

    def at(time_s: float) -> Moving | None:
        if not way.start_s <= time_s <= way.end_s:
            return None
        age = time_s - way.start_s
        x_m = way.start_m[0] + age * way.speed_m_s[0]
        z_m = way.start_m[1] + age * way.speed_m_s[1]
        scale = camera.scale(z_m)
        foot_x, foot_y = camera.project(np.array([x_m, lift(age), z_m]))
        wide, high = half_size_m[0] * scale, half_size_m[1] * scale
        canvas = Canvas((foot_x - wide, foot_y - high, foot_x + wide, foot_y + 0.3 * high + 2))
        draw(canvas, scale, (float(foot_x), float(foot_y)), age)
        return Moving(canvas.sprite(), z_m)

    return at


def rolling_ball(camera: Camera, way: Crossing, rgb: Rgb) -> Distractor:
    """A ball that bounces along its path."""

    def draw(canvas: Canvas, scale: float, foot: tuple[float, float], _: float) -> None:
        centre = np.array([foot[0], foot[1] - 0.13 * scale])
        canvas.disc(centre, 0.13 * scale, (rgb[0] * 0.6, rgb[1] * 0.6, rgb[2] * 0.6))
        canvas.disc(centre - 0.02 * scale, 0.11 * scale, rgb)

    return _crossing(
        camera, way, (0.3, 0.6), draw, lambda age: 0.5 * abs(np.sin(3.1 * age)) * np.exp(-age / 4)
    )


def bird(camera: Camera, way: Crossing, height_m: float) -> Distractor:
    """A bird that flies across at ``height_m``."""
    dark: Rgb = (58, 56, 58)

    def draw(canvas: Canvas, scale: float, foot: tuple[float, float], age: float) -> None:
        centre = np.array(foot)
        beat = np.sin(2 * np.pi * 4.3 * age)
        canvas.ellipse(centre, (0.16 * scale, 0.07 * scale), 0.0, dark)
        for side in (-1, 1):
            tip = centre + np.array([side * 0.30, -0.22 * beat]) * scale
            canvas.capsule(centre, tip, (0.07 * scale, 0.02 * scale), (76, 74, 76))

    return _crossing(
        camera, way, (0.6, 0.6), draw, lambda age: height_m + 0.3 * float(np.sin(1.7 * age))
    )


def dog(camera: Camera, way: Crossing, rgb: Rgb) -> Distractor:
    """A dog that trots across."""
    ahead = 1.0 if way.speed_m_s[0] >= 0 else -1.0

    def draw(canvas: Canvas, scale: float, foot: tuple[float, float], age: float) -> None:
        base = np.array(foot)

        def point(x: float, y: float) -> FloatArray:
            return base + np.array([ahead * x, -y]) * scale

        gait = 2 * np.pi * 2.2 * age
        for hip, offset in ((-0.24, 0.0), (-0.20, np.pi), (0.22, np.pi), (0.26, 0.0)):
            swing = 0.10 * np.sin(gait + offset)
            canvas.capsule(
                point(hip, 0.30), point(hip + swing, 0.02), (0.05 * scale, 0.03 * scale), rgb
            )
        canvas.capsule(point(-0.25, 0.38), point(0.25, 0.40), (0.10 * scale, 0.12 * scale), rgb)
        canvas.capsule(point(0.28, 0.45), point(0.42, 0.58), (0.08 * scale, 0.08 * scale), rgb)
        canvas.capsule(point(0.42, 0.58), point(0.54, 0.55), (0.06 * scale, 0.04 * scale), rgb)
        wag = 0.05 * np.sin(2 * gait)
        canvas.capsule(
            point(-0.3, 0.45), point(-0.48, 0.60 + wag), (0.03 * scale, 0.02 * scale), rgb
        )

    return _crossing(camera, way, (0.7, 0.8), draw)


def robot(camera: Camera, way: Crossing, rgb: Rgb) -> Distractor:
    """A delivery robot: an upright box on wheels with a pole, about as tall as a child."""

    def draw(canvas: Canvas, scale: float, foot: tuple[float, float], age: float) -> None:
        x, y = foot[0], foot[1] + 0.008 * scale * np.sin(17 * age)

        def block(x0: float, y0: float, x1: float, y1: float, colour: Rgb) -> None:
            corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]) * (scale, -scale)
            canvas.polygon(corners + np.array([x, y]), colour)

        for wheel in (-0.2, 0.2):
            canvas.disc(np.array([x + wheel * scale, y - 0.1 * scale]), 0.1 * scale, (30, 30, 32))
        block(-0.3, 0.14, 0.3, 0.95, rgb)
        block(-0.22, 0.62, 0.22, 0.86, (48, 56, 64))
        block(-0.3, 0.95, 0.3, 1.02, (rgb[0] * 0.6, rgb[1] * 0.6, rgb[2] * 0.6))
        pole = np.array([[x - 0.2 * scale, y - scale], [x - 0.2 * scale, y - 1.5 * scale]])
        canvas.capsule(pole[0], pole[1], (max(0.02 * scale, 0.4),) * 2, (60, 60, 62))
        canvas.disc(pole[1], 0.06 * scale, (210, 120, 40))

    return _crossing(camera, way, (0.5, 1.7), draw)
