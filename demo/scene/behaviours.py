"""The behaviours in the demo's clips: each plans the positions and poses of its people.

A behaviour is a function of a random generator, a place, the appearance of two persons and the
times of the frames.  It returns ``Actor``s.  Speeds, sizes, directions, styles and moments are
random for each clip.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from scene.camera import FloatArray
from scene.falls import FALLS, fall_pose, progress
from scene.gestures import LEFT, RIGHT, fight_pose, shake_hands, wave_pose, wrestle_pose
from scene.itineraries import Itinerary, Motion, Waypoint, follow
from scene.people import Appearance
from scene.places import Place
from scene.poses import (
    RUN_CYCLE,
    STRIDE_CYCLE,
    blend_poses,
    place_pose,
    run_pose,
    stand_pose,
    talk_pose,
    walk_pose,
)

Cast = tuple[Appearance, Appearance]

_SEEN_FRACTION = 0.85


@dataclass(frozen=True)
class Actor:
    """A person over a clip: ``joints_m`` ``(num_frames, NUM_JOINTS, 3)`` world points in m,
    ``headings`` ``(num_frames,)`` in radians."""

    looks: Appearance
    joints_m: FloatArray
    headings: FloatArray


Behaviour = Callable[[np.random.Generator, Place, Cast, FloatArray], list[Actor]]


def _placed(
    looks: Appearance, poses: list[FloatArray], positions_m: FloatArray, headings: FloatArray
) -> Actor:
    joints_m = [
        place_pose(pose, position_m=position, heading=float(heading), height_m=looks.height_m)
        for pose, position, heading in zip(poses, positions_m, headings, strict=True)
    ]
    return Actor(looks, np.array(joints_m), headings)


def _smooth(value: FloatArray | float) -> FloatArray:
    """A smooth step from 0 to 1 over 0..1."""
    clipped = np.clip(value, 0.0, 1.0)
    return np.asarray(clipped * clipped * (3 - 2 * clipped))


def _free_handed(looks: Appearance) -> Appearance:
    """The appearance without the bag, which hangs from the right hand."""
    return replace(looks, bag=None)


def _spot(
    rng: np.random.Generator, place: Place, across: float, sizes: tuple[float, float] = (0.0, 1.0)
) -> FloatArray:
    """A random point ``(x, z)``, within ``across`` (0..1) of half the picture to each side.

    The size of a person there, in px, is uniform over the range ``sizes``, where 0 is the smallest
    size and 1 the largest.
    """
    largest, least = 1 / place.nearest_m, min(1 / place.farthest_m, 1 / place.nearest_m)
    z_m = 1 / (least + (largest - least) * float(rng.uniform(*sizes)))
    return np.array([rng.uniform(-across, across) * place.camera.half_width_m(z_m), z_m])


def _direction(rng: np.random.Generator, spread: float) -> float:
    """A random heading to the right or the left, with a deviation of up to ``spread`` radians."""
    return float(rng.uniform(-spread, spread)) + (np.pi if rng.random() < 0.5 else 0.0)


def _course(
    rng: np.random.Generator,
    place: Place,
    speed_m_s: float,
    duration_s: float,
    *,
    spread: float,
    sizes: tuple[float, float],
) -> tuple[FloatArray, float]:
    """The middle ``(x, z)`` and heading of a straight path that is mostly in the picture.

    Of 40 random paths, this is the first that is in the picture for ``_SEEN_FRACTION`` of the time.
    If there is none, it is the best one.
    """
    best: tuple[float, FloatArray, float] | None = None
    parts = np.linspace(-0.5, 0.5, 21) * speed_m_s * duration_s
    for _ in range(40):
        middle, heading = _spot(rng, place, 0.25, sizes), _direction(rng, spread)
        x_m, z_m = middle[0] + parts * np.cos(heading), middle[1] + parts * np.sin(heading)
        deep = (z_m > place.nearest_m) & (z_m < place.farthest_m + 2)
        wide = np.abs(x_m) < place.size_wh[0] / 2 / place.camera.focal_px * z_m
        seen = float((deep & wide).mean())
        if best is None or seen > best[0]:
            best = (seen, middle, heading)
        if seen >= _SEEN_FRACTION:
            break
    assert best is not None
    return best[1], best[2]


def _straight(
    middle: FloatArray,
    heading: float,
    speed_m_s: float,
    times_s: FloatArray,
    height_m: float,
    first_phase: float,
) -> Motion:
    """Motion on a straight path at constant speed, at ``middle`` halfway through the clip."""
    ahead = np.array([np.cos(heading), np.sin(heading)])
    start = middle - ahead * speed_m_s * float(times_s[-1]) / 2
    end = middle + ahead * (speed_m_s * float(times_s[-1]) + 5)
    way = Itinerary(
        0.0,
        (float(start[0]), float(start[1])),
        (Waypoint(float(end[0]), float(end[1]), speed_m_s),),
    )
    return follow(way, times_s=times_s, height_m=height_m, first_phase=first_phase)


def _strides(
    motion: Motion, times_s: FloatArray, looks: Appearance, *, vigour: float, seed: int
) -> list[FloatArray]:
    """A pose for each frame: walking, talking or standing, as the motion says."""
    carried = 0.7 if looks.bag is not None else 0.0
    poses = []
    for index, time_s in enumerate(times_s):
        still = stand_pose(float(time_s), seed=seed)
        talk = talk_pose(float(time_s), seed=seed)
        still = blend_poses(still, talk, float(motion.talking[index]))
        stride = walk_pose(float(motion.gait_phase[index]), vigour=vigour, carried=carried)
        poses.append(blend_poses(still, stride, float(motion.walking[index])))
    return poses


def _beside(heading: float, distance_m: float, behind_m: float) -> FloatArray:
    """The offset ``(x, z)`` from one person to the next: to the left and back."""
    return distance_m * np.array([-np.sin(heading), np.cos(heading)]) - behind_m * np.array(
        [np.cos(heading), np.sin(heading)]
    )


def walking(rng: np.random.Generator, place: Place, cast: Cast, times_s: FloatArray) -> list[Actor]:
    """A person walks by, away or closer, slowly or fast; sometimes two walk side by side."""
    speed = float(rng.uniform(0.75, 1.3))
    spread = 0.5 if rng.random() < 0.7 else np.pi / 2
    num_people = 2 if rng.random() < 0.25 else 1
    sizes = (0.0, 0.75) if num_people == 1 else (0.0, 0.45)
    middle, heading = _course(rng, place, speed, float(times_s[-1]), spread=spread, sizes=sizes)
    actors = []
    for index, looks in enumerate(cast[:num_people]):
        offset = index * _beside(heading, rng.uniform(0.6, 0.85), rng.uniform(-0.1, 0.3))
        phase = float(rng.uniform(0, 6))
        motion = _straight(middle + offset, heading, speed, times_s, looks.height_m, phase)
        vigour = 0.62 + 0.32 * speed
        poses = _strides(motion, times_s, looks, vigour=vigour, seed=index)
        actors.append(_placed(looks, poses, motion.position_m, motion.heading))
    return actors


def standing(
    rng: np.random.Generator, place: Place, cast: Cast, times_s: FloatArray
) -> list[Actor]:
    """One or two people wait: they shift their weight, look around and turn a little."""
    num_people = 2 if rng.random() < 0.4 else 1
    spot = _spot(rng, place, 0.4)
    side = float(rng.choice([-1, 1]))
    actors = []
    for index, looks in enumerate(cast[:num_people]):
        seed, start_s = int(rng.integers(100)), float(rng.uniform(0, 30))
        position = spot + index * np.array([side * rng.uniform(0.8, 1.6), rng.uniform(-0.5, 0.9)])
        position[1] = max(position[1], place.nearest_m)
        turn = float(rng.uniform(-0.5, 0.5)) if rng.random() < 0.5 else 0.0
        when = (times_s - rng.uniform(0, 1.5)) / 0.9
        headings = rng.uniform(-np.pi, np.pi) + turn * _smooth(when)
        poses = [stand_pose(start_s + float(time_s), seed=seed) for time_s in times_s]
        positions = np.broadcast_to(position, (len(times_s), 2))
        actors.append(_placed(looks, poses, positions, headings))
    return actors


def waving(rng: np.random.Generator, place: Place, cast: Cast, times_s: FloatArray) -> list[Actor]:
    """A person stands and waves with one arm or both, with small or with large movements."""
    looks = _free_handed(cast[0])
    kind = rng.random()
    sides = (LEFT, RIGHT) if kind < 0.3 else ((LEFT,) if kind < 0.6 else (RIGHT,))
    small = rng.random() < 0.35
    height = float(rng.uniform(0.10, 0.16) if small else rng.uniform(0.22, 0.30))
    sweep = float(rng.uniform(0.06, 0.10) if small else rng.uniform(0.10, 0.17))
    rate_hz, seed = float(rng.uniform(0.8, 1.7)), int(rng.integers(100))
    raised = _smooth((times_s - rng.uniform(-0.8, 0.6)) / 0.5)
    if rng.random() < 0.3:  # the arm goes down again
        raised = raised * _smooth((times_s[-1] - rng.uniform(0.1, 0.4) - times_s) / 0.5)
    # Facing the camera or away from it; seen from the side, the body would hide the arm.
    heading = (np.pi / 2 if rng.random() < 0.25 else -np.pi / 2) + float(rng.uniform(-0.7, 0.7))
    poses = [
        wave_pose(
            float(time_s),
            sides=sides,
            raised=float(raised[index]),
            rate_hz=rate_hz,
            sweep=sweep,
            height=height,
            seed=seed,
        )
        for index, time_s in enumerate(times_s)
    ]
    positions = np.broadcast_to(_spot(rng, place, 0.4), (len(times_s), 2))
    return [_placed(looks, poses, positions, np.full(len(times_s), heading))]


def meeting(rng: np.random.Generator, place: Place, cast: Cast, times_s: FloatArray) -> list[Actor]:
    """Two people walk up to each other, shake hands and talk; or they already stand and talk."""
    duration_s = float(times_s[-1])
    centre, axis = _spot(rng, place, 0.4), float(rng.uniform(-0.5, 0.5))
    centre[1] = max(centre[1], place.nearest_m + 0.4)
    toward = np.array([np.cos(axis), np.sin(axis)])
    gap_m = float(rng.uniform(0.72, 0.88))
    meet_s = float(rng.uniform(0.2, 0.5)) * duration_s if rng.random() < 0.7 else 0.0
    shakes = meet_s > 0 or rng.random() < 0.5
    held_s = float(rng.uniform(0.7, 1.2))
    hands_m = 0.56 * float(np.mean([looks.height_m for looks in cast]))
    beat_hz, depth_m = float(rng.uniform(1.6, 2.4)), float(rng.uniform(0.02, 0.05))
    actors = []
    for side, looks in zip((-1.0, 1.0), map(_free_handed, cast), strict=True):
        spot = centre + side * gap_m / 2 * toward
        facing = axis if side < 0 else axis + np.pi
        speed, seed = float(rng.uniform(0.9, 1.4)), int(rng.integers(100))
        start = spot + side * (speed * meet_s - speed**2 / 4.4 + 0.1 if meet_s else 0.0) * toward
        x_m, z_m = float(spot[0]), float(spot[1])
        stop = Waypoint(x_m, z_m, speed, duration_s, facing, talking=True)
        way = Itinerary(0.0, (float(start[0]), float(start[1])), (stop,))
        phase = float(rng.uniform(0, 6))
        motion = follow(way, times_s=times_s, height_m=looks.height_m, first_phase=phase)
        positions = motion.position_m + (spot - motion.position_m[-1])  # hands have to meet
        poses = _strides(motion, times_s, looks, vigour=0.95, seed=seed)
        if shakes:
            out = _smooth((times_s - meet_s + 0.25) / 0.45) * _smooth(
                (meet_s + held_s + 0.45 - times_s) / 0.4
            )
            hands = hands_m + depth_m * np.sin(2 * np.pi * beat_hz * times_s)
            poses = [
                shake_hands(
                    pose,
                    gap=gap_m / looks.height_m,
                    height=float(hands[index]) / looks.height_m,
                    fraction=float(out[index]),
                )
                for index, pose in enumerate(poses)
            ]
        actors.append(_placed(looks, poses, positions, motion.heading))
    return actors


def falling(rng: np.random.Generator, place: Place, cast: Cast, times_s: FloatArray) -> list[Actor]:
    """A person walks or stands, then stumbles, slips or collapses, and stays on the ground."""
    looks, duration_s = cast[0], float(times_s[-1])
    name = ("stumble", "slip", "collapse")[int(rng.integers(3))]
    # All fall across the picture: a collapse sideways, the others along their path.
    heading = _direction(rng, 0.55) + (np.pi / 2 if name == "collapse" else 0.0)
    speed = float(rng.uniform(0.6, 1.3)) if name != "collapse" or rng.random() < 0.7 else 0.0
    start_s = float(rng.uniform(0.15, 0.45)) * duration_s
    fall_s = float(rng.uniform(0.55, 0.8))
    spot = _spot(rng, place, 0.3, (0.25, 1.0))
    spot[1] = max(spot[1], place.nearest_m + 0.9)
    ahead = np.array([np.cos(heading), np.sin(heading)])
    # the distance walked up to each frame; the fall stops the walk
    slowing = np.clip((times_s - start_s) / (1.1 * fall_s), 0, 1)
    walked_m = speed * (np.minimum(times_s, start_s) + 1.1 * fall_s * (slowing - slowing**2 / 2))
    positions = spot + ahead * (walked_m - speed * start_s)[:, None]
    phases = rng.uniform(0, 6) + 2 * np.pi * walked_m / (STRIDE_CYCLE * looks.height_m)
    mirrored, seed = bool(rng.random() < 0.5), int(rng.integers(100))
    stir_hz, stir = float(rng.uniform(0.5, 1.0)), float(rng.uniform(0.2, 1))
    poses = []
    for index, time_s in enumerate(times_s):
        done = progress(float(time_s), start_s=start_s, duration_s=fall_s)
        before = stand_pose(float(time_s), seed=seed)
        stride = walk_pose(float(phases[index]), vigour=0.62 + 0.32 * speed)
        before = blend_poses(before, stride, min(speed / 0.6, 1.0))
        lying_s = max(float(time_s) - start_s - fall_s, 0.0)
        limbs = stir * float(np.sin(2 * np.pi * stir_hz * lying_s))
        body = fall_pose(FALLS[name], done, mirrored=mirrored, stir=limbs)
        poses.append(blend_poses(before, body, float(_smooth((time_s - start_s) / 0.3))))
    return [_placed(looks, poses, positions, np.full(len(times_s), heading))]


def running(rng: np.random.Generator, place: Place, cast: Cast, times_s: FloatArray) -> list[Actor]:
    """A person runs through the picture; sometimes another one follows."""
    speed, duration_s = float(rng.uniform(3.4, 5.0)), float(times_s[-1])
    middle, heading = _course(rng, place, speed, duration_s, spread=0.9, sizes=(0.0, 0.75))
    num_people = 2 if rng.random() < 0.3 else 1
    actors = []
    for index, looks in enumerate(cast[:num_people]):
        offset = index * _beside(heading, rng.uniform(-0.5, 0.5), rng.uniform(1.1, 1.8))
        phase = float(rng.uniform(0, 6))
        motion = _straight(middle + offset, heading, speed, times_s, looks.height_m, phase)
        gait = phase + (motion.gait_phase - phase) * STRIDE_CYCLE / RUN_CYCLE
        vigour = 0.62 + 0.1 * speed
        poses = [run_pose(float(value), vigour=vigour) for value in gait]
        actors.append(_placed(looks, poses, motion.position_m, motion.heading))
    return actors


def _bump(times_s: FloatArray, at_s: float, rise_s: float, fall_s: float) -> FloatArray:
    """A smooth rise to 1 at ``at_s`` within ``rise_s``, and a fall to 0 within ``fall_s``."""
    return _smooth((times_s - at_s + rise_s) / rise_s) * _smooth((at_s + fall_s - times_s) / fall_s)


def _restless(rng: np.random.Generator, times_s: FloatArray, rates_hz: FloatArray) -> FloatArray:
    """A sum of sines at ``rates_hz`` with random phases, about -1..1."""
    turns = 2 * np.pi * rates_hz[:, None] * times_s + rng.uniform(0, 6.3, (len(rates_hz), 1))
    return np.asarray(np.sin(turns).mean(axis=0) * 1.4)


def _trade_blows(
    rng: np.random.Generator, cast: Cast, centre: FloatArray, axis: float, times_s: FloatArray
) -> list[Actor]:
    gap_m = float(rng.uniform(0.62, 0.82))
    zero = np.zeros_like(times_s)
    blows = [{"left": zero, "right": zero, "kick": zero, "struck": zero} for _ in cast]
    at_s, hitter = float(rng.uniform(0.0, 0.3)), int(rng.integers(2))
    while at_s < times_s[-1] + 0.2:
        kind = str(rng.choice(["left", "right", "kick"], p=[0.4, 0.4, 0.2]))
        quick = 1.6 if kind == "kick" else 1.0
        blow = _bump(times_s, at_s, 0.13 * quick, 0.20 * quick)
        blows[hitter][kind] = np.maximum(blows[hitter][kind], blow)
        if rng.random() < 0.75:
            hit = _bump(times_s, at_s + 0.12, 0.12, float(rng.uniform(0.3, 0.5)))
            struck = blows[1 - hitter]["struck"]
            blows[1 - hitter]["struck"] = np.maximum(struck, hit)
        at_s += float(rng.uniform(0.20, 0.50))
        hitter = 1 - hitter if rng.random() < 0.6 else hitter
    circling = axis + rng.choice([-1, 1]) * rng.uniform(0.1, 0.5) * times_s
    drift = 0.25 * np.stack(
        [
            _restless(rng, times_s, rng.uniform(0.3, 0.8, 2)),
            0.5 * _restless(rng, times_s, rng.uniform(0.3, 0.8, 2)),
        ],
        axis=-1,
    )
    actors = []
    for looks, moves, side in zip(cast, blows, (-1.0, 1.0), strict=True):
        attack = np.maximum(moves["left"], moves["right"])
        back_m = (
            0.24 * moves["struck"]
            - 0.20 * attack
            + 0.06 * _restless(rng, times_s, rng.uniform(1.2, 2.4, 2))
        )
        out = side * (gap_m / 2 + back_m)
        toward = np.stack([np.cos(circling), np.sin(circling)], axis=-1)
        positions = centre + drift + out[:, None] * toward
        headings = circling + (0.0 if side < 0 else np.pi) + 0.15 * (moves["right"] - moves["left"])
        bounce = 0.5 + 0.5 * _restless(rng, times_s, rng.uniform(1.8, 2.6, 2))
        step = _restless(rng, times_s, rng.uniform(1.2, 2.2, 2))
        poses = [
            fight_pose(
                punches=(float(moves["left"][index]), float(moves["right"][index])),
                kick=float(moves["kick"][index]),
                struck=float(moves["struck"][index]),
                bounce=float(bounce[index]),
                step=float(step[index]),
                reach_ahead=gap_m / looks.height_m,
            )
            for index in range(len(times_s))
        ]
        actors.append(_placed(looks, poses, positions, headings))
    return actors


def _wrestle(
    rng: np.random.Generator, cast: Cast, centre: FloatArray, axis: float, times_s: FloatArray
) -> list[Actor]:
    gap_m = float(rng.uniform(0.48, 0.58))
    jerks, push = np.zeros_like(times_s), np.zeros_like(times_s)
    at_s = float(rng.uniform(0.0, 0.3))
    while at_s < times_s[-1] + 0.3:
        rise_s, fall_s = rng.uniform(0.14, 0.22), rng.uniform(0.25, 0.45)
        sign = float(rng.choice([-1, 1]))
        jerks = jerks + sign * float(rng.uniform(0.25, 0.5)) * _bump(times_s, at_s, rise_s, fall_s)
        push = push + sign * _bump(times_s, at_s, rise_s, fall_s)
        at_s += float(rng.uniform(0.25, 0.5))
    turning = axis + 0.55 * _restless(rng, times_s, rng.uniform(0.5, 1.2, 2))
    toward = np.stack([np.cos(turning), np.sin(turning)], axis=-1)
    pull = np.clip(push + 0.3 * _restless(rng, times_s, rng.uniform(1.0, 2.0, 2)), -1, 1)
    middle = centre + jerks[:, None] * toward
    actors = []
    for looks, side in zip(cast, (-1.0, 1.0), strict=True):
        positions = middle + side * gap_m / 2 * toward
        step = _restless(rng, times_s, rng.uniform(1.6, 2.6, 2))
        poses = [
            wrestle_pose(
                gap=gap_m / looks.height_m, pull=float(side * pull[index]), step=float(step[index])
            )
            for index in range(len(times_s))
        ]
        headings = turning + (0.0 if side < 0 else np.pi)
        actors.append(_placed(looks, poses, positions, headings))
    return actors


def fighting(
    rng: np.random.Generator, place: Place, cast: Cast, times_s: FloatArray
) -> list[Actor]:
    """Two people box and kick, or hold each other and wrestle."""
    centre, axis = _spot(rng, place, 0.4), float(rng.uniform(-0.5, 0.5))
    centre[1] = max(centre[1], place.nearest_m + 0.6)
    first, second = (_free_handed(looks) for looks in cast)
    fight = _trade_blows if rng.random() < 0.7 else _wrestle
    return fight(rng, (first, second), centre, axis, times_s)


BEHAVIOURS: dict[str, Behaviour] = {
    "walking": walking,
    "standing": standing,
    "waving": waving,
    "meeting": meeting,
    "falling": falling,
    "running": running,
    "fighting": fighting,
}
"""The behaviour of each class; the last three must raise the alarm."""
