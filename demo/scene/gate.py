"""The demo's long videos: people come near a camera, do something and leave, one after another.

Most of their behaviour is allowed. Unusual behaviour is recorded as events with exact times: a fall
from the loss of balance to standing again; a fight; a run while the runner is in the picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from scene.behaviours import BEHAVIOURS, Actor
from scene.camera import FloatArray
from scene.itineraries import Itinerary, Waypoint, follow
from scene.people import Appearance, draw_person, random_appearance
from scene.places import Place
from scene.poses import Joint, blend_poses, place_pose, stand_pose, walk_pose
from scene.scene import Box, clip_box


class Act(NamedTuple):
    """An unusual behaviour, its start and end in seconds, and the numbers of its people."""

    kind: str
    start_s: float
    end_s: float
    people: tuple[int, ...]


PASSING = {"walking": 7.0, "running": 4.0}
"""Behaviours that cross the picture, and their duration in seconds."""
STAYING = {"standing": 4.0, "waving": 4.0, "meeting": 5.0, "falling": 4.0, "fighting": 5.0}
"""Behaviours at one place, and their duration in seconds. People walk to it and leave again."""
UNUSUAL = ("falling", "fighting", "running")
STANDS_AGAIN_S = 1.6
BLEND_S = 0.4
UPRIGHT = 0.75  # height of the head over body height; a person below it is falling or lying
LEAST_IN_PICTURE = 0.35
MIN_SIDE_PX = 4.0
PAUSE_S = 0.6
SPEED_M_S = 1.2
BEYOND_M = 0.9
_CAST, _ACT, _GRAIN = 7, 8, 9  # each use has its own random stream


@dataclass(frozen=True)
class Gate:
    """A video of a gate: its file, its frame rate, and its acts in order.

    Videos with the same ``place_index`` are of one camera. ``first_act`` numbers their acts, so
    that other people come in each.
    """

    file_name: str
    fps: Fraction
    place_index: int
    acts: tuple[str, ...]
    first_act: int = 0


ANNOTATED_GATE = Gate(
    "gate_0.mp4", Fraction(12), 0, ("walking", "meeting", "standing", "walking"), first_act=100
)
"""A day of the first long video's camera that an annotator has seen, with allowed behaviour."""

GATES = (
    Gate(
        "gate_1.mp4",
        Fraction(12),
        0,
        ("walking", "meeting", "falling", "walking", "standing", "running", "walking", "fighting"),
    ),
    Gate(
        "gate_2.mp4",
        Fraction(25, 2),
        1,
        ("standing", "walking", "fighting", "meeting", "walking", "running", "waving", "falling"),
    ),
)


@dataclass(frozen=True)
class _Visit:
    """The motion of a person, from ``first_frame`` on."""

    looks: Appearance
    first_frame: int
    joints_m: FloatArray
    headings: FloatArray


@dataclass(frozen=True)
class GateTruth:
    """The truth of a long video: unusual ``events``, and ``tracks``: boxes by person and frame."""

    events: list[Act]
    tracks: dict[int, dict[int, Box]]


class GateScene:
    """A long video; the same seed always gives the same pictures, boxes and times."""

    def __init__(
        self, gate: Gate, *, seed: int, num_acts: int = 100, max_frames: int = 100_000
    ) -> None:
        """Args: max_frames: the video stops after this many frames, in the middle of an act."""
        self.gate = gate
        self._seed = (seed, gate.place_index, _CAST)
        rng = np.random.default_rng(self._seed)
        self.place = Place(rng)
        self._visits: list[_Visit] = []
        self.events: list[Act] = []
        frame = 0
        for number, name in enumerate(gate.acts[:num_acts]):
            act_rng = np.random.default_rng((*self._seed, _ACT, gate.first_act + number))
            cast = random_appearance(act_rng), random_appearance(act_rng)
            frame = self._add(act_rng, name, cast, frame)
        self.num_frames = min(frame + self._frames(1.0), max_frames)

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of the picture in px."""
        return self.place.size_wh

    def _frames(self, seconds: float) -> int:
        return round(seconds * self.gate.fps)

    def _add(
        self,
        rng: np.random.Generator,
        name: str,
        cast: tuple[Appearance, Appearance],
        first_frame: int,
    ) -> int:
        """Adds one act; returns the frame at which the next act may begin."""
        seconds = (PASSING | STAYING)[name]
        times_s = np.arange(self._frames(seconds)) / float(self.gate.fps)
        actors = BEHAVIOURS[name](rng, self.place, cast, times_s)
        if name in PASSING:
            visits = [_Visit(a.looks, first_frame, a.joints_m, a.headings) for a in actors]
            act = (first_frame, first_frame + len(times_s))
        else:
            ways = [self._come(rng, actor, index) for index, actor in enumerate(actors)]
            longest = max(len(way.headings) for way in ways)
            act = (first_frame + longest, first_frame + longest + len(times_s))
            visits = []
            for index, (actor, way) in enumerate(zip(actors, ways, strict=True)):
                played = _stand_again(actor, self._frames(STANDS_AGAIN_S))
                gone = self._go(rng, played, index)
                whole = self._join(way, played, gone)
                visits.append(
                    _Visit(actor.looks, act[0] - len(way.headings), whole.joints_m, whole.headings)
                )
        if name in UNUSUAL:
            first = len(self._visits) + 1
            people = tuple(range(first, first + len(visits)))
            self.events.append(Act(name, *self._span(name, visits, act), people))
        self._visits += visits
        stops = [visit.first_frame + len(visit.headings) for visit in visits]
        return max(stops) - self._frames(1.5)

    def _come(self, rng: np.random.Generator, actor: Actor, index: int) -> Actor:
        """The walk from outside of the picture to the start of an act."""
        spot, heading = actor.joints_m[0, Joint.PELVIS, [0, 2]], float(actor.headings[0])
        side = float(rng.choice([-1, 1])) if index == 0 else float(np.sign(spot[0]) or 1)
        start = (side * (self.place.camera.half_width_m(float(spot[1])) + BEYOND_M), spot[1])
        stop = Waypoint(float(spot[0]), float(spot[1]), SPEED_M_S, PAUSE_S, heading)
        way = Itinerary(0.0, (float(start[0]), float(start[1])), (stop,))
        return self._walk(way, actor, index)

    def _go(self, rng: np.random.Generator, actor: Actor, index: int) -> Actor:
        """The walk from the end of an act out of the picture."""
        x_m, z_m = (float(value) for value in actor.joints_m[-1, Joint.PELVIS, [0, 2]])
        side = float(rng.choice([-1, 1])) if index == 0 else float(np.sign(x_m) or 1)
        facing = float(actor.headings[-1])
        turn = Waypoint(x_m, z_m, SPEED_M_S, PAUSE_S, facing)
        out = Waypoint(side * (self.place.camera.half_width_m(z_m) + BEYOND_M), z_m, SPEED_M_S)
        return self._walk(Itinerary(0.0, (x_m, z_m), (turn, out)), actor, index)

    def _walk(self, way: Itinerary, actor: Actor, seed: int) -> Actor:
        times_s = np.arange(self._frames(20.0)) / float(self.gate.fps)
        looks = actor.looks
        motion = follow(way, times_s=times_s, height_m=looks.height_m, first_phase=0.0)
        count = int(motion.present.sum())
        joints = []
        for frame in range(count):
            still = stand_pose(float(times_s[frame]), seed=seed)
            stride = walk_pose(float(motion.gait_phase[frame]), vigour=0.95, carried=0.0)
            pose = blend_poses(still, stride, float(motion.walking[frame]))
            joints.append(
                place_pose(
                    pose,
                    position_m=motion.position_m[frame],
                    heading=float(motion.heading[frame]),
                    height_m=looks.height_m,
                )
            )
        return Actor(looks, np.array(joints), motion.heading[:count])

    def _join(self, *parts: Actor) -> Actor:
        """Joins motions. Each one is blended from the last pose of the previous one."""
        joints, headings = list(parts[0].joints_m), list(parts[0].headings)
        for part in parts[1:]:
            num_blended = min(self._frames(BLEND_S), len(part.headings))
            last = joints[-1]
            for frame in range(len(part.headings)):
                share = min((frame + 1) / (num_blended + 1), 1.0)
                smooth = share * share * (3 - 2 * share)
                joints.append(blend_poses(last, part.joints_m[frame], smooth))
            headings += list(part.headings)
        return Actor(parts[0].looks, np.array(joints), np.array(headings))

    def _span(self, name: str, visits: list[_Visit], act: tuple[int, int]) -> tuple[float, float]:
        """Start and end of the unusual behaviour, in seconds."""
        fps = float(self.gate.fps)
        if name == "fighting":
            return act[0] / fps, act[1] / fps
        frames = []
        for visit in visits:
            for frame in range(len(visit.headings)):
                if name == "falling":
                    head_m = visit.joints_m[frame, Joint.HEAD, 1]
                    is_on = head_m < UPRIGHT * visit.looks.height_m
                else:
                    is_on = self._box(visit, frame) is not None
                if is_on:
                    frames.append(visit.first_frame + frame)
        return min(frames) / fps, (max(frames) + 1) / fps

    def _box(self, visit: _Visit, frame: int) -> Box | None:
        """The box of a person in the picture; None: too little of the person is in the picture."""
        drawn = draw_person(
            self.place.camera,
            visit.joints_m[frame],
            float(visit.headings[frame]),
            visit.looks,
            self.place.sun_xz,
        )
        whole, box = drawn.box_xyxy, clip_box(drawn.box_xyxy, self.size_wh)
        sides = box[2] - box[0], box[3] - box[1]
        share = sides[0] * sides[1] / ((whole[2] - whole[0]) * (whole[3] - whole[1]))
        return box if min(sides) >= MIN_SIDE_PX and share >= LEAST_IN_PICTURE else None

    def tracks(self) -> dict[int, dict[int, Box]]:
        """Boxes by person and frame, for frames with the person in the picture."""
        tracks = {}
        for number, visit in enumerate(self._visits, start=1):
            boxes = {
                visit.first_frame + frame: box
                for frame in range(len(visit.headings))
                if visit.first_frame + frame < self.num_frames
                and (box := self._box(visit, frame)) is not None
            }
            if boxes:
                tracks[number] = boxes
        return tracks

    def frames(self) -> Iterator[npt.NDArray[np.uint8]]:
        """All frames in order, ``(height, width, 3)`` RGB."""
        for index in range(self.num_frames):
            people = [
                draw_person(
                    self.place.camera,
                    visit.joints_m[index - visit.first_frame],
                    float(visit.headings[index - visit.first_frame]),
                    visit.looks,
                    self.place.sun_xz,
                )
                for visit in self._visits
                if 0 <= index - visit.first_frame < len(visit.headings)
            ]
            grain = np.random.default_rng((*self._seed, _GRAIN + self.gate.first_act, index))
            yield self.place.picture(people, index / float(self.gate.fps), grain)


def _stand_again(actor: Actor, num_frames: int) -> Actor:
    """The act with all people standing at its end: a fall is played backwards, more slowly."""
    heads = actor.joints_m[:, Joint.HEAD, 1]
    is_down = heads < UPRIGHT * actor.looks.height_m
    if not is_down[-1]:
        return actor
    first_down = int(np.flatnonzero(is_down)[0])
    first_up = max(first_down - max(num_frames // 4, 1), 0)
    lying = int(np.argmin(heads))
    back = np.linspace(lying, first_up, num_frames).round().astype(np.int64)
    return Actor(
        actor.looks,
        np.concatenate([actor.joints_m, actor.joints_m[back]]),
        np.concatenate([actor.headings, actor.headings[back]]),
    )
