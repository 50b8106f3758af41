"""Standing objects: some look like people to a small classifier, and some hide people.

A prop is a sprite with the depth of its foot. People further away are behind it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scene.background import octave_noise
from scene.camera import Camera, FloatArray
from scene.sprites import Canvas, Float32Array, Rgb, Sprite, softened, textured


@dataclass(frozen=True)
class Prop:
    """A standing object: ``sprite`` at its place in the frame, ``depth_m`` from the camera."""

    sprite: Sprite
    depth_m: float


class _Easel:
    """Draws in metres on an upright plane that faces the camera, at a point of the ground."""

    def __init__(
        self, camera: Camera, x_m: float, z_m: float, half_width_m: float, height_m: float
    ) -> None:
        self.scale = camera.scale(z_m)
        self._foot = camera.project(np.array([x_m, 0.0, z_m]))
        foot_x, foot_y = self._foot
        self.canvas = Canvas(
            (
                foot_x - half_width_m * self.scale,
                foot_y - height_m * self.scale,
                foot_x + half_width_m * self.scale,
                foot_y + 0.15 * self.scale,
            )
        )

    def at(self, x_m: float, y_m: float) -> FloatArray:
        return np.array([self._foot[0] + x_m * self.scale, self._foot[1] - y_m * self.scale])

    def block(self, x0: float, y0: float, x1: float, y1: float, rgb: Rgb) -> None:
        corners = [self.at(x0, y0), self.at(x1, y0), self.at(x1, y1), self.at(x0, y1)]
        self.canvas.polygon(np.array(corners), rgb)

    def shape(self, points_m: list[tuple[float, float]], rgb: Rgb) -> None:
        self.canvas.polygon(np.array([self.at(x, y) for x, y in points_m]), rgb)

    def rod(
        self, start: tuple[float, float], end: tuple[float, float], radius_m: float, rgb: Rgb
    ) -> None:
        radius = max(radius_m * self.scale, 0.45)
        self.canvas.capsule(self.at(*start), self.at(*end), (radius, radius), rgb)

    def oval(self, x: float, y: float, wide: float, high: float, rgb: Rgb) -> None:
        self.canvas.ellipse(self.at(x, y), (wide * self.scale, high * self.scale), 0.0, rgb)


def _weathered(rng: np.random.Generator, sprite: Sprite, strength: float) -> Sprite:
    """The sprite with fine noise, and with light from one side."""
    height, width = sprite.alpha.shape
    texture = 1 + strength * octave_noise(rng, (width, height), max(width / 3, 3.0), 4)
    side = np.linspace(1.12, 0.86, width, dtype=np.float32)[None]
    return textured(sprite, (texture * side).astype(np.float32))


def _colour(rng: np.random.Generator, low: float = 40, high: float = 170) -> Rgb:
    red, green, blue = rng.uniform(low, high, 3) * 0.4 + rng.uniform(low, high) * 0.6
    return float(red), float(green), float(blue)


def _grey(rng: np.random.Generator, low: float, high: float) -> Rgb:
    value = float(rng.uniform(low, high))
    return value, value, value * 1.02


def _draw_bollard(rng: np.random.Generator, easel: _Easel) -> None:
    rgb = _grey(rng, 40, 110)
    easel.rod((0, 0.05), (0, 0.9), 0.09, rgb)
    easel.block(-0.09, 0.65, 0.09, 0.75, (190, 188, 180))


def _draw_bin(rng: np.random.Generator, easel: _Easel) -> None:
    rgb = _colour(rng, 40, 120)
    easel.shape([(-0.22, 0.0), (0.22, 0.0), (0.27, 0.95), (-0.27, 0.95)], rgb)
    easel.oval(0, 0.98, 0.28, 0.10, (rgb[0] * 0.6, rgb[1] * 0.6, rgb[2] * 0.6))
    easel.oval(0, 1.12, 0.16, 0.14, (rgb[0] * 1.2, rgb[1] * 1.2, rgb[2] * 1.2))


def _draw_sign(rng: np.random.Generator, easel: _Easel) -> None:
    easel.rod((0, 0), (0, 2.2), 0.035, _grey(rng, 110, 150))
    if rng.random() < 0.5:
        easel.oval(0, 1.95, 0.28, 0.28, (176, 40, 40))
        easel.oval(0, 1.95, 0.18, 0.18, (220, 218, 210))
    else:
        easel.block(-0.28, 1.35, 0.28, 2.15, _colour(rng, 40, 180))
        for line in range(3):
            easel.block(-0.2, 1.5 + 0.2 * line, 0.2, 1.56 + 0.2 * line, (215, 215, 210))


def _draw_lamp(rng: np.random.Generator, easel: _Easel) -> None:
    rgb = _grey(rng, 60, 120)
    easel.rod((0, 0), (0, 4.2), 0.05, rgb)
    easel.rod((0, 0), (0, 0.8), 0.09, rgb)
    easel.rod((0, 4.2), (0.5, 4.4), 0.04, rgb)
    easel.oval(0.6, 4.38, 0.22, 0.10, (200, 200, 190))


def _draw_machine(rng: np.random.Generator, easel: _Easel) -> None:
    """A ticket machine, as tall and as narrow as a person."""
    rgb = _colour(rng, 40, 140)
    easel.block(-0.28, 0.0, 0.28, 1.65, rgb)
    easel.block(-0.20, 1.1, 0.20, 1.5, (150, 170, 180))
    easel.block(-0.12, 0.55, 0.12, 0.9, (50, 50, 54))
    easel.block(-0.30, 1.62, 0.30, 1.78, (rgb[0] * 0.6, rgb[1] * 0.6, rgb[2] * 0.6))


def _draw_parasol(rng: np.random.Generator, easel: _Easel) -> None:
    """A folded parasol: hanging cloth, with a knob that looks like a head."""
    rgb = _colour(rng, 50, 190)
    easel.oval(0, 0.04, 0.28, 0.07, (70, 68, 66))
    easel.rod((0, 0), (0, 2.0), 0.03, (96, 84, 70))
    easel.shape([(-0.05, 1.9), (0.05, 1.9), (0.19, 0.85), (0.05, 0.78), (-0.17, 0.88)], rgb)
    easel.shape(
        [(0.0, 1.9), (0.05, 1.9), (0.19, 0.85), (0.05, 0.78)],
        (rgb[0] * 0.7, rgb[1] * 0.7, rgb[2] * 0.7),
    )
    easel.oval(0, 1.98, 0.06, 0.08, (rgb[0] * 0.8, rgb[1] * 0.8, rgb[2] * 0.8))


def _draw_conifer(rng: np.random.Generator, easel: _Easel) -> None:
    """A narrow thuja in a pot."""
    easel.block(-0.20, 0.0, 0.20, 0.38, (120, 84, 66))
    for _ in range(60):
        up = float(rng.uniform(0.4, 1.8))
        half = 0.27 * (1 - ((up - 0.8) / 1.15) ** 2) if up > 0.8 else 0.25
        tone = float(rng.uniform(0.7, 1.2))
        easel.oval(
            float(rng.uniform(-0.6, 0.6)) * half,
            up,
            0.6 * half + 0.03,
            0.13,
            (58 * tone, 78 * tone, 46 * tone),
        )


def _draw_board(rng: np.random.Generator, easel: _Easel) -> None:
    easel.rod((-0.30, 0), (-0.24, 1.1), 0.03, (110, 88, 62))
    easel.rod((0.30, 0), (0.24, 1.1), 0.03, (110, 88, 62))
    easel.block(-0.27, 0.2, 0.27, 1.1, (44, 50, 48))
    for _ in range(5):
        row = float(rng.uniform(0.35, 1.0))
        easel.block(-0.2, row, float(rng.uniform(-0.05, 0.2)), row + 0.035, (190, 190, 180))


def _draw_hydrant(rng: np.random.Generator, easel: _Easel) -> None:
    rgb = (float(rng.uniform(120, 170)), 48.0, 42.0)
    easel.rod((0, 0.05), (0, 0.62), 0.11, rgb)
    easel.oval(0, 0.72, 0.10, 0.09, rgb)
    easel.rod((-0.18, 0.45), (0.18, 0.45), 0.05, rgb)


def _draw_bike(rng: np.random.Generator, easel: _Easel) -> None:
    rgb, dark = _colour(rng, 40, 170), (36.0, 36.0, 38.0)
    angles = np.linspace(0, 2 * np.pi, 17)
    for hub in (-0.52, 0.52):
        for start, end in itertools.pairwise(angles):
            easel.rod(
                (hub + 0.33 * np.cos(start), 0.34 + 0.33 * np.sin(start)),
                (hub + 0.33 * np.cos(end), 0.34 + 0.33 * np.sin(end)),
                0.018,
                dark,
            )
    for start_m, end_m in (
        ((-0.52, 0.34), (-0.18, 0.85)),
        ((-0.18, 0.85), (0.36, 0.82)),
        ((-0.05, 0.32), (-0.18, 0.85)),
        ((-0.05, 0.32), (0.36, 0.82)),
        ((-0.52, 0.34), (-0.05, 0.32)),
        ((0.52, 0.34), (0.34, 0.98)),
    ):
        easel.rod(start_m, end_m, 0.022, rgb)
    easel.rod((-0.30, 0.95), (-0.08, 0.95), 0.035, dark)
    easel.rod((0.26, 1.02), (0.42, 1.0), 0.022, dark)


def _draw_bush(rng: np.random.Generator, easel: _Easel) -> None:
    for layer in range(3):
        for _ in range(45):
            across = float(np.clip(rng.normal(0, 0.34), -0.75, 0.75))
            up = float(rng.uniform(0.1, 1.15)) * (1 - 0.5 * min(abs(across), 1.0))
            tone = 0.55 + 0.2 * layer + float(rng.uniform(-0.12, 0.12)) + 0.12 * up
            size = float(rng.uniform(0.06, 0.16))
            easel.oval(across, up, size, size * 0.8, (68 * tone, 88 * tone, 52 * tone))


def _draw_chairs(rng: np.random.Generator, easel: _Easel) -> None:
    """Stacked chairs."""
    rgb = _colour(rng, 60, 170)
    for level in range(5):
        up = 0.45 + 0.11 * level
        easel.block(-0.22, up, 0.22, up + 0.06, rgb)
    easel.shape([(0.14, 0.45), (0.22, 0.45), (0.30, 1.55), (0.22, 1.55)], rgb)
    for leg in (-0.2, 0.18):
        easel.rod((leg, 0), (leg, 0.5), 0.025, (70, 70, 72))


CLUTTER: dict[str, tuple[Callable[[np.random.Generator, _Easel], None], float, float]] = {
    "bollard": (_draw_bollard, 0.3, 1.1),
    "bin": (_draw_bin, 0.4, 1.4),
    "sign": (_draw_sign, 0.4, 2.4),
    "lamp": (_draw_lamp, 1.0, 4.7),
    "machine": (_draw_machine, 0.4, 1.9),
    "parasol": (_draw_parasol, 0.4, 2.2),
    "conifer": (_draw_conifer, 0.5, 2.1),
    "board": (_draw_board, 0.5, 1.3),
    "hydrant": (_draw_hydrant, 0.3, 0.9),
    "bike": (_draw_bike, 1.0, 1.2),
    "bush": (_draw_bush, 1.4, 1.5),
    "chairs": (_draw_chairs, 0.5, 1.7),
}
"""Kind -> drawing function, half width and height of its canvas in m."""


def draw_clutter(
    rng: np.random.Generator, camera: Camera, kind: str, x_m: float, z_m: float
) -> Prop:
    """One of ``CLUTTER`` at ``(x_m, z_m)``."""
    draw, half_width_m, height_m = CLUTTER[kind]
    easel = _Easel(camera, x_m, z_m, half_width_m, height_m)
    draw(rng, easel)
    return Prop(_weathered(rng, easel.canvas.sprite(), 0.16), z_m)


def _draw_kiosk(rng: np.random.Generator, easel: _Easel) -> None:
    rgb = _colour(rng, 70, 150)
    easel.block(-1.1, 0.0, 1.1, 2.5, rgb)
    easel.block(-0.85, 1.05, 0.85, 1.95, (58, 64, 70))
    easel.block(-0.9, 0.98, 0.9, 1.06, (170, 166, 158))
    for index in range(4):
        x = -0.7 + 0.4 * index
        easel.block(x, 1.08, x + 0.22, 1.35 + float(rng.uniform(0, 0.3)), _colour(rng, 60, 200))
    easel.block(-1.3, 2.45, 1.3, 2.75, (rgb[0] * 0.6, rgb[1] * 0.6, rgb[2] * 0.6))
    easel.block(-0.9, 0.2, -0.3, 0.85, _colour(rng, 80, 200))


def _draw_pillar(rng: np.random.Generator, easel: _Easel) -> None:
    rgb = _grey(rng, 110, 150)
    easel.block(-0.42, 0.0, 0.42, 12.0, rgb)
    easel.block(-0.50, 0.0, 0.50, 0.35, (rgb[0] * 0.85, rgb[1] * 0.85, rgb[2] * 0.85))
    easel.block(-0.30, 1.2, 0.22, 1.9, _colour(rng, 90, 210))


def _draw_tree(rng: np.random.Generator, easel: _Easel) -> None:
    bark = (82.0, 70.0, 58.0)
    easel.shape([(-0.42, 0), (0.42, 0), (0.30, 0.6), (0.27, 3.2), (-0.27, 3.2), (-0.30, 0.6)], bark)
    for _ in range(26):
        across, up = float(rng.uniform(-0.22, 0.18)), float(rng.uniform(0.2, 3.0))
        easel.block(across, up, across + 0.04, up + float(rng.uniform(0.15, 0.5)), (58, 50, 42))
    for layer in range(3):
        for _ in range(120):
            turn, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0, 1) ** 0.6
            across, up = 1.8 * reach * np.cos(turn), 4.3 + 1.1 * reach * np.sin(turn)
            tone = 0.5 + 0.25 * layer + float(rng.uniform(-0.12, 0.12))
            size = float(rng.uniform(0.10, 0.30))
            leaf = (66 * tone, 90 * tone, 48 * tone)
            easel.oval(float(across), float(up), size, size * 0.7, leaf)


OCCLUDERS: dict[str, tuple[Callable[[np.random.Generator, _Easel], None], float, float, float]] = {
    "kiosk": (_draw_kiosk, 1.4, 2.9, 1.1),
    "pillar": (_draw_pillar, 0.6, 12.1, 0.42),
    "tree": (_draw_tree, 3.4, 6.6, 0.32),
}
"""Kind -> drawing function, half width and height of its canvas, half width of its hiding part."""


def draw_occluder(
    rng: np.random.Generator, camera: Camera, kind: str, x_m: float, z_m: float
) -> Prop:
    """One of ``OCCLUDERS``: wide or tall enough to hide a person behind it."""
    draw, half_width_m, height_m, _ = OCCLUDERS[kind]
    easel = _Easel(camera, x_m, z_m, half_width_m, height_m)
    draw(rng, easel)
    return Prop(_weathered(rng, easel.canvas.sprite(), 0.10), z_m)


def prop_shadow(
    camera: Camera,
    x_m: float,
    z_m: float,
    size_m: tuple[float, float],
    sun_xz: tuple[float, float],
) -> Sprite:
    """The soft shadow on the ground of an upright object of ``size_m`` (half width, height)."""
    half, height = size_m[0], min(size_m[1], 5.0)
    end_x, end_z = x_m + height * sun_xz[0], z_m + height * sun_xz[1]
    corners = np.array(
        [
            [x_m - half, 0, z_m - 0.1],
            [x_m + half, 0, z_m - 0.1],
            [x_m + half, 0, z_m + 0.1],
            [end_x + half, 0, end_z],
            [end_x - half, 0, end_z],
            [x_m - half, 0, z_m + 0.1],
        ]
    )
    px = camera.project(corners)
    left, top = px.min(axis=0) - 8
    right, bottom = px.max(axis=0) + 8
    canvas = Canvas((float(left), float(top), float(right), float(bottom)))
    hull = px[[0, 1, 3, 4]] if sun_xz[0] > 0 else px[[1, 0, 4, 3]]
    canvas.polygon(hull, (0, 0, 0))
    canvas.polygon(px[[0, 1, 2, 5]], (0, 0, 0))
    return softened(canvas.sprite(), 1.6)


def shown_behind(props: list[Prop], depth_m: float, size_wh: tuple[int, int]) -> Float32Array:
    """The visibility ``(height, width)``, 0 (hidden) .. 1, of ``depth_m`` behind nearer props."""
    shown = np.ones((size_wh[1], size_wh[0]), np.float32)
    for prop in props:
        windows = prop.sprite.overlap(size_wh) if prop.depth_m < depth_m else None
        if windows is not None:
            there, here = windows
            shown[there] *= 1 - prop.sprite.alpha[here]
    return shown
