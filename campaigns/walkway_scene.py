"""A synthetic walkway under a fixed camera: small textured walkers, and what does not belong there.

The frames are grey, 10 a second, with shadows, sensor noise, a flickering lamp and JPEG artefacts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

FPS = 10
TALL = 96
"""Pixels of a drawn person's height before it is brought to its size in the view."""
WIDE = 96
FEET = 92
PERSON_M = 1.7
FAR_PX = 60
"""A body that is farther outside the picture is gone."""
Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


class View(NamedTuple):
    """A camera.

    Attributes:
        size_wh: of the frames, in px.
        heights_px: of a person at the upper and the lower edge of the picture.
        is_along: whether the walkway leads away from the camera, or across the picture.
        path: the edges of the walkway, as fractions of the width or height.
        num_walkers: at a time, about.
        noise: standard deviation of the sensor's noise, in grey levels.
        jpeg_quality: of the frames.
    """

    size_wh: tuple[int, int]
    heights_px: tuple[float, float]
    is_along: bool
    path: tuple[float, float]
    num_walkers: int
    noise: float
    jpeg_quality: int


VIEWS = {
    "across": View((360, 240), (18, 34), False, (0.38, 0.97), 14, 3.0, 75),
    "across, crowded and noisy": View((360, 240), (15, 28), False, (0.35, 0.97), 28, 6.0, 50),
    "along": View((238, 158), (8, 30), True, (0.30, 0.75), 12, 3.0, 75),
}
FORESHORTENED = 0.5
"""Steps away from the camera are shorter in the picture by this factor."""


@dataclass
class Body:
    """Someone in the view.

    Attributes:
        kind: walker, stander, biker, skater, runner, cart, chair.
        x, y: the place of the feet, in px.
        speed_ms: in metres a second.
        heading: unit vector in the picture's ground.
        tall: relative height.
        greys: of legs, trunk and head.
    """

    kind: str
    x: float
    y: float
    speed_ms: float
    heading: tuple[float, float]
    tall: float
    greys: npt.NDArray[np.float32]
    texture: Floats
    phase: float
    is_anomalous: bool = False
    sway: float = 0.0


def height_at(view: View, y: float) -> float:
    """The height of a person, in px, whose feet are at this row."""
    top, bottom = view.heights_px
    return top + (bottom - top) * y / view.size_wh[1]


def draw_body(body: Body, time_s: float) -> tuple[Floats, Floats]:
    """Floats and cover of a body at full size."""
    grey, cover = np.zeros((TALL, WIDE), np.float32), np.zeros((TALL, WIDE), np.float32)
    middle = WIDE // 2
    facing = 1 if body.heading[0] >= 0 else -1

    def line(one: tuple[float, float], other: tuple[float, float], wide: int, tone: float) -> None:
        a, b = (int(one[0]), int(one[1])), (int(other[0]), int(other[1]))
        cv2.line(grey, a, b, float(tone), wide, cv2.LINE_AA)
        cv2.line(cover, a, b, 1.0, wide, cv2.LINE_AA)

    def disc(at: tuple[float, float], axes: tuple[int, int], tone: float) -> None:
        place = int(at[0]), int(at[1])
        cv2.ellipse(grey, place, axes, 0, 0, 360, float(tone), -1, cv2.LINE_AA)
        cv2.ellipse(cover, place, axes, 0, 0, 360, 1.0, -1, cv2.LINE_AA)

    legs, trunk, head = (float(one) for one in body.greys)
    stride = {"walker": 12.0, "runner": 20.0, "biker": 7.0}.get(body.kind, 0.0)
    rate = {"walker": 0.9, "runner": 1.4, "biker": 1.2}.get(body.kind, 0.0)
    along = abs(body.heading[0]) * 0.7 + 0.3
    swing = stride * along * np.sin(2 * np.pi * rate * time_s + body.phase)
    if body.kind == "cart":
        cv2.rectangle(grey, (8, 40), (88, 84), trunk, -1)
        cv2.rectangle(cover, (8, 40), (88, 84), 1.0, -1)
        cv2.rectangle(grey, (30, 14), (80, 44), head, -1)
        cv2.rectangle(cover, (30, 14), (80, 44), 1.0, -1)
        disc((24, 84), (8, 8), legs)
        disc((72, 84), (8, 8), legs)
    else:
        if body.kind in {"biker", "chair"}:
            for side in (-20, 20):
                cv2.circle(grey, (middle + side, FEET - 11), 11, legs, 3, cv2.LINE_AA)
                cv2.circle(cover, (middle + side, FEET - 11), 11, 1.0, 3, cv2.LINE_AA)
            line((middle - 20, FEET - 12), (middle + 20, FEET - 26), 3, legs)
        lift = -6 if body.kind == "biker" else 0
        line((middle - 1, 55 + lift), (middle + swing, FEET - 2 + lift), 8, legs)
        line((middle + 1, 55 + lift), (middle - swing, FEET - 2 + lift), 8, legs * 0.9)
        lean = 5 * facing if body.kind in {"biker", "runner"} else 0
        disc((middle + lean / 2, 40 + lift), (10, 19), trunk)
        line((middle + lean, 27 + lift), (middle - swing * 0.7 + lean, 52 + lift), 5, trunk * 0.85)
        disc((middle + lean, 13 + lift), (6, 8), head)
        if body.kind == "skater":
            line((middle - 14, FEET), (middle + 14, FEET), 3, legs * 0.6)
    grey += body.texture * cover
    return grey, np.clip(cover, 0, 1)


def place(frame: Floats, mask: Picture, body: Body, view: View, time_s: float) -> bool:
    """Puts a body and its shadow into a frame; whether any of it shows."""
    height = height_at(view, body.y) * body.tall * (1.25 if body.kind == "cart" else 1)
    scale = height / FEET
    grey, cover = draw_body(body, time_s)
    blur = max(0.3, 0.45 / scale)
    cover_soft = cv2.GaussianBlur(cover, (0, 0), blur)
    grey_soft = cv2.GaussianBlur(grey * cover, (0, 0), blur) / np.maximum(cover_soft, 1e-3)
    x = body.x + body.sway * np.sin(2 * np.pi * 0.9 * time_s + body.phase)
    matrix = np.array([[scale, 0, x - scale * WIDE / 2], [0, scale, body.y - scale * FEET]])
    # Only the part of the picture around the body and its shadow is drawn.
    left, top = max(0, int(x - 1.6 * height)), max(0, int(body.y - 1.1 * height))
    right = min(view.size_wh[0], int(x + 1.6 * height) + 1)
    bottom = min(view.size_wh[1], int(body.y + 0.6 * height) + 1)
    if right <= left or bottom <= top:
        return False
    part = slice(top, bottom), slice(left, right)
    size = right - left, bottom - top
    matrix[:, 2] -= left, top
    alpha = cv2.warpAffine(cover_soft, matrix, size)
    if alpha.max() < 0.3:
        return False
    tones = cv2.warpAffine(grey_soft, matrix, size)
    # The shadow lies on the ground: the outline, flattened and skewed.
    skewed = np.array(
        [[scale, 0.45 * scale, x - scale * (WIDE / 2 + 0.45 * FEET)],
         [0, -0.35 * scale, body.y + 0.35 * scale * FEET]]
    )  # fmt: skip
    skewed[:, 2] -= left, top
    shadow = cv2.warpAffine(cover_soft, skewed, size)
    frame[part] *= 1 - 0.28 * shadow
    frame[part] += alpha * (tones - frame[part])
    if body.is_anomalous:
        mask[part][alpha > 0.5] = 255
    return True


def ground(view: View, rng: np.random.Generator) -> Floats:
    """The picture without people: a path and grass beside it."""
    width, height = view.size_wh
    total = np.full((height, width), 150, np.float32)
    for blotch, strength in ((48, 12), (12, 6), (4, 5), (2, 3)):
        shape = (height // blotch + 2, width // blotch + 2)
        noise = rng.normal(0, strength, shape).astype(np.float32)
        total += _resize(noise, (width, height), cv2.INTER_CUBIC)
    grass = np.ones((height, width), bool)
    low, high = view.path
    if view.is_along:
        grass[:, int(low * width) : int(high * width)] = False
    else:
        grass[int(low * height) :, :] = False
    rough = rng.normal(-45, 14, ((height + 1) // 2, (width + 1) // 2)).astype(np.float32)
    total += grass * _resize(rough, (width, height))
    return total


def _resize(
    picture: Floats, size_wh: tuple[int, int], interpolation: int = cv2.INTER_LINEAR
) -> Floats:
    return np.asarray(cv2.resize(picture, size_wh, interpolation=interpolation), np.float32)


SPEEDS = {"walker": (0.8, 1.5), "runner": (2.4, 3.4), "biker": (2.3, 4.5), "skater": (2.0, 3.4),
          "cart": (2.0, 3.5), "chair": (1.0, 1.5)}  # fmt: skip


def make_body(
    view: View, rng: np.random.Generator, kind: str, *, is_inside: bool, off_path: bool
) -> Body:
    """Someone who is in the picture already, or comes from one of its edges."""
    width, height = view.size_wh
    low, high = view.path
    across = rng.uniform(0.06, low - 0.06) if off_path else rng.uniform(low + 0.03, high - 0.03)
    forward = 1 if rng.random() < 0.5 else -1
    drift = rng.normal(0, 0.06)
    if view.is_along:
        y = (
            rng.uniform(0.15, 1.0) * height
            if is_inside
            else (height * 1.22 if forward < 0 else 0.02 * height)
        )
        x, heading = across * width, (drift, float(forward))
    else:
        x = rng.uniform(0, 1) * width if is_inside else (-18.0 if forward > 0 else width + 18.0)
        y, heading = across * height, (float(forward), drift)
    trunk = rng.uniform(20, 240)
    greys = np.array([rng.uniform(20, 110), trunk, rng.uniform(60, 190)], np.float32)
    texture = _resize(rng.normal(0, 16, (TALL // 6, WIDE // 6)).astype(np.float32), (WIDE, TALL))
    speed = 0.0 if kind == "stander" else rng.uniform(*SPEEDS[kind])
    return Body(
        kind, x, y, speed, heading, rng.uniform(0.9, 1.1), greys, texture, rng.uniform(0, 6.3),
        is_anomalous=off_path or kind not in {"walker", "stander"}, sway=0.4,
    )  # fmt: skip


def make_video(
    view: View, backdrop: Floats, seed: int, num_frames: int, anomalies: tuple[str, ...]
) -> Iterator[tuple[Picture, Picture]]:
    """Frames and masks. Args: anomalies: kinds that come in turn; `off` walks off the walkway."""
    rng = np.random.default_rng(seed)
    bodies: list[Body] = []
    for _ in range(view.num_walkers):
        kind = "stander" if rng.random() < 0.12 else "walker"
        bodies.append(make_body(view, rng, kind, is_inside=True, off_path=False))
    starts = np.sort(rng.integers(0, max(1, int(num_frames * 0.75)), len(anomalies)))
    coming = list(zip(starts.tolist(), anomalies, strict=True))
    width, height = view.size_wh
    drift = rng.uniform(-1, 1)
    for at in range(num_frames):
        time_s = at / FPS
        while len([b for b in bodies if not b.is_anomalous]) < view.num_walkers:
            one = make_body(view, rng, "walker", is_inside=False, off_path=False)
            bodies.append(one)
            if rng.random() < 0.4:  # a companion
                other = make_body(view, rng, "walker", is_inside=False, off_path=False)
                shift = 0.35 * height_at(view, one.y)
                other.x, other.y = one.x + (shift if view.is_along else -shift / 2), one.y + 2
                other.heading, other.speed_ms = one.heading, one.speed_ms
                bodies.append(other)
        while coming and coming[0][0] <= at:
            _, kind = coming.pop(0)
            is_off = kind == "off"
            bodies.append(
                make_body(view, rng, "walker" if is_off else kind, is_inside=False, off_path=is_off)
            )
        frame = backdrop.copy()
        mask = np.zeros((height, width), np.uint8)
        for body in sorted(bodies, key=lambda one: one.y):
            place(frame, mask, body, view, time_s)
        kept = []
        for body in bodies:
            px_s = body.speed_ms * height_at(view, body.y) / PERSON_M
            ground_y = FORESHORTENED if view.is_along else 1.0
            body.x += body.heading[0] * px_s / FPS
            body.y += body.heading[1] * px_s / FPS * ground_y
            if -FAR_PX < body.x < width + FAR_PX and 0 < body.y < 1.4 * height:
                kept.append(body)
        bodies = kept
        frame += 2.5 * np.sin(time_s * 0.3 + drift) + rng.normal(0, 0.8)
        frame += rng.normal(0, view.noise, frame.shape)
        picture = frame.clip(0, 255).astype(np.uint8)
        _, packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, view.jpeg_quality])
        decoded: Any = cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE)
        yield decoded, mask


def write_walkway(
    folder: Path,
    view: View,
    seed: int,
    *,
    num_train: int,
    num_test: int,
    kinds: tuple[tuple[str, ...], ...],
) -> None:
    """Writes `Train/…`, `Test/…`, masks and `anomalies.csv`."""
    rng = np.random.default_rng(seed)
    backdrop = ground(view, rng)
    rows = []
    for number in range(num_train + num_test):
        is_test = number >= num_train
        name = (
            f"Test/Test{number - num_train + 1:03d}" if is_test else f"Train/Train{number + 1:03d}"
        )
        place_at = folder / name
        place_at.mkdir(parents=True)
        anomalies = kinds[(number - num_train) % len(kinds)] if is_test else ()
        masks = []
        for at, (picture, mask) in enumerate(
            make_video(view, backdrop, 1000 * seed + number, int(rng.integers(120, 181)), anomalies)
        ):
            cv2.imwrite(str(place_at / f"{at + 1:03d}.tif"), picture)
            masks.append(mask)
        if not is_test:
            continue
        gt = folder / f"{name}_gt"
        gt.mkdir()
        for at, mask in enumerate(masks):
            cv2.imwrite(str(gt / f"{at + 1:03d}.bmp"), mask)
        labelled = [bool(m.any()) for m in masks]
        edges = np.flatnonzero(np.diff(np.array([0, *labelled, 0])))
        rows += [f"{name},{a},{b}" for a, b in edges.reshape(-1, 2).tolist()]
    (folder / "anomalies.csv").write_text("\n".join(["video,start_frame,stop_frame", *rows, ""]))
