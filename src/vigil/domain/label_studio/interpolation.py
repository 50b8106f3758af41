"""Label Studio's meaning of keyframes: which frames a box is on, and where."""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from vigil.domain.boxes import Boxes, rotated_to_xyxy
from vigil.domain.label_studio.reading import Keyframe, Region, Task
from vigil.domain.tracks import Track
from vigil.domain.video_facts import VideoFacts
from vigil.plumbing.errors import InputError

RATE_TOLERANCE_FRACTION = 0.01
MIN_ANNOTATOR_FPS, MAX_ANNOTATOR_FPS = 1e-3, 1e6


@dataclass(frozen=True)
class Clock:
    """Leads from the annotator's frame numbers to decoded frame indices.

    Label Studio numbers frames from 1 by the frame rate of its `<Video>` tag, 24 by default,
    whatever the file's real rate. `ratio` is decoded frames per annotated frame.
    """

    offset: int
    ratio: float

    @classmethod
    def of(cls, annotator_fps: float | None, video_fps: Fraction, offset: int) -> "Clock":
        """Takes rates as equal where they differ by at most 1 % or the annotator's is unknown."""
        ratio = 1.0 if annotator_fps is None else float(video_fps) / annotator_fps
        return cls(offset, 1.0 if abs(ratio - 1) <= RATE_TOLERANCE_FRACTION else ratio)

    def index(self, frame: int) -> int:
        """The decoded frame index of an annotated frame; halves go up."""
        return math.floor((frame + self.offset) * self.ratio + 0.5)

    def last_frame(self, num_frames: int) -> int:
        """The last annotated frame number whose index lies within a video of `num_frames`."""
        frame = math.ceil((num_frames - 0.5) / self.ratio) - self.offset
        while self.index(frame) >= num_frames:
            frame -= 1
        return frame

    def frame(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """The annotated frame number, with a fraction, at decoded frame indices."""
        return indices / self.ratio - self.offset


def interpolate(
    region: Region,
    facts: VideoFacts,
    clock: Clock,
    place: str,
    past_end_tolerance_s: float = 1.0,
) -> Track:
    """Fills a region's keyframes in, linearly in the annotator's frame numbers.

    From an enabled keyframe to the next one, both included, the object is visible; a disabled one
    is itself visible, unless it has no geometry; after the last one an enabled object is held still
    to the end of the video. Rotation takes the shorter arc. Boxes are not clipped.

    Args:
        place: what messages call the region.
        past_end_tolerance_s: a keyframe this little past the last decoded frame is let through, as
            exports round a video's length up; what is past the end is cut off, and the track tells.

    Raises:
        InputError: a keyframe lies before the first frame, or further past the last.
    """
    _check_range(region, facts, clock, place, past_end_tolerance_s)
    frames, times = _visible_frames(region.keyframes, facts.num_frames, clock)
    last = region.keyframes[-1]
    held = facts.num_frames - 1 - clock.index(last.frame) if last.enabled else 0
    boxes = _boxes_at(region.keyframes, times, facts.size_wh)
    past_end = [k.frame for k in region.keyframes if clock.index(k.frame) >= facts.num_frames]
    return Track(region.id, region.label, frames, boxes, max(held, 0), tuple(past_end))


def _check_range(
    region: Region, facts: VideoFacts, clock: Clock, place: str, tolerance_s: float
) -> None:
    tolerance = math.ceil(tolerance_s * facts.fps)
    for keyframe in region.keyframes:
        index = clock.index(keyframe.frame)
        if keyframe.frame + clock.offset < 0 or index >= facts.num_frames + tolerance:
            raise InputError(
                f"{place}: expected keyframes from frame {-clock.offset} to "
                f"{clock.last_frame(facts.num_frames)} (the video has {facts.num_frames} frames), "
                f"got frame {keyframe.frame}"
            )


def _visible_frames(
    keyframes: tuple[Keyframe, ...], num_frames: int, clock: Clock
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Decoded frame indices (N,) the object is on, and the annotator's frame number at each."""
    times = np.full(num_frames, np.nan)
    for keyframe, following in zip(keyframes, [*keyframes[1:], None], strict=True):
        start, end = clock.index(keyframe.frame), np.inf
        if keyframe.geometry is None:
            continue
        if not keyframe.enabled:
            stop, end = start + 1, keyframe.frame
        elif following is None:
            stop = num_frames
        elif following.geometry is None:
            stop, end = clock.index(following.frame), following.frame
        else:
            stop, end = clock.index(following.frame) + 1, following.frame
        # Where the rates differ, the index of a span's end may lie a little outside the span.
        indices = np.arange(start, min(stop, num_frames))
        times[indices] = np.clip(clock.frame(indices), keyframe.frame, end)
    frames = np.flatnonzero(~np.isnan(times))
    return frames, times[frames]


def _boxes_at(
    keyframes: tuple[Keyframe, ...], frames: npt.NDArray[np.float64], size_wh: tuple[int, int]
) -> Boxes:
    """Boxes (N, 4) at fractional annotated frame numbers, held still beyond the outer keyframes."""
    known: list[int] = []
    geometry: list[tuple[float, float, float, float]] = []
    rotation_deg: list[float] = []
    for keyframe in keyframes:
        if keyframe.geometry is not None:
            step = keyframe.rotation_deg - rotation_deg[-1] if rotation_deg else 0.0
            start = rotation_deg[-1] if rotation_deg else keyframe.rotation_deg
            known.append(keyframe.frame)
            geometry.append(keyframe.geometry)
            rotation_deg.append(start + 180 - (180 - step) % 360)  # a step in (-180, 180]
        elif known:  # a span ended without geometry is held still up to its end
            known.append(keyframe.frame)
            geometry.append(geometry[-1])
            rotation_deg.append(rotation_deg[-1])
    if not known:
        return np.empty((0, 4))
    columns = [*np.array(geometry).T, np.array(rotation_deg)]
    x, y, width, height, rotation = (np.interp(frames, known, column) for column in columns)
    scale = np.array([*size_wh, *size_wh]) / 100
    return rotated_to_xyxy(np.stack([x, y, width, height], axis=1) * scale, rotation)


def interpolate_task(
    task: Task,
    facts: VideoFacts,
    place: str,
    *,
    frame_offset: int = -1,
    past_end_tolerance_s: float = 1.0,
) -> list[Track]:
    """Interpolates all regions of a task, unclipped; see `interpolate`.

    Args:
        frame_offset: what leads from an annotated frame number to a 0-based one: -1, or 0 for
            exports of old versions with imprecise seeking.

    Raises:
        InputError: the keyframes' times give no frame rate; and see `interpolate`.
    """
    annotator_fps = task.annotator_fps
    if annotator_fps and not MIN_ANNOTATOR_FPS <= annotator_fps <= MAX_ANNOTATOR_FPS:
        raise InputError(
            f"{place}: expected a frame rate from the keyframes' frame / time, "
            f"got {annotator_fps:g} frames a second"
        )
    clock = Clock.of(task.annotator_fps, facts.fps, frame_offset)
    return [
        interpolate(region, facts, clock, f"{place}, region {region.id}", past_end_tolerance_s)
        for region in task.regions
    ]
