"""A seeded surveillance scene: the frames of the fixed camera, and the exact boxes.

A person's box is the tight box around the whole silhouette, clipped to the picture, even if part of
the body is hidden. A person is *on* (annotated) in a frame if at least ``MIN_VISIBLE_FRACTION`` of
the silhouette's area is in the picture and not covered by anything nearer (props, moving objects,
other people). As an annotator would do, a person stays on who is hidden for less than
``MAX_BRIDGED_S`` between two visible spans. Visible spans shorter than ``MIN_SPAN_S`` are left out,
and so are boxes with a side shorter than ``MIN_SIDE_PX``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from scene.background import draw_background
from scene.camera import Camera
from scene.distractors import Crossing, Distractor, bird, dog, robot, rolling_ball, swaying
from scene.itineraries import Activity, Itinerary, Motion, Planner, follow
from scene.light import Light
from scene.people import Appearance, DrawnPerson, draw_person, random_appearance
from scene.poses import blend_poses, place_pose, stand_pose, talk_pose, walk_pose
from scene.props import (
    CLUTTER,
    OCCLUDERS,
    Prop,
    draw_clutter,
    draw_occluder,
    prop_shadow,
    shown_behind,
)
from scene.sensor import Sensor
from scene.sprites import Float32Array, Sprite, darken, paint

Box = tuple[float, float, float, float]

MIN_VISIBLE_FRACTION = 0.35
MAX_BRIDGED_S = 0.35
MIN_SPAN_S = 0.6
MIN_SIDE_PX = 4.0

_MORE_CLUTTER = (*("bush",) * 2, *("bollard",) * 3, "sign", "conifer", "bin", "board")


@dataclass(frozen=True)
class SceneSpec:
    """The content of one video; ``seed`` is for place, people and sensor, sizes are in px."""

    seed: tuple[int, int]
    size_wh: tuple[int, int]
    num_frames: int
    fps: Fraction
    occluder: str
    num_extra_people: int
    noise_sigma: float = 2.0


@dataclass(frozen=True)
class Track:
    """One person over the whole video: boxes (xyxy, px) of the frames in which the person is on."""

    activity: Activity
    boxes_xyxy: dict[int, Box]


@dataclass(frozen=True)
class _Person:
    looks: Appearance
    motion: Motion
    activity: Activity
    seed: int
    vigour: float


@dataclass(frozen=True)
class _Item:
    """An object that is drawn into one frame."""

    sprite: Sprite
    depth_m: float
    shadow: Sprite | None
    shown: Float32Array


class Scene:
    """A scene; the same spec always gives the same pictures and boxes."""

    def __init__(self, spec: SceneSpec) -> None:
        self.spec = spec
        rng = np.random.default_rng(spec.seed)
        width, height = spec.size_wh
        zoom = width / 480
        self.camera = Camera(
            size_wh=spec.size_wh,
            focal_px=float(rng.uniform(420, 470)) * zoom,
            horizon_px=float(rng.uniform(0, 25)) * height / 360,
            height_m=float(rng.uniform(6.8, 8.0)),
        )
        self._sun_xz = (float(rng.choice([-1, 1]) * rng.uniform(0.3, 0.7)), rng.uniform(0.1, 0.4))
        self._shadow_strength = float(rng.uniform(0.25, 0.42))
        facade_depth_m = float(rng.uniform(30, 36))
        duration_s = float(spec.num_frames / spec.fps)

        background = draw_background(rng, self.camera, facade_depth_m)
        self._props: list[Prop] = []
        self._distractors: list[Distractor] = []
        hide_x_m, hide_z_m = self._place_props(rng, background, facade_depth_m)
        self._background = background
        self._add_crossings(rng, duration_s)
        self._light = Light(rng, spec.size_wh, duration_s, facade_depth_m, self.camera)
        self._sensor = Sensor(rng, spec.size_wh)
        self._people = self._invite_people(rng, duration_s, hide_x_m, hide_z_m, facade_depth_m)
        self._shown: dict[int, Float32Array] = {}
        self._tracks: list[Track] | None = None

    def _place_props(
        self, rng: np.random.Generator, background: Float32Array, facade_depth_m: float
    ) -> tuple[float, float]:
        """Add the props, far ones first; returns the place ``(x, z)`` of the big occluder."""
        spec, camera = self.spec, self.camera
        hide_z_m = 14.0 if spec.occluder == "kiosk" else float(rng.uniform(10.5, 12.5))
        hide_x_m = float(rng.uniform(-0.45, 0.45)) * camera.half_width_m(hide_z_m)
        kinds = [*CLUTTER, *_MORE_CLUTTER]
        places: list[tuple[str, float, float]] = []
        for kind in kinds:
            for _ in range(30):
                z_m = float(rng.uniform(11.0, 0.8 * facade_depth_m))
                x_m = float(rng.uniform(-0.95, 0.95)) * camera.half_width_m(z_m)
                clear = all(
                    abs(x_m / z_m - other_x / other_z) * 20 > 1.0 or abs(z_m - other_z) > 6
                    for _, other_x, other_z in [*places, ("", hide_x_m, hide_z_m)]
                )
                if clear:
                    places.append((kind, x_m, z_m))
                    break
        # a row of bushes and plants in front of the facade
        for place_m in np.arange(-16, 16, 2.1):
            if rng.random() < 0.65:
                kind = "bush" if rng.random() < 0.7 else "conifer"
                x_m = float(place_m + rng.uniform(-0.7, 0.7))
                places.append((kind, x_m, 0.95 * facade_depth_m))
        places.sort(key=lambda place: -place[2])
        num_swaying = 0
        sizes = {kind: entry[1:] for kind, entry in CLUTTER.items()}
        props = []
        for kind, x_m, z_m in places:
            half_m, high_m = sizes[kind]
            size = (0.3 * half_m, 0.9 * high_m)
            shade = prop_shadow(camera, x_m, z_m, size, self._sun_xz)
            props.append((shade, draw_clutter(rng, camera, kind, x_m, z_m), kind))
        hider = draw_occluder(rng, camera, spec.occluder, hide_x_m, hide_z_m)
        _, _, high_m, hiding_half_m = OCCLUDERS[spec.occluder]
        shade = prop_shadow(camera, hide_x_m, hide_z_m, (hiding_half_m, high_m), self._sun_xz)
        props.append((shade, hider, spec.occluder))
        everywhere = np.ones(background.shape[:2], np.float32)
        for shade, _, _ in props:
            darken(background, shade, everywhere, self._shadow_strength)
        for _, prop, kind in sorted(props, key=lambda entry: -entry[1].depth_m):
            near = prop.depth_m < 0.8 * facade_depth_m
            if near and kind in {"bush", "conifer", "parasol"} and num_swaying < 4:
                num_swaying += 1
                amplitude_px = float(rng.uniform(0.06, 0.14)) * camera.scale(prop.depth_m)
                self._distractors.append(
                    swaying(
                        prop,
                        amplitude_px=amplitude_px,
                        rate_hz=float(rng.uniform(0.4, 0.9)),
                        phase=float(rng.uniform(0, 6)),
                    )
                )
            else:
                paint(background, prop.sprite)
                self._props.append(prop)
        return hide_x_m, hide_z_m

    def _add_crossings(self, rng: np.random.Generator, duration_s: float) -> None:
        def way(
            speed_m_s: tuple[float, float], z_m: tuple[float, float], part: tuple[float, float]
        ) -> Crossing:
            depth_m = float(rng.uniform(*z_m))
            side = -1.0 if rng.random() < 0.5 else 1.0
            reach_m = self.camera.half_width_m(depth_m) + 1
            speed = float(rng.uniform(*speed_m_s))
            start_s = float(rng.uniform(*part)) * duration_s
            return Crossing(
                (side * reach_m, depth_m),
                (-side * speed, float(rng.uniform(-0.1, 0.1))),
                start_s,
                start_s + 2 * reach_m / speed,
            )

        tone = float(rng.uniform(0.6, 1.1))
        fur = (120 * tone, 92 * tone, 66 * tone)
        red, green, blue = (float(value) for value in rng.uniform(70, 190, 3))
        paint_rgb = (red, green, blue)
        choices = [
            lambda: dog(self.camera, way((1.6, 2.4), (12, 20), (-0.05, 0.6)), fur),
            lambda: robot(self.camera, way((0.9, 1.4), (12, 20), (-0.3, 0.4)), paint_rgb),
            lambda: rolling_ball(
                self.camera, way((2.0, 3.5), (11, 17), (0.1, 0.7)), (190.0, 120.0, 60.0)
            ),
        ]
        for index in rng.permutation(len(choices))[:2]:
            self._distractors.append(choices[int(index)]())
        for _ in range(2):
            self._distractors.append(
                bird(self.camera, way((4.0, 7.0), (12, 22), (0.0, 0.9)), float(rng.uniform(1, 4)))
            )

    def _invite_people(
        self,
        rng: np.random.Generator,
        duration_s: float,
        hide_x_m: float,
        hide_z_m: float,
        facade_depth_m: float,
    ) -> list[_Person]:
        planner = Planner(rng, self.camera, duration_s)
        hiding_half_m = OCCLUDERS[self.spec.occluder][3]
        ways: list[Itinerary] = [
            planner.pass_behind(hide_x_m, hide_z_m, hiding_half_m, float(rng.uniform(0.3, 0.5))),
            planner.leave_and_return(),
            *planner.meet(float(rng.uniform(0.2, 0.35)), float(rng.uniform(0.3, 0.4))),
            planner.cross(float(rng.uniform(-0.25, 0.1))),
        ]
        extras: list[Itinerary] = [
            planner.come_or_go(float(rng.uniform(-0.15, 0.1)), True, 0.72 * facade_depth_m),
            planner.wait(),
            *planner.together(float(rng.uniform(-0.1, 0.3))),
            planner.come_or_go(float(rng.uniform(0.1, 0.4)), False, 0.72 * facade_depth_m),
        ]
        first = int(rng.integers(2))
        ways += extras[first : first + self.spec.num_extra_people]
        times_s = np.arange(self.spec.num_frames) / float(self.spec.fps)
        people = []
        for index, itinerary in enumerate(ways):
            looks = random_appearance(rng)
            motion = follow(
                itinerary,
                times_s=times_s,
                height_m=looks.height_m,
                first_phase=float(rng.uniform(0, 6)),
            )
            vigour = float(rng.uniform(0.8, 1.05))
            people.append(_Person(looks, motion, itinerary.activity, index, vigour))
        return people

    def _draw(self, person: _Person, frame_index: int) -> DrawnPerson:
        motion = person.motion
        time_s = frame_index / float(self.spec.fps)
        still = stand_pose(time_s, seed=person.seed)
        if motion.talking[frame_index] > 0:
            talk = talk_pose(time_s, seed=person.seed)
            still = blend_poses(still, talk, float(motion.talking[frame_index]))
        carried = 0.7 if person.looks.bag is not None else 0.0
        phase = float(motion.gait_phase[frame_index])
        stride = walk_pose(phase, vigour=person.vigour, carried=carried)
        pose = blend_poses(still, stride, float(motion.walking[frame_index]))
        joints_m = place_pose(
            pose,
            position_m=motion.position_m[frame_index],
            heading=float(motion.heading[frame_index]),
            height_m=person.looks.height_m,
        )
        heading = float(motion.heading[frame_index])
        return draw_person(self.camera, joints_m, heading, person.looks, self._sun_xz)

    def _in_reach(self, person: _Person, frame_index: int) -> bool:
        """Whether a person is present, and so near the picture that a hand or shadow may show."""
        if not person.motion.present[frame_index]:
            return False
        x_m, z_m = person.motion.position_m[frame_index]
        return bool(z_m > 4.0 and abs(x_m) < self.camera.half_width_m(z_m) + 2.0)

    def _shown_at(self, depth_m: float) -> Float32Array:
        """The visibility at a depth behind static props; all depths between two props share it."""
        num_nearer = sum(prop.depth_m < depth_m for prop in self._props)
        if num_nearer not in self._shown:
            self._shown[num_nearer] = shown_behind(self._props, depth_m, self.spec.size_wh)
        return self._shown[num_nearer]

    def _observe(
        self, frame_index: int
    ) -> tuple[list[_Item], dict[int, tuple[float, DrawnPerson]]]:
        """All moving objects, far to near, and the visible fraction and drawing of each person."""
        items, seen, _ = self._look(frame_index)
        return items, seen

    def person_masks(self, frame_index: int) -> list[npt.NDArray[np.bool_]]:
        """The mask ``(height, width)`` of each person, in the order of the itineraries.

        A pixel belongs to a person if the person covers at least half of it, after all nearer
        things are drawn. Persons without such a pixel are left out.
        """
        covered = self._look(frame_index)[2]
        masks = (covered[index] >= 0.5 for index in sorted(covered))
        return [mask for mask in masks if mask.any()]

    def _look(
        self, frame_index: int
    ) -> tuple[list[_Item], dict[int, tuple[float, DrawnPerson]], dict[int, Float32Array]]:
        """What `_observe` returns, and the part of each pixel that each person covers, 0..1."""
        time_s = frame_index / float(self.spec.fps)
        drawn = {
            index: self._draw(person, frame_index)
            for index, person in enumerate(self._people)
            if self._in_reach(person, frame_index)
        }
        candidates: list[tuple[float, int | None, Sprite, Sprite | None]] = [
            (body.depth_m, index, body.sprite, body.shadow) for index, body in drawn.items()
        ]
        for distractor in self._distractors:
            moving = distractor(time_s)
            if moving is not None:
                candidates.append((moving.depth_m, None, moving.sprite, None))
        candidates.sort(key=lambda candidate: candidate[0])
        free = np.ones((self.spec.size_wh[1], self.spec.size_wh[0]), np.float32)
        items = []
        seen: dict[int, tuple[float, DrawnPerson]] = {}
        covered: dict[int, Float32Array] = {}
        for depth_m, index, sprite, shadow in candidates:  # near to far
            shown = self._shown_at(depth_m)
            windows = sprite.overlap(self.spec.size_wh)
            if windows is not None:
                there, here = windows
                if index is not None:
                    visible = sprite.alpha[here] * free[there] * shown[there]
                    seen[index] = float(visible.sum()) / float(sprite.alpha.sum()), drawn[index]
                    covered[index] = np.zeros_like(free)
                    covered[index][there] = visible
                free[there] *= 1 - sprite.alpha[here]
            items.append(_Item(sprite, depth_m, shadow, shown))
        return items[::-1], seen, covered

    def _paint(self, frame_index: int, items: list[_Item]) -> npt.NDArray[np.uint8]:
        image = self._background.copy()
        for item in items:
            if item.shadow is not None:
                darken(image, item.shadow, item.shown, self._shadow_strength)
        for item in items:
            paint(image, item.sprite, item.shown)
        self._light.apply(image, frame_index / float(self.spec.fps))
        rng = np.random.default_rng((*self.spec.seed, 1, frame_index))
        return self._sensor.expose(image, rng, self.spec.noise_sigma)

    def frame(self, frame_index: int) -> npt.NDArray[np.uint8]:
        """One frame, ``(height, width, 3)`` RGB."""
        return self._paint(frame_index, self._observe(frame_index)[0])

    def frames(self) -> Iterator[npt.NDArray[np.uint8]]:
        """All frames in order, ``(height, width, 3)`` RGB; afterwards ``tracks`` costs nothing."""
        observed: list[dict[int, tuple[float, DrawnPerson]]] = []
        for frame_index in range(self.spec.num_frames):
            items, seen = self._observe(frame_index)
            observed.append(seen)
            yield self._paint(frame_index, items)
        self._tracks = self._make_tracks(observed)

    def tracks(self) -> list[Track]:
        """The tracks of all persons that are on in some frame, in the order of the itineraries."""
        if self._tracks is None:
            observed = [self._observe(index)[1] for index in range(self.spec.num_frames)]
            self._tracks = self._make_tracks(observed)
        return self._tracks

    def _make_tracks(self, observed: list[dict[int, tuple[float, DrawnPerson]]]) -> list[Track]:
        tracks = []
        for index, person in enumerate(self._people):
            boxes: dict[int, Box] = {}
            visible = np.zeros(len(observed), bool)
            for frame_index, seen in enumerate(observed):
                if index not in seen:
                    continue
                fraction, drawn = seen[index]
                box = clip_box(drawn.box_xyxy, self.spec.size_wh)
                if min(box[2] - box[0], box[3] - box[1]) >= MIN_SIDE_PX:
                    boxes[frame_index] = box
                    visible[frame_index] = fraction >= MIN_VISIBLE_FRACTION
            on = steady(
                visible,
                possible=np.array([frame_index in boxes for frame_index in range(len(observed))]),
                max_bridged=int(MAX_BRIDGED_S * self.spec.fps),
                min_span=int(np.ceil(MIN_SPAN_S * float(self.spec.fps))),
            )
            kept = {int(frame_index): boxes[int(frame_index)] for frame_index in np.flatnonzero(on)}
            if kept:
                tracks.append(Track(person.activity, kept))
        return tracks


def clip_box(box_xyxy: Box, size_wh: tuple[int, int]) -> Box:
    """A box cut to the picture."""
    width, height = size_wh
    x1, y1, x2, y2 = box_xyxy
    return (
        min(max(x1, 0.0), width),
        min(max(y1, 0.0), height),
        min(max(x2, 0.0), width),
        min(max(y2, 0.0), height),
    )


def spans_of(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Runs of true values, as ``[start, end)``."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def steady(
    visible: npt.NDArray[np.bool_],
    *,
    possible: npt.NDArray[np.bool_],
    max_bridged: int,
    min_span: int,
) -> npt.NDArray[np.bool_]:
    """Bridge gaps of at most ``max_bridged`` frames, then drop spans below ``min_span`` frames.

    A gap is bridged only if every frame of it is ``possible`` (the person has a box there). Spans
    at the start and at the end of the video may be shorter, but have at least two frames.
    """
    on = visible.copy()
    for start, end in spans_of(~visible):
        inside = start > 0 and end < len(visible)
        if inside and end - start <= max_bridged and bool(possible[start:end].all()):
            on[start:end] = True
    for start, end in spans_of(on):
        cut = start == 0 or end == len(on)
        if end - start < (2 if cut else min_span):
            on[start:end] = False
    return on
