"""Finds the frame rate by which an annotator's frames are numbered, from three witnesses.

Label Studio numbers frames by the `framerate` of its `<Video>` tag (24 if the tag has none), and
not by the frame rate of the file. An export does not contain the tag. The witnesses are the parts
of an export that depend on this rate (docs/label-studio.md):

- the keyframes' times. The page writes frame / rate. Trackers and other programs write
  (frame - 1) / rate, or count the time from the start of the tracked window;
- `framesCount` and `duration`: the rate is their quotient, except that frames are whole;
- a frame rate in the task's data, to which a tag may refer (`framerate="$fps"`).
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
UNKNOWN = "nothing: frames are counted"

MOST_DECIMALS = 6
"""Times with more decimals are taken as exact to the precision of doubles."""
MIN_FPS, MAX_FPS = 1e-3, 1e6
RELATIVE_TOLERANCE = 1e-4
"""Rates that differ by less are taken as equal: 29.97 and 30000/1001 are, 29.97 and 30 are not."""
USUAL_FPS = (5.0, 10.0, 12.0, 12.5, 15.0, 20.0, 23.976, 24.0, 25.0, 29.97, 30.0, 50.0, 59.94, 60.0)
"""Rates of cameras and of tags."""


@dataclass(frozen=True)
class Rate:
    """The frame rate by which a task's frames are numbered.

    Attributes:
        fps: frames per second; None where it is unknown.
        source: the witness that was used.
        witnesses: the frame rate by each witness that gives one.
        warnings: one for each disagreement of witnesses, and for an uncertain rate.
    """

    fps: float | None
    source: str
    witnesses: dict[str, float]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Reading:
    """The rate that most keyframes agree on, if their times are read in one of the possible ways.

    Attributes:
        source: the way of reading.
        fps: frames per second.
        num_agreeing: the number of keyframes that agree.
        is_exact: whether their times agree with the rate better than by rounding alone.
    """

    source: str
    fps: float
    num_agreeing: int
    is_exact: bool


def find_rate(task: Task, video_fps: float, place: str) -> Rate:
    """Finds the frame rate of a task from its witnesses.

    The first choice is the keyframes' times, read in the way on which most keyframes agree. Between
    ways with equally many keyframes, an exact one is preferred, then one that another witness
    supports, then one that gives the file's rate or a usual one, then the page's. If there are no
    times, or fewer than half of them agree, the rate comes from `framesCount` and `duration`, or
    else from the task's data.

    Args:
        video_fps: the file's frame rate, which only decides between rates that the times cannot
            distinguish.
        place: the name of the task in messages.

    Raises:
        InputError: the keyframes' times give no frame rate.
    """
    timed = [k for region in task.regions for k in region.keyframes if k.time_s is not None]
    hints = [fps for fps in (task.declared_fps, video_fps) if fps]
    length = _usual_length(task.regions)
    by_length = None if length is None else _rate_of_length(*length, hints)
    readings = {reading.source: reading for reading in _readings(task.regions, hints)}
    others = [fps for fps in (by_length, task.declared_fps) if fps is not None]
    chosen, warnings = _choose(
        readings, len(timed), others, length, task.declared_fps, [video_fps, *USUAL_FPS]
    )
    warnings += _length_warnings(task.regions)

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
                "the export does not show by which frame rate its frames are numbered: frame n "
                "was taken as the n-th decoded frame"
            )
        return Rate(None, UNKNOWN, witnesses, tuple(warnings))
    if not MIN_FPS <= chosen.fps <= MAX_FPS:
        raise InputError(
            f"{place}: expected a frame rate from the keyframes' frame / time, "
            f"got {chosen.fps:g} frames a second"
        )
    if length is not None and not _fits_length(chosen.fps, length):
        warnings.append(
            f"framesCount / duration is {length[0]:g} / {length[1]:g}, which gives "
            f"{length[0] / length[1]:.6g} frames a second; {chosen.fps:.6g} was used, from "
            f"{chosen.source}"
        )
    if task.declared_fps is not None and not _agree(chosen.fps, task.declared_fps):
        warnings.append(
            f"the task's data name {task.declared_fps:.6g} frames a second; {chosen.fps:.6g} was "
            f"used, from {chosen.source}"
        )
    return Rate(chosen.fps, chosen.source, witnesses, tuple(warnings))


def _choose(
    readings: dict[str, _Reading],
    num_timed: int,
    others: Sequence[float],
    length: tuple[float, float] | None,
    declared_fps: float | None,
    usual_fps: Sequence[float],
) -> tuple[_Reading | None, list[str]]:
    """The reading that is used, and warnings about it."""

    def is_supported(fps: float) -> bool:
        return (length is not None and _fits_length(fps, length)) or (
            declared_fps is not None and _agree(fps, declared_fps)
        )

    def is_usual(fps: float) -> bool:
        return any(_agree(fps, usual) for usual in usual_fps)

    def evidence(one: _Reading) -> tuple[int, bool, bool]:
        return one.num_agreeing, one.is_exact, is_supported(one.fps)

    def rank(one: _Reading) -> tuple[tuple[int, bool, bool], bool, bool]:
        return evidence(one), is_usual(one.fps), one.source == BY_TIME

    best = max(readings.values(), key=rank, default=None)
    if best is not None and 2 * best.num_agreeing < num_timed and others:
        best = None  # too few keyframes agree: their times are no evidence
    if best is None:
        if not others:
            return None, []
        source = BY_LENGTH if length is not None else DECLARED
        fallback = _Reading(source, others[0], 0, False)
        return fallback, [
            f"the keyframes' times give no frame rate: {fallback.fps:.6g} was used, from {source}"
        ]
    warnings = []
    if best.source != BY_TIME:
        warnings.append(
            f"the keyframes' times are not frame / rate, as Label Studio's page writes them: "
            f"{best.fps:.6g} frames a second was used, from {best.source}"
        )
    elif best.num_agreeing < num_timed:
        warnings.append(
            f"the keyframes' times do not agree on a frame rate: {best.fps:.6g} was used, from "
            f"{best.num_agreeing} of {num_timed} keyframes"
        )
    for rival in readings.values():
        # As from keyframes on one frame alone: 51 / 2.04 s is 25, and 50 / 2.04 s is 24.51.
        is_plain = best.source == BY_TIME and is_usual(best.fps) and not is_usual(rival.fps)
        if evidence(rival) == evidence(best) and not is_plain and not _agree(rival.fps, best.fps):
            warnings.append(
                f"the keyframes' times can be read in several ways: {best.fps:.6g} frames a second "
                f"was used, from {best.source}; {rival.source} gives {rival.fps:.6g}"
            )
    return best, warnings


def _readings(regions: Sequence[Region], hints: Sequence[float]) -> Iterator[_Reading]:
    """One reading of the keyframes' times for each way that gives a rate."""
    timed = [
        (float(keyframe.frame), keyframe.time_s)
        for region in regions
        for keyframe in region.keyframes
        if keyframe.time_s is not None
    ]
    rounding_s = _rounding_s(time_s for _, time_s in timed)
    yield from _reading(BY_TIME, timed, rounding_s, hints)
    from_zero = [(frame - 1, time_s) for frame, time_s in timed if frame > 1]
    num_first = sum(frame == 1 and abs(time_s) <= rounding_s for frame, time_s in timed)
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
    """Yields the reading of some pairs, or nothing if no pair gives a rate.

    Args:
        pairs: a number of frames and its duration in seconds.
        rounding_s: the largest rounding error of the durations.
        hints: likely rates, best first.
        num_further: the number of further keyframes, which agree with any rate.
    """
    known = np.array([pair for pair in pairs if pair[0] > 0 and pair[1] > rounding_s])
    if not len(known):
        return
    frames, times_s = known.T
    # The interval of rates that each pair (N,) allows, given the rounding of its time.
    low, high = frames / (times_s + rounding_s), frames / (times_s - rounding_s)
    lowest, highest, num_agreeing = _most_covered(low, high)
    # Of the pairs that agree, the longest time gives the rate best, and exactly if not rounded.
    agrees = (low <= highest) & (high >= lowest)
    longest = np.argmax(np.where(agrees, times_s, -np.inf))
    fps = float(frames[longest] / times_s[longest])
    residual_s = np.abs(times_s[agrees] - frames[agrees] / fps).max()
    is_exact = bool(residual_s <= 1e-9 * times_s[longest])
    if not is_exact:
        fps = _plainest(lowest, highest, hints)
    # Twelve digits: further digits are rounding errors of doubles.
    yield _Reading(source, float(f"{fps:.12g}"), num_agreeing + num_further, is_exact)


def _most_covered(
    low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]
) -> tuple[float, float, int]:
    """The bounds within which most of the intervals from `low` to `high` (N,) overlap.

    Returns:
        Both bounds, and how many intervals overlap there.
    """
    starts, ends = np.sort(low), np.sort(high)
    # At each start (N,): the intervals that have started, less those that have ended before.
    num_open = np.arange(1, len(starts) + 1) - np.searchsorted(ends, starts, side="left")
    best = int(np.argmax(num_open))
    return (
        float(starts[best]),
        float(ends[np.searchsorted(ends, starts[best])]),
        int(num_open[best]),
    )


def _plainest(low: float, high: float, hints: Sequence[float]) -> float:
    """The first hint within the bounds; else the middle, rounded to the fewest decimals."""
    for hint in hints:
        if low <= hint <= high:
            return hint
    middle = (low + high) / 2
    for num_decimals in range(MOST_DECIMALS + 1):
        rounded = round(middle, num_decimals)
        if low <= rounded <= high:
            return rounded
    return middle


def _rounding_s(times_s: Iterable[float]) -> float:
    """The largest rounding error of times, by the number of decimals that they have."""
    decimals = 0
    for time_s in times_s:
        digits = repr(time_s)
        decimals = max(decimals, len(digits.partition(".")[2]))
        if "e" in digits or decimals > MOST_DECIMALS:
            return 1e-7
    return 0.5 * 10.0**-decimals + 1e-9


def _lengths(regions: Sequence[Region]) -> list[tuple[float, float]]:
    """Each framesCount and duration, the most frequent first, without the defaults 1 and 0."""
    lengths = Counter(
        region.length
        for region in regions
        if region.length is not None and region.length[0] > 1 and region.length[1] > 0
    )
    return [length for length, _ in lengths.most_common()]


def _usual_length(regions: Sequence[Region]) -> tuple[float, float] | None:
    """The most frequent framesCount and duration; None where they are missing, or 1 and 0."""
    return next(iter(_lengths(regions)), None)


def _length_warnings(regions: Sequence[Region]) -> list[str]:
    """A warning of regions whose framesCount and duration give different rates."""
    lengths = _lengths(regions)
    others = [
        f"{frames:g} / {duration:g}"
        for frames, duration in lengths[1:]
        if not _fits_length(lengths[0][0] / lengths[0][1], (frames, duration))
    ]
    if not others:
        return []
    return [
        "framesCount / duration differ between regions of this video: "
        f"{lengths[0][0]:g} / {lengths[0][1]:g} counts; others have {', '.join(others[:8])}"
    ]


def _rate_of_length(num_frames: float, duration_s: float, hints: Sequence[float]) -> float:
    """The rate of a duration with this many frames, which are rounded to a whole number."""
    half = 0.5 / duration_s
    return _plainest(num_frames / duration_s - half, num_frames / duration_s + half, hints)


def _fits_length(fps: float, length: tuple[float, float]) -> bool:
    """Whether a rate agrees with a length. Some versions round the frames, others round up."""
    return abs(fps * length[1] - length[0]) < 1.01


def _agree(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=RELATIVE_TOLERANCE)
