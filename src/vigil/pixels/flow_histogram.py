"""How a clip moves: histograms of its optical flow's directions over a grid in space and time.

A descriptor that needs no weights, and so what every network has to beat. Cells of a grid hold
histograms of direction in which each pixel counts by its speed: Dalal et al., "Human Detection
Using Oriented Histograms of Flow and Appearance", 2006; the grid in space and time is that of
Laptev et al., "Learning Realistic Human Actions from Movies", 2008; the square root that of
Perronnin et al., "Improving the Fisher Kernel for Large-Scale Image Classification", 2010.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from vigil.pixels.video.clips import Positions, ShortClips, read_frames, resize
from vigil.pixels.video.picture import Picture
from vigil.plumbing.errors import InputError

Floats = npt.NDArray[np.float32]


def describe_cpu() -> str:
    """The CPU's units that OpenCV uses: its flow differs by them in the last bits."""
    return str(cv2.getCPUFeaturesLine())


@dataclass(frozen=True)
class FlowHistogram:
    """What is measured.

    Attributes:
        num_pairs: pairs of frames whose flow is measured, spread evenly over a window.
        gap_s: between the frames of a pair; at least one frame.
        short_side_px: frames are resized to.
        num_bins: of orientation, 360 degrees over all.
        num_time_cells: of a window.
        num_space_cells: along each side of the picture.
        min_speed: of pixels that count, in short sides a second; slower ones are noise.
    """

    num_pairs: int = 16
    gap_s: float = 0.08
    short_side_px: int = 120
    num_bins: int = 8
    num_time_cells: int = 8
    num_space_cells: int = 1
    min_speed: float = 0.05

    @property
    def width(self) -> int:
        """Numbers a window."""
        return self.num_time_cells * self.num_space_cells**2 * self.num_bins

    def describe(
        self, path: Path, num_windows: int, short_clips: ShortClips, num_threads: int = 1
    ) -> Floats:
        """(num_windows, width): what moves where, when and which way in each window of a clip.

        A number is the square root of a mean over the pixels of a cell, of speeds in short sides of
        the picture a second; so the size and the rate of the frames do not matter.

        Raises:
            InputError: a clip that cannot be read, or is too short (see `sample_pairs`).
        """

        def choose(num_frames: int, fps: Fraction) -> Positions:
            gap = max(1, round(self.gap_s * fps))
            return sample_pairs(num_frames, self.num_pairs, gap, num_windows, short_clips, path)

        frames, fps = read_frames(path, choose, self._fit, num_threads)
        seconds = max(1, round(self.gap_s * fps)) / float(fps)
        scale = np.float32(1 / (self.short_side_px * seconds))
        return np.stack([self._histogram(_measure_flow(window) * scale) for window in frames])

    def _fit(self, picture: Picture) -> Picture:
        height, width = picture.shape[:2]
        scale = self.short_side_px / min(height, width)
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)
        return resize(grey, (round(width * scale), round(height * scale)))

    def _histogram(self, flow: Floats) -> Floats:
        """(P, H, W, 2) of velocities to (width,)."""
        num_pairs, height, width, _ = flow.shape
        speed = np.hypot(flow[..., 0], flow[..., 1])
        speed[speed < self.min_speed] = 0
        turns = np.arctan2(flow[..., 1], flow[..., 0]) / (2 * np.pi) % 1
        place = turns * self.num_bins  # a direction's weight goes to the two bins beside it
        lower = np.floor(place).astype(np.int64)
        part = place - lower
        cells = (
            _cells(num_pairs, self.num_time_cells)[:, None, None] * self.num_space_cells**2
            + _cells(height, self.num_space_cells)[:, None] * self.num_space_cells
            + _cells(width, self.num_space_cells)
        )
        num_cells = self.num_time_cells * self.num_space_cells**2
        sums = np.zeros(num_cells * self.num_bins)
        for bins, weights in ((lower, speed * (1 - part)), (lower + 1, speed * part)):
            at = cells * self.num_bins + bins % self.num_bins
            sums += np.bincount(at.ravel(), weights.ravel(), len(sums))
        sizes = np.bincount(cells.ravel(), minlength=num_cells).repeat(self.num_bins)
        means: Floats = np.sqrt(sums / np.maximum(sizes, 1)).astype(np.float32)
        return means


def _measure_flow(pairs: npt.NDArray[np.uint8]) -> Floats:
    """(P, 2, H, W) grey to (P, H, W, 2): px from the first to the second frame of each pair.

    Kroeger et al., "Fast Optical Flow using Dense Inverse Search", 2016.
    """
    # OpenCV gives each thread a stripe of the picture, and the seams show in the result.
    cv2.setNumThreads(1)
    flow = np.zeros((*pairs.shape[:1], *pairs.shape[2:], 2), np.float32)
    measure = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    for own, (first, second) in zip(flow, pairs, strict=True):
        measure.calc(first, second, own)
    return flow


def sample_pairs(
    num_frames: int,
    num_pairs: int,
    gap: int,
    num_windows: int,
    short_clips: ShortClips,
    path: Path,
) -> Positions:
    """Pairs of frames `gap` apart, spread evenly over equal windows of a clip.

    Args:
        short_clips: where there are fewer than `num_pairs * num_windows + gap` frames: `error`, or
            `repeat_last`: pairs start at consecutive frames, and past the end the clip's last frame
            is repeated, which does not move.

    Returns:
        (num_windows, num_pairs, 2): frame indices.

    Raises:
        InputError: a clip of one frame, or a short one.
    """
    if num_frames < 2:
        raise InputError(f"{path}: expected a clip of at least 2 frames, got {num_frames}")
    num_starts = num_frames - gap
    num_needed = num_pairs * num_windows + gap
    if num_frames >= num_needed:
        edges = np.arange(num_windows + 1) * num_starts // num_windows
        first = np.stack(
            [np.linspace(start, stop - 1, num_pairs) for start, stop in pairwise(edges.tolist())]
        )
        first = np.floor(first + 1e-9).astype(np.int64)
    elif short_clips == "error":
        raise InputError(
            f"{path}: expected at least {num_needed} frames ({num_windows} windows of {num_pairs} "
            f"pairs), got {num_frames}; embed_clips.short_clips: repeat_last takes it"
        )
    else:
        starts = np.arange(num_windows)[:, None] * num_frames // num_windows
        first = starts + np.arange(num_pairs)
    pairs: Positions = np.stack([first, first + gap], axis=-1)
    return np.minimum(pairs, num_frames - 1)


def _cells(length: int, num_cells: int) -> npt.NDArray[np.int64]:
    """(length,): the cell of each position, cells of the same length within one."""
    return np.asarray(np.arange(length) * num_cells // length)
