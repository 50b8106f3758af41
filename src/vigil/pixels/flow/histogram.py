"""How a clip moves: histograms of its optical flow's directions over a grid in space and time.

A descriptor that needs no weights, and so what every network has to beat. Cells of a grid hold
histograms of direction in which each pixel counts by its speed: Dalal et al., "Human Detection
Using Oriented Histograms of Flow and Appearance", 2006; the grid in space and time is that of
Laptev et al., "Learning Realistic Human Actions from Movies", 2008; the square root that of
Perronnin et al., "Improving the Fisher Kernel for Large-Scale Image Classification", 2010.
"""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from vigil.pixels.fitting import resize
from vigil.pixels.pictures.picture import Picture
from vigil.pixels.sampling import check_length
from vigil.pixels.windows import Positions, Window, describe_windows
from vigil.settings.embed_clips import FlowHistogram as Settings
from vigil.settings.embed_clips import ShortClips

Floats = npt.NDArray[np.float32]


def describe_cpu() -> str:
    """The CPU's units that OpenCV uses: its flow differs by them in the last bits."""
    return str(cv2.getCPUFeaturesLine())


class FlowHistogram:
    """Describes windows of videos by their flow."""

    def __init__(self, settings: Settings, short_clips: ShortClips) -> None:
        """Args: short_clips: what a window of fewer frames than are sampled is."""
        self._settings, self._short_clips = settings, short_clips

    @property
    def width(self) -> int:
        """Numbers a window."""
        own = self._settings
        return own.num_time_cells * own.num_space_cells**2 * own.num_bins

    def describe(self, path: Path, windows: Sequence[Window], picture_fps: Fraction) -> Floats:
        """(W, width): what moves where, when and which way in each window of a video.

        A number is the square root of a mean over the pixels of a cell, of speeds in short sides of
        the picture a second; so the size and the rate of the frames do not matter.

        Args:
            picture_fps: of a folder of numbered pictures.

        Raises:
            InputError: a video that cannot be read, or a window that is too short.
        """
        found = describe_windows(
            path,
            windows,
            self._choose,
            self._fit,
            lambda pairs, fps: self._histogram(self._velocities(pairs, fps)),
            picture_fps=picture_fps,
        )
        return np.stack(found)

    def describe_frames(self, frames: Sequence[Picture], fps: Fraction) -> Floats:
        """(width,): as `describe`, of the frames (H, W, 3) RGB of one window in memory.

        Raises:
            FieldError: too few frames.
        """
        chosen = self._choose(len(frames), fps)
        fitted = {
            index: self._fit(np.ascontiguousarray(frames[index][..., ::-1]))
            for index in np.unique(chosen).tolist()
        }
        pairs = np.stack([np.stack([fitted[index] for index in pair]) for pair in chosen.tolist()])
        return self._histogram(self._velocities(pairs, fps))

    def _gap(self, fps: Fraction) -> int:
        """Frames from the first to the second of a pair."""
        return max(1, round(self._settings.gap_s * fps))

    def _choose(self, num_frames: int, fps: Fraction) -> Positions:
        return sample_pairs(num_frames, self._settings.num_pairs, self._gap(fps), self._short_clips)

    def _velocities(self, pairs: npt.NDArray[np.uint8], fps: Fraction) -> Floats:
        """(P, 2, H, W) grey to (P, H, W, 2) in short sides a second."""
        seconds = self._gap(fps) / float(fps)
        return _measure_flow(pairs) * np.float32(1 / (self._settings.short_side_px * seconds))

    def _fit(self, picture: Picture) -> Picture:
        height, width = picture.shape[:2]
        scale = self._settings.short_side_px / min(height, width)
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)
        return resize(grey, (round(width * scale), round(height * scale)))

    def _histogram(self, flow: Floats) -> Floats:
        """(P, H, W, 2) of velocities to (width,)."""
        own = self._settings
        num_pairs, height, width, _ = flow.shape
        speed = np.hypot(flow[..., 0], flow[..., 1])
        speed[speed < own.min_speed] = 0
        turns = np.arctan2(flow[..., 1], flow[..., 0]) / (2 * np.pi) % 1
        place = turns * own.num_bins  # a direction's weight goes to the two bins beside it
        lower = np.floor(place).astype(np.int64)
        part = place - lower
        cells = (
            _cells(num_pairs, own.num_time_cells)[:, None, None] * own.num_space_cells**2
            + _cells(height, own.num_space_cells)[:, None] * own.num_space_cells
            + _cells(width, own.num_space_cells)
        )
        num_cells = own.num_time_cells * own.num_space_cells**2
        sums = np.zeros(num_cells * own.num_bins)
        for bins, weights in ((lower, speed * (1 - part)), (lower + 1, speed * part)):
            at = cells * own.num_bins + bins % own.num_bins
            sums += np.bincount(at.ravel(), weights.ravel(), len(sums))
        sizes = np.bincount(cells.ravel(), minlength=num_cells).repeat(own.num_bins)
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


def sample_pairs(num_frames: int, num_pairs: int, gap: int, short_clips: ShortClips) -> Positions:
    """Pairs of frames `gap` apart, spread evenly over a window.

    Args:
        short_clips: where there are fewer than `num_pairs + gap` frames: `error`, or `repeat_last`:
            pairs start at consecutive frames, and past the end the window's last frame is repeated,
            which does not move.

    Returns:
        (num_pairs, 2): frame indices.

    Raises:
        FieldError: a window with too few frames.
    """
    num_needed = num_pairs + gap
    if num_frames >= num_needed:
        first = np.floor(np.linspace(0, num_frames - gap - 1, num_pairs) + 1e-9).astype(np.int64)
    else:
        check_length(num_frames, num_needed, short_clips)
        first = np.arange(num_pairs)
    pairs: Positions = np.stack([first, first + gap], axis=-1)
    return np.minimum(pairs, num_frames - 1)


def _cells(length: int, num_cells: int) -> npt.NDArray[np.int64]:
    """(length,): the cell of each position, cells of the same length within one."""
    return np.asarray(np.arange(length) * num_cells // length)
