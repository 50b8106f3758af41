"""The motion between frames: velocities of small cells, independent of a video's size and rate.

The flow is dense inverse search: Kroeger et al., "Fast Optical Flow using Dense Inverse Search",
2016. The medium preset is used, since the faster presets miss small and fast objects.

If most of the picture and of each side moves alike, the camera moves. It may tremble, as on a pole
in the wind. So its motion is subtracted, except for the mean of the last second: somebody who turns
the camera, or a vehicle that carries it, stays visible. Demo clips that were shaken by up to 2 px
raised a false alarm in 0.44 of the allowed clips without this.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from vigil.pixels.fitting import resize
from vigil.pixels.pictures.picture import Picture
from vigil.plumbing.arithmetic import PORTABLE, is_portable

Velocities = npt.NDArray[np.float32]
REVISION = 3
"""Of what this module measures: an alarm is right with that which it learnt from, and no other.
2: the trembling of the camera is subtracted. 3: beside black bars, too; pairs of frames do not
depend on the rounding of times; `motion_cells` describes places that move now."""
LONGEST_GAP_S = 1.0
"""The longest gap between compared frames. After a longer gap, the measurement restarts."""
LEAST_OF_GAP = 0.75
"""The second frame of a pair is the first frame that is at least this fraction of `gap_s` later.
This is every second frame at 25 frames a second, and every frame at 10. So the frame rate need not
be known in advance."""
ROUNDING_S = 1e-3
"""Times may be rounded to milliseconds by a container, or to less by large numbers. Three frames at
50 a second are 0.06 s, exactly the least gap, and must always be a pair."""
TURN_S = 1.0
"""The mean motion of the camera over this past time is no trembling."""
LEAST_CAMERA_PX = 0.25
"""The median motion of the cells counts as the camera's from here on, in px between two frames."""
BAR_LEVELS = 8
"""The largest difference of grey levels within a line of a bar: codecs add a few."""
BESIDE_BAR = 2
"""Cells beside a bar whose motion the bar slows down."""
MOST_OWN_FRACTION = 0.25
"""The camera moves if more than half of the cells differ from its motion by less than this fraction
of it, in the picture and along each of its sides."""


class FlowSettings(Protocol):
    """How motion is measured; `vigil.settings.embed_clips.Flow` explains the attributes."""

    @property
    def short_side_px(self) -> int: ...  # noqa: D102
    @property
    def gap_s(self) -> float: ...  # noqa: D102
    @property
    def num_cells(self) -> int: ...  # noqa: D102


class Motion(NamedTuple):
    """The motion from one frame to another.

    Attributes:
        velocities: (R, C, 2) velocities of cells, to the right and down, in short sides a second.
        from_s, time_s: the times of the two frames, in seconds from the video's first frame.
        size_wh: width and height of the video's frames, in px.
    """

    velocities: Velocities
    from_s: float
    time_s: float
    size_wh: tuple[int, int]

    @property
    def middle_s(self) -> float:
        """The time halfway between the two frames, to which the velocities belong."""
        return (self.from_s + self.time_s) / 2

    @property
    def cell_px(self) -> tuple[float, float]:
        """Width and height of a cell, in px of the video's frames."""
        rows, columns = self.velocities.shape[:2]
        return self.size_wh[0] / columns, self.size_wh[1] / rows


def describe_cpu() -> str:
    """The CPU features that OpenCV uses: the last bits of its flow depend on them.

    With portable arithmetic, these are the same on all CPUs.
    """
    return PORTABLE if is_portable() else str(cv2.getCPUFeaturesLine())


class MotionMeter:
    """Measures the motion between the frames of one video, frame by frame."""

    def __init__(self, settings: FlowSettings) -> None:
        # OpenCV gives each thread a stripe of the picture, and the result differs at the seams.
        cv2.setNumThreads(1)
        self._settings = settings
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._first: tuple[Picture, float] | None = None
        self._camera: deque[tuple[float, Velocities]] = deque()

    def see(self, picture: Picture, time_s: float) -> Motion | None:
        """Takes the next frame, (H, W, 3) BGR; returns the motion if the frame completes a pair."""
        if self._first is None:
            self._first = self._fit(picture), time_s
            return None
        before, from_s = self._first
        duration_s = time_s - from_s
        if duration_s < LEAST_OF_GAP * self._settings.gap_s - ROUNDING_S:
            return None
        after = self._fit(picture)
        self._first = after, time_s
        if duration_s > LONGEST_GAP_S or before.shape != after.shape:
            return None
        size_wh = picture.shape[1], picture.shape[0]
        cells = self._measure(before, after)
        unit = np.float32(min(before.shape) * duration_s)  # px for a velocity of 1
        inner = cells_without_bars(after, cells.shape[:2])
        self._camera.append((time_s, motion_of_camera(cells[inner]) / unit))
        velocities = cells / unit
        velocities[inner] -= self._tremble(time_s)
        return Motion(velocities, from_s, time_s, size_wh)

    def _tremble(self, time_s: float) -> Velocities:
        """The velocity (2,) of the camera, without the mean of the last second."""
        while self._camera[0][0] < time_s - TURN_S:
            self._camera.popleft()
        known = np.stack([velocity for _, velocity in self._camera])
        return np.asarray(known[-1] - known.mean(axis=0), np.float32)

    def _fit(self, picture: Picture) -> Picture:
        height, width = picture.shape[:2]
        scale = min(1.0, self._settings.short_side_px / min(height, width))
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) if picture.ndim == 3 else picture
        size_wh = max(1, round(width * scale)), max(1, round(height * scale))
        return resize(grey.astype(np.uint8, copy=False), size_wh)

    def _measure(self, before: Picture, after: Picture) -> Velocities:
        """The motion (R, C, 2) of cells from one grey frame to another, in px."""
        height, width = before.shape
        short_side = min(height, width)
        flow = np.zeros((height, width, 2), np.float32)
        self._flow.calc(before, after, flow)
        # Cells are nearly square: their number along the longer side is rounded.
        num = min(self._settings.num_cells, short_side)
        cells_wh = round(num * width / short_side), round(num * height / short_side)
        return np.asarray(cv2.resize(flow, cells_wh, interpolation=cv2.INTER_AREA), np.float32)


def cells_without_bars(picture: Picture, num_cells: Sequence[int]) -> tuple[slice, slice]:
    """The rows and columns of cells within bars of one colour at the edges of a picture.

    Bars fill a picture up to another aspect ratio. They do not tremble with the camera, nor do the
    cells beside them, in whose motion they have a part. What is more than half of the height or
    the width is no bar, but a scene without contrast, as in fog. A body in it must not be taken
    for the camera.

    Args:
        picture: (H, W) grey.
        num_cells: the rows and columns of cells that the picture is divided into.
    """
    slices = []
    for lines, num in zip((picture, picture.T), num_cells, strict=True):
        has_texture = np.flatnonzero(np.ptp(lines, axis=1) > BAR_LEVELS)
        first, last = (has_texture[0], has_texture[-1] + 1) if len(has_texture) else (0, 0)
        inner = slice(
            math.ceil(first * num / len(lines)) + BESIDE_BAR if first else 0,
            num
            - (math.ceil((1 - last / len(lines)) * num) + BESIDE_BAR if last < len(lines) else 0),
        )
        if last - first < len(lines) / 2 or inner.stop <= inner.start:
            return slice(None), slice(None)
        slices.append(inner)
    rows, columns = slices
    return rows, columns


def motion_of_camera(cells: Velocities) -> Velocities:
    """The motion (2,) that most cells share, in px; zero if the camera does not move.

    A crowd that fills the picture moves, too, but not alike. A lorry that fills most of the picture
    moves alike, but leaves the ground at one side at least. One that fills all sides is taken for
    the camera.

    Args:
        cells: (R, C, 2), the motion of each cell.
    """
    shared = np.median(cells, axis=(0, 1))
    length = float(np.hypot(*shared))
    if length < LEAST_CAMERA_PX:
        return np.zeros(2, np.float32)
    follows = np.hypot(*np.moveaxis(cells - shared, -1, 0)) < MOST_OWN_FRACTION * length
    parts = (follows, follows[0], follows[-1], follows[:, 0], follows[:, -1])
    moves = all(np.mean(part) > 0.5 for part in parts)
    return np.asarray(shared if moves else np.zeros(2), np.float32)
