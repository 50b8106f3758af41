"""Interpolates keyframes as Label Studio does: which frames show a box, and where."""

import numpy as np
import numpy.typing as npt

from vigil.domain.boxes import Boxes, rotated_to_xyxy
from vigil.domain.label_studio.clock import Clock
from vigil.domain.label_studio.tasks import Keyframe, Region, Task
from vigil.domain.tracks import Track
from vigil.domain.video_facts import VideoFacts
from vigil.plumbing.errors import InputError


def interpolate_task(
    task: Task, clock: Clock, facts: VideoFacts, place: str, past_end_tolerance_s: float = 1.0
) -> list[Track]:
    """Interpolates all regions of a task; see `interpolate`.

    Args:
        clock: made with the task's frame rate, for the video's frames.
    """
    return [
        interpolate(region, clock, facts, f"{place}, region {region.id}", past_end_tolerance_s)
        for region in task.regions
    ]


def interpolate(
    region: Region,
    clock: Clock,
    facts: VideoFacts,
    place: str,
    past_end_tolerance_s: float = 1.0,
) -> Track:
    """Interpolates between a region's keyframes, linearly in the annotator's frame numbers.

    The object is visible from an enabled keyframe to the next keyframe, both included. A disabled
    keyframe is visible itself, unless it has no geometry. If the last keyframe is enabled, its box
    stays in place to the end of the video. Rotation takes the shorter arc. Boxes are not clipped.

    Every decoded frame of a visible span gets a box. The frame that was on screen at a keyframe
    gets exactly the box of that keyframe.

    Args:
        place: the name of the region in messages.
        past_end_tolerance_s: a keyframe that lies past the end of the video by less than this is
            accepted. It was drawn on the last frame, which stays on screen, and is used for that
            frame. `Track.keyframes_past_end` lists it.

    Raises:
        InputError: a keyframe lies before the first frame, or too far past the end.
    """
    past_end = _check_range(region, clock, facts, place, past_end_tolerance_s)
    indices = clock.indices([keyframe.frame for keyframe in region.keyframes])
    numbers = _visible_numbers(region.keyframes, indices, len(past_end), clock)
    frames = np.flatnonzero(~np.isnan(numbers))
    boxes = _boxes_at(region.keyframes, numbers[frames], facts.size_wh)
    num_held = facts.num_frames - 1 - int(indices[-1]) if region.keyframes[-1].enabled else 0
    return Track(region.id, region.label, frames, boxes, num_held, past_end)


def _check_range(
    region: Region, clock: Clock, facts: VideoFacts, place: str, tolerance_s: float
) -> tuple[int, ...]:
    """Checks the range of the keyframes, and returns the frame numbers of those past the end."""
    past_end = []
    for keyframe in region.keyframes:
        seconds = clock.seconds_past_end(keyframe.frame)
        if keyframe.frame < clock.first_frame or seconds >= tolerance_s:
            raise _range_error(keyframe, clock, facts, place)
        if seconds >= 0:
            past_end.append(keyframe.frame)
    return tuple(past_end)


def _range_error(keyframe: Keyframe, clock: Clock, facts: VideoFacts, place: str) -> InputError:
    """The error of a keyframe outside the video: its time may be to blame, in place of its frame.

    The frame rate comes from the times. Less than a frame a second is the rate of no tag: such
    times have another unit.
    """
    time_s, length_s = keyframe.time_s, facts.num_frames / float(facts.fps)
    if time_s is not None and time_s > max(length_s, keyframe.frame):
        return InputError(
            f"{place}: expected keyframe times in seconds, up to {length_s:.6g}, the length of the "
            f"video, got {time_s:.6g} for frame {keyframe.frame}; are the times in milliseconds?"
        )
    return InputError(
        f"{place}: expected keyframes from frame {clock.first_frame} to "
        f"{clock.last_frame()} (the video has {facts.num_frames} frames), "
        f"got frame {keyframe.frame}"
    )


def _visible_numbers(
    keyframes: tuple[Keyframe, ...], indices: npt.NDArray[np.int64], num_past_end: int, clock: Clock
) -> npt.NDArray[np.float64]:
    """The annotator's frame number at each decoded frame (N,); NaN where the object is hidden.

    Args:
        indices: the decoded frame that was on screen at each keyframe.
        num_past_end: how many of the keyframes lie past the end of the video.
    """
    numbers = np.full(clock.num_frames, np.nan)
    num_within = len(keyframes) - num_past_end
    # Each keyframe shows the decoded frames from `start` to `stop` (exclusive), with frame numbers
    # up to `end`.
    for at, keyframe in enumerate(keyframes):
        following = keyframes[at + 1] if at + 1 < len(keyframes) else None
        start, end = int(indices[at]), np.inf
        if keyframe.geometry is None or (at >= num_within and not np.isnan(numbers[start])):
            continue
        if not keyframe.enabled:
            stop, end = start + 1, float(keyframe.frame)
        elif following is None:
            stop = clock.num_frames
        elif following.geometry is None:
            # Hidden from the next keyframe on; the frame number before it is still visible.
            before = int(clock.indices(following.frame - 1))
            stop, end = max(int(indices[at + 1]), before + 1), following.frame
        else:
            stop, end = int(indices[at + 1]) + 1, following.frame
        last = max(stop - 1, start)
        numbers[start : last + 1] = clock.numbers[start : last + 1]
        # Only the first and the last frame may have numbers outside the span: limit these.
        for edge in (start, last):
            numbers[edge] = min(max(numbers[edge], keyframe.frame), end)
    # The frame on screen at a keyframe takes the keyframe's number, and so its exact box. Of
    # several keyframes on one decoded frame, the nearest in time is written last and stays.
    with_geometry = [at for at in range(num_within) if keyframes[at].geometry is not None]
    frames = np.array([keyframes[at].frame for at in with_geometry], dtype=float)
    distances = np.abs(clock.numbers[indices[with_geometry]] - frames)
    farthest_first = np.argsort(-distances, kind="stable")
    numbers[indices[with_geometry][farthest_first]] = frames[farthest_first]
    return numbers


def _boxes_at(
    keyframes: tuple[Keyframe, ...], numbers: npt.NDArray[np.float64], size_wh: tuple[int, int]
) -> Boxes:
    """Boxes (N, 4) in px at the annotator's frame numbers (N,), which may be fractional.

    Before the first and after the last keyframe the box stays in place.
    """
    known_frames: list[int] = []
    geometry: list[tuple[float, float, float, float]] = []
    rotation_deg: list[float] = []
    for keyframe in keyframes:
        if keyframe.geometry is not None:
            # The rotation may leave [0, 360), so that it goes on along the shorter arc.
            step = keyframe.rotation_deg - rotation_deg[-1] if rotation_deg else 0.0
            start = rotation_deg[-1] if rotation_deg else keyframe.rotation_deg
            known_frames.append(keyframe.frame)
            geometry.append(keyframe.geometry)
            rotation_deg.append(start + 180 - (180 - step) % 360)  # a step in (-180, 180]
        elif known_frames:  # a span that ends without geometry keeps its last box up to its end
            known_frames.append(keyframe.frame)
            geometry.append(geometry[-1])
            rotation_deg.append(rotation_deg[-1])
    if not known_frames:
        return np.empty((0, 4))
    columns = [*np.array(geometry).T, np.array(rotation_deg)]
    x, y, width, height, rotation = (np.interp(numbers, known_frames, column) for column in columns)
    # From per cent of the picture to px.
    scale = np.array([*size_wh, *size_wh]) / 100
    return rotated_to_xyxy(np.stack([x, y, width, height], axis=1) * scale, rotation)
