"""The appearance of people, and the drawing of a person from joint positions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scene.camera import Camera, FloatArray
from scene.poses import Joint
from scene.sprites import Canvas, Float32Array, Rgb, Sprite, softened, textured

_SKIN: tuple[Rgb, ...] = ((214, 170, 144), (190, 140, 110), (146, 100, 74), (96, 66, 50))
_HAIR: tuple[Rgb, ...] = ((38, 32, 30), (70, 50, 36), (120, 92, 60), (168, 160, 152), (24, 24, 28))
_TOPS: tuple[Rgb, ...] = (
    (34, 36, 42),
    (48, 52, 66),
    (60, 58, 54),
    (96, 94, 90),
    (122, 118, 110),
    (150, 146, 138),
    (196, 192, 184),
    (126, 44, 42),
    (44, 70, 112),
    (66, 88, 62),
    (150, 118, 62),
    (92, 62, 88),
    (186, 92, 48),
    (70, 108, 112),
)
_TROUSERS: tuple[Rgb, ...] = (
    (30, 32, 38),
    (46, 54, 74),
    (62, 74, 98),
    (72, 64, 54),
    (104, 98, 86),
    (130, 126, 118),
    (52, 58, 48),
)


@dataclass(frozen=True)
class Appearance:
    """The appearance of a person: colours are RGB 0..255, ``build`` scales widths."""

    height_m: float
    build: float
    skin: Rgb
    hair: Rgb
    top: Rgb
    trousers: Rgb
    shoes: Rgb
    bare_arms: bool
    skirt: bool
    hood: bool
    backpack: Rgb | None
    bag: Rgb | None
    texture: Float32Array


@dataclass(frozen=True)
class DrawnPerson:
    """A person in the picture.

    ``box_xyxy`` is the tight box in px around the whole silhouette; it reaches beyond the picture
    if the person does.  ``depth_m`` orders people and objects from near to far.
    """

    sprite: Sprite
    shadow: Sprite
    box_xyxy: tuple[float, float, float, float]
    depth_m: float


def _pick(rng: np.random.Generator, colours: tuple[Rgb, ...], spread: float) -> Rgb:
    base = np.array(colours[int(rng.integers(len(colours)))])
    base = 0.82 * base + 0.18 * base.mean()  # surveillance cameras show pale colours
    red, green, blue = np.clip(base * rng.uniform(0.85, 1.15) + rng.normal(0, spread, 3), 8, 245)
    return float(red), float(green), float(blue)


def random_appearance(rng: np.random.Generator) -> Appearance:
    """Draw a random appearance."""
    top = _pick(rng, _TOPS, 6)
    trousers = _pick(rng, _TROUSERS, 4)
    if rng.random() < 0.2:  # a coat of one colour from neck to knee
        trousers = top
    texture = np.clip(rng.normal(1.0, 0.10, (14, 6)), 0.7, 1.3).astype(np.float32)
    return Appearance(
        height_m=float(rng.uniform(1.60, 1.88)),
        build=float(rng.uniform(0.88, 1.2)),
        skin=_pick(rng, _SKIN, 4),
        hair=_pick(rng, _HAIR, 4),
        top=top,
        trousers=trousers,
        shoes=_pick(rng, ((28, 26, 26), (70, 56, 44), (150, 148, 144)), 4),
        bare_arms=bool(rng.random() < 0.25),
        skirt=bool(rng.random() < 0.15),
        hood=bool(rng.random() < 0.15),
        backpack=_pick(rng, _TOPS, 6) if rng.random() < 0.25 else None,
        bag=_pick(rng, _TOPS, 6) if rng.random() < 0.25 else None,
        texture=texture,
    )


def _shade(rgb: Rgb, factor: float) -> Rgb:
    return rgb[0] * factor, rgb[1] * factor, rgb[2] * factor


def _draw_leg(
    canvas: Canvas, px: FloatArray, first: int, looks: Appearance, scale: float, shade: float
) -> None:
    hip, knee, ankle, toe = px[first : first + 4]
    width = looks.build * scale
    trousers = _shade(looks.trousers, shade)
    canvas.capsule(ankle, toe, (0.036 * width, 0.024 * width), _shade(looks.shoes, shade))
    shin = _shade(looks.skin, shade) if looks.skirt else trousers
    canvas.capsule(knee, ankle, (0.034 * width, 0.026 * width), shin)
    canvas.capsule(hip, knee, (0.052 * width, 0.037 * width), trousers)


def _draw_arm(
    canvas: Canvas, px: FloatArray, first: int, looks: Appearance, scale: float, shade: float
) -> None:
    shoulder, elbow, hand = px[first : first + 3]
    width = looks.build * scale
    sleeve = _shade(looks.skin if looks.bare_arms else looks.top, shade)
    canvas.disc(hand, 0.021 * scale, _shade(looks.skin, shade))
    canvas.capsule(elbow, elbow + 0.8 * (hand - elbow), (0.025 * width, 0.021 * width), sleeve)
    canvas.capsule(shoulder, elbow, (0.033 * width, 0.027 * width), _shade(looks.top, shade))


def _draw_trunk(
    canvas: Canvas, px: FloatArray, looks: Appearance, scale: float, side_on: float
) -> None:
    width = looks.build * scale
    depth = (0.055 + 0.012 * side_on) * width
    left, right = px[Joint.LEFT_SHOULDER], px[Joint.RIGHT_SHOULDER]
    left_hip, right_hip = px[Joint.LEFT_HIP], px[Joint.RIGHT_HIP]
    middle = (px[Joint.NECK] + px[Joint.PELVIS]) / 2
    # the seat first; the top is drawn over it, down to the hips
    canvas.capsule(left_hip, right_hip, (0.055 * width, 0.055 * width), looks.trousers)
    if looks.skirt:
        knees = (px[Joint.LEFT_KNEE] + px[Joint.RIGHT_KNEE]) / 2
        half = np.array([0.085 * width, 0])
        canvas.polygon(np.array([left_hip, right_hip, knees + half, knees - half]), looks.trousers)
        canvas.capsule(px[Joint.PELVIS], knees, (0.06 * width, 0.085 * width), looks.trousers)
    canvas.polygon(np.array([left, right, right_hip, left_hip]), looks.top)
    for shoulder, hip in ((left, left_hip), (right, right_hip)):
        canvas.capsule(shoulder, middle + 0.7 * (hip - middle), (0.8 * depth, depth), looks.top)
    canvas.capsule(px[Joint.NECK], middle, (0.9 * depth, 1.25 * depth), looks.top)


def _tilt(px: FloatArray) -> float:
    """The angle of the body in the picture, radians clockwise from upright; 0 while it stands."""
    up = px[Joint.NECK] - px[Joint.PELVIS]
    angle = float(np.arctan2(up[0], -up[1]))
    size = float(np.interp(abs(angle), (0.6, np.pi / 2, np.pi), (0, np.pi / 2, np.pi)))
    return float(np.copysign(size, angle))


def _tipped(offset: FloatArray, tilt: float) -> FloatArray:
    x, y = offset
    return np.array([x * np.cos(tilt) - y * np.sin(tilt), x * np.sin(tilt) + y * np.cos(tilt)])


def _draw_head(
    canvas: Canvas,
    px: FloatArray,
    looks: Appearance,
    scale: float,
    facing: FloatArray,
    tilt: float,
) -> None:
    """Draw the head; ``facing`` is the unit heading ``(x, z)``, and z > 0 shows its back."""
    head = px[Joint.HEAD]
    canvas.capsule(px[Joint.NECK], head, (0.034 * scale, 0.03 * scale), looks.skin)
    cover = looks.top if looks.hood else looks.hair
    radii = (0.050 * scale, 0.066 * scale)
    degrees = float(np.degrees(tilt))
    canvas.ellipse(head, radii, degrees, cover)
    if facing[1] < 0.75:
        # the face is in front, on the lower part of the head
        offset = np.array([0.020 * facing[0], 0.016 - 0.006 * facing[1]]) * scale
        size = 0.042 - 0.014 * max(float(facing[1]), 0.0)
        face = (size * scale * 0.86, size * scale * 1.1)
        canvas.ellipse(head + _tipped(offset, tilt), face, degrees, looks.skin)


def _bounds(px: FloatArray, margin_px: float) -> tuple[float, float, float, float]:
    left, top = px.min(axis=0) - margin_px
    right, bottom = px.max(axis=0) + margin_px
    return float(left), float(top), float(right), float(bottom)


def _draw_shadow(
    camera: Camera, joints_m: FloatArray, looks: Appearance, sun_xz: tuple[float, float]
) -> Sprite:
    """The shadow on the ground: every joint is moved by its height times ``sun_xz``."""
    up = joints_m[:, 1]
    fallen = np.stack(
        [joints_m[:, 0] + up * sun_xz[0], np.zeros_like(up), joints_m[:, 2] + up * sun_xz[1]],
        axis=-1,
    )
    px = camera.project(fallen)
    scale = camera.scale(float(joints_m[Joint.PELVIS, 2])) * looks.height_m
    canvas = Canvas(_bounds(px, 0.14 * scale + 4))
    width = looks.build * scale
    for first in (Joint.LEFT_HIP, Joint.RIGHT_HIP):
        for start in range(first, first + 3):
            canvas.capsule(px[start], px[start + 1], (0.05 * width, 0.05 * width), (0, 0, 0))
    for first in (Joint.LEFT_SHOULDER, Joint.RIGHT_SHOULDER):
        for start in range(first, first + 2):
            canvas.capsule(px[start], px[start + 1], (0.03 * width, 0.03 * width), (0, 0, 0))
    canvas.capsule(px[Joint.PELVIS], px[Joint.NECK], (0.09 * width, 0.1 * width), (0, 0, 0))
    canvas.disc(px[Joint.HEAD], 0.055 * scale, (0, 0, 0))
    return softened(canvas.sprite(), 0.9)


def draw_person(
    camera: Camera,
    joints_m: FloatArray,
    heading: float,
    looks: Appearance,
    sun_xz: tuple[float, float],
) -> DrawnPerson:
    """Draw a person whose joints are at world points ``joints_m`` ``(NUM_JOINTS, 3)``.

    ``sun_xz`` is the length of shadows along x and z, in metres per metre of height; the light
    comes from the other side.
    """
    px = camera.project(joints_m)
    depth_m = float(joints_m[Joint.PELVIS, 2])
    scale = camera.scale(depth_m) * looks.height_m
    canvas = Canvas(_bounds(px, 0.16 * scale + 2))
    facing = np.array([np.cos(heading), np.sin(heading)])
    side_on = abs(float(facing[0]))

    def left_is_far(left: Joint, right: Joint) -> bool:
        return bool(joints_m[left, 2] > joints_m[right, 2])

    legs = [(int(Joint.LEFT_HIP), 1.0), (int(Joint.RIGHT_HIP), 1.0)]
    arms = [(int(Joint.LEFT_SHOULDER), 1.0), (int(Joint.RIGHT_SHOULDER), 1.0)]
    if not left_is_far(Joint.LEFT_SHOULDER, Joint.RIGHT_SHOULDER):
        legs.reverse()
        arms.reverse()
    far, near = 1 - 0.18 * side_on, 1 + 0.05 * side_on
    back_px = camera.project(
        (joints_m[Joint.NECK] + joints_m[Joint.PELVIS]) / 2
        + np.array([-facing[0], 0.1, -facing[1]]) * 0.09 * looks.height_m
    )

    tilt = _tilt(px)

    def draw_backpack(rgb: Rgb) -> None:
        half = (0.05 + 0.03 * abs(facing[1])) * scale
        canvas.ellipse(back_px, (half, 0.095 * scale), float(np.degrees(tilt)), rgb)

    if looks.backpack is not None and facing[1] <= 0.3:
        draw_backpack(looks.backpack)
    _draw_arm(canvas, px, arms[0][0], looks, scale, 0.9 * far)
    _draw_leg(canvas, px, legs[0][0], looks, scale, far)
    _draw_leg(canvas, px, legs[1][0], looks, scale, near)
    _draw_trunk(canvas, px, looks, scale, side_on)
    if looks.backpack is not None and facing[1] > 0.3:
        draw_backpack(looks.backpack)
    _draw_head(canvas, px, looks, scale, facing, tilt)
    # seen from the back, both arms may cover the edge of the trunk, but never its middle
    _draw_arm(canvas, px, arms[1][0], looks, scale, near * (1 - 0.1 * (1 - side_on)))
    if looks.bag is not None:
        hand = px[Joint.RIGHT_HAND]
        drop = np.array([0, 0.05 * scale])
        canvas.ellipse(hand + drop, (0.045 * scale, 0.05 * scale), 0.0, looks.bag)
    box = canvas.extent_xyxy()
    if box is None:
        raise AssertionError("expected a drawn person, got an empty canvas")
    height_cells, width_cells = looks.texture.shape
    lit = np.linspace(-1, 1, width_cells, dtype=np.float32)[None] * -np.sign(sun_xz[0])
    falloff = np.linspace(1.08, 0.92, height_cells, dtype=np.float32)[:, None]
    texture = looks.texture * (1 + 0.22 * lit) * falloff
    return DrawnPerson(
        sprite=textured(canvas.sprite(), texture.astype(np.float32)),
        shadow=_draw_shadow(camera, joints_m, looks, sun_xz),
        box_xyxy=box,
        depth_m=depth_m,
    )
