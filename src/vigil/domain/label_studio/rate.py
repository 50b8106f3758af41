"""The frame rate by which an annotator's frames are numbered, from three witnesses.

Label Studio numbers frames by the `framerate` of its `<Video>` tag, 24 where it names none,
whatever the file's own rate. An export does not hold the tag. What tells of it
(docs/label-studio.md):

- the keyframes' times. The page writes frame / rate. Trackers and other programs write
  (frame - 1) / rate, or count from the start of the window they tracked;
- `framesCount` and `duration`: their quotient, but for the rounding to whole frames;
- a rate among the task's data, which a tag may refer to (`framerate="$fps"`).
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from vigil.domain.label_studio.tasks import Region, Task
from vigil.plumbing.errors import InputError

BY_TIME, FROM_ZERO, BY_STEP = "frame / time", "(frame - 1) / time", "steps of frame / time"
BY_LENGTH, DECLARED = "framesCount / duration", "the task's data"
UNTOLD = "nothing: frames are counted"

MOST_DECIMALS = 6
"""Times of more decimals are not rounded, but for that of doubles."""
MIN_FPS, MAX_FPS = 1e-3, 1e6
RELATIVE_TOLERANCE = 1e-4
"""Between rates that are one: 29.97 is taken for 30000/1001, not for 30."""


@dataclass(frozen=True)
class Rate:
    """What numbers the frames of a task.

    Attributes:
        fps: frames a second; None where nothing tells it.
        source: the witness that was believed.
        witnesses: what each witness tells, those that tell something alone.
        warnings: where witnesses do not agree, or none is sure.
    """

    fps: float | None
    source: str
    witnesses: dict[str, float]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Reading:
    """One reading of the keyframes' times: the rate that most of them agree on.

    Attributes:
        is_exact: whether they agree to more than the decimals of their times.
    """

    source: str
    fps: float
    num_agreeing: int
    is_exact: bool


def find_rate(task: Task, video_fps: float, place: str) -> Rate:
    """Hears the witnesses of a task.

    The keyframes' times are believed, read in the way that most of them agree on; of ways that as
    many agree on, the one that is exact, then the one that another witness backs, then the page's.
    Without times, or where fewer than half agree, it is the length, then the task's data.

    Args:
        video_fps: decides between rates that rounded times cannot tell apart, and nothing else.
        place: what messages call the task.

    Raises:
        InputError: the keyframes' times give no frame rate.
    """
    told = [k for region in task.regions for k in region.keyframes if k.time_s is not None]
    hints = [fps for fps in (task.declared_fps, video_fps) if fps]
    length = _usual_length(task.regions)
    by_length = None if length is None else _rate_of_length(*length, hints)
    readings = {reading.source: reading for reading in _readings(task.regions, hints)}
    others = [fps for fps in (by_length, task.declared_fps) if fps is not None]
    chosen, warnings = _choose(readings, len(told), others, length, task.declared_fps)

    witnesses = {source: reading.fps for source, reading in readings.items() if source == BY_TIME}
    if chosen and chosen.source in readings:
        witnesses[chosen.source] = chosen.fps
    if length is not None:
        witnesses[BY_LENGTH] = length[0] / length[1]
    if task.declared_fps is not None:
        witnesses[DECLARED] = task.declared_fps
    if chosen is None:
        if any(region.keyframes for region in task.regions):
            warnings.append(
                "nothing in the export tells by which frame rate its frames are numbered: frame n "
                "was taken for the n-th decoded frame"
            )
        return Rate(None, UNTOLD, witnesses, tuple(warnings))
    if not MIN_FPS <= chosen.fps <= MAX_FPS:
        raise InputError(
            f"{place}: expected a frame rate from the keyframes' frame / time, "
            f"got {chosen.fps:g} frames a second"
        )
    if length is not None and not _fits_length(chosen.fps, length):
        warnings.append(
            f"framesCount / duration is {length[0]:g} / {length[1]:g}, as of "
            f"{length[0] / length[1]:.6g} frames a second; {chosen.fps:.6g} was taken, by "
            f"{chosen.source}"
        )
    if task.declared_fps is not None and not _agree(chosen.fps, task.declared_fps):
        warnings.append(
            f"the task's data name {task.declared_fps:.6g} frames a second; {chosen.fps:.6g} was "
            f"taken, by {chosen.source}"
        )
    return Rate(chosen.fps, chosen.source, witnesses, tuple(warnings))


def _choose(
    readings: dict[str, _Reading],
    num_told: int,
    others: Sequence[float],
    length: tuple[float, float] | None,
    declared_fps: float | None,
) -> tuple[_Reading | None, list[str]]:
    """The reading that is believed, and what is to be told of it."""

    def is_backed(fps: float) -> bool:
        return (length is not None and _fits_length(fps, length)) or (
            declared_fps is not None and _agree(fps, declared_fps)
        )

    def weight(one: _Reading) -> tuple[int, bool, bool, bool]:
        return one.num_agreeing, one.is_exact, is_backed(one.fps), one.source == BY_TIME

    best = max(readings.values(), key=weight, default=None)
    if best is not None and 2 * best.num_agreeing < num_told and others:
        best = None  # times that mean nothing
    if best is None:
        if not others:
            return None, []
        source = BY_LENGTH if length is not None else DECLARED
        found = _Reading(source, others[0], 0, False)
        return found, [
            f"the keyframes' times tell no frame rate: {found.fps:.6g} was taken, by {source}"
        ]
    warnings = []
    if best.source != BY_TIME:
        warnings.append(
            f"the keyframes' times are not frame / rate, as Label Studio's page writes them: "
            f"{best.fps:.6g} frames a second was taken, by {best.source}"
        )
    elif best.num_agreeing < num_told:
        warnings.append(
            f"the keyframes' times do not agree on a frame rate: {best.fps:.6g} was taken, by "
            f"{best.num_agreeing} of {num_told}"
        )
    return best, warnings


def _readings(regions: Sequence[Region], hints: Sequence[float]) -> Iterator[_Reading]:
    """Each way to read the keyframes' times, with the rate that most keyframes agree on."""
    told = [
        (float(keyframe.frame), keyframe.time_s)
        for region in regions
        for keyframe in region.keyframes
        if keyframe.time_s is not None
    ]
    rounding_s = _rounding_s(time_s for _, time_s in told)
    yield from _reading(BY_TIME, told, rounding_s, hints)
    from_zero = [(frame - 1, time_s) for frame, time_s in told if frame > 1]
    num_first = sum(frame == 1 and abs(time_s) <= rounding_s for frame, time_s in told)
    yield from _reading(FROM_ZERO, from_zero, rounding_s, hints, num_first)
    steps = [
        (float(after.frame - before.frame), after.time_s - before.time_s)
        for region in regions
        for before, after in pairwise(region.keyframes)
        if after.time_s is not None and before.time_s is not None
    ]
    yield from _reading(BY_STEP, steps, 2 * rounding_s, hints)


def _reading(
    source: str,
    pairs: Sequence[tuple[float, float]],
    rounding_s: float,
    hints: Sequence[float],
    num_further: int = 0,
) -> Iterator[_Reading]:
    """At most one.

    Args:
        pairs: numbers of frames, and the seconds they last.
        num_further: keyframes that agree with any rate in this reading.
    """
    known = np.array([pair for pair in pairs if pair[0] > 0 and pair[1] > rounding_s])
    if not len(known):
        return
    frames, times_s = known.T
    low, high = frames / (times_s + rounding_s), frames / (times_s - rounding_s)
    lowest, highest, num_agreeing = _most_covered(low, high)
    # The longest time that agrees tells the rate best, and exactly where times are not rounded.
    agrees = (low <= highest) & (high >= lowest)
    longest = np.argmax(np.where(agrees, times_s, -np.inf))
    fps = float(frames[longest] / times_s[longest])
    residual_s = np.abs(times_s[agrees] - frames[agrees] / fps).max()
    is_exact = bool(residual_s <= 1e-9 * times_s[longest])
    if not is_exact:
        fps = _plainest(lowest, highest, hints)
    # Twelve digits: what is beyond is the rounding of doubles.
    yield _Reading(source, float(f"{fps:.12g}"), num_agreeing + num_further, is_exact)


def _most_covered(
    low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]
) -> tuple[float, float, int]:
    """Where most of the intervals from `low` to `high` (N,) meet, and how many do there."""
    starts, ends = np.sort(low), np.sort(high)
    meeting = np.arange(1, len(starts) + 1) - np.searchsorted(ends, starts, side="left")
    at = int(np.argmax(meeting))
    return float(starts[at]), float(ends[np.searchsorted(ends, starts[at])]), int(meeting[at])


def _plainest(low: float, high: float, hints: Sequence[float]) -> float:
    """A hint within the bounds; else the number of the fewest decimals, nearest to the middle."""
    for hint in hints:
        if low <= hint <= high:
            return hint
    middle = (low + high) / 2
    for num_decimals in range(MOST_DECIMALS + 1):
        found = round(middle, num_decimals)
        if low <= found <= high:
            return found
    return middle


def _rounding_s(times_s: Iterable[float]) -> float:
    """By how much a time may be off, judged by the decimals that the times have."""
    decimals = 0
    for time_s in times_s:
        digits = repr(time_s)
        decimals = max(decimals, len(digits.partition(".")[2]))
        if "e" in digits or decimals > MOST_DECIMALS:
            return 1e-7
    return 0.5 * 10.0**-decimals + 1e-9


def _usual_length(regions: Sequence[Region]) -> tuple[float, float] | None:
    """The commonest framesCount and duration; None where they are missing, or 1 and 0."""
    lengths = Counter(
        region.length
        for region in regions
        if region.length is not None and region.length[0] > 1 and region.length[1] > 0
    )
    return lengths.most_common(1)[0][0] if lengths else None


def _rate_of_length(num_frames: float, duration_s: float, hints: Sequence[float]) -> float:
    half = 0.5 / duration_s
    return _plainest(num_frames / duration_s - half, num_frames / duration_s + half, hints)


def _fits_length(fps: float, length: tuple[float, float]) -> bool:
    """Versions differ in whether they round or go up."""
    return abs(fps * length[1] - length[0]) < 1.01


def _agree(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=RELATIVE_TOLERANCE)
