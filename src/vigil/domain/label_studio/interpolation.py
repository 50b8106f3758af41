"""Label Studio's meaning of keyframes: which frames a box is on, and where."""

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
    """Interpolates all regions of a task, unclipped; see `interpolate`.

    Args:
        clock: of the task's frame rate and the video's frames.
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
    """Fills a region's keyframes in, linearly in the annotator's frame numbers.

    From an enabled keyframe to the next one, both included, the object is visible; a disabled one
    is itself visible, unless it has no geometry; after the last one an enabled object is held still
    to the end of the video. Rotation takes the shorter arc. Boxes are not clipped.

    Every decoded frame of a span gets a box. The one that was on screen at a keyframe gets the
    keyframe's own box.

    Args:
        place: what messages call the region.
        past_end_tolerance_s: a keyframe this little past the end of the video is let through. It
            was drawn on the last frame, which stays on screen, and means that one; the track tells.

    Raises:
        InputError: a keyframe lies before the first frame, or further past the end.
    """
    past_end = _check_range(region, clock, facts, place, past_end_tolerance_s)
    own = clock.indices([keyframe.frame for keyframe in region.keyframes])
    numbers = _visible_numbers(region.keyframes, own, len(past_end), clock)
    frames = np.flatnonzero(~np.isnan(numbers))
    boxes = _boxes_at(region.keyframes, numbers[frames], facts.size_wh)
    held = facts.num_frames - 1 - int(own[-1]) if region.keyframes[-1].enabled else 0
    return Track(region.id, region.label, frames, boxes, held, past_end)


def _check_range(
    region: Region, clock: Clock, facts: VideoFacts, place: str, tolerance_s: float
) -> tuple[int, ...]:
    """Returns the frame numbers of keyframes past the end."""
    past_end = []
    for keyframe in region.keyframes:
        seconds = clock.seconds_past_end(keyframe.frame)
        if keyframe.frame < clock.first_frame or seconds >= tolerance_s:
            raise InputError(
                f"{place}: expected keyframes from frame {clock.first_frame} to "
                f"{clock.last_frame()} (the video has {facts.num_frames} frames), "
                f"got frame {keyframe.frame}"
            )
        if seconds >= 0:
            past_end.append(keyframe.frame)
    return tuple(past_end)


def _visible_numbers(
    keyframes: tuple[Keyframe, ...], own: npt.NDArray[np.int64], num_past_end: int, clock: Clock
) -> npt.NDArray[np.float64]:
    """The annotator's frame number at each decoded frame (N,); NaN where the object is hidden.

    Args:
        own: the decoded frame that was on screen at each keyframe.
        num_past_end: how many of the keyframes lie past the end.
    """
    numbers = np.full(clock.num_frames, np.nan)
    num_within = len(keyframes) - num_past_end
    for at, keyframe in enumerate(keyframes):
        following = keyframes[at + 1] if at + 1 < len(keyframes) else None
        start, end = int(own[at]), np.inf
        if keyframe.geometry is None or (at >= num_within and not np.isnan(numbers[start])):
            continue
        if not keyframe.enabled:
            stop, end = start + 1, float(keyframe.frame)
        elif following is None:
            stop = clock.num_frames
        elif following.geometry is None:  # hidden, but for what the number before it still shows
            before = int(clock.indices(following.frame - 1))
            stop, end = max(int(own[at + 1]), before + 1), following.frame
        else:
            stop, end = int(own[at + 1]) + 1, following.frame
        last = max(stop - 1, start)
        numbers[start : last + 1] = clock.numbers[start : last + 1]
        # The frames at its ends alone may have numbers outside the span.
        for edge in (start, last):
            numbers[edge] = min(max(numbers[edge], keyframe.frame), end)
    # A keyframe's own box; where several were drawn on one decoded frame, of that nearest to it.
    drawn = [at for at in range(num_within) if keyframes[at].geometry is not None]
    frames = np.array([keyframes[at].frame for at in drawn], dtype=float)
    distances = np.abs(clock.numbers[own[drawn]] - frames)
    farthest_first = np.argsort(-distances, kind="stable")
    numbers[own[drawn][farthest_first]] = frames[farthest_first]
    return numbers


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
