"""Plans who walks where and when, with pauses, and simulates the motion."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from scene.camera import Camera, FloatArray
from scene.poses import STRIDE_CYCLE

Activity = Literal["walking", "waiting", "meeting"]

_STEP_S = 0.02
_TURN_RATE = 3.2  # radians per second
_ACCELERATION_M_S2 = 2.2


@dataclass(frozen=True)
class Waypoint:
    """Walk to ``(x_m, z_m)`` at ``speed_m_s``, then stay for ``pause_s``.

    In the pause, the person turns to ``facing`` (radians, 0 to the right, pi/2 away from the
    camera).
    """

    x_m: float
    z_m: float
    speed_m_s: float = 1.3
    pause_s: float = 0.0
    facing: float | None = None
    talking: bool = False


@dataclass(frozen=True)
class Itinerary:
    """One person's path from ``start_m`` ``(x, z)`` at ``start_s`` to the last waypoint.

    ``activity`` is the label that an annotator would give the person.
    """

    start_s: float
    start_m: tuple[float, float]
    waypoints: tuple[Waypoint, ...]
    activity: Activity = "walking"


@dataclass(frozen=True)
class Motion:
    """A person at every frame; all arrays are ``(num_frames,)`` except ``position_m``.

    ``position_m`` is ``(num_frames, 2)``, ``x, z`` on the ground; ``heading`` and ``gait_phase``
    are in radians, ``walking`` and ``talking`` 0..1.
    """

    present: npt.NDArray[np.bool_]
    position_m: FloatArray
    heading: FloatArray
    gait_phase: FloatArray
    walking: FloatArray
    talking: FloatArray


def _wrap(angle: float) -> float:
    return float((angle + np.pi) % (2 * np.pi) - np.pi)


@dataclass
class _Walker:
    """The state of a simulated person."""

    x_m: float
    z_m: float
    heading: float
    speed_m_s: float
    phase: float = 0.0
    talking: float = 0.0
    rows: list[tuple[float, ...]] = field(default_factory=list)

    def step(self, speed_m_s: float, heading: float, talking: bool, height_m: float) -> None:
        turn = np.clip(_wrap(heading - self.heading), -_TURN_RATE * _STEP_S, _TURN_RATE * _STEP_S)
        self.heading += float(turn)
        # people slow down where their path bends
        wanted = speed_m_s * max(0.0, np.cos(_wrap(heading - self.heading)))
        gain = _ACCELERATION_M_S2 * _STEP_S
        self.speed_m_s += float(np.clip(wanted - self.speed_m_s, -gain, gain))
        self.x_m += self.speed_m_s * _STEP_S * np.cos(self.heading)
        self.z_m += self.speed_m_s * _STEP_S * np.sin(self.heading)
        self.phase += 2 * np.pi * self.speed_m_s * _STEP_S / (STRIDE_CYCLE * height_m)
        self.talking += float(np.clip(float(talking) - self.talking, -1.5 * _STEP_S, 1.5 * _STEP_S))
        walking = min(self.speed_m_s / 0.6, 1.0)
        self.rows.append((self.x_m, self.z_m, self.heading, self.phase, walking, self.talking))


def follow(
    itinerary: Itinerary, *, times_s: FloatArray, height_m: float, first_phase: float
) -> Motion:
    """Simulate an itinerary; returns the motion at the increasing ``times_s`` ``(num_frames,)``."""
    first = itinerary.waypoints[0]
    start_x, start_z = itinerary.start_m
    away = np.arctan2(first.z_m - start_z, first.x_m - start_x)
    still = abs(first.x_m - start_x) + abs(first.z_m - start_z) < 0.3
    if still and first.facing is not None:
        away = first.facing
    walker = _Walker(
        start_x,
        start_z,
        float(away),
        0.0 if still else first.speed_m_s,
        first_phase,
        float(first.talking and still),
    )
    last_s = float(times_s[-1])
    for waypoint in itinerary.waypoints:
        while itinerary.start_s + len(walker.rows) * _STEP_S <= last_s:
            dx, dz = waypoint.x_m - walker.x_m, waypoint.z_m - walker.z_m
            # a stop needs the braking distance; a waypoint without pause is only passed nearby
            near = 0.5 if waypoint.pause_s == 0 else 0.1 + walker.speed_m_s**2 / 4.4
            if np.hypot(dx, dz) < near:
                break
            walker.step(waypoint.speed_m_s, float(np.arctan2(dz, dx)), False, height_m)
        for _ in range(int(waypoint.pause_s / _STEP_S)):
            if itinerary.start_s + len(walker.rows) * _STEP_S > last_s:
                break
            facing = walker.heading if waypoint.facing is None else waypoint.facing
            walker.step(0.0, facing, waypoint.talking, height_m)
    table = np.array(walker.rows).reshape(-1, 6)
    index = np.round((times_s - itinerary.start_s) / _STEP_S).astype(np.int64)
    present = (index >= 0) & (index < len(table))
    if not len(table):  # the person comes only after the end of the video
        table = np.zeros((1, 6))
    looked_up = table[np.clip(index, 0, len(table) - 1)]
    return Motion(
        present=present,
        position_m=looked_up[:, :2],
        heading=looked_up[:, 2],
        gait_phase=looked_up[:, 3],
        walking=looked_up[:, 4],
        talking=looked_up[:, 5],
    )


class Planner:
    """Draws random itineraries for a scene of ``duration_s`` in front of ``camera``."""

    def __init__(self, rng: np.random.Generator, camera: Camera, duration_s: float) -> None:
        self._rng = rng
        self._camera = camera
        self._duration_s = duration_s

    def _speed(self) -> float:
        return float(self._rng.uniform(0.95, 1.4))

    def _lane(self, low_m: float = 14.0, high_m: float = 29.0) -> float:
        return float(self._rng.uniform(low_m, high_m))

    def _side(self) -> float:
        return 1.0 if self._rng.random() < 0.5 else -1.0

    def _beyond(self, side: float, z_m: float) -> float:
        """An ``x`` outside the picture, on the given side."""
        return side * (self._camera.half_width_m(z_m) + 1.2)

    def cross(self, from_fraction: float) -> Itinerary:
        """Cross the picture from a fraction of the scene's time on; turn a little halfway."""
        side, speed, z_m = self._side(), self._speed(), self._lane()
        exit_z_m = z_m + float(self._rng.uniform(-2.5, 2.5))
        middle = Waypoint(
            float(self._rng.uniform(-2, 2)), (z_m + exit_z_m) / 2 + self._side() * 0.8, speed
        )
        end = Waypoint(self._beyond(-side, exit_z_m), exit_z_m, speed)
        start_s = from_fraction * self._duration_s
        return Itinerary(start_s, (self._beyond(side, z_m), z_m), (middle, end))

    def leave_and_return(self) -> Itinerary:
        """Walk out of the picture, wait there, and come back on another path."""
        side, speed, z_m = self._side(), self._speed() + 0.1, self._lane(12.5, 16.0)
        back_z_m = z_m + float(self._rng.uniform(1.5, 4.0))
        out = self._beyond(side, z_m)
        away_s = float(self._rng.uniform(1.0, 2.5))
        start_x = side * self._camera.half_width_m(z_m) * float(self._rng.uniform(0.0, 0.4))
        stops = (
            Waypoint(out, z_m, speed, pause_s=away_s),
            Waypoint(self._beyond(side, back_z_m), back_z_m, speed),
            Waypoint(self._beyond(-side, back_z_m + 2), back_z_m + 2, speed),
        )
        return Itinerary(float(self._rng.uniform(-1.0, 0.0)), (start_x, z_m), stops)

    def pass_behind(
        self, x_m: float, z_m: float, half_width_m: float, at_fraction: float
    ) -> Itinerary:
        """Pass behind an object at ``(x_m, z_m)``, at about ``at_fraction`` of the scene's time."""
        side, speed = self._side(), float(self._rng.uniform(0.95, 1.25))
        lane_m = z_m + float(self._rng.uniform(0.9, 2.2))
        # the point of the lane that is behind the object
        behind_x = x_m * lane_m / z_m
        run_up_m = speed * at_fraction * self._duration_s
        start_x = float(np.clip(behind_x + side * run_up_m, -20, 20))
        start_s = at_fraction * self._duration_s - abs(start_x - behind_x) / speed
        pause_s = float(self._rng.uniform(0.8, 1.6)) if self._rng.random() < 0.5 else 0.0
        hidden = Waypoint(behind_x - side * 0.3 * half_width_m, lane_m, speed, pause_s=pause_s)
        end = Waypoint(self._beyond(-side, lane_m), lane_m + self._rng.uniform(-0.5, 1.0), speed)
        return Itinerary(start_s, (start_x, lane_m), (hidden, end))

    def meet(self, at_fraction: float, stay_fraction: float) -> tuple[Itinerary, Itinerary]:
        """Two people come from two sides, stand and talk, and part."""
        z_m = self._lane(13.0, 23.0)
        limit = 0.55 * self._camera.half_width_m(z_m)
        centre_m = np.array([float(self._rng.uniform(-limit, limit)), z_m])
        axis = float(self._rng.uniform(-0.5, 0.5))  # nearly across the picture
        meet_s, stay_s = at_fraction * self._duration_s, stay_fraction * self._duration_s
        gap_m = float(self._rng.uniform(0.75, 1.0))
        ways = []
        for side in (-1.0, 1.0):
            toward = np.array([np.cos(axis), np.sin(axis)])
            spot = centre_m + side * gap_m / 2 * toward
            speed = self._speed()
            run_up_m = speed * meet_s
            start = spot + side * run_up_m * np.array([np.cos(0.3 * axis), 0.25 * np.sin(axis)])
            edge = abs(self._beyond(1.0, z_m))
            start_s = 0.0
            if abs(start[0]) > edge:
                start_s = meet_s - abs(side * edge - spot[0]) / speed
                start[0] = side * edge
            facing = axis if side < 0 else axis + np.pi
            leave_z_m = float(np.clip(z_m + self._rng.uniform(-4, 6), 10.5, 25))
            ways.append(
                Itinerary(
                    start_s,
                    (float(start[0]), float(np.clip(start[1], 10.5, 25))),
                    (
                        Waypoint(
                            float(spot[0]), float(spot[1]), speed, stay_s, float(facing), True
                        ),
                        Waypoint(self._beyond(side, leave_z_m), leave_z_m, self._speed()),
                    ),
                    "meeting",
                )
            )
        return ways[0], ways[1]

    def come_or_go(self, from_fraction: float, coming: bool, door_z_m: float) -> Itinerary:
        """Walk from the building towards the camera and out of the picture, or the other way."""
        speed = self._speed() + 0.2
        far = (float(self._rng.uniform(-6, 6)), door_z_m)
        middle = (float(self._rng.uniform(-2.5, 2.5)), float(self._rng.uniform(14, 18)))
        near = (float(self._rng.uniform(-2.5, 2.5)), 5.5)
        stops = (far, middle, near) if coming else (near, middle, far)
        start_s = from_fraction * self._duration_s
        return Itinerary(start_s, stops[0], tuple(Waypoint(x, z, speed) for x, z in stops[1:]))

    def wait(self) -> Itinerary:
        """Stand, turn now and then, and walk away late."""
        z_m = self._lane(12.5, 24.0)
        x_m = float(self._rng.uniform(-0.7, 0.7)) * self._camera.half_width_m(z_m)
        facing = float(self._rng.uniform(-np.pi, np.pi))
        stops = []
        for part in (0.28, 0.22, 0.2):
            stops.append(Waypoint(x_m, z_m, 0.9, part * self._duration_s, facing))
            facing += float(self._rng.uniform(0.8, 2.2)) * self._side()
            x_m += float(self._rng.uniform(-1, 1))
            z_m += float(self._rng.uniform(-0.6, 0.6))
        side = self._side()
        stops.append(Waypoint(self._beyond(side, z_m), z_m, self._speed()))
        return Itinerary(0.0, (stops[0].x_m, stops[0].z_m), tuple(stops), "waiting")

    def together(self, from_fraction: float) -> tuple[Itinerary, Itinerary]:
        """Two people walk side by side; one partly hides the other."""
        first = self.cross(from_fraction)
        speed = first.waypoints[0].speed_m_s

        def beside(x_m: float, z_m: float) -> tuple[float, float]:
            return x_m + 0.25, z_m + 0.75

        second = Itinerary(
            first.start_s,
            beside(*first.start_m),
            tuple(Waypoint(*beside(stop.x_m, stop.z_m), speed) for stop in first.waypoints),
        )
        return first, second
