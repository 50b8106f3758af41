"""The places of the demo's clips: a near camera in front of a building, and a few objects.

People are between 60 and 140 px tall here, three times as tall as in the long videos.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scene.background import draw_background
from scene.camera import Camera
from scene.distractors import Distractor, swaying
from scene.light import Light
from scene.people import DrawnPerson
from scene.props import CLUTTER, Prop, draw_clutter, prop_shadow, shown_behind
from scene.sensor import Sensor
from scene.sprites import Float32Array, darken, paint

_SIZES_WH = ((320, 240), (320, 240), (352, 264), (304, 228))
_FAR_CLUTTER = ("bush", "bush", "conifer", "parasol", "bike", "board", "machine", "bin", "sign")
_NEAR_CLUTTER = ("bollard", "bin", "sign", "hydrant", "board", "lamp")
_LIGHT_S = 25.0  # the time in which a cloud crosses the picture
_MAX_SWAYING = 3

TALLEST_PX, SMALLEST_PX = 125.0, 70.0
_PERSON_M = 1.72


class Place:
    """One place in one light with one camera; the same generator gives the same place."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.size_wh = _SIZES_WH[int(rng.integers(len(_SIZES_WH)))]
        width, _ = self.size_wh
        self.camera = Camera(
            size_wh=self.size_wh,
            focal_px=float(rng.uniform(1.35, 1.75)) * width,
            horizon_px=float(rng.uniform(-6, 12)),
            height_m=float(rng.uniform(2.5, 3.3)),
        )
        self.sun_xz = (float(rng.choice([-1, 1]) * rng.uniform(0.2, 0.7)), rng.uniform(0.1, 0.4))
        self._shadow_strength = float(rng.uniform(0.15, 0.42))
        facade_depth_m = float(rng.uniform(24, 34))
        self._background = draw_background(rng, self.camera, facade_depth_m)
        self._props: list[Prop] = []
        self._plants: list[Distractor] = []
        self._put_up(rng, facade_depth_m)
        self._light = Light(rng, self.size_wh, _LIGHT_S, facade_depth_m, self.camera)
        tint = rng.uniform(0.55, 1.12) * np.array([1.0, 1.0, rng.uniform(0.86, 1.08)])
        self._tint = tint.astype(np.float32)
        self._sensor = Sensor(rng, self.size_wh)
        self._grain = float(rng.uniform(0.8, 2.6))
        self._shown: dict[int, Float32Array] = {}

    def depth_m(self, tall_px: float) -> float:
        """The depth at which a person of average height is ``tall_px`` tall."""
        return self.camera.focal_px * _PERSON_M / tall_px

    @property
    def nearest_m(self) -> float:
        """The least depth at which a whole person is in the picture, including the feet."""
        room_px = 0.985 * self.size_wh[1] - self.camera.horizon_px
        feet_m = self.camera.focal_px * self.camera.height_m / room_px
        return max(self.depth_m(TALLEST_PX), feet_m)

    @property
    def farthest_m(self) -> float:
        """The depth at which people become too small."""
        return self.depth_m(SMALLEST_PX)

    def _put_up(self, rng: np.random.Generator, facade_depth_m: float) -> None:
        """Add objects behind the area where people walk, and a few at its sides."""
        places: list[tuple[str, float, float]] = []
        for _ in range(int(rng.integers(4, 8))):
            z_m = float(rng.uniform(self.farthest_m + 1, 0.95 * facade_depth_m))
            x_m = float(rng.uniform(-1, 1)) * self.camera.half_width_m(z_m)
            places.append((str(rng.choice(_FAR_CLUTTER)), x_m, z_m))
        for _ in range(int(rng.integers(1, 4))):
            z_m = float(rng.uniform(self.nearest_m + 0.8, self.farthest_m))
            side = float(rng.choice([-1, 1]) * rng.uniform(0.82, 1.0))
            kind = str(rng.choice(_NEAR_CLUTTER))
            places.append((kind, side * self.camera.half_width_m(z_m), z_m))
        everywhere = np.ones(self._background.shape[:2], np.float32)
        for kind, x_m, z_m in places:
            _, half_m, high_m = CLUTTER[kind]
            size_m = (0.3 * half_m, 0.9 * high_m)
            shade = prop_shadow(self.camera, x_m, z_m, size_m, self.sun_xz)
            darken(self._background, shade, everywhere, self._shadow_strength)
        for kind, x_m, z_m in sorted(places, key=lambda place: -place[2]):
            prop = draw_clutter(rng, self.camera, kind, x_m, z_m)
            if kind in {"bush", "conifer", "parasol"} and len(self._plants) < _MAX_SWAYING:
                plant = swaying(
                    prop,
                    amplitude_px=float(rng.uniform(0.04, 0.12)) * self.camera.scale(z_m),
                    rate_hz=float(rng.uniform(0.4, 0.9)),
                    phase=float(rng.uniform(0, 6)),
                )
                self._plants.append(plant)
            else:
                paint(self._background, prop.sprite)
                self._props.append(prop)

    def _shown_at(self, depth_m: float) -> Float32Array:
        """The visibility ``(height, width)``, 0..1, at a depth, behind all nearer objects."""
        num_nearer = sum(prop.depth_m < depth_m for prop in self._props)
        if num_nearer not in self._shown:
            self._shown[num_nearer] = shown_behind(self._props, depth_m, self.size_wh)
        return self._shown[num_nearer]

    def picture(
        self, people: list[DrawnPerson], time_s: float, rng: np.random.Generator
    ) -> npt.NDArray[np.uint8]:
        """The frame ``(height, width, 3)``, RGB, with ``people``; ``rng`` draws the grain."""
        image = self._background.copy()
        for plant in self._plants:  # further away than all people
            moving = plant(time_s)
            if moving is not None:
                paint(image, moving.sprite)
        for person in people:
            shown = self._shown_at(person.depth_m)
            darken(image, person.shadow, shown, self._shadow_strength)
        for person in sorted(people, key=lambda person: -person.depth_m):
            paint(image, person.sprite, self._shown_at(person.depth_m))
        self._light.apply(image, time_s)
        image *= self._tint
        return self._sensor.expose(image, rng, self._grain)
